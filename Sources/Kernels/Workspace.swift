import Diagnostics
import Storage

/// What kernels need besides their operands: the threads that share tiles, and scratch memory that grows to what the
/// largest call needs and then stays.
///
/// One per rank. Calls are made from one thread at a time.
package final class Workspace: @unchecked Sendable {
    // Sendable: used by one thread at a time (the training thread), which `parallel` alone shares tiles with.

    private let team: ThreadTeam?
    private var packed = AlignedBuffer<Float>(count: 0)
    private var stacks: AlignedBuffer<Float>
    private var tileScratch = AlignedBuffer<Float>(count: 0)

    /// Which vectors the matrix products use.
    let vectors: VectorWidth

    /// How many threads compute, the calling one included.
    package let threadCount: Int

    /// Elements of one thread's stack of partial sums: a vector for each of 64 levels of the tree.
    static let stackSize = 64 * 8

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
        self.vectors = vectors
        self.team = team
        stacks = AlignedBuffer(count: Self.stackSize * threadCount)
    }

    /// Room for a packed operand, valid until the next call.
    func packing(count: Int) -> UnsafeMutablePointer<Float> {
        if packed.count < count { packed = AlignedBuffer(count: count) }
        return packed.base
    }

    /// Room for tiles and blocks of every thread, `perThread` numbers each, valid until the next call.
    func tileScratch(perThread: Int) -> UnsafeMutablePointer<Float> {
        let count = (perThread + 15) / 16 * 16 * threadCount
        if tileScratch.count < count { tileScratch = AlignedBuffer(count: count) }
        return tileScratch.base
    }

    /// The stack of partial sums of one thread.
    func stack(thread: Int) -> UnsafeMutablePointer<Float> { stacks.base + thread * Self.stackSize }

    /// Cuts 0 ..< `count` into one contiguous range per thread, cut at multiples of `unit`, and runs them at once.
    /// Which thread computes a tile never shows in its result.
    func parallel(_ count: Int, unit: Int = 1, _ body: (_ thread: Int, _ range: Range<Int>) -> Void) {
        guard let team, count > unit else { return body(0, 0..<count) }
        let units = (count + unit - 1) / unit, threads = threadCount
        team.run { thread in
            let first = min(thread * units / threads * unit, count)
            let end = min((thread + 1) * units / threads * unit, count)
            if first < end { body(thread, first..<end) }
        }
    }
}
