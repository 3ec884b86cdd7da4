import Storage

/// How much memory something takes: Float32 for each sample, and for each leaf (micro-batch).
package struct MemoryNeed: Sendable, Equatable {
    package var perSample: Int
    package var perLeaf: Int

    package init(perSample: Int = 0, perLeaf: Int = 0) {
        self.perSample = perSample
        self.perLeaf = perLeaf
    }

    package static let none = MemoryNeed()

    /// For both at once.
    package static func + (left: MemoryNeed, right: MemoryNeed) -> MemoryNeed {
        MemoryNeed(perSample: left.perSample + right.perSample, perLeaf: left.perLeaf + right.perLeaf)
    }

    /// For one after the other.
    package static func larger(_ left: MemoryNeed, _ right: MemoryNeed) -> MemoryNeed {
        MemoryNeed(perSample: max(left.perSample, right.perSample), perLeaf: max(left.perLeaf, right.perLeaf))
    }

    /// Bytes for so many rows in leaves of `leafRows`.
    package func bytes(rows: Int, leafRows: Int) -> Int { count(rows: rows, leafRows: leafRows) * MemoryLayout<Float>.stride }

    /// Float32 for so many rows in leaves of `leafRows`.
    func count(rows: Int, leafRows: Int) -> Int { perSample * rows + perLeaf * Self.leaves(rows: rows, leafRows: leafRows) }

    static func leaves(rows: Int, leafRows: Int) -> Int { (rows + leafRows - 1) / leafRows }
}

/// What a layer needs beside its inputs, outputs and their gradients. Planned once, before anything runs.
package struct LayerMemory: Sendable, Equatable {
    /// What `forward` leaves for `backward`. Where no backward follows, nothing is kept.
    package var kept: MemoryNeed
    /// What `forward` needs for itself where it keeps something.
    package var training: MemoryNeed
    /// What `forward` needs for itself where it keeps nothing.
    package var evaluation: MemoryNeed
    /// What `backward` needs for itself.
    package var backward: MemoryNeed

    package init(
        kept: MemoryNeed = .none, training: MemoryNeed = .none, evaluation: MemoryNeed = .none,
        backward: MemoryNeed = .none
    ) {
        self.kept = kept
        self.training = training
        self.evaluation = evaluation
        self.backward = backward
    }

    /// The work memory that passes take one after the other.
    func work(training isTraining: Bool) -> MemoryNeed {
        isTraining ? .larger(training, backward) : evaluation
    }
}

/// The memory of a layer during a pass.
package struct PassMemory: Sendable {
    /// What `forward` leaves for `backward`; nil where no backward follows.
    package let kept: Scratch?
    /// What the pass needs for itself.
    package let work: Scratch

    package init(kept: Scratch?, work: Scratch) {
        self.kept = kept
        self.work = work
    }

    /// The same for some rows, which begin with a leaf.
    func rows(_ range: Range<Int>, leafRows: Int) -> PassMemory {
        PassMemory(kept: kept?.rows(range, leafRows: leafRows), work: work.rows(range, leafRows: leafRows))
    }

    /// What was left for `backward`, which can't do without.
    package var left: Scratch {
        guard let kept else { preconditionFailure("backward after a forward pass that kept nothing") }
        return kept
    }
}

