import CProcesses
import Diagnostics
import Foundation
import Timing

/// A watcher that this rank has started; see `Watcher`. It ends with the thread that started it.
package final class WatcherProcess {
    private let process: pid_t
    /// The end of the pipe whose closing ends it.
    private let control: Int32

    /// How long it may take to end when it is asked to.
    private static let patienceSeconds = 1.0

    /// Starts it.
    ///
    /// - Parameters:
    ///   - program: the path of a program that runs a watcher when it is called with `arguments`.
    ///   - listener: a socket for the watchers of other hosts; nil where there are none.
    /// - Throws: `Failure(.systemRefused)`.
    package init(
        program: String, arguments: [String], settings: WatchSettings, board: PulseBoard, listener: Int32?
    ) throws(Failure) {
        var reader: Int32 = -1
        var writer: Int32 = -1
        let code = dtrain_pipe(&reader, &writer)
        guard code == 0 else { throw Self.refusal("pipe", code) }
        defer { close(reader) }
        // Null-terminated arrays of C strings, which live until the process is started.
        var words = (["dtrain"] + arguments).map { strdup($0) } + [nil]
        var environment = Self.environment.map { strdup($0) } + [nil]
        defer {
            for text in words + environment { free(text) }
        }
        var started: pid_t = 0
        var call: UnsafePointer<CChar>?
        let given = [board.descriptor, reader, listener ?? -1]
        let failed = dtrain_start_watcher(program, &words, &environment, given, Int32(given.count), &started, &call)
        guard failed == 0 else {
            close(writer)
            throw Self.refusal(call.map { String(cString: $0) } ?? "fork", failed)
        }
        process = started
        control = writer
        do {
            try settings.write(to: writer)
        } catch {
            end()
            throw error as? Failure ?? Failure(.systemRefused, "\(error)")
        }
    }

    /// Has this process, a rank, end at once with `status` where its watcher ends the job.
    package static func letItEndThisProcess(with status: Int32) { dtrain_end_when_asked(status) }

    /// Ends it, and waits until it has.
    package func end() {
        close(control)
        let last = MonotonicClock.seconds + Self.patienceSeconds
        while waitpid(process, nil, WNOHANG) == 0 {
            if MonotonicClock.seconds > last { kill(process, SIGKILL) }
            usleep(1000)
        }
    }

    /// Without what a launcher says to ranks: the watcher is none.
    private static var environment: [String] {
        ProcessInfo.processInfo.environment.filter { variable in
            !["OMPI_", "PMIX_", "PMI_", "ORTE_"].contains { variable.key.hasPrefix($0) }
        }.map { "\($0.key)=\($0.value)" }
    }

    private static func refusal(_ call: String, _ code: Int32) -> Failure {
        Failure(.systemRefused, "the watcher can't be started (\(call)): \(String(cString: strerror(code)))")
    }
}
