import Checkpointing
import Diagnostics
import Export
import Files
import Network
import Storage

extension TrainedModel {
    /// Writes a folder with `model.safetensors` and `config.json`, which `transformers.GPT2LMHeadModel.from_pretrained` loads.
    ///
    /// - Returns: what was written, in a line.
    /// - Throws: `Failure`: 65 for a network that isn't GPT-2's, with the layer that isn't; 73 where something is there already.
    package func exportGPT2(to path: String) throws -> String {
        let folder = try OutputFolder(path: path)
        let architecture: GPT2Architecture
        do {
            architecture = try GPT2Architecture(network)
            _ = try architecture.head.get()
        } catch let misfit as GPT2Architecture.Misfit {
            throw Failure(
                .badData,
                "\(checkpoint.path): the network isn't GPT-2, so that it can't be written as one: \(misfit.place): "
                    + misfit.problem)
        }
        guard architecture.hasBias else {
            throw Failure(
                .badData,
                "\(checkpoint.path): the network has bias: false, as nanoGPT's, but GPT-2 as transformers writes it has biases everywhere; "
                    + "train one with bias: true")
        }
        try architecture.withTensors(parameters) { tensors in
            try folder.write("model.safetensors") { try Safetensors.encode(tensors, to: $0) }
        }
        let text = Array(GPT2Configuration.text(of: architecture).utf8)
        try folder.write("config.json") { sink in try text.withUnsafeBytes { try sink($0) } }
        try folder.commit()
        return
            "\(path): model.safetensors (\(network.layout.parameterCount) parameters of step \(state.step)) and config.json, for "
            + "transformers.GPT2LMHeadModel.from_pretrained"
    }

    /// Writes all weights, under the names that they have in checkpoints, as one file of safetensors with what is known of the network
    /// as metadata.
    ///
    /// - Returns: what was written, in a line.
    /// - Throws: `Failure`: 73 where the file can't be made.
    package func exportSafetensors(to path: String) throws -> String {
        let tensors = CheckpointContents(layout: network.layout, parts: []).modelTensors(allWeights)
        return try exportFile(path, count: tensors.count) { try Safetensors.encode(tensors, metadata: properties, to: $0) }
    }

    /// Likewise as NumPy's archive.
    package func exportNumPy(to path: String) throws -> String {
        let arrays = CheckpointContents(layout: network.layout, parts: []).modelTensors(allWeights).map {
            ArchivedArray(name: $0.name, shape: $0.shape, values: $0.bytes.bindMemory(to: Float.self))
        }
        return try exportFile(path, count: arrays.count) { try NumPyArchive.encode(arrays, to: $0) }
    }

    private func exportFile(_ path: String, count: Int, _ content: (ByteSink) throws -> Void) throws -> String {
        let file = try OutputFile(path: path)
        try reportingSystemErrors {
            try content { try file.write($0) }
            try file.commit()
        }
        return "\(path): \(count) tensors, \(network.layout.parameterCount) parameters of step \(state.step)"
            + (usesAverage ? ", the average of the weights" : "")
    }
}
