import Diagnostics
import Foundation
import Storage
import Synchronization
import Threads

/// What the log keeps of one step.
package struct StepRecord: BitwiseCopyable, Sendable, Equatable {
    /// The global step.
    package var step: Int
    package var epoch: Int
    package var loss: Double
    package var learningRate: Double
    /// The norm of the gradient before clipping; nil (no key in the line) where nobody computed it.
    package var gradientNorm: Double?

    /// How many numbers it is in a ring.
    static let width = 6

    /// Writes itself into the first numbers of a row.
    func write(to row: UnsafeMutableBufferPointer<Double>) {
        row[0] = Double(step)
        row[1] = Double(epoch)
        row[2] = loss
        row[3] = learningRate
        row[4] = gradientNorm == nil ? 0 : 1
        row[5] = gradientNorm ?? 0
    }

    /// Reads itself from there.
    init(_ row: UnsafeBufferPointer<Double>) {
        self.init(
            step: Int(row[0]), epoch: Int(row[1]), loss: row[2], learningRate: row[3],
            gradientNorm: row[4] == 0 ? nil : row[5])
    }

    package init(step: Int, epoch: Int, loss: Double, learningRate: Double, gradientNorm: Double? = nil) {
        self.step = step
        self.epoch = epoch
        self.loss = loss
        self.learningRate = learningRate
        self.gradientNorm = gradientNorm
    }
}

