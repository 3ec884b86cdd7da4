import Diagnostics
import Foundation

/// One rank alone, without MPI: what plain `dtrain` and most tests run on.
package final class SoloCommunicator: Communicator {
    package init() {}

    package var rank: Int { 0 }
    package var size: Int { 1 }

    package var topology: Topology { Topology(hostSizes: [1]) }

    package func barrier() {}

    package func shareMemory(_ byteCount: (_ isFirst: Bool) -> Int) -> HostMemoryGrant {
        HostMemoryGrant(memory: PrivateMemory(byteCount: byteCount(true)), topology: topology, note: nil)
    }

    package func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int) {
        precondition(root == 0, "rank \(root) of 1")
    }

    package func allGather(_ own: UnsafeRawBufferPointer?, into all: UnsafeMutableRawBufferPointer, counts: [Int]) {
        precondition(
            counts.count == 1 && counts[0] <= all.count && own?.count ?? counts[0] == counts[0],
            "\(own?.count ?? 0) bytes of \(counts) into \(all.count)")
        if let own { all.copyMemory(from: own) }
    }

    package func allGather(_ own: UnsafeRawBufferPointer, into all: UnsafeMutableRawBufferPointer) {
        allGather(own, into: all, counts: [own.count])
    }

    package func exchange(sending: [Outgoing], receiving: [Incoming]) {
        precondition(sending.count == receiving.count, "\(sending.count) messages to itself, \(receiving.count) back")
        for (out, into) in zip(sending, receiving) { into.bytes.copyMemory(from: out.bytes) }
    }

    package func messages(places: Int) throws -> any Messages {
        preconditionFailure("messages of a rank that is alone")
    }

    package var allowsThread: Bool { false }

    package func beginAllReduceSum(_ values: UnsafeMutableBufferPointer<Float>) {}
    package func progressAllReduces() {}
    package func finishAllReduce() {}

    package func abort(_ code: ExitCode) -> Never { exit(code.rawValue) }
}
