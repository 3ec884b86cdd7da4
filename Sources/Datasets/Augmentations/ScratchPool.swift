import Storage
import Synchronization

/// Buffers of one size that threads use by turns: as many as ever were wanted at once, so that nothing is allocated later.
final class ScratchPool: Sendable {
    /// A buffer that lists can hold.
    private final class Scratch: Sendable {
        let buffer: AlignedBuffer<Float>

        init(count: Int) { buffer = AlignedBuffer<Float>(count: count) }
    }

    private let count: Int
    private let free: Mutex<[Scratch]>

    /// - Parameter count: the numbers of a buffer.
    init(count: Int) {
        self.count = count
        var first: [Scratch] = []
        first.reserveCapacity(16)
        first.append(Scratch(count: count))
        free = Mutex(first)
    }

    /// Calls `body` with a buffer that nobody else has meanwhile; what is in it is left from others.
    func withScratch(_ body: (UnsafeMutableBufferPointer<Float>) -> Void) {
        let scratch = free.withLock { $0.popLast() } ?? Scratch(count: count)
        body(scratch.buffer.elements)
        free.withLock { $0.append(scratch) }
    }
}
