import Network
import Storage
import Testing

@Suite("The plan of memory")
struct MemoryPlanTests {
    /// Every figure by hand: outputs of 5, 4, 4 and 2 numbers, of which backward reads all but the last.
    @Test("names the three lists and says what every stage keeps and needs, inside a residual too")
    func figures() throws {
        let inner: [Any] = ["batch_norm", ["dense": ["units": 4, "name": "inner"]], "relu"]
        let network = try makeNetwork(
            [
                "flatten", ["dense": ["units": 5]], "tanh",
                ["residual": ["layers": inner, "shortcut": [["dense": ["units": 4]]]]],
                "layer_norm", ["dense": ["units": 2]]
            ], inputShape: [2, 3])
        let plan = network.layers.plan
        #expect(plan.configured == ["0 flatten", "1 dense", "2 tanh", "3 residual", "4 layer_norm", "5 dense"])
        #expect(plan.computed == Array(plan.configured.dropFirst()))
        #expect(plan.fused.map(\.layers) == [["1 dense", "2 tanh"], ["3 residual"], ["4 layer_norm"], ["5 dense"]])

        // tanh's gradient is made of its output, in a place of its own.
        let first = LayerMemory(kept: MemoryNeed(perSample: 5), backward: MemoryNeed(perSample: 5))
        // Two moments per feature and leaf, and the output of batch_norm; scales per leaf; gradients times what is normalised.
        let normal = LayerMemory(
            kept: MemoryNeed(perSample: 5, perLeaf: 10), evaluation: MemoryNeed(perLeaf: 5),
            backward: MemoryNeed(perSample: 5))
        let hidden = LayerMemory(backward: MemoryNeed(perSample: 4))
        // The output of the inner layers, 4, since relu's gradient is made of it, and its own, 4; the shortcut's lies where its own
        // goes. In evaluation the 5 between the inner layers and what they make, 4. Backward the inner dense layer needs 4 and makes
        // a gradient of 5, and batch_norm then has 5 where its output was; 5 is the gradient of the inputs that comes through.
        let residual = LayerMemory(
            kept: MemoryNeed(perSample: 5 + 4 + 4, perLeaf: 10),
            evaluation: MemoryNeed(perSample: 9, perLeaf: 5), backward: MemoryNeed(perSample: 14))
        // Mean and deviation of one position.
        let layerNorm = LayerMemory(
            kept: MemoryNeed(perSample: 2 + 4), evaluation: MemoryNeed(perSample: 2),
            backward: MemoryNeed(perSample: 4))
        #expect(plan.fused.map(\.memory) == [first, residual, layerNorm, LayerMemory()])
        // In evaluation the residual's 9, its input and its output. Backward the residual's 14; gradients have their places where
        // outputs were that were read already.
        #expect(
            plan.total
                == LayerMemory(
                    kept: MemoryNeed(perSample: 5 + 13 + 6, perLeaf: 10),
                    evaluation: MemoryNeed(perSample: 18, perLeaf: 5),
                    backward: MemoryNeed(perSample: 14)))

