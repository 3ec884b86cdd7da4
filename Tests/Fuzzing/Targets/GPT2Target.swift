import Checkpointing
import Diagnostics
import Foundation
import Network
import Settings
import Storage
import Training

extension FuzzTarget {
    /// Weights of GPT-2, or the `config.json` beside them, for a network of one block.
    static let gpt2 = FuzzTarget("gpt2") { bytes, folder in
        let isConfiguration = bytes.first == UInt8(ascii: "{")
        _ = try folder.write("gpt2/model.safetensors", isConfiguration ? weights() : bytes)
        _ = try folder.write(
            "gpt2/config.json", isConfiguration ? bytes : Array("{\"model_type\": \"gpt2\", \"n_head\": 1}".utf8))
        let configuration = try TrainingConfiguration(
            SettingsDocument(
                text: """
                    data: {format: text, train: {path: t.txt}, context: 2}
                    model:
                      layers:
                        - embedding: {embedding_dim: 2, name: tokens}
                        - positional_embedding
                        - transformer_block: {heads: 1, hidden: 2, causal: true, activation: gelu_tanh}
                        - layer_norm
                        - dense: {units: 3, bias: false, tie: tokens}
                    """, name: "gpt2.yaml"), name: "")
        let network = try Network(
            configuration.model, inputShape: Shape([2]), tokenKinds: 3, loss: configuration.loss, seed: 0)
        let buffer = AlignedBuffer<Float>(count: network.layout.weightCount, repeating: .nan)
        _ = try InitialWeights(path: folder.path + "/gpt2").load(into: buffer.weights(network.layout), of: network)
        for slot in network.layout.slots {
            precondition(buffer.elements[network.layout.range(of: slot)].allSatisfy(\.isFinite), "\(slot.name) wasn't read")
        }
    }

    /// What that network takes.
    private static func weights() throws -> [UInt8] {
        let block = [
            ("ln_1.weight", [2]), ("ln_1.bias", [2]), ("attn.c_attn.weight", [2, 6]), ("attn.c_attn.bias", [6]),
            ("attn.c_proj.weight", [2, 2]), ("attn.c_proj.bias", [2]), ("ln_2.weight", [2]), ("ln_2.bias", [2]),
            ("mlp.c_fc.weight", [2, 2]), ("mlp.c_fc.bias", [2]), ("mlp.c_proj.weight", [2, 2]), ("mlp.c_proj.bias", [2])
        ]
        let shapes =
            [("wte.weight", [3, 2]), ("wpe.weight", [2, 2])] + block.map { ("h.0." + $0.0, $0.1) }
            + [("ln_f.weight", [2]), ("ln_f.bias", [2])]
        let numbers = [Float](repeating: 0.25, count: 12)
        var bytes: [UInt8] = []
        try numbers.withUnsafeBufferPointer { numbers in
            let tensors = shapes.map { name, shape in
                TensorSource(
                    name: name, shape: shape, values: UnsafeBufferPointer(rebasing: numbers.prefix(shape.reduce(1, *))))
            }
            try Safetensors.encode(tensors) { bytes += $0 }
        }
        return bytes
    }
}
