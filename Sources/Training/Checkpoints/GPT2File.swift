import Checkpointing
import Diagnostics
import Files
import Network
import Storage

/// GPT-2's weights in a file of Hugging Face's transformers, or of nanoGPT, which are known by their names: `wte.weight`,
/// `h.0.attn.c_attn.weight`, …, with or without `transformer.` in front. The shape of the latter, 3 · width on one of its sides,
/// says which of both it is.
struct GPT2File {
    private let file: SafetensorsFile
    /// In front of the names of the body, and of the last layer's.
    private let prefix: String, headPrefix: String
    private let form: GPT2Form
    /// What lies beside the file.
    private let configuration: GPT2Configuration?
    private let configurationPath: String

    /// Nil where the file isn't GPT-2's.
    /// - Throws: `Failure` where what stands beside it can't be read.
    init?(_ file: SafetensorsFile) throws {
        let marks = [GPT2Architecture.tokensName, GPT2Architecture.positionsName, "h.0.attn.c_attn.weight"]
        let found = file.tensors.lazy.filter { $0.name.hasSuffix(marks[0]) }.map { String($0.name.dropLast(marks[0].count)) }
            .first { prefix in
                Self.isPrefix(prefix) && marks.allSatisfy { file.tensor(named: prefix + $0) != nil }
            }
        guard let prefix = found else { return nil }
        self.file = file
        self.prefix = prefix
        let shape = file.tensor(named: prefix + marks[2])?.shape ?? []
        form = shape.count == 2 && shape[0] == 3 * shape[1] ? .nanoGPT : .transformers
        headPrefix = prefix.hasSuffix(Self.modelPrefix) ? String(prefix.dropLast(Self.modelPrefix.count)) : prefix
        configurationPath = parentDirectory(of: file.path) + "/config.json"
        configuration = try GPT2Configuration.read(configurationPath)
    }

    private static let modelPrefix = "transformer."

    /// `transformer.`, or nothing, behind what PyTorch's wrappers add.
    private static func isPrefix(_ text: String) -> Bool {
        var rest = text[...]
        while let wrapper = ["module.", "_orig_mod."].first(where: { rest.hasPrefix($0) }) {
            rest = rest.dropFirst(wrapper.count)
        }
        return rest.isEmpty || rest == modelPrefix
    }

    /// What a person is told of what was read, besides the file's name.
    func note(for network: GPT2Architecture) -> String {
        let untold =
            form == .transformers
            ? "how many heads it has: \(network.heads), as the configuration says, is taken for it"
            : "how many heads and which activation it has: \(network.heads) and \(network.activation), as the configuration says, are "
                + "taken for them"
        let padding = paddedRows(network)
        return
            "GPT-2 of \(network.blocks.count) layers, width \(network.width), read as "
            + "\(form == .transformers ? "transformers" : "nanoGPT") stores it"
            + (configuration == nil ? "; no config.json beside it says \(untold)" : "")
            + (padding > 0
                ? "; the last \(padding) of the \(network.vocabulary + padding) rows of \(GPT2Architecture.tokensName), padding that "
                    + "no token has, are left out" : "")
    }

    /// How many rows of the embedding are there to make a round number: up to the next multiple of 64 or 128, as nanoGPT's 50,304.
    private func paddedRows(_ network: GPT2Architecture) -> Int {
        let count = network.vocabulary
        guard let rows = file.tensor(named: prefix + GPT2Architecture.tokensName)?.shape.first,
            [64, 128].contains(where: { (count + $0 - 1) / $0 * $0 == rows })
        else { return 0 }
        return rows - count
    }

    private func fullName(_ tensor: GPT2Tensor) -> String {
        (tensor.name == GPT2Architecture.headName ? headPrefix : prefix) + tensor.name
    }

    private func bad(_ what: String) -> Failure { Failure(.badData, "\(file.path): \(what)") }

    // MARK: - Against the network

