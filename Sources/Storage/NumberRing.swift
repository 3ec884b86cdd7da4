import Synchronization

/// Rows of numbers on their way from one thread to another, in memory that was allocated before: no locks, and nobody
/// waits. One thread pushes, one takes.
package final class NumberRing: Sendable {
    /// Invariant: rows from `taken` to `pushed` (modulo the capacity) belong to the taker, the others to the pusher.
    private let numbers: AlignedBuffer<Double>
    private let capacity: Int
    private let width: Int
    private let pushedCount = Atomic<Int>(0)
    private let takenCount = Atomic<Int>(0)

    /// Room for `capacity` rows of `width` numbers.
    package init(capacity: Int, width: Int) {
        precondition(capacity > 0 && width > 0, "a ring of \(capacity) rows of \(width)")
        self.capacity = capacity
        self.width = width
        numbers = AlignedBuffer(count: capacity * width)
    }

    /// How many rows were pushed since the beginning.
    package var pushed: Int { pushedCount.load(ordering: .acquiring) }

    /// How many rows were taken since the beginning.
    package var taken: Int { takenCount.load(ordering: .acquiring) }

    /// Lets `write` fill a row; false, and nothing is done, where the ring is full.
    package func push(_ write: (UnsafeMutableBufferPointer<Double>) -> Void) -> Bool {
        let position = pushedCount.load(ordering: .relaxed)
        guard position - takenCount.load(ordering: .acquiring) < capacity else { return false }
        write(row(position))
        pushedCount.store(position + 1, ordering: .releasing)
        return true
    }

    /// Lets `read` look at the oldest row and frees it; false where there is none.
    package func take(_ read: (UnsafeBufferPointer<Double>) -> Void) -> Bool {
        let position = takenCount.load(ordering: .relaxed)
        guard position < pushedCount.load(ordering: .acquiring) else { return false }
        read(UnsafeBufferPointer(row(position)))
        takenCount.store(position + 1, ordering: .releasing)
        return true
    }

    private func row(_ position: Int) -> UnsafeMutableBufferPointer<Double> {
        UnsafeMutableBufferPointer(start: numbers.base + position % capacity * width, count: width)
    }
}
