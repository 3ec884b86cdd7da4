import Diagnostics
import Kernels
import Network
import Settings
import Storage
import Testing

@Suite("Networks from configurations")
struct NetworkTests {
    private func loss(_ name: String) throws -> any Loss { try readLoss(settings(["loss": name])) }
    private func dense(_ units: Int) -> [String: Any] { ["dense": ["units": units]] }

    @Test("what doesn't fit is refused with place, finding and remedy")
    func refusals() throws {
        try expectRefusal(
            "[dense: {units: 1073741824}, reshape: {shape: [-1, 4]}]", shape: [2048, 1],
            saying: ["[2048, 1073741824]", "more than a sample can hold"])
        try expectRefusal("[reshape: {shape: [3, 3]}, dense: {units: 1}]", shape: [8], saying: ["[3, 3]", "8 numbers of [8]"])
        try expectRefusal(
            "[reshape: {shape: [-1, -1]}, dense: {units: 1}]", shape: [8], saying: ["more than one dimension open"])
        try expectRefusal("[reshape: {shape: [0, -1]}, dense: {units: 1}]", shape: [8], saying: ["[0, -1]", "8 numbers of [8]"])
        try expectRefusal("[reshape: {shape: [9223372036854775807, 2]}]", shape: [8], saying: ["shape", "9223372036854775807"])
        try expectRefusal(
            "[permute: {dimensions: [0, 1]}, dense: {units: 1}]", shape: [2, 3], saying: ["dimensions", "1 to", "0"])
        try expectRefusal(
            "[permute: {dimensions: [1, 1]}, dense: {units: 1}]", shape: [2, 3],
            saying: ["each of the 2 dimensions of [2, 3] once", "[1, 1]"])
        try expectRefusal("[layer_norm: {dimensions: 2}, dense: {units: 1}]", shape: [8], saying: ["2 dimensions", "[8]"])
        try expectRefusal(
            "[residual: {layers: [dense: {units: 3}], shortcut: [dense: {units: 2}]}]", shape: [4],
            saying: ["the shortcut makes [2]", "[3]"])
        try expectRefusal("[dense: {units: 4}, residual: {layers: [dense: {units: 3}]}]", saying: ["[3]", "[4]", "same"])
        try expectRefusal("[residual: {layers: []}]", saying: ["at least one inner layer"])
        try expectRefusal("[dense: {units: 3, name: a}, dense: {units: 3, name: a}]", saying: ["\"a\"", "names another"])
        try expectRefusal("[dense: {units: 3, name: \"1\"}, dense: {units: 3}]", saying: ["\"1\""])
        try expectRefusal("[dense: {units: 3, name: a.b}]", saying: ["a.b"])
        try expectRefusal("[dens: {units: 3}]", saying: ["unknown layer \"dens\"", "did you mean \"dense\"?"])
        try expectRefusal("[dense: {units: 4}, residual: {layers: [reluu]}]", saying: ["did you mean \"relu\"?"])
        try expectRefusal("[]", saying: ["at least one layer"])
        try expectRefusal("[relu]", saying: ["no parameters"])
        try expectRefusal("[dense]", saying: ["units"])
        try expectRefusal("[dense: {units: 0}]", saying: ["units"])
        try expectRefusal("[dense: {units: 1000000000}]", shape: [1_000_000], saying: ["too many parameters"])
        try expectRefusal("[dropout: {rate: 1}, dense: {units: 1}]", saying: ["rate"])
        try expectRefusal("[dense: {units: 1, initializer: he}]", saying: ["unknown initializer \"he\""])
        try expectRefusal("[gelu: {approximation: tan}]", saying: ["did you mean \"tanh\"?"])
        try expectRefusal(
            "[softmax, flatten]", "cross_entropy", shape: [2, 2],
            saying: ["several rows of probabilities", "[2, 2]", "flatten"])
        try expectRefusal(
            "[dense: {units: 4, tied_to: 0}, dense: {units: 4, tied_to: body}]", shape: [4],
            saying: ["tied_to", "called \"0\"", "known: none"])
        try expectRefusal(
            "[dense: {units: 4, name: body}, dense: {units: 4, tied_to: bdy}]", shape: [4],
            saying: ["called \"bdy\"", "did you mean \"body\"?", "known: body"])
        try expectRefusal(
            "[dense: {units: 4}, dense: {units: 5, tied_to: 0}]", shape: [4], saying: ["[4, 4]", "[5, 4]", "make them agree"])
        try expectRefusal("[embedding: {embedding_dim: 2}]", shape: [4], saying: ["takes tokens, but gets numbers"])
        try expectRefusal(
            "[dense: {units: 3}, sigmoid]", "cross_entropy",
            saying: ["ends in sigmoid", "cross_entropy contains a softmax", "binary_cross_entropy"])
        try expectRefusal(
            "[dense: {units: 1}, softmax]", "binary_cross_entropy",
            saying: ["ends in softmax", "binary_cross_entropy contains a sigmoid"])
    }

