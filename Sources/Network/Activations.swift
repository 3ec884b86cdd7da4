import Storage

/// The activation memory for a number of rows, made once.
package struct Activations: ~Copyable {
    package let rowCapacity: Int
    private let leafRows: Int
    private let isTraining: Bool
    private let need: (kept: MemoryNeed, work: MemoryNeed)
    private let keptBuffer: AlignedBuffer<Float>
    private let workBuffer: AlignedBuffer<Float>

    /// - Parameters:
    ///   - rows: rounded up where it costs little, so that every matrix begins on a cache line.
    ///   - leafRows: rows of a leaf.
    ///   - training: whether `backward` follows `forward`; else nothing is kept for it.
    package init(_ layers: Sequential, rows: Int, leafRows: Int, training: Bool) {
        self.leafRows = leafRows
        isTraining = training
        need = Self.need(of: layers, training: training)
        rowCapacity = Self.roundedRows(rows, need: need)
        keptBuffer = AlignedBuffer(count: need.kept.count(rows: rowCapacity, leafRows: leafRows))
        workBuffer = AlignedBuffer(count: need.work.count(rows: rowCapacity, leafRows: leafRows))
    }

    /// Bytes per sample that layers need, their inputs, outputs and their gradients included; a leaf's share of what is
    /// kept per leaf counts.
    package static func bytesPerSample(of layers: Sequential, leafRows: Int, training: Bool) -> Int {
        let need = need(of: layers, training: training)
        let perLeaf = need.kept.perLeaf + need.work.perLeaf
        return
            (need.kept.perSample + need.work.perSample + (perLeaf + leafRows - 1) / leafRows
            + (training ? 2 : 1) * layers.outputShape.count + layers.inputShape.count) * MemoryLayout<Float>.stride
    }

    /// The bytes that `init` takes: what is kept for backward, and what passes need for themselves.
    package static func byteCount(of layers: Sequential, rows: Int, leafRows: Int, training: Bool) -> (kept: Int, work: Int) {
        let need = need(of: layers, training: training)
        let rows = roundedRows(rows, need: need)
        return (
            AlignedBuffer<Float>.byteCount(need.kept.count(rows: rows, leafRows: leafRows)),
            AlignedBuffer<Float>.byteCount(need.work.count(rows: rows, leafRows: leafRows))
        )
    }

    private static func need(of layers: Sequential, training: Bool) -> (kept: MemoryNeed, work: MemoryNeed) {
        (training ? layers.memory.kept : .none, layers.memory.work(training: training))
    }

    /// A sample of a large network is megabytes, of which room for some more would be as much again; its matrices are of whole
    /// cache lines mostly, or lose little.
    private static let mostPadding = 1 << 20

    private static func roundedRows(_ rows: Int, need: (kept: MemoryNeed, work: MemoryNeed)) -> Int {
        let rows = max(rows, 1), rounded = (rows + 15) / 16 * 16
        let perRow = (need.kept.perSample + need.work.perSample) * MemoryLayout<Float>.stride
        return (rounded - rows) * perRow <= mostPadding ? rounded : rows
    }

    var memory: PassMemory {
        PassMemory(
            kept: isTraining ? Scratch(keptBuffer, need: need.kept, rows: rowCapacity, leafRows: leafRows) : nil,
            work: Scratch(workBuffer, need: need.work, rows: rowCapacity, leafRows: leafRows))
    }
}

extension Sequential {
    /// Outputs for rows of inputs.
    package func forward(
        _ input: MatrixView, into output: MutableMatrixView, using activations: borrowing Activations,
        in pass: ForwardPass
    ) {
        forward(input, into: output, memory: activations.memory, in: pass)
    }

    /// The gradients of all parameters, after `forward` of the same rows, and of the input where asked for. It uses up what
    /// `forward` kept: another call needs another `forward`.
    package func backward(
        _ outputGradient: MatrixView, into inputGradient: MutableMatrixView? = nil, input: MatrixView,
        output: MatrixView, using activations: borrowing Activations, in pass: BackwardPass
    ) {
        backward(
            outputGradient, into: inputGradient, input: input, output: output, memory: activations.memory,
            in: pass)
    }
}
