import Diagnostics
import Files
import Foundation
import Storage
import Synchronization
import Threads

/// Writes an event file on a thread of its own.
///
/// Scalars of steps are numbers in a ring that was allocated before: a push takes no memory and no lock. All else is a job, which the
/// thread runs: what it returns is written. A file that can't be written is told of once, and nothing more is written then.
package final class EventWriter: @unchecked Sendable {
    // Sendable: what both sides touch is guarded by `condition` or atomic.

    /// Makes values of a step.
    package typealias Job = @Sendable () throws -> [SummaryValue]

    private struct Waiting {
        let wallTime: Double
        let step: Int
        let job: Job
    }

    /// How often the thread looks for steps, seconds.
    private static let gatherSeconds = 0.2
    private static let capacity = 4096

    private let file: EventFile
    private let tags: [String]
    private let ring: NumberRing
    private let condition = NSCondition()
    private var jobs: [Waiting] = []
    /// How many jobs are waiting or at work.
    private var unfinished = 0
    private var isClosing = false
    private var hasEnded = false
    private var failure: Failure?
    private let hasNews = Atomic<Bool>(false)
    /// The thread's: whether something could not be written.
    private var isBroken = false

    /// Begins a file and its thread; the caller ends it with `close`.
    ///
    /// - Parameters:
    ///   - tags: what the numbers of a step are called.
    ///   - firstStep: what earlier files say of this step, and of later ones, didn't happen.
    /// - Throws: `Failure(.systemRefused)` where there is no thread to be had.
    package init(_ file: EventFile, tags: [String], firstStep: Int, wallTime: Double) throws(Failure) {
        self.file = file
        self.tags = tags
        ring = NumberRing(capacity: Self.capacity, width: 2 + tags.count)
        try startThread("dtrain-events", purpose: "that writes files for TensorBoard") {
            var bytes: [UInt8] = []
            RecordFraming.append(Event.version(wallTime: wallTime).bytes, to: &bytes)
            RecordFraming.append(Event.start(wallTime: wallTime, step: firstStep).bytes, to: &bytes)
            self.run(bytes)
        }
    }

    // MARK: - The training loop's side

    /// Hands over the scalars of a step, which `write` puts into as many numbers as there are tags; NaN where there is none. Takes no
    /// memory. Waits where the thread is far behind.
    package func push(step: Int, wallTime: Double, _ write: (UnsafeMutableBufferPointer<Double>) -> Void) {
        while !ring.push({ row in
            row[0] = Double(step)
            row[1] = wallTime
            write(UnsafeMutableBufferPointer(rebasing: row[2...]))
        }) {
            condition.lock()
            condition.broadcast()
            _ = condition.wait(until: Date(timeIntervalSinceNow: Self.gatherSeconds))
            condition.unlock()
        }
    }

    /// Has the thread make and write values of a step.
    package func submit(step: Int, wallTime: Double, _ job: @escaping Job) {
        condition.lock()
        defer { condition.unlock() }
        precondition(!isClosing, "a job for a file of events that is closed")
        jobs.append(Waiting(wallTime: wallTime, step: step, job: job))
        unfinished += 1
        condition.broadcast()
    }

    /// Waits until no job is left: what jobs read may be changed then.
    package func waitForJobs() {
        condition.lock()
        defer { condition.unlock() }
        while unfinished > 0 { condition.wait() }
    }

    /// Why nothing is written any more; told once.
    package func takeFailure() -> Failure? {
        guard hasNews.load(ordering: .relaxed) else { return nil }
        condition.lock()
        defer { condition.unlock() }
        hasNews.store(false, ordering: .relaxed)
        return failure
    }

    /// Writes what is left and ends the thread.
    package func close() {
        condition.lock()
        defer { condition.unlock() }
        isClosing = true
        condition.broadcast()
        while !hasEnded { condition.wait() }
    }

    // MARK: - The thread's side

    private func run(_ first: [UInt8]) {
        write(first)
        condition.lock()
        while true {
            if jobs.isEmpty, !isClosing, ring.pushed - ring.taken < Self.capacity / 2 {
                _ = condition.wait(until: Date(timeIntervalSinceNow: Self.gatherSeconds))
            }
            let isLast = isClosing
            let work = jobs
            jobs.removeAll()
            condition.unlock()
            drainSteps()
            for waiting in work { perform(waiting) }
            condition.lock()
            unfinished -= work.count
            condition.broadcast()
            if isLast, jobs.isEmpty, ring.pushed == ring.taken { break }
        }
        hasEnded = true
        condition.broadcast()
        condition.unlock()
    }

    private func drainSteps() {
        var bytes: [UInt8] = []
        while ring.take({ row in
            let values = zip(tags, row[2...]).compactMap { tag, value in
                value.isNaN ? nil : SummaryValue.scalar(tag: tag, value)
            }
            guard !isBroken, !values.isEmpty else { return }
            RecordFraming.append(Event(wallTime: row[1], step: Int(row[0]), values).bytes, to: &bytes)
        }) {
            if bytes.count > 1 << 16 {
                write(bytes)
                bytes.removeAll(keepingCapacity: true)
            }
        }
        write(bytes)
    }

    private func perform(_ waiting: Waiting) {
        guard !isBroken else { return }
        do {
            let values = try waiting.job()
            guard !values.isEmpty else { return }
            var bytes: [UInt8] = []
            RecordFraming.append(Event(wallTime: waiting.wallTime, step: waiting.step, values).bytes, to: &bytes)
            write(bytes)
        } catch {
            fail("\(error)")
        }
    }

    private func write(_ bytes: [UInt8]) {
        guard !isBroken, !bytes.isEmpty else { return }
        do throws(SystemError) {
            try file.append(bytes)
        } catch {
            fail("\(error)")
        }
    }

    private func fail(_ reason: String) {
        isBroken = true
        condition.lock()
        failure = Failure(
            .inputOutput, "\(reason); nothing more is written for TensorBoard in this start, training goes on")
        hasNews.store(true, ordering: .relaxed)
        condition.unlock()
    }
}