/// A part of the activation memory: so many Float32 per sample for up to `rowCapacity` samples, and so many per leaf.
package struct Scratch: @unchecked Sendable {
    // Sendable: one forward or backward pass at a time writes it.

    /// Invariant: `rowCapacity × need.perSample` elements from here belong to this scratch while the owner lives.
    private let samples: UnsafeMutablePointer<Float>
    /// Invariant: `leafCapacity × need.perLeaf` elements from here likewise.
    private let leaves: UnsafeMutablePointer<Float>
    private let need: MemoryNeed
    package let rowCapacity: Int
    private let leafCapacity: Int
    /// The sample and the leaf that everything is meant from.
    private var firstRow = 0, firstLeaf = 0

    private init(
        samples: UnsafeMutablePointer<Float>, leaves: UnsafeMutablePointer<Float>, need: MemoryNeed,
        rowCapacity: Int, leafCapacity: Int
    ) {
        self.samples = samples
        self.leaves = leaves
        self.need = need
        self.rowCapacity = rowCapacity
        self.leafCapacity = leafCapacity
    }

    /// The whole of a buffer, which has room for `need`.
    init(_ buffer: borrowing AlignedBuffer<Float>, need: MemoryNeed, rows: Int, leafRows: Int) {
        precondition(buffer.count >= need.count(rows: rows, leafRows: leafRows), "a buffer of \(buffer.count) for \(need)")
        self.init(
            samples: buffer.base, leaves: buffer.base + need.perSample * rows, need: need, rowCapacity: rows,
            leafCapacity: MemoryNeed.leaves(rows: rows, leafRows: leafRows))
    }

    /// The room of one for samples with the room of another for leaves.
    init(samplesOf first: Scratch, leavesOf second: Scratch) {
        precondition(first.rowCapacity == second.rowCapacity, "rooms for \(first.rowCapacity) and \(second.rowCapacity) rows")
        self.init(
            samples: first.samples, leaves: second.leaves,
            need: MemoryNeed(perSample: first.need.perSample, perLeaf: second.need.perLeaf), rowCapacity: first.rowCapacity,
            leafCapacity: second.leafCapacity)
        firstRow = first.firstRow
        firstLeaf = second.firstLeaf
    }

    /// The `columns` numbers per sample that begin `offset` numbers per sample into the scratch, for `rows` samples.
    package func matrix(rows: Int, columns: Int, offset: Int = 0) -> MutableMatrixView {
        precondition(
            firstRow + rows <= rowCapacity && offset >= 0 && offset + columns <= need.perSample,
            "\(rows) × \(columns) at \(offset), \(firstRow) of a scratch for \(rowCapacity) × \(need.perSample)")
        return MutableMatrixView(base: samples + (offset * rowCapacity + firstRow * columns), rows: rows, columns: columns)
    }

    /// The `columns` numbers per leaf that begin `offset` numbers per leaf into the scratch, for `count` leaves.
    package func leaves(_ count: Int, columns: Int, offset: Int = 0) -> MutableMatrixView {
        precondition(
            firstLeaf + count <= leafCapacity && offset >= 0 && offset + columns <= need.perLeaf,
            "\(count) leaves × \(columns) at \(offset), \(firstLeaf) of a scratch for \(leafCapacity) × \(need.perLeaf)")
        return MutableMatrixView(base: leaves + (offset * leafCapacity + firstLeaf * columns), rows: count, columns: columns)
    }

    /// The part with room for `need` that begins behind `offset`.
    package func part(from offset: MemoryNeed, _ need: MemoryNeed) -> Scratch {
        precondition(
            offset.perSample >= 0 && offset.perSample + need.perSample <= self.need.perSample
                && offset.perLeaf >= 0 && offset.perLeaf + need.perLeaf <= self.need.perLeaf,
            "\(need) behind \(offset) of \(self.need)")
        var result = Scratch(
            samples: samples + offset.perSample * rowCapacity, leaves: leaves + offset.perLeaf * leafCapacity,
            need: need, rowCapacity: rowCapacity, leafCapacity: leafCapacity)
        result.firstRow = firstRow
        result.firstLeaf = firstLeaf
        return result
    }

    /// The same memory for some of the samples, which begin with a leaf.
    func rows(_ range: Range<Int>, leafRows: Int) -> Scratch {
        precondition(range.lowerBound % leafRows == 0, "rows \(range), which begin within a leaf of \(leafRows)")
        var result = self
        result.firstRow += range.lowerBound
        result.firstLeaf += range.lowerBound / leafRows
        return result
    }

    /// All that lies behind `offset`.
    package func rest(from offset: MemoryNeed) -> Scratch {
        part(from: offset, MemoryNeed(perSample: need.perSample - offset.perSample, perLeaf: need.perLeaf - offset.perLeaf))
    }
}
