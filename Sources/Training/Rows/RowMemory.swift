import Kernels
import Network
import Storage

/// How much memory `RowRunner` takes: worked out once, for the memory itself and for what is foreseen of it. Counts are
/// numbers, not bytes.
package struct RowMemory {
    /// The most rows that go through the network at once.
    package let rowCapacity: Int
    /// Double.
    let leafStatistics: Int, layerStatistics: Int, losses: Int, crossEntropies: Int
    /// Float32.
    let outputs: Int, outputGradients: Int, targetValues: Int, sampleWeights: Int
    /// Int32.
    let targetClasses: Int, lengths: Int
    /// The layers that all rows go through at once.
    let layers: Sequential
    /// How the last layer is cut; nil where it is one of them.
    package let slices: HeadSlices?
    /// Float32, of a slice.
    let sliceOutputs: Int, sliceOutputGradients: Int
    private let network: Network
    private let isTraining: Bool
    private let microBatchSize: Int
    private let gathersAhead: Bool

    /// Activation memory that a rank takes, bytes, unless one micro-batch needs more; of which the last layer's outputs are no
    /// reason.
    package static let activationBudget = 64 << 20

    /// - Parameters:
    ///   - rows: the most rows that are ever wanted at once; fewer are held where memory forbids, but never less than
    ///     a micro-batch, and in training all of them where layers join leaves.
    ///   - outputBudget: bytes; where a micro-batch's outputs take more, they are computed in slices.
    package init(
        _ setup: JudgedNetwork, rows: Int, microBatchSize: Int, training: Bool, gathersAhead: Bool,
        outputBudget: Int = activationBudget
    ) {
        network = setup.network
        isTraining = training
        self.microBatchSize = microBatchSize
        self.gathersAhead = gathersAhead
        let isWhole = training && setup.network.joinsLeaves
        slices =
            isWhole ? nil : HeadSlices(setup, samples: min(rows, microBatchSize), training: training, budget: outputBudget)
        layers = slices?.body ?? setup.network.layers
        let affordable =
            Self.activationBudget
            / max(1, Activations.bytesPerSample(of: layers, leafRows: microBatchSize, training: training))
        // Slices go on with one leaf.
        let most = training && slices != nil ? microBatchSize : affordable / microBatchSize * microBatchSize
        rowCapacity = max(1, isWhole ? rows : min(rows, max(microBatchSize, most)))
        outputs = rowCapacity * layers.outputShape.count
        sliceOutputs = slices.map { $0.rowsAtOnce * $0.head.outputShape.count } ?? 0
        sliceOutputGradients = training ? sliceOutputs : 0
        outputGradients = training ? outputs : 0
        let columns = if case .values(let count) = setup.targets.content { count } else { 0 }
        targetValues = rowCapacity * columns
        losses = rowCapacity * setup.targets.positions
        crossEntropies = setup.metrics.needsCrossEntropies ? losses : 0
        targetClasses = columns == 0 ? losses : 0
        sampleWeights = setup.hasWeights ? rowCapacity : 0
        lengths = setup.hasLengths ? rowCapacity : 0
        let leaves = rowCapacity / microBatchSize + 1
        leafStatistics = leaves * setup.metrics.statisticsCount
        layerStatistics = training ? leaves * network.statisticsCount : 0
    }

    /// All of it, bytes.
    package var byteCount: Int { parts.reduce(0) { $0 + $1.bytes } }

    /// What takes how many bytes; `inspect --plan` prints it.
    var parts: [(name: String, bytes: Int)] {
        let inputs = InputStage.bufferCount(rows: rowCapacity, width: network.inputShape.count, gathersAhead: gathersAhead)
        let passes = Activations.byteCount(of: layers, rows: rowCapacity, leafRows: microBatchSize, training: isTraining)
        let slicePasses = slices.map {
            Activations.byteCount(
                of: $0.head, rows: $0.rowsAtOnce, leafRows: microBatchSize * $0.positions, training: isTraining)
        }
        func floats(_ counts: Int...) -> Int { counts.map(AlignedBuffer<Float>.byteCount).reduce(0, +) }
        func doubles(_ counts: Int...) -> Int { counts.map(AlignedBuffer<Double>.byteCount).reduce(0, +) }
        return [
            ("kept for backward", passes.kept + (slicePasses?.kept ?? 0)),
            ("work of the passes", passes.work + (slicePasses?.work ?? 0)),
            ("inputs", floats(inputs) + (lengths > 0 ? AlignedBuffer<Int32>.byteCount(lengths) : 0)),
            ("outputs", floats(outputs) + (slices == nil ? 0 : floats(sliceOutputs))),
            ("their gradients", floats(outputGradients) + (slices == nil ? 0 : floats(sliceOutputGradients))),
            ("targets", floats(targetValues, targetClasses, sampleWeights)),
            ("losses and sums", doubles(losses, crossEntropies, leafStatistics, layerStatistics))
        ]
    }

    /// Micro-batches that go through the network at once.
    var leafCount: Int { (rowCapacity + microBatchSize - 1) / microBatchSize }

    /// What kernels take beside all that, on so many threads.
    func kernelScratch(threads: Int) -> KernelScratch {
        var scratch = layers.kernelScratch(rows: rowCapacity, leafRows: microBatchSize, threads: threads)
        if let slices {
            let ofSlice = slices.head.kernelScratch(
                rows: slices.rowsAtOnce, leafRows: microBatchSize * slices.positions, threads: threads)
            scratch = .larger(scratch, ofSlice)
        }
        return scratch
    }
}
