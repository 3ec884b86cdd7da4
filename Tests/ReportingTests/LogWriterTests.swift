import Diagnostics
import Foundation
import Reporting
import Testing

/// A disk that can be slow, short-breathed or full.
final class TestSink: LogSink, @unchecked Sendable {
    // Sendable: everything is guarded by the lock.
    private let lock = NSLock()
    private var bytes: [UInt8] = []
    private var room = Int.max
    private var failsToSync = false
    private(set) var syncs = 0
    private(set) var attempts = 0
    let delay: Double
    let mouthful: Int

    init(delay: Double = 0, mouthful: Int = .max) {
        self.delay = delay
        self.mouthful = mouthful
    }

    func append(_ offered: ArraySlice<UInt8>) throws -> Int {
        if delay > 0 { Thread.sleep(forTimeInterval: delay) }
        return try lock.withLock {
            attempts += 1
            let count = min(offered.count, mouthful, room)
            guard count > 0 else { throw Failure(.inputOutput, "the disk is full") }
            bytes.append(contentsOf: offered.prefix(count))
            room -= room == .max ? 0 : count
            return count
        }
    }

    func sync() throws {
        try lock.withLock {
            syncs += 1
            if failsToSync { throw Failure(.inputOutput, "no sync") }
        }
    }

    var text: String { lock.withLock { String(decoding: bytes, as: UTF8.self) } }
    var tries: Int { lock.withLock { attempts } }
    func setRoom(_ room: Int) { lock.withLock { self.room = room } }
    func setFailsToSync(_ fails: Bool) { lock.withLock { failsToSync = fails } }
}

@Suite("The log's writer thread", .timeLimit(.minutes(1)))
struct LogWriterTests {
    private func record(_ step: Int) -> StepRecord {
        StepRecord(
            step: step, epoch: 1 + step / 10, loss: 1 / Double(step), learningRate: 0.001,
            gradientNorm: step % 2 == 0 ? 0.5 : nil)
    }

