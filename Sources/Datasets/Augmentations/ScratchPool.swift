import Storage
import Synchronization

/// Memory of one kind that threads use by turns. There is enough from the beginning for the thread that trains and the one that
/// gathers ahead, so that nothing is allocated later.
final class ScratchPool<Scratch: AnyObject & Sendable>: Sendable {
    private let make: @Sendable () -> Scratch
    private let free: Mutex<[Scratch]>

    init(_ make: @escaping @Sendable () -> Scratch) {
        self.make = make
        // The list keeps its room: it is never full when one comes back.
        free = Mutex([make(), make()])
    }

    /// Calls `body` with what nobody else has meanwhile; what is in it is left from others.
    func withScratch(_ body: (Scratch) -> Void) {
        let scratch = free.withLock { $0.popLast() } ?? make()
        body(scratch)
        free.withLock { $0.append(scratch) }
    }
}

/// A buffer that lists can hold.
final class FloatScratch: Sendable {
    private let buffer: AlignedBuffer<Float>

    init(count: Int) { buffer = AlignedBuffer<Float>(count: count) }

    var elements: UnsafeMutableBufferPointer<Float> { buffer.elements }
}
