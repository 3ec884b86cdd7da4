import Network
import Storage
import Testing

@Suite("Batch norm")
struct BatchNormTests {
    @Test(
        "running averages take mean and unbiased variance of each micro-batch, weighted by its rows", arguments: ["0.1", "none"]
    )
    func averages(momentum: String) throws {
        let network = try makeNetwork([["batch_norm": ["momentum": momentum]], ["dense": ["units": 1]]], inputShape: [5])
        let bench = try Bench(network, rows: 13)
        network.initialize(bench.weights.weights(network.layout), seed: 1)
        var means = [Double](repeating: 0, count: 5)
        var variances = [Double](repeating: 1, count: 5)
        for step in 1...3 {
            for index in 0..<bench.input.count { bench.input[index] = Float((index * 53 + step * 17) % 97 - 48) / 16 }
            bench.forward(firstDraw: 0, leafRows: 5)
            bench.updateBuffers(leaves: 3)
            let share = momentum == "none" ? 1 / Double(step) : 0.1
            for feature in 0..<5 {
                var mean = 0.0
                var variance = 0.0
                for rows in [0..<5, 5..<10, 10..<13] {
                    let values = rows.map { Double(bench.input[$0 * 5 + feature]) }
                    let count = Double(rows.count)
                    let own = values.reduce(0, +) / count
                    mean += own * count / 13
                    variance += values.reduce(0) { $0 + ($1 - own) * ($1 - own) } / (count - 1) * count / 13
                }
                means[feature] += share * (mean - means[feature])
                variances[feature] += share * (variance - variances[feature])
            }
        }
        let weights = bench.weights.weights(network.layout).readOnly
        func buffer(_ name: String) throws -> UnsafeBufferPointer<Float> {
            weights.matrix(try #require(network.layout.slots.first { $0.name == name })).row(0)
        }
        #expect(try buffer("0.num_batches_tracked")[0] == 3)
        for feature in 0..<5 {
            // Three roundings of 2⁻²⁴, and in the sums of squares distances rounded by as much.
            #expect(
                abs(Double(try buffer("0.running_mean")[feature]) - means[feature]) < 8 * 0x1p-24 * max(1, abs(means[feature])))
            #expect(abs(Double(try buffer("0.running_var")[feature]) - variances[feature]) < 8 * 0x1p-24 * variances[feature])
        }
    }

    @Test("outside of training the running averages normalise, and a row depends on itself alone")
    func evaluation() throws {
        let network = try makeNetwork([["batch_norm": ["epsilon": 0.25]], ["dense": ["units": 1]]], inputShape: [3])
        for keeps in [true, false] {
            let bench = try Bench(network, rows: 4, keeps: keeps)
            let weights = bench.weights.weights(network.layout)
            network.initialize(weights, seed: 1)
            for slot in network.layout.slots {
                let values: [Float] =
                    switch slot.name {
                    case "0.weight": [2, 1, -1]
                    case "0.bias": [0, 0.5, 1]
                    case "0.running_mean": [1, -1, 0]
                    case "0.running_var": [0.75, 3.75, 0]
                    case "1.weight": [1, 10, 100]
                    default: []
                    }
                for (index, value) in values.enumerated() { weights.matrix(slot).elements[index] = value }
                if slot.name == "1.bias" { weights.matrix(slot).elements[0] = 0 }
            }
            for row in 0..<4 {
                for column in 0..<3 { bench.input[row * 3 + column] = Float(row) }
            }
            bench.forward()
            for row in 0..<4 {
                // Scales 1, 1/2 and 2.
                let x = Double(row)
                let expected = 2 * (x - 1) + 10 * ((x + 1) / 2 + 0.5) + 100 * (1 - 2 * x)
                #expect(Double(bench.output[row]) == expected, "row \(row)")
            }
        }
    }

    @Test("of images, outside training, it takes the running averages, and a relu behind it changes nothing else")
    func evaluationOfImages() throws {
        let layers: [Any] = [["batch_norm": ["epsilon": 0]], "relu", ["conv2d": ["filters": 1, "kernel": 1, "bias": false]]]
        let bench = try Bench(try makeNetwork(layers, inputShape: [2, 3, 5]), rows: 3, keeps: false)
        let layout = bench.network.layout
        func set(_ name: String, _ values: [Float]) throws {
            let slot = try #require(layout.slots.first { $0.name == name })
            for (index, value) in values.enumerated() { bench.weights[layout.range(of: slot).lowerBound + index] = value }
        }
        try set("0.running_mean", [1, -2])
        try set("0.running_var", [4, 16])
        try set("0.weight", [3, 1])
        try set("0.bias", [0.5, -1])
        try set("2.weight", [1, 64])
        for index in 0..<bench.input.count { bench.input[index] = Float((index * 7) % 23) - 11 }
        bench.forward()
        for index in 0..<bench.output.count {
            let row = index / 15
            let first = bench.input[row * 30 + index % 15]
            let second = bench.input[row * 30 + 15 + index % 15]
            let expected = max(0, (first - 1) / 2 * 3 + 0.5) + 64 * max(0, (second + 2) / 4 - 1)
            #expect(bench.output[index] == expected, "\(index)")
        }
    }

