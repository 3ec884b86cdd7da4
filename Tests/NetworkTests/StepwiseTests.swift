import Kernels
import Network
import Settings
import Storage
import Testing

/// A sequence that is continued step by step has the bits that it has as a whole.
@Suite("Continued sequences")
struct StepwiseTests {
    private static var block: [String: Any] { ["heads": 2, "hidden": 9, "causal": true, "dropout": 0.1] }
    private static var grouped: [String: Any] {
        [
            "heads": 4, "key_value_heads": 2, "hidden": 7, "causal": true, "gated": true, "rotary": true,
            "normalization": "rms_norm"
        ]
    }

    /// A network for `steps` steps, of a sequence of `context` where it is run step by step.
    private func network(_ layers: [Any], steps: Int, context: Int? = nil) throws -> Network {
        let root = try settings(["model": ["layers": layers]])
        return try Network(
            try root.section("model"), inputShape: Shape([steps]), tokenKinds: 11, context: context, loss: plainLoss(), seed: 5)
    }

    @Test("whatever it is cut into, with learned, sinusoidal and rotary positions", arguments: [[9], [4, 1, 1, 3], [1, 8]])
    func bits(cuts: [Int]) throws {
        let context = 9
        let variants: [[Any]] = [
            ["positional_embedding", ["repeat": ["times": 2, "layers": [["transformer_block": Self.block]]]]],
            [["positional_embedding": ["kind": "sinusoidal"]], ["transformer_block": Self.grouped]],
            [["residual": ["layers": ["layer_norm", ["multi_head_attention": ["heads": 2, "causal": true]]]]], "gelu"],
            [["lstm": ["units": 5, "layers": 2, "dropout": 0.1, "output": "all"]], ["gru": ["units": 7, "output": "all"]]],
            [["transformer_block": Self.block], ["simple_rnn": ["units": 8, "output": "all"]]]
        ]
        for variant in variants {
            let layers = [["embedding": ["units": 8]]] + variant + ["rms_norm", ["dense": ["units": 11]]]
            let whole = try network(layers, steps: context)
            #expect(whole.isStepwise)
            let weights = AlignedBuffer<Float>(count: whole.layout.weightCount)
            whole.initialize(weights.weights(whole.layout), seed: 5)
            let tokens = (0..<context).map { Float(($0 * 7 + 3) % 11) }
            let states = AlignedBuffer<Float>(count: 64)
            func run(_ network: Network, _ tokens: ArraySlice<Float>, _ cache: StepCache?) -> [UInt32] {
                #expect(network.stateCount <= states.count)
                #expect(network.layout.weightCount == whole.layout.weightCount)
                let activations = Activations(network.layers, rows: 1, leafRows: 1, training: false)
                let input = AlignedBuffer<Float>(count: tokens.count), output = AlignedBuffer<Float>(count: 11 * tokens.count)
                for (index, token) in tokens.enumerated() { input[index] = token }
                network.layers.forward(
                    input.matrix(rows: 1, columns: tokens.count).readOnly,
                    into: output.matrix(rows: 1, columns: 11 * tokens.count), using: activations,
                    in: ForwardPass(
                        weights: weights.weights(network.layout).readOnly, workspace: Workspace(), purpose: .evaluation,
                        leafRows: 1,
                        states: network.stateCount > 0 ? states.matrix(rows: 1, columns: network.stateCount) : nil, cache: cache
                    ))
                return output.elements.map(\.bitPattern)
            }
            let expected = run(whole, tokens[...], nil)
            let first = try network(layers, steps: 1, context: context)
            let cache = StepCache(samples: 1, positions: context, perPosition: first.cacheCount)
            var found: [UInt32] = []
            for count in cuts {
                found += run(
                    try network(layers, steps: count, context: context), tokens[cache.count..<cache.count + count], cache)
                cache.advance(by: count)
            }
            #expect(found == expected, "\(cuts)")
        }
    }

    @Test("layers that look ahead, or over steps, aren't run step by step")
    func others() throws {
        let others: [Any] = [
            ["transformer_block": ["heads": 2]], ["layer_norm": ["dimensions": 2]], ["permute": ["dimensions": [2, 1]]],
            ["lstm": ["units": 3, "output": "all", "bidirectional": true]], ["gru": ["units": 3]]
        ]
        for layer in others {
            #expect(try !network([["embedding": ["units": 8]], layer], steps: 4).isStepwise, "\(layer)")
        }
    }
}