    private func expected(_ step: Int) -> String {
        "{\"event\":\"step\",\"step\":\(step),\"epoch\":\(1 + step / 10),\"loss\":\(1 / Double(step)),\"accuracy\":"
            + "\(Double(step)),\"learning_rate\":0.001\(step % 2 == 0 ? ",\"gradient_norm\":0.5" : "")}\n"
    }

    @Test(
        "steps come out in order and whole, however small the ring and however slow the disk",
        arguments: [(1, 0.0), (2, 0.001), (3, 0.0), (7, 0.002), (1024, 0.0)])
    func wrapAround(capacity: Int, delay: Double) throws {
        let sink = TestSink(delay: delay, mouthful: 50)
        let writer = try LogWriter(sink: sink, metricNames: ["accuracy"], capacity: capacity)
        for step in 1...40 { #expect(writer.push(record(step), metrics: [Double(step)]) == nil) }
        #expect(writer.flush() == nil)
        #expect(sink.text == (1...40).map(expected).joined())
        #expect(writer.push(record(41), metrics: [41]) == nil)
        #expect(writer.close() == nil)
        #expect(sink.text == (1...41).map(expected).joined())
    }

    @Test("other lines stand where they were appended, between the steps")
    func interleaving() throws {
        let sink = TestSink()
        let writer = try LogWriter(sink: sink, metricNames: ["accuracy"], capacity: 4)
        var text = ""
        for step in 1...20 {
            writer.push(record(step), metrics: [Double(step)])
            text += expected(step)
            if step % 3 == 0 {
                for reason in ["a", "b"] {
                    writer.append(LogLine(.change, step: step, fields: [.init("reason", .text(reason))]))
                    text += "{\"event\":\"change\",\"step\":\(step),\"reason\":\"\(reason)\"}\n"
                }
            }
        }
        #expect(writer.close() == nil)
        #expect(sink.text == text)
    }

    @Test("lines reach the disk without a flush")
    func withoutFlush() throws {
        let sink = TestSink()
        let writer = try LogWriter(sink: sink, metricNames: ["accuracy"])
        writer.push(record(1), metrics: [1])
        let deadline = Date(timeIntervalSinceNow: 20)
        while sink.text.isEmpty && Date() < deadline { Thread.sleep(forTimeInterval: 0.005) }
        #expect(sink.text == expected(1))
        writer.close()
    }

    @Test("a full disk is reported once, and when it has room again no line and no byte is lost or doubled")
    func recovery() throws {
        let sink = TestSink()
        let writer = try LogWriter(sink: sink, metricNames: ["accuracy"], capacity: 8, retrySeconds: 0.01)
        sink.setRoom(30)
        writer.push(record(1), metrics: [1])
        let failure = Failure(.inputOutput, "the disk is full")
        #expect(writer.flush() == failure)
        // Reported by the flush; the pushes have nothing new to say. More than the ring holds moves on to the backlog.
        for step in 2...60 { #expect(writer.push(record(step), metrics: [Double(step)]) == nil) }
        #expect(sink.text.utf8.count == 30)
        sink.setRoom(.max)
        #expect(writer.flush(sync: true) == nil)
        #expect(sink.text == (1...60).map(expected).joined())
        #expect(sink.syncs == 1)
        // A second outage is told again.
        sink.setRoom(0)
        writer.push(record(61), metrics: [61])
        var reports = 0
        for step in 62...400 where writer.push(record(step), metrics: [Double(step)]) != nil { reports += 1 }
        let deadline = Date(timeIntervalSinceNow: 20)
        var step = 401
        while reports == 0 && Date() < deadline {
            Thread.sleep(forTimeInterval: 0.005)
            if writer.push(record(step), metrics: [Double(step)]) != nil { reports += 1 }
            step += 1
        }
        for later in step..<(step + 20) {
            if writer.push(record(later), metrics: [Double(later)]) != nil { reports += 1 }
        }
        #expect(reports == 1)
        sink.setRoom(.max)
        #expect(writer.close() == nil)
        #expect(sink.text == (1..<(step + 20)).map(expected).joined())
    }

    @Test("writing is tried again by itself")
    func retries() throws {
        let sink = TestSink()
        sink.setRoom(0)
        let writer = try LogWriter(sink: sink, retrySeconds: 0.01)
        writer.push(StepRecord(step: 1, epoch: 1, loss: 1, learningRate: 1))
        let deadline = Date(timeIntervalSinceNow: 20)
        while sink.tries < 3 && Date() < deadline { Thread.sleep(forTimeInterval: 0.005) }
        sink.setRoom(.max)
        while sink.text.isEmpty && Date() < deadline { Thread.sleep(forTimeInterval: 0.005) }
        #expect(sink.text == "{\"event\":\"step\",\"step\":1,\"epoch\":1,\"loss\":1.0,\"learning_rate\":1.0}\n")
        writer.close()
    }

    @Test("with backlog and ring full a push waits for the disk instead of dropping")
    func bounded() throws {
        let sink = TestSink()
        sink.setRoom(0)
        let writer = try LogWriter(
            sink: sink, metricNames: ["accuracy"], capacity: 2, backlogLimit: 100,
            retrySeconds: 0.01)
        let opener = Thread {
            Thread.sleep(forTimeInterval: 0.2)
            sink.setRoom(.max)
        }
        let start = Date()
        opener.start()
        for step in 1...30 { writer.push(record(step), metrics: [Double(step)]) }
        #expect(Date().timeIntervalSince(start) > 0.15)
        #expect(writer.close() == nil)
        #expect(sink.text == (1...30).map(expected).joined())
    }

    @Test("closing on a disk that stays full says how many lines are lost")
    func lost() throws {
        let sink = TestSink()
        sink.setRoom(0)
        let writer = try LogWriter(sink: sink, metricNames: ["accuracy"], capacity: 4)
        for step in 1...3 { writer.push(record(step), metrics: [Double(step)]) }
        #expect(writer.close() == Failure(.inputOutput, "the disk is full (3 lines of metrics are lost)"))
        #expect(writer.close() == nil)
    }

    @Test("a failed sync is the flush's answer, and is asked again by the next")
    func failedSync() throws {
        let sink = TestSink()
        sink.setFailsToSync(true)
        let writer = try LogWriter(sink: sink, metricNames: ["accuracy"])
        writer.push(record(1), metrics: [1])
        #expect(writer.flush(sync: true) == Failure(.inputOutput, "no sync"))
        sink.setFailsToSync(false)
        #expect(writer.flush(sync: true) == nil)
        #expect(writer.close(sync: false) == nil)
        #expect(sink.syncs == 2)
    }

    @Test("NaN becomes null, and the file is what was pushed")
    func file() throws {
        try withTemporaryPath { path in
            let writer = try LogWriter(sink: try MetricsLog(in: try directory(of: path)), metricNames: ["accuracy", "f1"])
            writer.push(
                StepRecord(step: 7, epoch: 1, loss: .infinity, learningRate: 0.5, gradientNorm: .nan),
                metrics: [.nan, 0.25])
            #expect(writer.close() == nil)
            let text = try contents(path)
            #expect(
                text == #"{"event":"step","step":7,"epoch":1,"loss":null,"accuracy":null,"f1":0.25,"#
                    + #""learning_rate":0.5,"gradient_norm":null}"# + "\n")
            #expect(
                try MetricsLog.lines(path: path).first?.numbers == [
                    "step": 7, "epoch": 1, "f1": 0.25,
                    "learning_rate": 0.5
                ])
        }
    }

    /// A disk whose syncs wait for the test.
    private final class SlowSink: LogSink, @unchecked Sendable {
        // Sendable: guarded by the lock; semaphores are for threads.
        private let lock = NSLock()
        private var text = ""
        private var synced: [String] = []
        let hasBegun = DispatchSemaphore(value: 0)
        let mayEnd = DispatchSemaphore(value: 0)

        func append(_ bytes: ArraySlice<UInt8>) throws -> Int {
            lock.withLock { text += String(decoding: bytes, as: UTF8.self) }
            return bytes.count
        }

        func sync() throws {
            let now = lock.withLock { text }
            hasBegun.signal()
            mayEnd.wait()
            lock.withLock { synced.append(now) }
        }

        /// What was in the file when each sync began.
        var syncs: [String] { lock.withLock { synced } }
    }

    @Test("a sync that is asked for during another isn't answered by that one")
    func syncDuringSync() throws {
        let sink = SlowSink()
        let writer = try LogWriter(sink: sink, metricNames: ["accuracy"])
        writer.push(record(1), metrics: [1])
        let flushes = DispatchGroup()
        Thread.detachNewThread(in: flushes) { writer.flush(sync: true) }
        sink.hasBegun.wait()
        writer.push(record(2), metrics: [2])
        Thread.detachNewThread(in: flushes) { writer.flush(sync: true) }
        // Until the second one has asked.
        let deadline = Date(timeIntervalSinceNow: 20)
        while writer.waitingFlushes < 2, Date() < deadline { usleep(1000) }
        try #require(writer.waitingFlushes == 2)
        sink.mayEnd.signal()
        // Without a sync of its own the second flush would end here.
        #expect(sink.hasBegun.wait(timeout: .now() + 20) == .success)
        #expect(writer.waitingFlushes == 1, "the second one was answered before its own sync")
        sink.mayEnd.signal()
        flushes.wait()
        #expect(sink.syncs == [expected(1), expected(1) + expected(2)])
        writer.close(sync: false)
    }
}

extension Thread {
    /// Runs `body` on a thread that a group waits for.
    fileprivate static func detachNewThread(in group: DispatchGroup, _ body: @escaping @Sendable () -> Void) {
        group.enter()
        detachNewThread {
            body()
            group.leave()
        }
    }
}
