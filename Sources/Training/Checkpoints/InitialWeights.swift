import Checkpointing
import Diagnostics
import Files
import Foundation
import Network
import Storage

/// A file of weights that a run starts from: one of dtrain's, a state dict of PyTorch's with the names of the same layers, or GPT-2
/// as Hugging Face's transformers stores it.
package struct InitialWeights {
    private let path: String
    private let file: SafetensorsFile

    /// Opens a safetensors file, or that of a folder, as a model's on Hugging Face is.
    /// - Throws: `Failure`: `.missingInput`, `.badData`, `.inputOutput`.
    package init(path: String) throws {
        self.path = path
        file = try SafetensorsFile(path: try Self.file(at: path))
    }

    private static let fileName = "model.safetensors"

    private static func file(at path: String) throws -> String {
        let fileSystem = PosixFileSystem()
        func status(_ path: String) throws -> FileStatus? {
            try reportingSystemErrors { try fileSystem.status(of: Place(path)) }
        }
        guard try status(path)?.kind == .directory else { return path }
        let folder = trimmingSlashes(path)
        if try status("\(folder)/\(fileName)") != nil { return "\(folder)/\(fileName)" }
        if try status("\(folder)/\(fileName).index.json") != nil {
            throw Failure(
                .badData,
                "\(path): its weights are in several files; make one of them in Python: "
                    + "model.save_pretrained(\"FOLDER\", max_shard_size=\"1TB\")")
        }
        if try status("\(folder)/pytorch_model.bin") != nil {
            throw Failure(
                .badData,
                "\(path): its weights are in PyTorch's pickle format, expected safetensors; in Python: "
                    + "model.save_pretrained(\"FOLDER\", safe_serialization=True)")
        }
        throw Failure(.missingInput, "\(path): a directory without \(fileName); name a safetensors file")
    }

    /// Copies the weights of a network into its flat buffer, or those of them that are chosen.
    ///
    /// - Returns: what a person is told of what was decided.
    /// - Throws: `Failure`: 65 for a file that doesn't fit, 78 for a network that such a file can't belong to.
    package func load(
        into weights: MutableParameterView, of network: Network, choosing choice: ParameterChoice? = nil
    ) throws -> [String] {
        var notes: [String] = []
        let loaded: [String]
        if let gpt2 = try GPT2File(file) {
            let architecture = try architecture(network, choosing: choice)
            loaded = try gpt2.load(into: weights, of: architecture, choosing: choice)
            notes.append("\(file.path): \(gpt2.note(for: architecture))")
        } else {
            let contents = CheckpointContents(layout: network.layout, parts: [])
            let prefix = contents.wrapperPrefix(of: file)
            loaded = try contents.loadModel(file, prefix: prefix, choosing: choice, into: weights)
            if !prefix.isEmpty {
                notes.append("\(file.path): the prefix \"\(prefix)\" was removed from the names of its tensors")
            }
        }
        if choice != nil {
            let others = network.layout.slots.map(\.name).filter { !loaded.contains($0) }
            notes.append("\(path): loaded \(loaded.joined(separator: ", "))")
            notes.append("initialized anew: \(others.isEmpty ? "nothing" : others.joined(separator: ", "))")
        }
        return notes
    }

    /// The network as one of GPT-2's, of which the chosen parameters have their places in it.
    private func architecture(_ network: Network, choosing choice: ParameterChoice?) throws -> GPT2Architecture {
        func refusal(_ misfit: GPT2Architecture.Misfit) -> Failure {
            Failure(
                .badConfiguration,
                "\(file.path): these are weights of GPT-2, but the network isn't GPT-2: \(misfit.place): \(misfit.problem)")
        }
        let names = network.layout.slots.map(\.name)
        try choice?.check(names)
        do {
            let architecture = try GPT2Architecture(network)
            guard let choice else {
                _ = try architecture.head.get()
                return architecture
            }
            let known = (architecture.bodyTensors(.transformers) + (architecture.headTensor.map { [$0] } ?? [])).map(
                \.slot.name)
            if let stray = names.first(where: { choice.contains($0) && !known.contains($0) }) {
                throw Failure(
                    .badConfiguration,
                    "\(file.path): these are weights of GPT-2, which has none for \"\(stray)\"; add it to initialize.skip")
            }
            return architecture
        } catch let misfit as GPT2Architecture.Misfit {
            throw refusal(misfit)
        }
    }
}
