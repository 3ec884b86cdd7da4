import Diagnostics
import Files
import Foundation
import Network

/// What `config.json` beside GPT-2's weights says, as Hugging Face's transformers writes it; what it leaves out has the value that
/// transformers takes then.
struct GPT2Configuration: Decodable {
    let heads: Int
    let activation: String
    let epsilon: Double
    let scalesScores: Bool, scalesByLayer: Bool

    private enum Key: String, CodingKey {
        case model = "model_type", heads = "n_head", activation = "activation_function", epsilon = "layer_norm_epsilon"
        case scalesScores = "scale_attn_weights", scalesByLayer = "scale_attn_by_inverse_layer_idx"
    }

    /// Its `model_type` isn't GPT-2.
    private struct OtherModel: Error { let name: String? }

    init(from decoder: any Decoder) throws {
        let content = try decoder.container(keyedBy: Key.self)
        let model = try content.decodeIfPresent(String.self, forKey: .model)
        guard model == "gpt2" else { throw OtherModel(name: model) }
        heads = try content.decodeIfPresent(Int.self, forKey: .heads) ?? 12
        activation = try content.decodeIfPresent(String.self, forKey: .activation) ?? "gelu_new"
        epsilon = try content.decodeIfPresent(Double.self, forKey: .epsilon) ?? 1e-5
        scalesScores = try content.decodeIfPresent(Bool.self, forKey: .scalesScores) ?? true
        scalesByLayer = try content.decodeIfPresent(Bool.self, forKey: .scalesByLayer) ?? false
    }

    /// No `config.json` is longer.
    private static let largestFile = 1 << 20

    /// Reads the file at a path; nil where there is none.
    /// - Throws: `Failure(.badData)` for a file that isn't one of GPT-2, `.inputOutput`.
    static func read(_ path: String) throws -> GPT2Configuration? {
        let bytes: [UInt8]
        do {
            bytes = try SmallFile("config.json", largestByteCount: largestFile, misfit: .badData).bytes(at: path)
        } catch let failure as Failure where failure.code == .missingInput {
            return nil
        }
        do {
            return try JSONDecoder().decode(Self.self, from: Data(bytes))
        } catch let other as OtherModel {
            let found = other.name.map { "model_type is \"\($0)\"" } ?? "there is no model_type"
            throw Failure(
                .badData,
                "\(path): \(found), expected \"gpt2\", as the weights beside it are; if it belongs to something else, move it away"
            )
        } catch DecodingError.typeMismatch(_, let context) where !context.codingPath.isEmpty {
            let key = context.codingPath.map(\.stringValue).joined(separator: ".")
            throw Failure(
                .badData, "\(path): \"\(key)\" isn't of the type that transformers writes: \(context.debugDescription)")
        } catch {
            throw Failure(.badData, "\(path): not the config.json of a model: it is no JSON that transformers writes")
        }
    }

    /// dtrain's names of activations that transformers has, by its own names.
    static let activations = [
        "gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "gelu": "gelu", "relu": "relu", "silu": "silu",
        "swish": "silu"
    ]

    /// `config.json` of a network, as `GPT2Config` reads it.
    static func text(of network: GPT2Architecture) -> String {
        let names = ["gelu_tanh": "gelu_new", "gelu": "gelu", "relu": "relu", "silu": "silu"]
        // GPT-2's own token behind a text; other vocabularies have their own, if any.
        let end = network.vocabulary == 50_257 ? "50256" : "null"
        let entries = [
            ("activation_function", "\"\(names[network.activation] ?? network.activation)\""),
            ("architectures", "[\"GPT2LMHeadModel\"]"), ("attn_pdrop", "\(network.dropout)"), ("bos_token_id", end),
            ("embd_pdrop", "\(network.embeddingDropout)"), ("eos_token_id", end), ("layer_norm_epsilon", "\(network.epsilon)"),
            ("model_type", "\"gpt2\""), ("n_embd", "\(network.width)"), ("n_head", "\(network.heads)"),
            ("n_inner", "\(network.hidden)"), ("n_layer", "\(network.blocks.count)"),
            ("n_positions", "\(network.positionCount)"), ("resid_pdrop", "\(network.dropout)"),
            ("tie_word_embeddings", "\(network.isTied)"), ("vocab_size", "\(network.vocabulary)")
        ]
        return "{\n" + entries.map { "  \"\($0)\": \($1)" }.joined(separator: ",\n") + "\n}\n"
    }
}
