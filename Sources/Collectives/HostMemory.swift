import Storage

/// Memory that the ranks of a host share: one segment per rank, zero at first, each on a page of its own.
package protocol HostMemory: AnyObject {
    /// The segment of the rank with this index on the host.
    func segment(_ localRank: Int) -> UnsafeMutableRawPointer

    /// Gives the memory back. Collective over the host, and only where all of its ranks come here: a rank that fails
    /// must not wait for the others.
    func close()
}

/// What a communicator can offer where memory was asked for.
package struct HostMemoryGrant {
    package let memory: any HostMemory
    /// Who shares it; every rank for itself where it is too small to be shared.
    package let topology: Topology
    /// Why nothing is shared, in one line; nil where all is as it should be.
    package let note: String?
}

/// The memory of a rank that has its host for itself.
final class PrivateMemory: HostMemory {
    private let buffer: AlignedBuffer<Float>

    init(byteCount: Int) {
        buffer = AlignedBuffer(count: (byteCount + 3) / 4)
    }

    func segment(_ localRank: Int) -> UnsafeMutableRawPointer {
        precondition(localRank == 0, "segment \(localRank) of 1")
        return UnsafeMutableRawPointer(buffer.base)
    }

    func close() {}
}
