import Diagnostics
import Foundation
import TestSupport
import Testing
import Training

/// Weights of GPT-2 as Hugging Face's transformers writes them.
@Suite("Weights of GPT-2")
struct GPT2WeightsTests {
    @Test("give the logits that transformers has", arguments: [nil, "model.safetensors"])
    func logits(name: String?) throws {
        try GPT2Bench.with { bench in
            let expected = try bench.expected
            let (weights, notes) = try bench.load(name)
            let found = try bench.logits(weights, samples: 2)
            let wanted = expected.logits.flatMap { $0 }
            #expect(found.count == 2 * 16 * 65 && wanted.count == found.count)
            let off = zip(found, wanted).map { abs(Double($0) - $1) }.max()
            #expect(off ?? .infinity <= 1e-5, "\(off ?? .nan)")
            #expect(try bench.experiment().network.layout.parameterCount == expected.parameters)
            #expect(
                notes.count == 1 && notes[0].hasSuffix("GPT-2 of 2 layers, width 24, read as transformers stores it"),
                "\(notes)")
        }
    }

    @Test("are known without transformer. in front, behind PyTorch's wrappers, with masks and a tied last layer")
    func names() throws {
        try GPT2Bench.with { bench in
            let weights = try bench.load().weights
            let own = try bench.tensors()
            let tokens = try #require(own.first { $0.name == "transformer.wte.weight" })
            let mask = GPT2Bench.Tensor(name: "h.0.attn.bias", shape: [1, 1, 2, 2], values: [1, 0, 1, 1])
            let other = GPT2Bench.Tensor(name: "h.1.attn.masked_bias", shape: [], values: [-1e4])
            let bare = own.map { tensor in
                var tensor = tensor
                tensor.name = String(tensor.name.dropFirst("transformer.".count))
                return tensor
            }
            try bench.write(bare + [mask, other])
            #expect(try bench.load().weights == weights)
            let wrapped = (own + [GPT2Bench.Tensor(name: "lm_head.weight", shape: [65, 24], values: tokens.values)]).map {
                tensor in
                var tensor = tensor
                tensor.name = "module._orig_mod." + tensor.name
                return tensor
            }
            try bench.write(wrapped)
            #expect(try bench.load().weights == weights)
            // Alone, a file doesn't say how many heads there are.
            try bench.remove("config.json")
            let notes = try bench.load("model.safetensors").notes
            #expect(notes.count == 1 && notes[0].contains("no config.json beside it says how many heads it has: 3"), "\(notes)")
        }
    }

    @Test("may be numbers of 16 bits")
    func halves() throws {
        try GPT2Bench.with { bench in
            let weights = try bench.load().weights
            let tensors = try bench.tensors()
            try bench.write(tensors, half: (.f16, { Float16($0).bitPattern }))
            #expect(try bench.load().weights == weights.map { Float(Float16($0)) })
            try bench.write(tensors, half: (.bf16, { UInt16($0.bitPattern >> 16) }))
            #expect(try bench.load().weights == weights.map { Float(bitPattern: ($0.bitPattern >> 16) << 16) })
        }
    }

    /// The same weights in the form of nanoGPT.
    private func nanoGPT(_ bench: GPT2Bench, paddedTo rows: Int = 65, hasBias: Bool = true) throws -> [GPT2Bench.Tensor] {
        let tensors = try bench.tensors().filter { hasBias || !$0.name.hasSuffix(".bias") }.map { tensor in
            var tensor = tensor
            if tensor.name.contains(".c_") && tensor.shape.count == 2 {
                let (inputs, outputs) = (tensor.shape[0], tensor.shape[1])
                tensor.shape = [outputs, inputs]
                tensor.values = (0..<inputs * outputs).map { tensor.values[$0 % inputs * outputs + $0 / inputs] }
            }
            if tensor.name.hasSuffix("wte.weight") {
                tensor.shape[0] = rows
                tensor.values += Array(repeating: 9, count: (rows - 65) * 24)
            }
            return tensor
        }
        let tokens = try #require(tensors.first { $0.name.hasSuffix("wte.weight") })
        return tensors + [GPT2Bench.Tensor(name: "lm_head.weight", shape: tokens.shape, values: tokens.values)]
    }

    @Test("may be nanoGPT's: not transposed, with rows of padding or without, with both kinds of gelu")
    func formOfNanoGPT() throws {
        try GPT2Bench.with { bench in
            let weights = try bench.load().weights
            let plain = try nanoGPT(bench), padded = try nanoGPT(bench, paddedTo: 128)
            let others = try [66, 127, 192].map { try nanoGPT(bench, paddedTo: $0) }
            try bench.remove("config.json")
            for (tensors, rest) in [
                (plain, "for them"), (padded, "for them; the last 63 of the 128 rows of wte.weight, padding")
            ] {
                try bench.write(tensors)
                let found = try bench.load()
                #expect(found.weights == weights)
                #expect(
                    found.notes.count == 1 && found.notes[0].contains("read as nanoGPT stores it; no config.json")
                        && found.notes[0].contains("3 and gelu_tanh, as the configuration says, are taken " + rest),
                    "\(found.notes)")
            }
            let exact = try bench.load(nil, [("gelu_tanh", "gelu")])
            #expect(exact.weights == weights && exact.notes[0].contains("3 and gelu, as"), "\(exact.notes)")
            // A last layer of its own is cut as well.
            let untied = [(", tie: tokens", ", name: last")]
            let layout = try bench.experiment(untied).network.layout
            let head = try #require(layout.slots.first { $0.name == "last.weight" })
            let tokens = try #require(layout.slots.first { $0.name == "tokens.weight" })
            let own = try bench.load(nil, untied).weights
            #expect(own[layout.range(of: head)] == own[layout.range(of: tokens)])
            for other in others {
                try bench.write(other)
                let failure = #expect(throws: Failure.self) { try bench.load() }
                #expect(failure?.message.contains("but the network has 65 tokens") == true, "\(String(describing: failure))")
            }
        }
    }

    @Test("of nanoGPT without biases are those of a network without any, and of no other")
    func withoutBiases() throws {
        try GPT2Bench.with { bench in
            let bare = [("dropout: 0", "dropout: 0, bias: false"), ("- layer_norm", "- layer_norm: {bias: false}")]
            let all = try bench.load()
            let whole = try nanoGPT(bench), tensors = try nanoGPT(bench, hasBias: false)
            try bench.remove("config.json")
            try bench.write(tensors)
            let layout = try bench.experiment().network.layout, own = try bench.experiment(bare).network.layout
            let weights = try bench.load(nil, bare).weights
            for slot in own.slots {
                let other = try #require(layout.slots.first { $0.name == slot.name })
                #expect(weights[own.range(of: slot)] == all.weights[layout.range(of: other)], "\(slot.name)")
            }
            let missing = #expect(throws: Failure.self) { try bench.load() }
            #expect(missing?.message.contains("a network with bias: false") == true, "\(String(describing: missing))")
            try bench.write(whole)
            let extra = #expect(throws: Failure.self) { try bench.load(nil, bare) }
            #expect(extra?.message.contains("but the network has bias: false") == true, "\(String(describing: extra))")
        }
    }

    /// A last layer of its own, which the file has or hasn't.
    @Test("have a last layer of their own where the network has one")
    func untied() throws {
        try GPT2Bench.with { bench in
            let changes = [(", tie: tokens", ", name: last")]
            let layout = try bench.experiment(changes).network.layout
            let tokens = try #require(layout.slots.first { $0.name == "tokens.weight" })
            let head = try #require(layout.slots.first { $0.name == "last.weight" })
            var weights = try bench.load(nil, changes).weights
            #expect(
                weights[layout.range(of: head)] == weights[layout.range(of: tokens)]
                    && weights[layout.range(of: head)].contains { $0 != 0 })
            let values = (0..<65 * 24).map { Float($0) / 8 }
            try bench.write(bench.tensors() + [GPT2Bench.Tensor(name: "lm_head.weight", shape: [65, 24], values: values)])
            weights = try bench.load(nil, changes).weights
            #expect(Array(weights[layout.range(of: head)]) == values)
        }
    }

    /// Which of a network's parameters are read.
    @Test("go to the chosen parameters of a network with another end")
    func chosen() throws {
        try GPT2Bench.with { bench in
            let changes = [
                (", tie: tokens", ", name: last"), ("- layer_norm\n", "- layer_norm\n    - dense: {units: 24, name: more}\n"),
                ("loss:", "initialize: {skip: [last, more]}\nloss:")
            ]
            let (weights, notes) = try bench.load(nil, changes)
            let layout = try bench.experiment(changes).network.layout
            for slot in layout.slots {
                let isRead = slot.name != "last.weight" && !slot.name.hasPrefix("more.")
                #expect(weights[layout.range(of: slot)].contains { $0 != 0 } == isRead, "\(slot.name)")
            }
            #expect(notes.last == "initialized anew: more.weight, more.bias, last.weight", "\(notes)")
            #expect(throws: Failure.self) {
                try bench.load(nil, Array(changes.prefix(2)) + [("loss:", "initialize: {skip: [last]}\nloss:")])
            }
        }
    }

    /// A network that doesn't fit the file, and what is said of it.
    struct Mismatch: CustomTestStringConvertible {
        let testDescription: String
        let changes: [(String, String)]
        var code = ExitCode.badData
        let says: [String]
    }

    static let mismatches = [
        Mismatch(testDescription: "layers", changes: [("times: 2", "times: 3")], says: ["of 2 layers", "3 transformer_blocks"]),
        Mismatch(
            testDescription: "width", changes: [("embedding_dim: 24", "embedding_dim: 48")],
            says: ["width 24", "embedding_dim is 48"]),
        Mismatch(
            testDescription: "positions", changes: [("num_embeddings: 24", "num_embeddings: 16")],
            says: ["with 24 positions", "the network has 16", "num_embeddings: 24"]),
        Mismatch(testDescription: "hidden", changes: [("hidden: 96", "hidden: 48")], says: ["96 hidden", "network's 48"]),
        Mismatch(testDescription: "heads", changes: [("heads: 3", "heads: 4")], says: ["config.json: n_head: 3", "4 heads"]),
        Mismatch(
            testDescription: "activation", changes: [("gelu_tanh", "gelu")],
            says: ["config.json: activation_function: gelu_new", "the network has gelu;", "gelu_tanh"]),
        Mismatch(
            testDescription: "epsilon",
            changes: [("dropout: 0", "dropout: 0, epsilon: 1.0e-6"), ("- layer_norm", "- layer_norm: {epsilon: 1.0e-6}")],
            says: ["layer_norm_epsilon: 1e-05", "1e-06"]),
        Mismatch(
            testDescription: "two epsilons", changes: [("- layer_norm", "- layer_norm: {epsilon: 1.0e-6}")],
            code: .badConfiguration, says: ["layer 3 (layer_norm)", "1e-06", "1e-05"]),
        Mismatch(
            testDescription: "norm behind", changes: [("dropout: 0", "dropout: 0, norm: post")], code: .badConfiguration,
            says: ["layer 2.0.0 (transformer_block)", "norm: pre"]),
        Mismatch(
            testDescription: "looks ahead", changes: [("causal: true", "causal: false")], code: .badConfiguration,
            says: ["layer 2.0.0 (transformer_block)", "causal: true"]),
        Mismatch(
            testDescription: "other normalization", changes: [("dropout: 0", "dropout: 0, normalization: rms_norm")],
            code: .badConfiguration, says: ["layer 2.0.0 (transformer_block)", "normalization: layer_norm"]),
        Mismatch(
            testDescription: "shared keys", changes: [("heads: 3", "heads: 3, key_value_heads: 1")], code: .badConfiguration,
            says: ["key_value_heads"]),
        Mismatch(
            testDescription: "rotary", changes: [("heads: 3", "heads: 3, rotary: true")], code: .badConfiguration,
            says: ["rotary: false"]),
        Mismatch(
            testDescription: "gated", changes: [("dropout: 0", "dropout: 0, gated: true")], code: .badConfiguration,
            says: ["gated: false"]),
        Mismatch(
            testDescription: "no biases", changes: [("dropout: 0", "dropout: 0, bias: false")], code: .badConfiguration,
            says: ["bias: true"]),
        Mismatch(
            testDescription: "sines", changes: [("{num_embeddings: 24}", "{kind: sinusoidal}")], code: .badConfiguration,
            says: ["layer 1 (positional_embedding)", "kind: learned"]),
        Mismatch(
            testDescription: "a bias at the end", changes: [("bias: false", "bias: true")], code: .badConfiguration,
            says: ["layer 4 (dense)", "bias: false"]),
        Mismatch(
            testDescription: "a layer too many", changes: [("- layer_norm\n", "- layer_norm\n    - tanh\n")],
            code: .badConfiguration,
            says: ["layer 4 (tanh)"]),
        Mismatch(
            testDescription: "blocks that differ",
            changes: [
                (
                    "    - layer_norm\n",
                    "    - transformer_block: {heads: 2, hidden: 96, causal: true, activation: gelu_tanh}\n    - layer_norm\n"
                )
            ], code: .badConfiguration, says: ["layer 3 (transformer_block)", "heads: 2, and heads: 3"])
    ]

    @Test("of another network are refused with both numbers", arguments: mismatches)
    func mismatch(_ mismatch: Mismatch) throws {
        try GPT2Bench.with { bench in
            let failure = #expect(throws: Failure.self) { try bench.load(nil, mismatch.changes) }
            #expect(failure?.code == mismatch.code, "\(String(describing: failure))")
            for part in mismatch.says {
                #expect(failure?.message.contains(part) == true, "\(part): \(String(describing: failure))")
            }
        }
    }

    @Test("with more tokens than the data have, or fewer, are refused")
    func vocabulary() throws {
        try GPT2Bench.with { bench in
            let text = try bench.text("text.txt")
            for (changed, count, says) in [
                (text + "é", 66, "own tokens"), (text.replacingOccurrences(of: "a", with: "b"), 64, "padding")
            ] {
                try bench.write("text.txt", changed)
                let failure = #expect(throws: Failure.self) { try bench.load() }
                #expect(failure?.code == .badData)
                for part in ["a vocabulary of 65", "the network has \(count) tokens", says] {
                    #expect(failure?.message.contains(part) == true, "\(part): \(String(describing: failure))")
                }
            }
        }
    }

    /// What may be wrong with a model's folder.
    struct Damage: CustomTestStringConvertible {
        let testDescription: String
        var code = ExitCode.badData
        let says: [String]
        let change: @Sendable (GPT2Bench) throws -> Void
    }

    static let damages = [
        Damage(testDescription: "a tensor is missing", says: ["no tensor \"transformer.h.1.mlp.c_proj.bias\" of shape [24]"]) {
            bench in
            try bench.write(bench.tensors().filter { $0.name != "transformer.h.1.mlp.c_proj.bias" })
        },
        Damage(testDescription: "another one is there", says: ["\"transformer.h.1.ln_3.weight\" has no place in GPT-2"]) {
            bench in
            try bench.write(bench.tensors() + [.init(name: "transformer.h.1.ln_3.weight", shape: [1], values: [0])])
        },
        Damage(testDescription: "a mask of no layer", says: ["\"transformer.h.x.attn.bias\" has no place"]) { bench in
            try bench.write(bench.tensors() + [.init(name: "transformer.h.x.attn.bias", shape: [1], values: [0])])
        },
        Damage(testDescription: "a layer of a large number", says: ["of 1000000 layers", "2 transformer_blocks"]) { bench in
            try bench.write(bench.tensors() + [.init(name: "transformer.h.999999.ln_1.bias", shape: [1], values: [0])])
        },
        Damage(testDescription: "a matrix that isn't transposed", says: ["c_attn.weight", "[72, 24]", "[24, 72]"]) { bench in
            var tensors = try bench.tensors()
            for index in tensors.indices where tensors[index].name == "transformer.h.1.attn.c_attn.weight" {
                tensors[index].shape = [72, 24]
            }
            try bench.write(tensors)
        },
        Damage(testDescription: "tokens that are no matrix", says: ["wte.weight", "[1560]", "a matrix"]) { bench in
            var tensors = try bench.tensors()
            for index in tensors.indices where tensors[index].name == "transformer.wte.weight" { tensors[index].shape = [1560] }
            try bench.write(tensors)
        },
        Damage(testDescription: "a number is none", says: ["\"transformer.ln_f.bias\" holds NaN (element 3)"]) { bench in
            var tensors = try bench.tensors()
            for index in tensors.indices where tensors[index].name == "transformer.ln_f.bias" {
                tensors[index].values[3] = .nan
            }
            try bench.write(tensors)
        },
        Damage(testDescription: "the last layer isn't tied", says: ["\"lm_head.weight\"", "aren't the same numbers", "tie"]) {
            bench in
            try bench.write(
                bench.tensors() + [
                    .init(name: "lm_head.weight", shape: [65, 24], values: Array(repeating: 0.5, count: 65 * 24))
                ])
        },
        Damage(testDescription: "another model's config.json", says: ["config.json: model_type is \"bert\"", "gpt2"]) { bench in
            try bench.write("config.json", "{\"model_type\": \"bert\"}")
        },
        Damage(testDescription: "a config.json of no model", says: ["config.json: there is no model_type"]) { bench in
            try bench.write("config.json", "{}")
        },
        Damage(testDescription: "a config.json that is none", says: ["config.json: not the config.json of a model"]) { bench in
            try bench.write("config.json", "{\"model_type\": \"gpt2\"")
        },
        Damage(testDescription: "a config.json of other types", says: ["config.json: \"n_head\""]) { bench in
            try bench.write("config.json", "{\"model_type\": \"gpt2\", \"n_head\": \"three\"}")
        },
        Damage(testDescription: "a config.json too long", says: ["config.json: more than 1048576 bytes"]) { bench in
            try bench.write("config.json", String(repeating: " ", count: 1 << 20 + 1))
        },
        Damage(
            testDescription: "a config.json with other scores",
            says: ["config.json: scale_attn_weights: true, scale_attn_by_inverse_layer_idx: true"]
        ) { bench in
            try bench.write(
                "config.json",
                bench.text("config.json").replacingOccurrences(of: "layer_idx\": false", with: "layer_idx\": true"))
        },
        Damage(
            testDescription: "an activation that is unknown", says: ["config.json: activation_function: \"mish\"", "gelu_new"]
        ) { bench in
            try bench.write("config.json", bench.text("config.json").replacingOccurrences(of: "gelu_new", with: "mish"))
        },
        Damage(testDescription: "no weights", code: .missingInput, says: ["a directory without model.safetensors"]) { bench in
            try bench.remove("model.safetensors")
        },
        Damage(testDescription: "weights in several files", says: ["in several files", "max_shard_size"]) { bench in
            try bench.remove("model.safetensors")
            try bench.write("model.safetensors.index.json", "{}")
        },
        Damage(testDescription: "pickled weights", says: ["PyTorch's pickle format", "save_pretrained"]) { bench in
            try bench.remove("model.safetensors")
            try bench.write("pytorch_model.bin", "")
        }
    ]

    @Test("that are damaged, or beside another model's configuration, are refused", arguments: damages)
    func damage(_ damage: Damage) throws {
        try GPT2Bench.with { bench in
            try damage.change(bench)
            let failure = #expect(throws: Failure.self) { try bench.load() }
            #expect(failure?.code == damage.code, "\(String(describing: failure))")
            for part in damage.says {
                #expect(failure?.message.contains(part) == true, "\(part): \(String(describing: failure))")
            }
        }
    }

    /// A weight that two layers use, by the names that PyTorch has for it.
    @Test("a tied weight is read under each of its names, and under both where they are equal")
    func tied() throws {
        try GPT2Bench.with { bench in
            let changes = [
                ("    - positional_embedding: {num_embeddings: 24}\n", ""), ("    - layer_norm\n", ""),
                (", tie: tokens", ", tie: tokens, name: last")
            ]
            // What is left is embedding, blocks, dense.
            let layout = try bench.experiment(changes).network.layout
            var tensors = layout.slots.map { slot in
                GPT2Bench.Tensor(
                    name: slot.name, shape: slot.shape.dimensions,
                    values: (0..<slot.shape.count).map { Float($0 % 97) + Float(slot.index) })
            }
            func load() throws -> [Float] { try bench.load("model.safetensors", changes).weights }
            try bench.write(tensors)
            let weights = try load()
            #expect(
                weights[layout.range(of: layout.slots[0])].first == tensors[0].values[0]
                    && layout.slots[0].name == "tokens.weight")
            var second = tensors[0]
            second.name = "last.weight"
            try bench.write(tensors + [second])
            #expect(try load() == weights)
            try bench.write(Array(tensors.dropFirst()) + [second])
            #expect(try load() == weights)
            second.values[7] += 1
            try bench.write(tensors + [second])
            let failure = #expect(throws: Failure.self) { try load() }
            #expect(
                failure?.message.contains("\"tokens.weight\" and \"last.weight\" aren't the same numbers") == true,
                "\(String(describing: failure))")
            tensors[0].name = "other.weight"
            try bench.write(tensors)
            #expect(throws: Failure.self) { try load() }
        }
    }
}
