import Diagnostics
import Files
import Foundation
import Timing

/// A file of phases in Chrome's trace format, which https://ui.perfetto.dev and chrome://tracing show: a process for each
/// rank, in it a row for each phase.
///
/// Format: the JSON object of "Trace Event Format" (Google, 2016): complete events ("ph":"X", times in microseconds) and
/// metadata events ("ph":"M") that name the rows.
package final class TraceFile {
    private let output: OutputFile
    private var buffer: [UInt8] = []
    private var isFirst = true

    /// Makes sure that the file can be written; what is in it stays until `end`.
    ///
    /// Throws `Failure` 73 where that can't be done.
    package init(path: String) throws {
        do {
            output = try OutputFile(path: path)
        } catch let failure as Failure {
            throw Failure(failure.code, "--trace \(failure.message)")
        }
    }

    /// Writes what comes before the events.
    ///
    /// - Parameters:
    ///   - dropped: for each rank, how many of its events, the oldest ones, are not in the trace.
    ///   - hosts: for each rank, the name of its host.
    package func begin(dropped: [Int], hosts: [String]) throws {
        let numbers = LogValue.list(dropped.map { .integer($0) }).json
        append(
            "{\"displayTimeUnit\":\"ms\",\"otherData\":{\"program\":\"dtrain\",\"ranks\":\(dropped.count),"
                + "\"dropped_events\":\(numbers)},\"traceEvents\":[")
        for rank in dropped.indices {
            let host = hosts[rank].isEmpty ? "" : " on \(hosts[rank])"
            appendMetadata("process_name", rank: rank, row: 0, "\"name\":\(LogValue.text("rank \(rank)\(host)").json)")
            appendMetadata("process_sort_index", rank: rank, row: 0, "\"sort_index\":\(rank)")
            for phase in Phase.allCases {
                appendMetadata("thread_name", rank: rank, row: phase.rawValue, "\"name\":\"\(phase.name)\"")
                appendMetadata("thread_sort_index", rank: rank, row: phase.rawValue, "\"sort_index\":\(phase.rawValue)")
            }
        }
        try flush()
    }

    /// Writes the events of a rank.
    ///
    /// - Parameter origin: the time that becomes 0.
    package func add(rank: Int, events: UnsafeBufferPointer<PhaseEvent>, origin: UInt64) throws {
        let names = Phase.allCases.map(\.name)
        for event in events {
            separate()
            append(
                "{\"ph\":\"X\",\"name\":\"\(names[Int(event.phase)])\",\"cat\":\"step\",\"pid\":\(rank),"
                    + "\"tid\":\(event.phase),\"ts\":")
            appendMicroseconds(event.start &- origin)
            append(",\"dur\":")
            appendMicroseconds(event.nanoseconds)
            append(",\"args\":{\"step\":\(event.step)}}")
            if buffer.count > 1 << 16 { try flush() }
        }
        try flush()
    }

    /// Writes what comes behind the events, and puts the file in its place.
    package func end() throws {
        append("\n]}\n")
        try flush()
        try reporting { try output.commit() }
    }

    private func appendMetadata(_ kind: String, rank: Int, row: UInt32, _ argument: String) {
        separate()
        append("{\"ph\":\"M\",\"name\":\"\(kind)\",\"pid\":\(rank),\"tid\":\(row),\"args\":{\(argument)}}")
    }

    private func separate() {
        append(isFirst ? "\n" : ",\n")
        isFirst = false
    }

    private func append(_ text: String) { buffer.append(contentsOf: text.utf8) }

    /// All digits of the clock.
    private func appendMicroseconds(_ nanoseconds: UInt64) {
        let rest = String(nanoseconds % 1000)
        append("\(nanoseconds / 1000)." + String(repeating: "0", count: 3 - rest.count) + rest)
    }

    private func flush() throws {
        try reporting { try buffer.withUnsafeBytes { try output.write($0) } }
        buffer.removeAll(keepingCapacity: true)
    }

    private func reporting(_ body: () throws -> Void) throws {
        do {
            try body()
        } catch let error as SystemError {
            throw Failure(.inputOutput, "--trace \(error); the trace is not complete, but the run and its checkpoints are")
        }
    }
}