    @Test("what makes no sense of tokens is refused")
    func tokens() throws {
        func refusal(_ layers: [Any]) -> String? {
            do { _ = try makeNetwork(layers, inputShape: [4], tokenKinds: 9) } catch { return "\(error)" }
            return nil
        }
        #expect(
            refusal([["dense": ["units": 3]]])?.contains("takes numbers, but gets tokens (of 9 kinds); put embedding") == true)
        #expect(refusal(["flatten", "relu"])?.contains("relu takes numbers") == true)
        #expect(refusal([["embedding": ["embedding_dim": 2, "num_embeddings": 8]]])?.contains("9 different tokens") == true)
        #expect(
            refusal([["embedding": ["embedding_dim": 2]], ["embedding": ["embedding_dim": 2]]])?.contains("gets numbers")
                == true)
        #expect(refusal([["embedding": ["embedding_dim": 0]]])?.contains("embedding_dim") == true)
        #expect(
            refusal(["flatten", ["reshape": ["shape": [2, 2]]], ["embedding": ["embedding_dim": 2, "num_embeddings": 10]]])
                == nil)
    }

    @Test("a later use of a weight has a gradient of its own behind what is trained, placed in blocks as the weight is")
    func laterUses() throws {
        let layers: [Any] = [
            ["dense": ["units": 30]], ["dense": ["units": 40, "name": "body"]], ["dense": ["units": 30]],
            ["dense": ["units": 40, "tied_to": "body"]], ["dense": ["units": 30]], ["dense": ["units": 40, "tied_to": "body"]]
        ]
        let layout = try makeNetwork(layers, inputShape: [30]).layout
        let body = try #require(layout.slots.first { $0.name == "body.weight" })
        #expect(
            layout.slots.map(\.name) == [
                "0.weight", "0.bias", "body.weight", "body.bias", "2.weight", "2.bias", "3.bias", "4.weight",
                "4.bias", "5.bias"
            ])
        // 900 + 12 of padding, 30 + 2 of padding: from 944 over two blocks into a third.
        #expect(body.range == 944..<2144 && layout.laterUses.map(\.blocks) == [0..<3072, 0..<3072])
        #expect(layout.gradientCount == layout.trainedCount + 6 * 1024)
        let first = layout.laterUses.map { $0.gradients(of: body.range, in: layout) }
        #expect(
            first == [
                layout.trainedCount + 944..<layout.trainedCount + 2144, layout.trainedCount + 4016..<layout.trainedCount + 5216
            ])
        let parts = layout.gradientParts(of: 1024..<2048)
        #expect(
            parts.map(\.gradients) == [
                1024..<2048, layout.trainedCount + 1024..<layout.trainedCount + 2048,
                layout.trainedCount + 4096..<layout.trainedCount + 5120
            ])
        #expect(parts.map(\.weight) == [1024..<2048, 1024..<2048, 1024..<2048])
        #expect(layout.gradientParts(of: 2048..<4096).map(\.weight) == [2048..<4096, 2048..<2144, 2048..<2144])
        let frozen = try makeNetwork(layers, inputShape: [30], freeze: ["body.weight"]).layout
        #expect(frozen.laterUses.isEmpty && frozen.gradientCount == frozen.trainedCount)
    }

    @Test("an option that no layer reads is refused by name")
    func unknownOptions() throws {
        #expect {
            try makeNetwork([["dense": ["units": 3, "bais": false]]], inputShape: [4])
        } throws: { "\($0)".contains("did you mean \"bias\"?") }
    }

    @Test(
        "a final softmax or sigmoid that the loss contains is fused, not applied twice",
        arguments: [("softmax", "cross_entropy"), ("sigmoid", "binary_cross_entropy")])
    func fusing(activation: String, lossName: String) throws {
        for layers: [Any] in [[dense(3), activation], [dense(3), activation, "flatten"]] {
            let fused = try makeNetwork(layers, inputShape: [4], loss: loss(lossName))
            let plain = try makeNetwork([dense(3)], inputShape: [4], loss: loss(lossName))
            #expect(fused.fusedActivation?.kind == activation && plain.fusedActivation == nil)
            #expect(fused.outputShape == plain.outputShape)
            #expect(fused.layers.configured.count == layers.count, "printed as configured")
            let benches = [try Bench(fused, rows: 2), try Bench(plain, rows: 2)]
            for bench in benches {
                bench.network.initialize(bench.weights.weights(bench.network.layout), seed: 3)
                fill(bench.input, [1, 2, 3, 4, -1, 0, 1, 2])
                fill(bench.outputGradient, [1, -1, 0.5, 2, 0, 1])
                bench.forward()
                bench.backward()
            }
            #expect(benches[0].outputBits == benches[1].outputBits)
            #expect(benches[0].parameterGradientBits == benches[1].parameterGradientBits)
            #expect(benches[0].inputGradientBits == benches[1].inputGradientBits)
        }
        // With another loss, or not at the end, it is a layer like any other.
        #expect(try makeNetwork([dense(3), activation], inputShape: [4]).fusedActivation == nil)
        #expect(try makeNetwork([activation, dense(3)], inputShape: [4], loss: loss(lossName)).fusedActivation == nil)
    }

    @Test(
        "a dense layer fused with its activation has the bits of both one behind the other, and keeps less",
        arguments: ["relu", "sigmoid", "tanh"])
    func fusingActivations(activation: String) throws {
        // Dropout at rate 0 changes nothing, but keeps the two apart.
        let fused = try makeNetwork([dense(20), activation, dense(7), activation], inputShape: [9])
        let apart = try makeNetwork(
            [
                dense(20), ["dropout": ["rate": 0]], activation, dense(7), ["dropout": ["rate": 0]],
                activation
            ], inputShape: [9])
        #expect(
            fused.layers.configured.count == 4 && fused.layers.computed.count == 4
                && fused.layers.fused.count == 2)
        #expect(
            fused.layers.memory.kept == MemoryNeed(perSample: 20)
                && fused.layers.memory.kept.perSample < apart.layers.memory.kept.perSample)
        let benches = [try Bench(fused, rows: 21), try Bench(apart, rows: 21)]
        for bench in benches {
            for index in 0..<bench.weights.count { bench.weights[index] = Float((index * 37) % 101 - 50) / 64 }
            for index in 0..<bench.input.count { bench.input[index] = Float((index * 53) % 97 - 48) / 16 }
            for index in 0..<bench.outputGradient.count { bench.outputGradient[index] = Float((index * 29) % 83 - 41) / 32 }
            bench.forward()
            bench.backward(leafRows: 8)
        }
        #expect(benches[0].outputBits == benches[1].outputBits)
        #expect(benches[0].parameterGradientBits == benches[1].parameterGradientBits)
        #expect(benches[0].inputGradientBits == benches[1].inputGradientBits)
    }

    @Test("parameters carry PyTorch's names, with a layer's name in place of its index")
    func names() throws {
        let network = try makeNetwork(
            [
                "flatten", dense(4), ["residual": ["layers": ["relu", dense(4)]]],
                ["dense": ["units": 2, "name": "head"]]
            ], inputShape: [2, 3])
        #expect(
            network.layout.slots.map(\.name) == [
                "1.weight", "1.bias", "2.1.weight", "2.1.bias", "head.weight",
                "head.bias"
            ])
        #expect(network.layout.slots.map(\.shape.dimensions) == [[4, 6], [4], [4, 4], [4], [2, 4], [2]])
        #expect(network.layerDescription(ofSlot: 2) == "2 (residual)")
        #expect(network.layerDescription(ofSlot: 5) == "head (dense)")
        #expect(network.layout.parameterCount == 28 + 20 + 10)
    }

    @Test("a row's results don't depend on the capacity of the activation memory")
    func capacity() throws {
        let network = try makeNetwork(
            [dense(5), "tanh", ["residual": ["layers": [dense(5), "gelu"]]], dense(2)],
            inputShape: [3])
        func run(_ rows: Int) throws -> ([UInt32], [UInt32]) {
            let bench = try Bench(network, rows: rows)
            network.initialize(bench.weights.weights(network.layout), seed: 1)
            fill(bench.input, [0.5, -1, 2])
            fill(bench.outputGradient, [1, -2])
            bench.forward(0..<1)
            bench.backward(0..<1)
            return (Array(bench.outputBits[..<2]), bench.parameterGradientBits)
        }
        let one = try run(1)
        for rows in [2, 16, 17, 100] { #expect(try run(rows) == one, "\(rows)") }
    }
}

