import Checkpointing
import Diagnostics
import Foundation
import Reporting
import Storage
import Threads
import Timing

/// Writes checkpoints on a thread of its own, at most one at a time, so that training waits only while weights and
/// optimizer state are copied. It calls no MPI.
///
/// Used by one thread, rank 0's training loop: `snapshot` (waits for the one in flight), fill it, `submit`; `takeReport`
/// tells how it went.
final class CheckpointWriter {
    /// What a checkpoint is made of, copied out of the training loop. Its memory is reused.
    final class Snapshot: @unchecked Sendable {
        // Sendable: the training thread fills it while the writer is idle, the writer reads it until it is idle again.
        let weights: AlignedBuffer<Float>
        let states: AlignedBuffer<Float>
        fileprivate(set) var step = 0
        fileprivate(set) var places: CheckpointPlaces = []
        fileprivate(set) var state = Data()

        fileprivate init(weightCount: Int, stateCount: Int) {
            weights = AlignedBuffer(count: weightCount)
            states = AlignedBuffer(count: stateCount)
        }
    }

    /// How a checkpoint ended.
    struct Report: Sendable {
        let step: Int
        let places: CheckpointPlaces
        let result: Result<SavedCheckpoint, Failure>
        /// Why the log isn't on the disk as far as this step.
        let logFailure: Failure?
        /// Whether an older checkpoint is there to fall back to, where this one failed.
        let hasOlder: Bool
    }

    /// What the two threads share, under the condition's lock.
    private final class Shared: @unchecked Sendable {
        let condition = NSCondition()
        var job: Snapshot?
        /// Writes a snapshot; nil when no more will come. Store and log are held here alone, so that nothing of them is left
        /// in the process when the writer goes.
        var write: ((Snapshot, _ hadOlder: Bool) -> Report)?
        var reports: [Report] = []
        var isStopping = false
    }

    private let shared = Shared()
    private let buffer: Snapshot
    private let clock: () -> Double
    /// Seconds for which the training loop stood still: waiting for a checkpoint in flight, gathering and copying.
    private(set) var stalledSeconds = 0.0
    /// Seconds spent waiting where training had nothing else to do: before the first step and after the last.
    private(set) var waitedSeconds = 0.0
    private var stallStart = 0.0

    /// - Parameters:
    ///   - hasOlder: whether the store holds a checkpoint that the run goes on from.
    ///   - syncLog: makes the log durable as far as the checkpoint's step and says why that failed; called on the
    ///     writer's thread.
    /// - Throws: `Failure(.systemRefused)` where there is no thread to be had.
    init(
        store: CheckpointStore, contents: CheckpointContents, keep: Int, hasOlder: Bool,
        clock: @escaping () -> Double = { MonotonicClock.seconds }, syncLog: @escaping @Sendable () -> Failure?
    ) throws(Failure) {
        self.clock = clock
        let layout = contents.layout
        buffer = Snapshot(weightCount: layout.weightCount, stateCount: contents.stateCount)
        let shared = shared
        shared.write = { snapshot, hadOlder in
            Self.write(snapshot, to: store, contents: contents, keep: keep, hadOlder: hadOlder, syncLog: syncLog)
        }
        try startThread("dtrain-saves", purpose: "that writes checkpoints") {
            var hasOlder = hasOlder
            while let report = Self.writeNext(shared, hadOlder: hasOlder) {
                hasOlder = report.hasOlder
                shared.condition.lock()
                shared.reports.append(report)
                shared.job = nil
                shared.condition.broadcast()
                shared.condition.unlock()
            }
        }
    }

    deinit {
        shared.condition.lock()
        while shared.job != nil { shared.condition.wait() }
        shared.isStopping = true
        shared.write = nil
        shared.condition.broadcast()
        shared.condition.unlock()
    }

    /// The snapshot to fill. Waits for a checkpoint in flight. From here to `submit` training stands still.
    func snapshot() -> Snapshot {
        stallStart = clock()
        becomeIdle()
        return buffer
    }

    /// Hands the filled snapshot to the writer.
    func submit(step: Int, places: CheckpointPlaces, state: Data) {
        buffer.step = step
        buffer.places = places
        buffer.state = state
        shared.condition.lock()
        shared.job = buffer
        shared.condition.broadcast()
        shared.condition.unlock()
        stalledSeconds += clock() - stallStart
    }

    /// Returns when no checkpoint is in flight. For the ends of a run, where there is nothing else to do.
    func waitUntilIdle() {
        let start = clock()
        becomeIdle()
        waitedSeconds += clock() - start
    }

    private func becomeIdle() {
        shared.condition.lock()
        while shared.job != nil { shared.condition.wait() }
        shared.condition.unlock()
    }

    /// How a checkpoint ended, once for each.
    func takeReport() -> Report? {
        shared.condition.lock()
        defer { shared.condition.unlock() }
        return shared.reports.isEmpty ? nil : shared.reports.removeFirst()
    }

    // MARK: - The writer's thread

    /// Waits for a job and does it; nil at the end.
    private static func writeNext(_ shared: Shared, hadOlder: Bool) -> Report? {
        shared.condition.lock()
        while shared.job == nil, !shared.isStopping { shared.condition.wait() }
        let job = shared.job
        let write = shared.write
        shared.condition.unlock()
        guard let job, let write else { return nil }
        return write(job, hadOlder)
    }

    private static func write(
        _ snapshot: Snapshot, to store: CheckpointStore, contents: CheckpointContents, keep: Int,
        hadOlder: Bool, syncLog: () -> Failure?
    ) -> Report {
        // Weights are worth more than the log: a log that can't be written is told of and costs no checkpoint.
        let logFailure = syncLog()
        func report(_ result: Result<SavedCheckpoint, Failure>, hasOlder: Bool) -> Report {
            Report(
                step: snapshot.step, places: snapshot.places, result: result, logFailure: logFailure,
                hasOlder: hasOlder)
        }
        do {
            let weights = UnsafeBufferPointer(snapshot.weights.elements)
            let states = UnsafeBufferPointer(snapshot.states.elements)
            let saved = try store.save(
                step: snapshot.step, model: contents.modelTensors(weights), optimizer: contents.optimizerTensors(states),
                average: contents.averageTensors(states, weights: weights),
                state: snapshot.state, to: snapshot.places, keep: keep)
            return report(.success(saved), hasOlder: true)
        } catch {
            let failure = error as? Failure ?? Failure(.inputOutput, "\(error)")
            return report(.failure(failure), hasOlder: isOlderThere(in: store, than: snapshot.step, hadOlder: hadOlder))
        }
    }

    /// Whether a checkpoint is there to fall back to. Where that can't be looked at, because a file server is away say,
    /// what was known before holds.
    private static func isOlderThere(in store: CheckpointStore, than step: Int, hadOlder: Bool) -> Bool {
        do {
            // One whose last sync failed is complete to look at, but not safe.
            return try store.newestValid(except: step).checkpoint != nil
        } catch let failure as Failure where failure.code == .inputOutput {
            return hadOlder
        } catch {
            return false
        }
    }
}