    /// The tensors to read for the network's parameters, or the chosen ones, each with its name in the file; checked by their
    /// shapes, before memory is taken for them.
    func tensors(for network: GPT2Architecture, choosing choice: ParameterChoice?) throws -> [(
        name: String, tensor: GPT2Tensor
    )] {
        func takes(_ slot: ParameterSlot) -> Bool { choice?.contains(slot.name) ?? true }
        if choice == nil { try checkBlocks(network) }
        if takes(network.tokens) { try checkTokens(network) }
        if takes(network.positions) { try checkPositions(network) }
        let body = network.bodyTensors(form)
        if body.dropFirst(2).contains(where: { takes($0.slot) }) { try checkHidden(network) }

        var chosen = body.filter { takes($0.slot) }.map { (name: fullName($0), tensor: $0) }
        let headName = headPrefix + GPT2Architecture.headName
        let ownHead = file.tensor(named: headName) == nil ? nil : headName
        if let head = network.headTensor {
            // transformers leaves a tied weight out.
            if takes(head.slot) { chosen.append((ownHead ?? prefix + GPT2Architecture.tokensName, head)) }
        } else if let ownHead, network.isTied, takes(network.tokens),
            try !file.holdsEqual(ownHead, prefix + GPT2Architecture.tokensName)
        {
            throw bad(
                "\"\(ownHead)\" and \"\(prefix)\(GPT2Architecture.tokensName)\" aren't the same numbers, but the network has one "
                    + "weight for both; leave out tie")
        }
        let padding = paddedRows(network)
        for (name, tensor) in chosen {
            guard let found = file.tensor(named: name) else {
                throw bad(
                    "no tensor \"\(name)\" of shape \(tensor.shape), which GPT-2 has; the file isn't complete"
                        + (name.hasSuffix(".bias") ? ", or is of a network with bias: false" : ""))
            }
            var expected = tensor.shape
            if tensor.slot.index == network.tokens.index || tensor.name == GPT2Architecture.headName { expected[0] += padding }
            guard found.shape == expected else {
                throw bad("\"\(name)\" has the shape \(found.shape), but for this network it would be \(expected)")
            }
        }
        if choice == nil { try checkOthers(Set(body.map(fullName) + [headName]), hasBias: network.hasBias) }
        return chosen
    }

    /// The largest number of a layer that is taken for one.
    private static let mostLayers = 1_000_000

    private func checkBlocks(_ network: GPT2Architecture) throws {
        let numbers = file.tensors.compactMap { layerNumber(in: $0.name) }
        let count = (numbers.max() ?? 0) + 1
        guard count != network.blocks.count else { return }
        throw bad(
            "GPT-2 of \(count) layers (h.0 to h.\(count - 1)), but the network has \(network.blocks.count) transformer_blocks; "
                + "set times of their repeat to \(count), or use the file of another size")
    }

    /// The 3 of `transformer.h.3.ln_1.weight`; nil for other names.
    private func layerNumber(in name: String) -> Int? {
        guard name.hasPrefix(prefix + "h.") else { return nil }
        let number = name.dropFirst(prefix.count + 2).prefix { $0 != "." }
        return Int(number).flatMap { (0..<Self.mostLayers).contains($0) ? $0 : nil }
    }

    /// The shape of a matrix of the file.
    private func shape(_ name: String) throws -> (rows: Int, columns: Int) {
        guard let tensor = file.tensor(named: prefix + name) else {
            throw bad("no tensor \"\(prefix)\(name)\", which GPT-2 has")
        }
        guard tensor.shape.count == 2 else {
            throw bad("\"\(prefix)\(name)\" has the shape \(tensor.shape), expected a matrix")
        }
        return (tensor.shape[0], tensor.shape[1])
    }

    private func checkTokens(_ network: GPT2Architecture) throws {
        let found = try shape(GPT2Architecture.tokensName)
        guard found.columns == network.width else {
            throw bad(
                "GPT-2 of width \(found.columns), but the network's embedding_dim is \(network.width); set it to \(found.columns), and "
                    + "hidden of the blocks as the file has it")
        }
        guard found.rows != network.vocabulary + paddedRows(network) else { return }
        let advice =
            found.rows > network.vocabulary
            ? "if the last rows of \(GPT2Architecture.tokensName) are padding, which is left out up to the next multiple of 64 or 128, cut "
                + "them off, else train on data with the model's own tokens"
            : "train on data with the model's own tokens"
        throw bad("GPT-2 with a vocabulary of \(found.rows), but the network has \(network.vocabulary) tokens; \(advice)")
    }

    private func checkPositions(_ network: GPT2Architecture) throws {
        let found = try shape(GPT2Architecture.positionsName)
        guard found.rows != network.positionCount else { return }
        let advice =
            found.rows > network.positionCount
            ? "set positional_embedding: {num_embeddings: \(found.rows)}, whatever the context"
            : "use a context of \(found.rows) or less, and positional_embedding: {num_embeddings: \(found.rows)}"
        throw bad("GPT-2 with \(found.rows) positions, but the network has \(network.positionCount); \(advice)")
    }

