import Datasets
import Kernels
import Network
import Storage
import Training

extension Experiment {
    /// What the network answers for the first samples of the training split, row by row.
    ///
    /// - Parameter weights: all of the network's, in the order of its layout.
    func logits(_ weights: [Float], samples: Int) -> [Float] {
        let buffer = AlignedBuffer<Float>(count: weights.count)
        for (index, weight) in weights.enumerated() { buffer[index] = weight }
        let input = AlignedBuffer<Float>(count: samples * network.inputShape.count)
        let output = AlignedBuffer<Float>(count: samples * network.outputShape.count)
        let inputs = input.matrix(rows: samples, columns: network.inputShape.count)
        let first = (0..<Int32(samples)).map { $0 }[...]
        splits.train.gatherInputs(first, into: inputs)
        let lengths = AlignedBuffer<Int32>(count: samples, repeating: 0)
        if splits.train.hasLengths { splits.train.gatherLengths(first, into: lengths.first(samples)) }
        network.layers.forward(
            inputs.readOnly, into: output.matrix(rows: samples, columns: network.outputShape.count),
            using: Activations(network.layers, rows: samples, leafRows: samples, training: false),
            in: ForwardPass(
                weights: buffer.weights(network.layout).readOnly, workspace: Workspace(), purpose: .evaluation,
                leafRows: samples,
                lengths: splits.train.hasLengths ? SequenceLengths(UnsafeBufferPointer(lengths.first(samples))) : nil))
        return Array(output.elements)
    }
}
