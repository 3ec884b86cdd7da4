import Diagnostics

/// `metrics.jsonl` whose lines are also written to standard output, as they come (`--json`). What can't be printed is passed over, and
/// told at the end: the file is worth more. A reader that stands still holds up the run in the end, as with any program.
package final class EchoingLog: LogSink, @unchecked Sendable {
    // Sendable: the log writer's thread uses it, and when that has ended whoever asks how printing went.

    private let log: any LogSink
    private let output: StreamOutput

    package init(_ log: any LogSink, to output: StreamOutput) {
        self.log = log
        self.output = output
    }

    package func append(_ bytes: ArraySlice<UInt8>) throws -> Int {
        let count = try log.append(bytes)
        bytes.prefix(count).withUnsafeBytes { output.write($0) }
        return count
    }

    package func sync() throws { try log.sync() }
}
