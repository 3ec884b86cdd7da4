import Collectives
import Diagnostics
import Network
import Storage

/// The states of recurrent layers that go on from step to step (`training.stateful`): a row for each stream, the place of a sample in
/// the global batch, so that they belong to draws and not to ranks. A rank holds the rows of all streams and keeps up those that it
/// computes; it computes the same ones in every step.
package final class CarriedStates {
    /// The tensor of them in a checkpoint.
    static let tensorName = "carried_states"

    /// How many streams, and how many numbers of each.
    let streams: Int, width: Int
    private let numbers: AlignedBuffer<Float>

    init(streams: Int, width: Int) {
        self.streams = streams
        self.width = width
        numbers = AlignedBuffer(count: streams * width)
    }

    /// Bytes that `init` takes.
    static func byteCount(streams: Int, width: Int) -> Int { AlignedBuffer<Float>.byteCount(streams * width) }

    /// Those of some streams.
    func rows(_ range: Range<Int>) -> MutableMatrixView {
        precondition(range.upperBound <= streams, "streams \(range) of \(streams)")
        return numbers.matrix(rows: range.count, columns: width, offset: range.lowerBound * width)
    }

    /// Lets the streams begin anew, as an epoch does.
    func clear() { numbers.matrix(rows: streams, columns: width).fill(0) }

    var elements: UnsafeMutableBufferPointer<Float> { numbers.first(streams * width) }

    /// Makes every rank's rows known to all. Collective.
    ///
    /// - Parameter counts: how many streams each rank computes, one rank's behind the other's.
    func gather(_ counts: [Int], over communicator: any Communicator) throws {
        let row = width * MemoryLayout<Float>.stride
        try communicator.allGather(nil, into: UnsafeMutableRawBufferPointer(elements), counts: counts.map { $0 * row })
    }
}
