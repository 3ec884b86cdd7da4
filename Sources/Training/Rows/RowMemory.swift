import Network
import Storage

/// How much memory `RowRunner` takes: worked out once, for the memory itself and for what is foreseen of it. Counts are
/// numbers, not bytes.
struct RowMemory {
    /// The most rows that go through the network at once.
    let rowCapacity: Int
    /// Double.
    let leafStatistics: Int, layerStatistics: Int, losses: Int
    /// Float32.
    let outputs: Int, outputGradients: Int, targetValues: Int, sampleWeights: Int
    /// Int32.
    let targetClasses: Int
    private let network: Network
    private let isTraining: Bool
    private let microBatchSize: Int
    private let gathersAhead: Bool

    /// Activation memory that a rank takes, bytes, unless one micro-batch needs more.
    static let activationBudget = 64 << 20

    /// - Parameters:
    ///   - rows: the most rows that are ever wanted at once; fewer are held where memory forbids, but never less than
    ///     a micro-batch.
    init(_ setup: JudgedNetwork, rows: Int, microBatchSize: Int, training: Bool, gathersAhead: Bool) {
        network = setup.network
        isTraining = training
        self.microBatchSize = microBatchSize
        self.gathersAhead = gathersAhead
        let affordable =
            Self.activationBudget
            / max(
                1,
                Activations.bytesPerSample(
                    of: network, leafRows: microBatchSize,
                    training: training))
        rowCapacity = max(1, min(rows, max(microBatchSize, affordable / microBatchSize * microBatchSize)))
        outputs = rowCapacity * network.outputShape.count
        outputGradients = training ? outputs : 0
        let columns = if case .values(let count) = setup.targets.content { count } else { 0 }
        targetValues = rowCapacity * columns
        losses = rowCapacity * setup.targets.positions
        targetClasses = columns == 0 ? losses : 0
        sampleWeights = setup.hasWeights ? rowCapacity : 0
        let leaves = rowCapacity / microBatchSize + 1
        leafStatistics = leaves * setup.metrics.statisticsCount
        layerStatistics = training ? leaves * network.statisticsCount : 0
    }

    /// All of it, bytes.
    var byteCount: Int { parts.reduce(0) { $0 + $1.bytes } }

    /// What takes how many bytes; `inspect --plan` prints it.
    var parts: [(name: String, bytes: Int)] {
        let inputs = InputStage.bufferCount(rows: rowCapacity, width: network.inputShape.count, gathersAhead: gathersAhead)
        let passes = Activations.byteCount(of: network, rows: rowCapacity, leafRows: microBatchSize, training: isTraining)
        func floats(_ counts: Int...) -> Int { counts.map(AlignedBuffer<Float>.byteCount).reduce(0, +) }
        func doubles(_ counts: Int...) -> Int { counts.map(AlignedBuffer<Double>.byteCount).reduce(0, +) }
        return [
            ("kept for backward", passes.kept), ("work of the passes", passes.work), ("inputs", floats(inputs)),
            ("outputs", floats(outputs)), ("their gradients", floats(outputGradients)),
            ("targets", floats(targetValues, targetClasses, sampleWeights)),
            ("losses and sums", doubles(losses, leafStatistics, layerStatistics))
        ]
    }

    /// Micro-batches that go through the network at once.
    var leafCount: Int { (rowCapacity + microBatchSize - 1) / microBatchSize }
}
