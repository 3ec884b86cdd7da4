import Datasets
import Diagnostics
import Files
import Network
import Storage

extension TrainedModel {
    /// Writes what a layer makes of every sample as an array of NumPy, [samples, …].
    ///
    /// - Parameter name: of a layer of the list `model.layers`: its index, or its `name:`.
    /// - Returns: what was written, for people.
    package func writeActivations(of name: String, for dataset: Dataset, to path: String) throws -> String {
        guard let layers = network.layers.prefix(through: name) else {
            let known = network.layers.configured.map(\.path)
            throw Failure(
                .usage,
                "--activations \(name): no such layer\(suggestion(for: name, among: known)); expected one of \(Network.list(known))"
            )
        }
        let file = try OutputFile(path: path)
        let shape = layers.outputShape
        let (width, outputs) = (network.inputShape.count, shape.count)
        let bytes = Activations.bytesPerSample(of: layers, leafRows: 1, training: false)
        let most = max(1, min(dataset.count, 512, RowMemory.activationBudget / max(1, bytes)))
        let activations = Activations(layers, rows: most, leafRows: most, training: false)
        let input = AlignedBuffer<Float>(count: most * width)
        let output = AlignedBuffer<Float>(count: most * outputs)
        let lengths = dataset.hasLengths ? LengthStage(rows: most) : nil
        let samples = (0..<Int32(dataset.count)).map { $0 }
        try reportingSystemErrors {
            try Self.header([dataset.count] + shape.dimensions).withUnsafeBytes { try file.write($0) }
            for first in stride(from: 0, to: samples.count, by: most) {
                let chunk = samples[first..<min(first + most, samples.count)]
                let from = input.matrix(rows: chunk.count, columns: width)
                dataset.gatherInputs(chunk, into: from)
                try dataset.checkGathered()
                lengths?.gather(dataset, chunk)
                layers.forward(
                    from.readOnly, into: output.matrix(rows: chunk.count, columns: outputs), using: activations,
                    in: ForwardPass(
                        weights: currentWeights, workspace: workspace, purpose: .evaluation, leafRows: most,
                        lengths: lengths?.current))
                try file.write(
                    UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(output.elements)[..<(chunk.count * outputs * 4)]))
            }
            try file.commit()
        }
        return "\(path): \([dataset.count] + shape.dimensions) numbers behind layer \(name)"
    }

    /// The head of a file of NumPy's format, version 1.0: little-endian Float32, the last dimension fastest.
    private static func header(_ shape: [Int]) -> [UInt8] {
        let sizes = shape.map { "\($0)," }.joined(separator: " ")
        var text = "{'descr': '<f4', 'fortran_order': False, 'shape': (\(sizes)), }"
        // Magic, version and length before it, a line end behind: a multiple of 64.
        text += String(repeating: " ", count: 63 - (10 + text.utf8.count) % 64) + "\n"
        let count = text.utf8.count
        return [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(count & 255), UInt8(count >> 8)] + Array(text.utf8)
    }
}
