import Storage

/// How the partial gradients of the ranks reach the owners of the slices, and how the new weights get back.
///
/// One step: backward writes the nodes of the rank's subtrees into `gradients`; `collect` gives the owner all nodes of
/// its slice; it changes its slice of `weights`; `publish` shows it to everybody.
package protocol GradientExchange: AnyObject {
    /// The weights that this rank computes with; all of them valid after `publish`.
    var weights: MutableParameterView { get }
    /// The elements that this rank owns.
    var slice: Range<Int> { get }
    /// Where the k-th subtree's gradient of this rank is written.
    func gradients(_ node: Int) -> MutableParameterView
    /// The nodes of all ranks in the program's order, each from the first element of this rank's slice on. Valid until
    /// `publish`.
    func collect(_ program: SummationTree.Program) throws -> [UnsafePointer<Float>]
    /// Makes this rank's slice of the weights everybody's.
    func publish() throws
}

/// The exchange by messages: each rank sends every owner its nodes of that owner's slice and gets the weights of the
/// others' slices back. It works wherever MPI does.
package final class MessageExchange: GradientExchange {
    private let communicator: any Communicator
    private let layout: ParameterLayout
    private let weightBuffer: AlignedBuffer<Float>
    private let gradientBuffer: AlignedBuffer<Float>
    /// The nodes of the other ranks, this rank's slice of each.
    private var received = AlignedBuffer<Float>(count: 0)
    package let slice: Range<Int>
    private let sliceBytes: [Int]

    /// - Parameter nodes: the most subtrees that this rank has in a step.
    package init(communicator: any Communicator, layout: ParameterLayout, nodes: Int) {
        self.communicator = communicator
        self.layout = layout
        weightBuffer = AlignedBuffer(count: layout.paddedCount)
        // Padding stays zero: no layer writes there.
        gradientBuffer = AlignedBuffer(count: layout.paddedCount * max(nodes, 1))
        slice = layout.slice(of: communicator.rank, ownerCount: communicator.size)
        sliceBytes = (0..<communicator.size).map {
            layout.slice(of: $0, ownerCount: communicator.size).count * MemoryLayout<Float>.stride
        }
    }

    package var weights: MutableParameterView { weightBuffer.parameters }

    package func gradients(_ node: Int) -> MutableParameterView {
        precondition(node >= 0 && (node + 1) * layout.paddedCount <= gradientBuffer.count, "node \(node)")
        return MutableParameterView(base: gradientBuffer.base + node * layout.paddedCount, count: layout.paddedCount)
    }

    package func collect(_ program: SummationTree.Program) throws -> [UnsafePointer<Float>] {
        let own = program.subtrees(of: communicator.rank)
        var sources: [UnsafePointer<Float>] = []
        if communicator.size == 1 {
            for node in own { sources.append(UnsafePointer(gradients(node).base)) }
            return sources
        }
        let foreign = program.subtrees.count - own.count
        if received.count < foreign * slice.count { received = AlignedBuffer(count: foreign * slice.count) }
        var sending: [Outgoing] = [], receiving: [Incoming] = []
        var place = received.base
        for rank in 0..<communicator.size {
            if rank == communicator.rank {
                for node in 0..<own.count { sources.append(UnsafePointer(gradients(node).base + slice.lowerBound)) }
                continue
            }
            for _ in program.subtrees(of: rank) where !slice.isEmpty {
                receiving.append(Incoming(from: rank, UnsafeMutableRawBufferPointer(
                    start: place, count: slice.count * MemoryLayout<Float>.stride)))
                sources.append(UnsafePointer(place))
                place += slice.count
            }
            let target = layout.slice(of: rank, ownerCount: communicator.size)
            for node in 0..<own.count where !target.isEmpty {
                sending.append(Outgoing(to: rank, UnsafeRawBufferPointer(
                    start: gradients(node).base + target.lowerBound, count: sliceBytes[rank])))
            }
        }
        try communicator.exchange(sending: sending, receiving: receiving)
        return sources
    }

    package func publish() throws {
        guard communicator.size > 1 else { return }
        try communicator.allGather(nil, into: UnsafeMutableRawBufferPointer(weightBuffer.elements), counts: sliceBytes)
    }
}
