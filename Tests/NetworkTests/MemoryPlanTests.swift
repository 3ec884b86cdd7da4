import Network
import Storage
import Testing

@Suite("The plan of memory")
struct MemoryPlanTests {
    /// Every figure by hand: outputs of 5, 4, 4 and 2 numbers, of which all but the last are kept.
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
        // goes. In evaluation 2 · 5 by turns and the inner layers' 4; backward 5 and 2 · 5, and the gradient of 5 inputs that comes
        // through.
        let residual = LayerMemory(
            kept: MemoryNeed(perSample: 5 + 4 + 4, perLeaf: 10),
            evaluation: MemoryNeed(perSample: 14, perLeaf: 5), backward: MemoryNeed(perSample: 20))
        // Mean and deviation of one position.
        let layerNorm = LayerMemory(
            kept: MemoryNeed(perSample: 2 + 4), evaluation: MemoryNeed(perSample: 2),
            backward: MemoryNeed(perSample: 4))
        #expect(plan.fused.map(\.memory) == [first, residual, layerNorm, LayerMemory()])
        #expect(plan.turns == MemoryNeed(perSample: 10))
        #expect(
            plan.total
                == LayerMemory(
                    kept: MemoryNeed(perSample: 5 + 13 + 6, perLeaf: 10),
                    evaluation: MemoryNeed(perSample: 24, perLeaf: 5),
                    backward: MemoryNeed(perSample: 30)))

        let branches = plan.fused[1].branches
        #expect(branches.map(\.name) == ["layers", "shortcut"])
        #expect(branches[0].plan.fused.map(\.layers) == [["3.0 batch_norm"], ["3.inner dense", "3.2 relu"]])
        #expect(branches[0].plan.fused.map(\.memory) == [normal, hidden])
        #expect(
            branches[0].plan.total
                == LayerMemory(
                    kept: MemoryNeed(perSample: 5, perLeaf: 10),
                    evaluation: MemoryNeed(perSample: 10, perLeaf: 5),
                    backward: MemoryNeed(perSample: 15)))
        #expect(branches[1].plan.fused.map(\.layers) == [["3.shortcut.0 dense"]])
        #expect(branches[1].plan.total == LayerMemory())
    }

    @Test("leaves out what the loss takes over, but not from what is configured")
    func finalActivation() throws {
        let network = try makeNetwork(
            [["dense": ["units": 3]], "softmax"], inputShape: [4],
            loss: readLoss(settings(["loss": "cross_entropy"])))
        #expect(network.layers.plan.configured == ["0 dense", "1 softmax"] && network.layers.plan.computed == ["0 dense"])
        #expect(network.layers.plan.total == LayerMemory())
    }
}
