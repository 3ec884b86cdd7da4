import CProcesses
import Diagnostics
import Foundation
import Synchronization
import Threads
import Timing

/// Hands on what a job writes to one of this process's streams, as it comes.
///
/// The job must not hold the reader's pipe itself: mpirun ends all ranks when that breaks, where a lone process trains
/// on. When the reader has gone, or the disk behind the stream is full, what comes later is thrown away, and nobody
/// is stopped.
final class OutputRelay: Sendable {
    /// The end that the job writes into.
    private let writer: PipeEnd
    /// Closing it asks the thread to end when nothing is left to read. The end of the job's pipe alone may never come:
    /// something that mpirun started and left behind (a shared ssh connection) can hold it open.
    private let ending: PipeEnd
    private let thread: RelayThread

    /// Starts to hand on to `stream`. The thread that does it blocks the signals that the caller blocks.
    ///
    /// Throws `Failure` with 71 where the system has no pipe or thread left.
    ///
    /// - Parameter hearsErrors: whether errors come here, which are folded, and what mpirun says, which is kept.
    init(to stream: StandardStream, hearsErrors: Bool) throws {
        let job = try PipeEnd.makePipe()
        let end = try PipeEnd.makePipe()
        writer = job.writer
        ending = end.writer
        thread = RelayThread(source: job.reader, ending: end.reader, target: stream, hearsErrors: hearsErrors)
        try thread.start()
    }

    /// The descriptor for the job to write into.
    var input: Int32 { writer.descriptor }

    /// Closes this process's own end of the job's pipe; to be called when the job has it.
    func closeWriter() { writer.close() }

    /// Says that the job is over: what it has written is handed on, and nothing more is waited for.
    func askToEnd() { ending.close() }

    /// Whether all has been handed on, within so many seconds.
    func isFinished(withinSeconds seconds: Double) -> Bool { thread.isFinished(withinSeconds: seconds) }

    /// What kept text from being written, if that was something else than the reader's going.
    var failure: Failure? { thread.failure }

    /// Whether there was anything to hand on.
    var hasDelivered: Bool { thread.hasDelivered }

    /// What mpirun says of the job's end; to be asked when all has been handed on.
    var cause: MPIRunWords.Cause? { thread.cause }
}

/// One end of a pipe, closed when it is asked for or nobody needs it any more.
private final class PipeEnd: Sendable {
    private let number: Mutex<Int32>

    private init(_ number: Int32) { self.number = Mutex(number) }

    deinit { close() }

    /// The descriptor; -1 once it is closed.
    var descriptor: Int32 { number.withLock { $0 } }

    func close() {
        number.withLock { number in
            if number >= 0 { Foundation.close(number) }
            number = -1
        }
    }

    static func makePipe() throws -> (reader: PipeEnd, writer: PipeEnd) {
        var reader: Int32 = -1
        var writer: Int32 = -1
        let code = dtrain_pipe(&reader, &writer)
        guard code == 0 else { throw systemFailure("a pipe for mpirun's output can't be made", code) }
        return (PipeEnd(reader), PipeEnd(writer))
    }
}

/// The thread of a relay.
private final class RelayThread: Sendable {
    private struct State {
        var failure: Failure?
        var isDiscarding = false
        var hasDelivered = false
        var words = MPIRunWords()
        var messages = RankMessages()
    }

    private let source: PipeEnd, ending: PipeEnd, target: StandardStream
    private let hearsErrors: Bool
    private let done = DispatchSemaphore(value: 0)
    private let state = Mutex(State())

    init(source: PipeEnd, ending: PipeEnd, target: StandardStream, hearsErrors: Bool) {
        self.source = source
        self.ending = ending
        self.target = target
        self.hearsErrors = hearsErrors
    }

    var cause: MPIRunWords.Cause? { state.withLock { $0.words.cause } }

    var failure: Failure? { state.withLock { $0.failure } }
    var hasDelivered: Bool { state.withLock { $0.hasDelivered } }

    func isFinished(withinSeconds seconds: Double) -> Bool {
        guard done.wait(timeout: .now() + seconds) == .success else { return false }
        // So that a second look says the same.
        done.signal()
        return true
    }

    func start() throws {
        try startThread("dtrain-relay", purpose: "that hands on mpirun's output") { [self] in run() }
    }

    private func run() {
        defer {
            deliver(state.withLock { $0.messages.pass($0.words.rest(), at: .infinity) + $0.messages.rest() })
            done.signal()
        }
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            var polled = [
                pollfd(fd: source.descriptor, events: Int16(POLLIN), revents: 0),
                pollfd(fd: ending.descriptor, events: Int16(POLLIN), revents: 0)
            ]
            let due = state.withLock { $0.messages.due }
            let patience = due.map { Int32(max(0, min(1, $0 - MonotonicClock.seconds)) * 1000) } ?? -1
            let found = poll(&polled, 2, patience)
            if let due, MonotonicClock.seconds >= due { deliver(state.withLock { $0.messages.rest() }) }
            guard found > 0 else {
                if found == 0 || errno == EINTR { continue }
                return
            }
            // First what is there, then whether to go.
            guard polled[0].revents != 0 else { return }
            let count = read(source.descriptor, &buffer, buffer.count)
            if count > 0 {
                deliver(hearsErrors ? sorted(buffer[..<count]) : Array(buffer[..<count]))
            } else if count == 0 || errno != EINTR {
                return
            }
        }
    }

    /// What is handed on of what came.
    private func sorted(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        state.withLock { $0.messages.pass($0.words.pass(bytes), at: MonotonicClock.seconds) }
    }

    private func deliver(_ bytes: [UInt8]) {
        guard
            !bytes.isEmpty,
            !state.withLock({ state in
                state.hasDelivered = true
                return state.isDiscarding
            })
        else { return }
        do {
            try bytes.withUnsafeBytes { try target.write($0) }
        } catch {
            // Whether the reader has gone or the disk is full, nobody is stopped.
            let failure = error as? Failure
            state.withLock {
                $0.failure = failure
                $0.isDiscarding = true
            }
        }
    }
}

/// The failure for what the system refuses: `what` is missing, why, and what helps.
func systemFailure(_ what: String, _ code: Int32) -> Failure {
    let advice =
        switch code {
        case EAGAIN: "; raise the limit of processes and threads (ulimit -u, a container's pids limit) or end some"
        case ENOMEM: "; free memory or raise its limit (ulimit -v)"
        case EMFILE, ENFILE: "; raise the limit of open files (ulimit -n)"
        default: ""
        }
    return Failure(.systemRefused, "--ranks: \(what): \(String(cString: strerror(code)))\(advice)")
}
