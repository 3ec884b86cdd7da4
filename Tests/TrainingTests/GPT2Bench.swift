import Checkpointing
import Datasets
import Foundation
import Kernels
import Network
import Settings
import Storage
import TestSupport
import Training

/// The small GPT-2 of `Tests/References/gpt2`, in a folder where its files may be changed.
struct GPT2Bench {
    static let references = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("References/gpt2").path

    /// What `gpt2.py` writes.
    struct Expected: Decodable {
        let parameters: Int
        let logits: [[Double]]
    }

    let folder: String

    static func with(_ body: (GPT2Bench) throws -> Void) throws {
        try withTemporaryFolder { folder in
            let copy = folder + "/gpt2"
            try FileManager.default.copyItem(atPath: references, toPath: copy)
            try body(GPT2Bench(folder: copy))
        }
    }

    var expected: Expected { get throws { try JSONDecoder().decode(Expected.self, from: data("expected.json")) } }

    func data(_ name: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: folder + "/" + name)) }

    func write(_ name: String, _ text: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: folder + "/" + name))
    }

    func text(_ name: String) throws -> String { String(decoding: try data(name), as: UTF8.self) }

    func remove(_ name: String) throws { try FileManager.default.removeItem(atPath: folder + "/" + name) }

    /// A tensor of a file that is written.
    struct Tensor {
        var name: String
        var shape: [Int]
        var values: [Float]
    }

    /// The tensors of the model.
    func tensors() throws -> [Tensor] {
        let file = try SafetensorsFile(path: folder + "/model.safetensors")
        return try file.tensors.map { Tensor(name: $0.name, shape: $0.shape, values: try file.floats($0.name)) }
    }

    /// Writes the model anew.
    ///
    /// - Parameter half: how numbers become half as long; nil for Float32.
    func write(_ tensors: [Tensor], half: (type: Safetensors.ElementType, bits: (Float) -> UInt16)? = nil) throws {
        let counts = tensors.map(\.values.count)
        let wide = AlignedBuffer<Float>(count: counts.reduce(1, +), repeating: 0)
        let narrow = AlignedBuffer<UInt16>(count: counts.reduce(1, +), repeating: 0)
        var used = 0
        let sources = tensors.map { tensor in
            let range = used..<used + tensor.values.count
            used = range.upperBound
            for (place, value) in zip(range, tensor.values) {
                wide[place] = value
                if let half { narrow[place] = half.bits(value) }
            }
            guard let half else {
                return TensorSource(
                    name: tensor.name, shape: tensor.shape,
                    values: UnsafeBufferPointer(rebasing: UnsafeBufferPointer(wide.elements)[range]))
            }
            return TensorSource(
                name: tensor.name, shape: tensor.shape, type: half.type,
                bytes: UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: UnsafeBufferPointer(narrow.elements)[range])))
        }
        var bytes = Data()
        try Safetensors.encode(sources) { bytes.append(contentsOf: $0) }
        try bytes.write(to: URL(fileURLWithPath: folder + "/model.safetensors"))
    }

    /// The configuration of the folder with some of its text replaced.
    func experiment(_ changes: [(String, String)] = []) throws -> Experiment {
        var yaml = try text("gpt2.yaml").replacingOccurrences(of: "text.txt", with: folder + "/text.txt")
        for (old, new) in changes {
            precondition(yaml.contains(old), "\(old) isn't in \(yaml)")
            yaml = yaml.replacingOccurrences(of: old, with: new)
        }
        return try Experiment(TrainingConfiguration(SettingsDocument(text: yaml, name: "gpt2.yaml"), name: "gpt2"))
    }

    /// Reads a file, or the folder, into the network; the weights, and what is said of it.
    func load(_ name: String? = nil, _ changes: [(String, String)] = []) throws -> (weights: [Float], notes: [String]) {
        let experiment = try experiment(changes)
        let weights = AlignedBuffer<Float>(count: experiment.network.layout.weightCount)
        let notes = try InitialWeights(path: name.map { folder + "/" + $0 } ?? folder).load(
            into: weights.weights(experiment.network.layout), of: experiment.network,
            choosing: experiment.configuration.initialize?.choice)
        return (Array(weights.elements), notes)
    }

    /// The outputs for the first samples of the text.
    func logits(_ weights: [Float], samples: Int) throws -> [Float] {
        try experiment().logits(weights, samples: samples)
    }
}
