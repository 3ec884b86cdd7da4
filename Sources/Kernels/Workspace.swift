import CEightBits
import Diagnostics
import Storage

/// How many numbers kernels take beside all that they are handed: for operands that are packed, and for each thread.
package struct KernelScratch: Sendable, Equatable {
    package var packed: Int
    package var perThread: Int

    package init(packed: Int = 0, perThread: Int = 0) {
        self.packed = packed
        self.perThread = perThread
    }

    package static let none = KernelScratch()

    /// For one after the other.
    package static func larger(_ left: KernelScratch, _ right: KernelScratch) -> KernelScratch {
        KernelScratch(packed: max(left.packed, right.packed), perThread: max(left.perThread, right.perThread))
    }
}

/// What kernels need besides their operands: the threads that share tiles, and scratch memory that grows to what the
/// largest call needs and then stays.
///
/// One per rank. Calls are made from one thread at a time.
package final class Workspace: @unchecked Sendable {
    // Sendable: used by one thread at a time (the training thread), which `parallel` alone shares tiles with.

    private let team: ThreadTeam?
    private var packed = AlignedBuffer<Float>(count: 0)
    private var stack = AlignedBuffer<Float>(count: 0)
    private var scratch = AlignedBuffer<Float>(count: 0)

    /// What `rememberWeights` remembers.
    var packedWeights: PackedWeights?
    /// What `computeInEightBits` was told of; nil where nobody has.
    var eightBits: EightBitTable?
    /// The loops of products in 8 bits.
    let eightBitLoops: dtrain_eight_bits_loops

    /// The loops of the matrix products, and of convolutions.
    let tiles: TileLoops
    let convolutions: ConvolutionLoops

    /// How many threads compute, the calling one included.
    package let threadCount: Int

    /// The calling thread alone computes. From here on denormal numbers count as zero on it.
    package convenience init(vectors: VectorWidth = .best) { self.init(team: nil, threadCount: 1, vectors) }

    /// Several threads compute, and denormal numbers count as zero on all of them.
    /// - Throws: `Failure(.systemRefused)` where they can't be had.
    package convenience init(threadCount: Int, vectors: VectorWidth = .best) throws(Failure) {
        precondition(threadCount >= 1, "\(threadCount) threads")
        self.init(team: threadCount > 1 ? try ThreadTeam(helpers: threadCount - 1) : nil, threadCount: threadCount, vectors)
    }

    private init(team: ThreadTeam?, threadCount: Int, _ vectors: VectorWidth) {
        precondition(vectors == .narrow || VectorWidth.widest == .wide, "no AVX-512 here")
        Processor.flushDenormals()
        self.threadCount = threadCount
        tiles = TileLoops.of(vectors)
        convolutions = ConvolutionLoops.of(vectors)
        eightBitLoops = dtrain_eight_bits_best(vectors == .narrow ? 1 : 0)
        self.team = team
    }

    /// Room for a packed operand, valid until the next call.
    func packing(count: Int) -> Room {
        if packed.count < count { packed = AlignedBuffer(count: count) }
        return Room(base: packed.base, count: count)
    }

    /// Room for partial sums that wait on the calling thread, valid until the next call.
    func stack(count: Int) -> Room {
        if stack.count < count { stack = AlignedBuffer(count: count) }
        return Room(base: stack.base, count: count)
    }

    /// Room for tiles and blocks, `count` numbers for each thread, valid until the next call.
    func threadRooms(count: Int) -> ThreadRooms {
        // Each begins on a cache line.
        let each = (count + 15) / 16 * 16
        if scratch.count < each * threadCount { scratch = AlignedBuffer(count: each * threadCount) }
        return ThreadRooms(all: Room(base: scratch.base, count: each * threadCount), count: each)
    }

    /// Memory of the workspace that a kernel may use during a call.
    struct Room {
        /// Invariant: `count` numbers from here belong to the workspace.
        let base: UnsafeMutablePointer<Float>
        let count: Int

        var numbers: UnsafeMutableBufferPointer<Float> { UnsafeMutableBufferPointer(start: base, count: count) }
    }

    /// A room for every thread.
    struct ThreadRooms {
        fileprivate let all: Room
        fileprivate let count: Int

        subscript(thread: Int) -> UnsafeMutableBufferPointer<Float> {
            precondition(thread >= 0 && (thread + 1) * count <= all.count, "thread \(thread) of \(all.count / count)")
            return UnsafeMutableBufferPointer(start: all.base + thread * count, count: count)
        }
    }

    /// Cuts 0 ..< `count` into one contiguous range per thread, cut at multiples of `unit`, and runs them at once.
    /// Which thread computes a tile never shows in its result.
    func parallel(_ count: Int, unit: Int = 1, _ body: (_ thread: Int, _ range: Range<Int>) -> Void) {
        guard let team, count > unit else { return body(0, 0..<count) }
        let units = (count + unit - 1) / unit
        let threads = threadCount
        team.run { thread in
            let first = min(thread * units / threads * unit, count)
            let end = min((thread + 1) * units / threads * unit, count)
            if first < end { body(thread, first..<end) }
        }
    }
}