    /// Of features, and of images with what is fused with it.
    private static func layers(_ form: Int, _ norm: Any) -> (shape: [Int], layers: [Any]) {
        guard form == 1 else { return ([5], [["dense": ["units": 6]], norm, ["dense": ["units": 3]]]) }
        let block: [Any] = [["conv2d": ["filters": 4, "kernel": 3, "padding": "same"]], norm]
        return (
            [2, 5, 7],
            [["conv2d": ["filters": 4, "kernel": 3, "bias": false]], norm, "relu", ["residual": ["layers": block]], "relu"]
        )
    }

    @Test("synchronised over leaves it does what one leaf of all rows has done to it", arguments: [0, 1], [4, 1])
    func synchronized(form: Int, leafRows: Int) throws {
        let rows = 11
        func bench(_ norm: Any) throws -> Bench {
            let (shape, layers) = Self.layers(form, norm)
            let bench = try Bench(makeNetwork(layers, inputShape: shape), rows: rows)
            bench.network.initialize(bench.weights.weights(bench.network.layout), seed: 3)
            for index in 0..<bench.input.count { bench.input[index] = Float((index * 53) % 97 - 48) / 16 + 2 }
            for index in 0..<bench.outputGradient.count { bench.outputGradient[index] = Float((index * 31) % 41 - 20) / 8 }
            return bench
        }
        let whole = try bench(["batch_norm": ["epsilon": 0.01]])
        whole.forward(firstDraw: 0)
        whole.backward()
        whole.updateBuffers(leaves: 1)
        let parts = try bench(["batch_norm": ["epsilon": 0.01, "synchronized": true]])
        parts.forward(firstDraw: 0, leafRows: leafRows)
        // Backward puts its own sums where these lie, so they are taken in between, as a trainer does.
        parts.updateBuffers(leaves: (rows + leafRows - 1) / leafRows)
        parts.backward(leafRows: leafRows)

        func expectClose(_ name: String, _ left: [Float], _ right: [Float]) {
            // A few roundings of sums over up to 11 · 35 numbers, in two layers, of the size of the largest.
            let size = left.reduce(0) { max($0, abs($1)) }
            let difference = zip(left, right).reduce(0) { max($0, abs($1.0 - $1.1)) }
            #expect(difference <= 512 * 0x1p-24 * size, "\(name): \(difference) of \(size)")
        }
        expectClose("output", Array(whole.output.elements), Array(parts.output.elements))
        expectClose("input gradient", Array(whole.inputGradient.elements), Array(parts.inputGradient.elements))
        let layout = whole.network.layout
        for slot in layout.slots {
            if slot.region == .trained, slot.name != "0.bias", slot.name != "3.0.bias" {
                expectClose(
                    slot.name, Array(whole.gradients.gradients(layout).readOnly.matrix(slot).row(0)),
                    Array(parts.gradients.gradients(layout).readOnly.matrix(slot).row(0)))
            }
            if slot.region == .buffers {
                expectClose(
                    slot.name, Array(whole.weights.weights(layout).readOnly.matrix(slot).row(0)),
                    Array(parts.weights.weights(layout).readOnly.matrix(slot).row(0)))
            }
        }
    }

    @Test("synchronised it needs two numbers of a channel in a step only")
    func demandsOfSteps() throws {
        let norm: Any = ["batch_norm": ["synchronized": true]]
        let network = try makeNetwork([norm, ["dense": ["units": 1]]], inputShape: [3])
        #expect(network.leastLeafRows == 1 && network.leastBatchRows == 2 && network.joinsLeaves)
        let inside = try makeNetwork([["residual": ["layers": [norm]]], ["dense": ["units": 1]]], inputShape: [3])
        #expect(inside.joinsLeaves)
        #expect(try !makeNetwork(["batch_norm", ["dense": ["units": 1]]], inputShape: [3]).joinsLeaves)
        let ofImages = try makeNetwork([norm, "flatten", ["dense": ["units": 1]]], inputShape: [3, 2, 2])
        #expect(ofImages.leastBatchRows == 1)
    }

    @Test("it needs two numbers of a channel, takes up to three axes, and has no layer's slots trained but weight and bias")
    func demands() throws {
        let network = try makeNetwork([["dense": ["units": 4]], "batch_norm", ["dense": ["units": 1]]], inputShape: [3])
        #expect(network.leastLeafRows == 2 && network.statisticsCount == 9)
        #expect(try makeNetwork([["dense": ["units": 4]]], inputShape: [3]).leastLeafRows == 1)
        #expect(
            network.layout.slots.filter { $0.region == .buffers }.map(\.name)
                == ["1.running_mean", "1.running_var", "1.num_batches_tracked"])
        let ofImages = try makeNetwork(["batch_norm", "flatten", ["dense": ["units": 1]]], inputShape: [3, 2, 2])
        #expect(ofImages.leastLeafRows == 1 && ofImages.statisticsCount == 7)
        let ofPoints = try makeNetwork(["batch_norm", "flatten", ["dense": ["units": 1]]], inputShape: [3, 1, 1])
        #expect(ofPoints.leastLeafRows == 2)
        #expect(throws: (any Error).self) { try makeNetwork(["batch_norm", ["dense": ["units": 1]]], inputShape: [3, 2, 1, 1]) }
        for momentum in ["-0.1", "1.5", "some", "nan"] {
            #expect(throws: (any Error).self) {
                try makeNetwork([["batch_norm": ["momentum": momentum]], ["dense": ["units": 1]]], inputShape: [3])
            }
        }
    }
}