/// Takes steps from the training loop and writes them as lines of `metrics.jsonl` on a thread of its own.
///
/// A push copies numbers into a ring that was allocated before, without a lock; formatting and writing happen on the
/// writer's side, which looks a few times a second and not every step.
///
/// Nothing is dropped. Where writing fails, the formatted lines are kept, up to `backlogLimit` bytes, and offered
/// again every `retrySeconds`; the failure is handed to the caller once per outage, as a warning. Only when backlog
/// and ring are both full does a push wait.
package final class LogWriter: @unchecked Sendable {
    // Sendable: what both sides touch is guarded by `condition` or atomic; `drainedLines` and `backlog` belong to the
    // writer thread until `hasEnded`.

    /// How long the writer gathers steps before it writes, seconds.
    static let gatherSeconds = 0.05

    /// Until the writer has ended, which leaves nothing open behind it.
    private var sink: (any LogSink)?
    private let metricKeys: [[UInt8]]
    private let capacity: Int
    private let backlogLimit: Int
    private let retrySeconds: Double
    private let condition = NSCondition()

    private let ring: NumberRing
    /// Formatted lines that stand behind the first `position` steps.
    private var lines: [(position: Int, bytes: [UInt8])] = []
    private var drainedLines: [(position: Int, bytes: [UInt8])] = []
    /// How many steps had been pushed when the writer took the lines.
    private var drainedSteps = 0
    /// Formatted bytes that the sink hasn't taken yet.
    private var backlog: [UInt8] = []
    private var isClosing = false
    private var hasEnded = false
    private var flushesAsked = 0
    private var flushesAnswered = 0
    private var syncIsAsked = false
    /// Why the last attempt to write failed; nil while the sink is well.
    private var failure: Failure?
    private var failureIsReported = false
    /// Whether the caller has a failure to fetch.
    private let hasNews = Atomic<Bool>(false)

    /// Starts the writer thread. `metricNames` are the keys of the numbers that come with each step; `capacity` is how
    /// many steps wait at most. The caller ends it with `close`. Throws `Failure(.systemRefused)` where there is no thread
    /// to be had.
    package init(
        sink: any LogSink, metricNames: [String] = [], capacity: Int = 1024, backlogLimit: Int = 16 << 20,
        retrySeconds: Double = 1
    ) throws(Failure) {
        precondition(capacity > 0, "a log of \(capacity) steps")
        self.sink = sink
        self.capacity = capacity
        self.backlogLimit = backlogLimit
        self.retrySeconds = retrySeconds
        metricKeys = metricNames.map(LogValue.quoted)
        ring = NumberRing(capacity: capacity, width: StepRecord.width + metricNames.count)
        try startThread("dtrain-log", purpose: "that writes metrics.jsonl") { self.run() }
    }

    // MARK: - The training loop's side

    /// Hands over a step with its metrics (NaN becomes null), without allocating. Waits where there is no room.
    /// Returns a failure of writing that hasn't been reported yet: a warning, nothing is lost so far.
    @discardableResult
    package func push(_ record: StepRecord, metrics values: UnsafeBufferPointer<Double>) -> Failure? {
        precondition(values.count == metricKeys.count, "\(values.count) metrics for a log of \(metricKeys.count)")
        while !ring.push({ row in
            record.write(to: row)
            for index in values.indices { row[StepRecord.width + index] = values[index] }
        }) { waitForRoom() }
        guard hasNews.load(ordering: .relaxed) else { return nil }
        condition.lock()
        defer { condition.unlock() }
        return takeFailure()
    }

    private func waitForRoom() {
        condition.lock()
        defer { condition.unlock() }
        precondition(!isClosing, "a step pushed into a log that is closed")
        condition.broadcast()
        _ = condition.wait(until: Date(timeIntervalSinceNow: Self.gatherSeconds))
    }

    /// The same with metrics in an array.
    @discardableResult
    package func push(_ record: StepRecord, metrics values: [Double] = []) -> Failure? {
        values.withUnsafeBufferPointer { push(record, metrics: $0) }
    }

    /// Appends a line of another kind behind the steps pushed so far. Returns a failure like `push`.
    @discardableResult
    package func append(_ line: LogLine) -> Failure? {
        var bytes: [UInt8] = []
        line.write(to: &bytes)
        condition.lock()
        defer { condition.unlock() }
        precondition(!isClosing, "a line appended to a log that is closed")
        lines.append((ring.pushed, bytes))
        return takeFailure()
    }

    /// Waits until everything pushed has been written, or an attempt to do so has failed; with `sync`, until it is
    /// durable. Returns why the log isn't complete on the disk, whether or not that was reported before.
    @discardableResult
    package func flush(sync: Bool = false) -> Failure? {
        condition.lock()
        defer { condition.unlock() }
        return waitForFlush(sync: sync)
    }

    /// Writes what is left and ends the thread. Returns why the log isn't complete, and how many lines are lost.
    @discardableResult
    package func close(sync: Bool = true) -> Failure? {
        condition.lock()
        defer { condition.unlock() }
        guard !isClosing else { return nil }
        isClosing = true
        let failure = waitForFlush(sync: sync)
        while !hasEnded { condition.wait() }
        guard let failure else { return nil }
        let lost = backlog.count { $0 == UInt8(ascii: "\n") } + ring.pushed - ring.taken + lines.count
        return lost == 0
            ? failure
            : Failure(
                failure.code, "\(failure.message) (\(lost) line\(lost == 1 ? " of metrics is" : "s of metrics are") lost)")
    }

    /// How many calls of `flush` wait at the moment, for tests.
    package var waitingFlushes: Int { condition.withLock { flushesAsked - flushesAnswered } }

    private func waitForFlush(sync: Bool) -> Failure? {
        flushesAsked += 1
        syncIsAsked = syncIsAsked || sync
        let ticket = flushesAsked
        condition.broadcast()
        while flushesAnswered < ticket { condition.wait() }
        failureIsReported = failure != nil
        return failure
    }

    /// The failure, if the caller hasn't had it yet.
    private func takeFailure() -> Failure? {
        guard let failure, !failureIsReported else { return nil }
        failureIsReported = true
        hasNews.store(false, ordering: .relaxed)
        return failure
    }

    // MARK: - The writer's side

    private var hasWork: Bool { ring.pushed > ring.taken || !lines.isEmpty }
    /// Whether the writer should stop gathering.
    private var isHalfFull: Bool { ring.pushed - ring.taken >= max(1, capacity / 2) }
    private var isUrgent: Bool { flushesAnswered < flushesAsked }
    private var backlogIsFull: Bool { backlog.count >= backlogLimit }

    private func run() {
        condition.lock()
        while !(isClosing && !isUrgent) {
            waitForWork()
            let ticket = flushesAsked
            let wantsSync = syncIsAsked
            repeat {
                if !backlogIsFull {
                    swap(&lines, &drainedLines)
                    drainedSteps = ring.pushed
                }
                outsideLock {
                    formatSteps()
                    try writeBacklog()
                }
                condition.broadcast()
            } while failure == nil && hasWork && isUrgent
            if wantsSync && failure == nil {
                syncIsAsked = false
                outsideLock { try sink?.sync() }
            }
            flushesAnswered = max(flushesAnswered, ticket)
            condition.broadcast()
        }
        sink = nil
        hasEnded = true
        condition.broadcast()
        condition.unlock()
    }

    /// Waits until there is something to write, which it looks for now and then, or for the disk to recover.
    private func waitForWork() {
        repeat {
            let deadline = Date(timeIntervalSinceNow: failure == nil ? Self.gatherSeconds : retrySeconds)
            // While the sink fails, steps still move on into the backlog.
            while !isUrgent && (!isHalfFull || backlogIsFull) {
                if !condition.wait(until: deadline) { break }
            }
        } while !hasWork && backlog.isEmpty && !isUrgent
    }

    /// Does the slow part and notes how it ended.
    private func outsideLock(_ work: () throws -> Void) {
        condition.unlock()
        var outcome: Failure?
        do {
            try work()
        } catch {
            outcome = error as? Failure ?? Failure(.inputOutput, "the metrics log could not be written: \(error)")
        }
        condition.lock()
        failure = outcome
        if outcome == nil { failureIsReported = false }
        hasNews.store(outcome != nil && !failureIsReported, ordering: .relaxed)
    }

    private func formatSteps() {
        var next = drainedLines.makeIterator()
        var line = next.next()
        while ring.taken < drainedSteps {
            while let here = line, here.position <= ring.taken {
                backlog.append(contentsOf: here.bytes)
                line = next.next()
            }
            _ = ring.take { format(StepRecord($0), metrics: $0[StepRecord.width...]) }
        }
        while let here = line {
            backlog.append(contentsOf: here.bytes)
            line = next.next()
        }
        drainedLines.removeAll()
    }

    private static let lossKey = LogValue.quoted("loss")
    private static let learningRateKey = LogValue.quoted("learning_rate")
    private static let gradientNormKey = LogValue.quoted("gradient_norm")

    private func format(_ record: StepRecord, metrics: Slice<UnsafeBufferPointer<Double>>) {
        LogLine.writeStart(.step, step: record.step, epoch: record.epoch, to: &backlog)
        LogLine.write(key: Self.lossKey, .number(record.loss), to: &backlog)
        for (key, value) in zip(metricKeys, metrics) { LogLine.write(key: key, .number(value), to: &backlog) }
        LogLine.write(key: Self.learningRateKey, .number(record.learningRate), to: &backlog)
        if let norm = record.gradientNorm { LogLine.write(key: Self.gradientNormKey, .number(norm), to: &backlog) }
        LogLine.writeEnd(to: &backlog)
    }

    /// Offers the backlog until the sink has taken it; what it took before it failed isn't offered again.
    private func writeBacklog() throws {
        var taken = 0
        defer { backlog.removeFirst(taken) }
        while taken < backlog.count, let sink { taken += try sink.append(backlog[taken...]) }
    }
}