    /// What the blocks are, besides their number.
    private func checkHidden(_ network: GPT2Architecture) throws {
        var found = try shape(GPT2Architecture.openingName(0))
        if form == .nanoGPT { found = (found.columns, found.rows) }
        guard found.rows == network.width else {
            throw bad("GPT-2 of width \(found.rows), but the network's blocks are of width \(network.width)")
        }
        guard found.columns == network.hidden else {
            throw bad(
                "GPT-2's blocks have \(found.columns) hidden numbers, but the network's \(network.hidden); set their hidden to "
                    + "\(found.columns)")
        }
        func mismatch(_ what: String, _ theirs: String, _ ours: String, _ advice: String) -> Failure {
            Failure(.badData, "\(configurationPath): \(what): \(theirs), but the network has \(ours); \(advice)")
        }
        guard let configuration else {
            // nanoGPT has had both.
            guard network.activation == "gelu_tanh" || form == .nanoGPT && network.activation == "gelu" else {
                throw bad(
                    "GPT-2's activation is gelu_tanh, but the network's blocks have \(network.activation); set activation: "
                        + "gelu_tanh, or put the config.json of the model that says otherwise beside the file")
            }
            return
        }
        guard configuration.heads == network.heads else {
            throw mismatch(
                "n_head", "\(configuration.heads)", "\(network.heads) heads",
                "set heads of its blocks to \(configuration.heads)")
        }
        guard let activation = GPT2Configuration.activations[configuration.activation] else {
            throw Failure(
                .badData,
                "\(configurationPath): activation_function: \"\(configuration.activation)\", which dtrain hasn't got; known: "
                    + GPT2Configuration.activations.keys.sorted().joined(separator: ", "))
        }
        guard activation == network.activation else {
            throw mismatch(
                "activation_function", "\(configuration.activation)", "\(network.activation)",
                "set activation of its blocks to \(activation)")
        }
        guard configuration.epsilon == network.epsilon else {
            throw mismatch(
                "layer_norm_epsilon", "\(configuration.epsilon)", "\(network.epsilon)",
                "set epsilon of its blocks and of its layer_norm to \(configuration.epsilon)")
        }
        guard configuration.scalesScores, !configuration.scalesByLayer else {
            throw Failure(
                .badData,
                "\(configurationPath): scale_attn_weights: \(configuration.scalesScores), scale_attn_by_inverse_layer_idx: "
                    + "\(configuration.scalesByLayer), but dtrain has scores divided by the root of a head's width: true and false"
            )
        }
    }

    /// Refuses tensors that are nothing of GPT-2's. Its masks are in older files, and follow from its shape.
    private func checkOthers(_ known: Set<String>, hasBias: Bool) throws {
        let other = file.tensors.first { tensor in
            let isMask =
                layerNumber(in: tensor.name) != nil
                && [".attn.bias", ".attn.masked_bias"].contains { tensor.name.hasSuffix($0) }
            return !known.contains(tensor.name) && !isMask
        }
        guard let other else { return }
        if !hasBias, other.name.hasSuffix(".bias") {
            throw bad(
                "it has the tensor \"\(other.name)\", but the network has bias: false; set bias: true in blocks and layer_norm")
        }
        throw bad("the tensor \"\(other.name)\" has no place in GPT-2")
    }

    // MARK: - Reading

    /// Copies the weights into the flat buffer, and returns the names of the parameters that were.
    func load(
        into weights: MutableParameterView, of network: GPT2Architecture, choosing choice: ParameterChoice?
    ) throws -> [String] {
        let chosen = try tensors(for: network, choosing: choice)
        for (name, tensor) in chosen {
            let elements = weights.matrix(tensor.slot).elements
            if tensor.isTransposed {
                try file.floats(name).withUnsafeBufferPointer { transpose($0, rows: tensor.shape[0], into: elements) }
            } else if file.tensor(named: name)?.elementCount != elements.count {
                // Without the padding at its end.
                try file.floats(name).withUnsafeBufferPointer {
                    _ = elements.update(fromContentsOf: $0.prefix(elements.count))
                }
            } else {
                try file.copy(name, into: elements)
            }
            try CheckpointContents.requireFinite(elements, name, file)
        }
        return chosen.map(\.tensor.slot.name)
    }
}