        let branches = plan.fused[1].branches
        #expect(branches.map(\.name) == ["layers", "shortcut"])
        #expect(branches[0].plan.fused.map(\.layers) == [["3.0 batch_norm"], ["3.inner dense", "3.2 relu"]])
        #expect(branches[0].plan.fused.map(\.memory) == [normal, hidden])
        #expect(
            branches[0].plan.total
                == LayerMemory(
                    kept: MemoryNeed(perSample: 5, perLeaf: 10),
                    evaluation: MemoryNeed(perSample: 5, perLeaf: 5),
                    backward: MemoryNeed(perSample: 9)))
        #expect(branches[1].plan.fused.map(\.layers) == [["3.shortcut.0 dense"]])
        #expect(branches[1].plan.total == LayerMemory())
    }

    @Test("leaves out what the loss takes over, but not from what is configured")
    func finalActivation() throws {
        let network = try makeNetwork(
            [["dense": ["units": 3]], "softmax"], inputShape: [4],
            loss: readLoss(settings(["loss": "cross_entropy"])))
        #expect(network.layers.keptByLayer == [MemoryNeed.none, nil])
        #expect(network.layers.plan.configured == ["0 dense", "1 softmax"] && network.layers.plan.computed == ["0 dense"])
        #expect(network.layers.plan.total == LayerMemory())
    }

    @Test("outputs that backward never reads aren't kept")
    func outputsThatNobodyReads() throws {
        // Batch norm of features reads its input, relu its output; dropout, its mask.
        let network = try makeNetwork(
            [
                ["dense": ["units": 6]], "batch_norm", "relu", ["dropout": ["rate": 0.5]], ["dropout": ["rate": 0.5]],
                ["dense": ["units": 2]]
            ], inputShape: [3])
        let kept = network.layers.keptByLayer
        let batchNorm = MemoryNeed(perLeaf: 2 * 6)
        #expect(
            kept == [MemoryNeed(perSample: 6), batchNorm, MemoryNeed(perSample: 6), MemoryNeed(perSample: 6)]
                + [MemoryNeed(perSample: 2 * 6), MemoryNeed.none])
        #expect(network.layers.memory.kept == MemoryNeed(perSample: 5 * 6, perLeaf: 2 * 6))
        // Batch norm's output waits where the mask will be; that between the dropouts, when all that is kept is full, beside it.
        #expect(network.layers.memory.training == MemoryNeed(perSample: 6))
    }

    @Test(
        "what is needed at the same time never overlaps, nor what is kept then, and no place lies on both sides of the boundary"
    )
    func rooms() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<200 {
            let boundary = Int.random(in: 0...60, using: &random)
            var plan = RoomPlan(boundary: boundary)
            let needs = (0..<Int.random(in: 0...30, using: &random)).map { _ in
                let first = Int.random(in: 0...9, using: &random)
                return (
                    count: Int.random(in: 0...20, using: &random), steps: first...first + Int.random(in: 0...2, using: &random),
                    free: Int.random(in: 0...boundary, using: &random)
                )
            }
            for (index, need) in needs.enumerated() {
                #expect(plan.need(need.count, during: need.steps, above: need.free) == index)
            }
            let (offsets, work) = plan.places()
            let places = needs.indices.map { offsets[$0]..<offsets[$0] + needs[$0].count }
            for (index, place) in places.enumerated() where !place.isEmpty {
                #expect(place.lowerBound >= needs[index].free && place.upperBound <= boundary + work)
                #expect(place.upperBound <= boundary || place.lowerBound >= boundary)
                for other in 0..<index where needs[other].steps.overlaps(needs[index].steps) {
                    #expect(!places[other].overlaps(place), "\(needs[other]) and \(needs[index])")
                }
            }
        }
    }

    @Test("stacks of layers have the bits of the same with a layer between any two that changes nothing, for which all is kept")
    func bits() throws {
        let small: [String: Any] = ["conv2d": ["filters": 2, "kernel": 3, "padding": 1]]
        let large: [String: Any] = ["conv2d": ["filters": 9, "kernel": 3, "padding": 1]]
        let norm: [String: Any] = ["group_norm": ["groups": 1]]
        let between: [String: Any] = ["dropout": ["rate": 0]]
        let half: [String: Any] = ["average_pool2d": ["size": 2]]
        let double: [String: Any] = ["upsample2d": ["scale_factor": 2]]
        let stacks: [[Any]] = [
            [small, "relu", large, "relu", half, small, "tanh"],
            [large, norm, "relu", small, "batch_norm", "gelu", half, double, large, "silu"],
            [double, small, double, large, half, half, "sigmoid"],
            [["residual": ["layers": [large, norm, "relu", small, norm]]], "relu", norm, "relu", half, large],
            [
                ["parallel": ["branches": [["layers": [small, "relu"]], ["layers": [large, half, double, "tanh"]]]]],
                ["zero_pad2d": ["padding": 1]], ["permute": ["dimensions": [1, 3, 2]]], small, "elu"
            ],
            [["repeat": ["times": 3, "layers": [large, "batch_norm", "relu", small, half, double, "layer_norm"]]], "relu"]
        ]
        /// Inside others too.
        func apart(_ layers: [Any]) -> [Any] {
            layers.flatMap { layer -> [Any] in
                guard let (kind, value) = (layer as? [String: Any])?.first, var options = value as? [String: Any] else {
                    return [layer, between]
                }
                if let inner = options["layers"] as? [Any] { options["layers"] = apart(inner) }
                if let branches = options["branches"] as? [[String: Any]] {
                    options["branches"] = branches.map { ["layers": apart($0["layers"] as? [Any] ?? [])] }
                }
                return [[kind: options], between]
            }
        }
        for stack in stacks {
            var benches: [Bench] = []
            for layers in [stack, apart(stack)] {
                let ending: [Any] = ["flatten", ["dense": ["units": 5]], "tanh", ["dense": ["units": 3]]]
                for keeps in [true, false] {
                    let bench = try Bench(
                        makeNetwork(layers + ending, inputShape: [2, 4, 4]), rows: 11, leafRows: 4, keeps: keeps)
                    if let first = benches.first {
                        for index in 0..<bench.weights.count { bench.weights[index] = first.weights[index] }
                    } else {
                        bench.network.initialize(bench.weights.weights(bench.network.layout), seed: 3)
                    }
                    for index in 0..<bench.input.count { bench.input[index] = Float((index * 53) % 97 - 48) / 16 }
                    for index in 0..<bench.outputGradient.count {
                        bench.outputGradient[index] = Float((index * 29) % 83 - 41) / 32
                    }
                    benches.append(bench)
                    bench.forward(firstDraw: keeps ? 0 : nil, leafRows: 4)
                    if keeps { bench.backward(leafRows: 4) }
                }
            }
            #expect(benches[0].outputBits == benches[2].outputBits, "\(stack)")
            #expect(benches[1].outputBits == benches[3].outputBits, "\(stack): in evaluation")
            #expect(benches[0].parameterGradientBits == benches[2].parameterGradientBits, "\(stack)")
            #expect(benches[0].inputGradientBits == benches[2].inputGradientBits, "\(stack)")
            #expect((benches[0].outputBits + benches[1].outputBits).allSatisfy { Float(bitPattern: $0).isFinite }, "\(stack)")
            #expect(benches[0].network.layers.memory.kept.perSample < benches[2].network.layers.memory.kept.perSample)
        }
    }
}