@Suite("Dropout")
struct DropoutTests {
    /// The mask of each row: dropout alone behind an input of ones, made visible by a dense layer of the identity.
    private func masks(rate: Double, width: Int, rows: Int, firstDraw: UInt64?, seed: UInt64, layers before: [Any] = [])
        throws -> [[Float]]
    {
        let network = try makeNetwork(
            before + [["dropout": ["rate": rate]], ["dense": ["units": width, "bias": false]]],
            inputShape: [width], seed: seed)
        let bench = try Bench(network, rows: rows)
        for unit in 0..<width { bench.weights[unit * (width + 1)] = 1 }
        fill(bench.input, [Double](repeating: 1, count: rows * width))
        bench.forward(firstDraw: firstDraw)
        return (0..<rows).map { row in Array(bench.output.elements[row * width..<(row + 1) * width]) }
    }

    @Test("a mask depends on the seed, the layer and the sample's draw, and on nothing else")
    func keys() throws {
        let masks = try masks(rate: 0.5, width: 70, rows: 8, firstDraw: 40, seed: 1)
        #expect(Set(masks).count == 8)
        let later = try self.masks(rate: 0.5, width: 70, rows: 3, firstDraw: 43, seed: 1)
        #expect(later == Array(masks[3..<6]))
        #expect(try self.masks(rate: 0.5, width: 70, rows: 8, firstDraw: 40, seed: 2) != masks)
        #expect(
            try self.masks(rate: 0.5, width: 70, rows: 8, firstDraw: 40, seed: 1, layers: ["flatten"]) != masks,
            "another layer")
        let wide = try self.masks(rate: 0.5, width: 71, rows: 8, firstDraw: 40, seed: 1)
        #expect(wide.map { Array($0[..<70]) } == masks, "another width keeps what is common")
    }

    @Test("elements are dropped at the rate, the others scaled by 1/(1 − rate)", arguments: [0, 0.1, 0.5, 0.9])
    func rate(rate: Double) throws {
        let width = 128
        let rows = 128
        let values = try masks(rate: rate, width: width, rows: rows, firstDraw: 0, seed: 5).flatMap { $0 }
        let dropped = Double(values.filter { $0 == 0 }.count)
        let count = Double(width * rows)
        #expect(values.allSatisfy { $0 == 0 || $0 == Float(1 / (1 - rate)) })
        // Five standard deviations of a binomial count.
        #expect(abs(dropped - rate * count) <= 5 * (count * rate * (1 - rate)).squareRoot())
    }

    @Test("in evaluation it is the identity in both directions, whatever was trained before")
    func evaluation() throws {
        let network = try makeNetwork([["dropout": ["rate": 0.5]], ["dense": ["units": 2]]], inputShape: [9])
        let bench = try Bench(network, rows: 3)
        network.initialize(bench.weights.weights(network.layout), seed: 1)
        fill(bench.input, (0..<27).map { Double($0) })
        fill(bench.outputGradient, [1, 2, 3, 4, 5, 6])
        bench.forward(firstDraw: 0)
        let trained = bench.outputBits
        bench.forward()
        bench.backward()
        let plain = try Bench(try makeNetwork([["dense": ["units": 2]]], inputShape: [9]), rows: 3)
        for index in 0..<bench.weights.count { plain.weights[index] = bench.weights[index] }
        fill(plain.input, (0..<27).map { Double($0) })
        fill(plain.outputGradient, [1, 2, 3, 4, 5, 6])
        plain.forward()
        plain.backward()
        #expect(bench.outputBits == plain.outputBits && bench.outputBits != trained)
        #expect(bench.inputGradientBits == plain.inputGradientBits)
        #expect(bench.parameterGradientBits == plain.parameterGradientBits)
    }

    @Test("backward passes gradients through the mask of its own forward pass")
    func backward() throws {
        let network = try makeNetwork(
            [["dropout": ["rate": 0.5]], ["dense": ["units": 64, "bias": false]]],
            inputShape: [64])
        let bench = try Bench(network, rows: 2)
        for unit in 0..<64 { bench.weights[unit * 65] = 1 }
        fill(bench.input, [Double](repeating: 1, count: 128))
        fill(bench.outputGradient, [Double](repeating: 3, count: 128))
        bench.forward(firstDraw: 7)
        bench.backward()
        for index in 0..<128 { #expect(bench.inputGradient[index] == 3 * bench.output[index]) }
    }
}
