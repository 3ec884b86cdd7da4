import Datasets
import Diagnostics
import Dispatch
import Foundation
import Storage
import Synchronization
import Threads

/// Where the inputs of the rows lie that go through the network.
///
/// Those of the next rows are gathered beside them by a thread of its own while the network computes, if there is a core
/// for it and enough to do; else by the caller while it would wait for other ranks, or when they are wanted.
package final class InputStage {
    private let width: Int
    /// Room for the rows, twice where there is a thread; each half begins on a cache line.
    private let buffer: AlignedBuffer<Float>
    private let half: Int
    private var isSecond = false
    /// The draws whose inputs are there already, or are being gathered.
    private var next: Range<UInt64> = 0..<0
    /// Whether it is the thread that was asked for them: into the other half.
    private var isAnnounced = false
    private let helper: Helper?
    private let leastForHelper: Int

    /// Waking a thread takes some microseconds, and what it wrote comes from another core's cache: fewer numbers than
    /// this are gathered in that time.
    package static let worthAThread = 1 << 16

    /// - Parameters:
    ///   - rows: the most rows at once.
    ///   - width: the numbers of a row.
    ///   - hasHelper: whether there may be a thread, which gathers `leastForHelper` numbers or more.
    package init(rows: Int, width: Int, hasHelper: Bool, leastForHelper: Int = worthAThread) {
        self.width = width
        self.leastForHelper = leastForHelper
        half = Self.half(rows: rows, width: width)
        // Without the thread the caller gathers: slower, and no reason to fail.
        helper = hasHelper && rows * width >= leastForHelper ? try? Helper() : nil
        buffer = AlignedBuffer(
            count: Self.bufferCount(
                rows: rows, width: width, gathersAhead: helper != nil,
                leastForHelper: leastForHelper))
    }

    private static func half(rows: Int, width: Int) -> Int { (rows * width + 15) / 16 * 16 }

    /// Numbers that there is room for.
    static func bufferCount(rows: Int, width: Int, gathersAhead: Bool, leastForHelper: Int = worthAThread) -> Int {
        half(rows: rows, width: width) * (gathersAhead && rows * width >= leastForHelper ? 2 : 1)
    }

    deinit { helper?.stop() }

    /// The current inputs.
    package func matrix(rows: Int) -> MutableMatrixView { matrix(rows: rows, isSecond: isSecond) }

    private func matrix(rows: Int, isSecond: Bool) -> MutableMatrixView {
        buffer.matrix(rows: rows, columns: width, offset: isSecond ? half : 0)
    }

    /// Makes the inputs of `samples` the current ones.
    ///
    /// - Parameter batch: the step's, of which they are a slice; nil in evaluation, where nothing is augmented.
    package func gather(_ dataset: Dataset, _ samples: ArraySlice<Int32>, in batch: DrawnBatch?) {
        if takeNext(samples.count, batch?.firstDraw(of: samples)) { return }
        dataset.gatherInputs(samples, into: matrix(rows: samples.count), in: batch)
    }

    /// Whether what is wanted has been gathered; then it is current. In any case nobody writes here from now on.
    private func takeNext(_ rows: Int, _ firstDraw: UInt64?) -> Bool {
        guard !next.isEmpty else { return false }
        let isWanted = firstDraw.map { next == $0..<$0 + UInt64(rows) } ?? false
        next = 0..<0
        guard isAnnounced else { return isWanted }
        isAnnounced = false
        guard helper?.finish() ?? false, isWanted else { return false }
        isSecond.toggle()
        return true
    }

    /// Has a thread gather what will be wanted next, if there is one.
    package func announce(_ dataset: Dataset, _ samples: ArraySlice<Int32>, in batch: DrawnBatch) {
        guard let helper, next.isEmpty, samples.count * width >= leastForHelper else { return }
        next = batch.draws(of: samples)
        isAnnounced = true
        helper.start(dataset, samples, into: matrix(rows: samples.count, isSecond: !isSecond), in: batch)
    }

    /// Gathers what will be wanted next in the place of the current rows, unless the thread does already.
    package func gatherNext(_ dataset: Dataset, _ samples: ArraySlice<Int32>, in batch: DrawnBatch) {
        guard next.isEmpty else { return }
        next = batch.draws(of: samples)
        dataset.gatherInputs(samples, into: matrix(rows: samples.count), in: batch)
    }
}

/// A thread that gathers one request at a time.
private final class Helper: Sendable {
    private enum State { static let idle = 0, requested = 1, running = 2, done = 3 }

    private struct Request {
        let dataset: Dataset
        let samples: ArraySlice<Int32>
        let target: MutableMatrixView
        let batch: DrawnBatch
    }

    private final class Shared: @unchecked Sendable {
        // Sendable: the request is written before `state` says `requested`, and read by the thread that makes that
        // `running`, until it says `done`.
        let state = Atomic<Int>(State.idle)
        let stopping = Atomic<Bool>(false)
        let semaphore = DispatchSemaphore(value: 0)
        var request: Request?
    }

    private let shared = Shared()

    init() throws(Failure) {
        let shared = shared
        try startThread("dtrain-inputs", purpose: "that gathers inputs") { Self.serve(shared) }
    }

    private static func serve(_ shared: Shared) {
        // As on the thread that would gather otherwise: the bits must be the same.
        Processor.flushDenormals()
        while true {
            shared.semaphore.wait()
            if shared.stopping.load(ordering: .acquiring) { return }
            // A request that was taken back leaves a signal behind.
            guard
                shared.state.compareExchange(
                    expected: State.requested, desired: State.running,
                    ordering: .acquiring
                ).exchanged
            else { continue }
            guard let request = shared.request else { preconditionFailure("a request for inputs that says nothing") }
            request.dataset.gatherInputs(request.samples, into: request.target, in: request.batch)
            shared.state.store(State.done, ordering: .releasing)
        }
    }

    /// `target` stays valid until `finish` or `stop`.
    func start(_ dataset: Dataset, _ samples: ArraySlice<Int32>, into target: MutableMatrixView, in batch: DrawnBatch) {
        shared.request = Request(dataset: dataset, samples: samples, target: target, batch: batch)
        shared.state.store(State.requested, ordering: .releasing)
        shared.semaphore.signal()
    }

    /// Whether what was requested is there; it is not, and will not be, where the thread hasn't come to it yet.
    func finish() -> Bool {
        // Whoever made the samples may write others in their place.
        defer { shared.request = nil }
        if shared.state.compareExchange(expected: State.requested, desired: State.idle, ordering: .relaxed).exchanged {
            return false
        }
        var looks = 0
        while shared.state.load(ordering: .acquiring) == State.running {
            looks += 1
            if looks & 0xfff == 0 { sched_yield() } else { Processor.pause() }
        }
        return shared.state.exchange(State.idle, ordering: .relaxed) == State.done
    }

    func stop() {
        _ = finish()
        shared.stopping.store(true, ordering: .releasing)
        shared.semaphore.signal()
    }
}
