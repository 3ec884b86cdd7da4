import Checkpointing
import Diagnostics
import Files
import Foundation
import Metrics
import Reporting
import Storage
import TensorBoard
import Threads
import Timing

/// Rank 0's hands: the progress line, `metrics.jsonl` and the checkpoints of a run.
final class Recorder {
    private let experiment: Experiment
    private let place: RunPlace
    private let plannedSteps: Int
    private let reporter: ProgressReporter
    /// With `--json` the log's thread has it, until the log is closed.
    private let output = StreamOutput(.output)
    private let printsJSON: Bool
    private let printsDigest: Bool
    private var log: LogWriter?
    /// What is written for TensorBoard; nil where that isn't asked for, or can't be had.
    private var tensorBoard: TensorBoardLog?
    private var times: TimesLog?
    private var checkpoints: CheckpointWriter?
    private var checkpointCount = 0
    private var hasLostBest = false
    /// What `open` will cut from the log.
    private var cut: MetricsLog.Cut?
    /// The newest numbered checkpoint that is on disk, and the digest of its weights.
    private var safe = (step: -1, digest: "")
    private let startSeconds = MonotonicClock.seconds
    private var stepMetrics: [Double]
    /// Samples of the steps behind the last that was logged.
    private var samplesSinceLog = 0

    init(_ experiment: Experiment, place: RunPlace, options: TrainingOptions, totalSteps: Int, log: RankLog?) {
        self.experiment = experiment
        self.place = place
        plannedSteps = totalSteps
        printsJSON = options.printsJSON
        printsDigest = options.printsDigest && !options.printsJSON && options.style != .silent
        let training = experiment.configuration.training
        reporter = ProgressReporter(
            style: options.style, usesColor: options.usesColor,
            plan: .init(
                epochs: training.maxSteps == nil ? training.epochs : nil,
                stepsPerEpoch: experiment.sampler.stepsPerEpoch, totalSteps: totalSteps),
            metricNames: experiment.metrics.names, output: output, errors: StreamOutput(.errors),
            columns: options.columns, log: log)
        stepMetrics = Array(repeating: .nan, count: experiment.metrics.names.count)
    }

    func warning(_ text: String) { reporter.warning(text) }
    func note(_ text: String) { reporter.note(text) }

    // MARK: - Beginning

    /// Reads what `open` will change; nothing is touched yet. What can't be read stops the run here.
    ///
    /// - Parameter resuming: whether the run goes on from a checkpoint; one that begins anew in an old directory has no
    ///   history.
    func prepare(_ state: TrainingState, resuming: Bool) throws {
        try checkThreads(2, purpose: "that writes checkpoints and metrics.jsonl")
        cut = try MetricsLog.Cut(in: try place.directory(), afterStep: resuming ? state.step : -1)
        if resuming, let step = state.bestStep { _ = try place.store.best(ofStep: step) }
    }

    /// Opens the log and writes the effective configuration; on a resume what the log says of later steps is cut.
    ///
    /// - Parameter hasCheckpoint: whether the directory holds the checkpoint that the run goes on from.
    func open(_ state: TrainingState, contents: CheckpointContents, hasCheckpoint: Bool) throws {
        let directory = try place.directory()
        let configuration = Array(state.configuration.utf8)
        try directory.replaceFile(RunDirectory.configuration) { sink in try configuration.withUnsafeBytes(sink) }
        if let damaged = try cut?.apply(in: directory).damaged, damaged > 0 {
            warning("\(place.path)/\(RunDirectory.log): \(damaged) unreadable line\(damaged == 1 ? " was" : "s were") removed")
        }
        cut = nil
        var sink: any LogSink = try MetricsLog(in: directory)
        if printsJSON { sink = EchoingLog(sink, to: output) }
        let log = try LogWriter(sink: sink, metricNames: experiment.metrics.names)
        self.log = log
        checkpoints = try CheckpointWriter(
            store: place.store, contents: contents,
            keep: experiment.configuration.checkpoint.keep, hasOlder: hasCheckpoint
        ) {
            log.flush(sync: true)
        }
        guard let section = experiment.configuration.tensorBoard else { return }
        do {
            tensorBoard = try TensorBoardLog(experiment, section, in: directory, state: state)
        } catch let failure as Failure {
            warning("\(failure.message); nothing is written for TensorBoard, training goes on")
        }
    }

    /// Sees to the best checkpoint that the state tells of. Where a kill came between the numbered checkpoint and the
    /// best one, that is made up for.
    /// - Returns: whether it is lost, so that a later one must not be measured by it.
    func recoverBest(ofStep step: Int) throws -> Bool {
        switch try place.store.best(ofStep: step) {
        case .present: return false
        case .numbered:
            for text in try place.store.publishBest(fromStep: step) { warning(text) }
            return false
        case .lost: return true
        }
    }

    /// Says from where a run goes on, and what is different from before.
    func resumed(from path: String, digest: String, state: TrainingState, changes: [SettingChange], otherBuild: String?) {
        safe = (state.step, digest)
        reporter.line("resumed from \(path) at step \(HumanText.count(state.step))")
        for change in changes {
            reporter.note("changed since then: \(change.description)")
            append(LogLine(.change, step: state.step, fields: [.init("change", .text(change.description))]))
        }
        if let otherBuild {
            reporter.warning(
                "the checkpoint was written by \(otherBuild), this is \(Build.identity): from here on the bits are not "
                    + "those that the other one would give")
        }
    }

    /// The line that opens a run.
    func begin(_ state: TrainingState, sampler: Sampler, rankCount: Int) {
        let validation = experiment.splits.validation.map { ", \(HumanText.count($0.count)) to validate" } ?? ""
        reporter.line(
            "\(place.path): \(HumanText.count(state.parameterCount)) parameters, "
                + "\(HumanText.count(sampler.sampleCount)) samples to train\(validation), "
                + "\(rankCount) rank\(rankCount == 1 ? "" : "s")")
        if let directory = try? place.directory() {
            times = TimesLog(in: directory, step: state.step, ranks: rankCount)
        }
        for note in experiment.splits.notes { reporter.note(note) }
        if let fused = experiment.network.fusedActivation {
            reporter.note(
                "the final \(fused.kind) is part of the loss \(type(of: experiment.configuration.loss).kind); it is "
                    + "computed there, and applied once to predictions")
        }
        reporter.beginEpoch()
    }

    // MARK: - Steps

    func step(_ outcome: StepOutcome, batch: Batch, state: TrainingState, loss: Double, learningRate: Double, logs: Bool) {
        samplesSinceLog += batch.sampleCount
        if logs {
            times?.step(state.step, samples: samplesSinceLog)
            samplesSinceLog = 0
        }
        stepMetrics.withUnsafeMutableBufferPointer {
            experiment.metrics.scalarValues(UnsafeBufferPointer(rebasing: outcome.sums[1...]), into: $0)
        }
        stepMetrics.withUnsafeBufferPointer {
            reporter.step(
                StepFigures(
                    epoch: batch.epoch + 1, stepInEpoch: batch.indexInEpoch + 1, step: state.step,
                    samples: batch.sampleCount, loss: loss, learningRate: learningRate), metrics: $0)
            tensorBoard?.count(samples: batch.sampleCount)
            guard logs else { return }
            let record = StepRecord(
                step: state.step, epoch: batch.epoch + 1, loss: loss, learningRate: learningRate,
                gradientNorm: outcome.gradientNorm)
            warn(log?.push(record, metrics: $0))
            tensorBoard?.step(record, metrics: $0, seconds: reporter.trainedSeconds)
            warn(tensorBoard?.takeFailure())
        }
    }

    /// Logs what samples a step used.
    func audit(_ state: TrainingState, batch: Batch, hash: UInt64) {
        append(
            LogLine(
                .audit, step: state.step, epoch: batch.epoch + 1,
                fields: [
                    .init("samples", .integer(batch.sampleCount)), .init("hash", .text(String(hash, radix: 16)))
                ]))
    }

    /// Stops the clock of samples per second while something else is done.
    func pause() {
        reporter.pause()
        times?.pause()
    }

    func resume() {
        reporter.resume()
        times?.resume()
    }

    func validation(_ result: Evaluator.Result, epoch: Int, state: TrainingState, withinEpoch: Bool) {
        append(LogLine(.validation, step: state.step, epoch: epoch, fields: fields(of: result)))
        tensorBoard?.validation(result.scalars, step: state.step)
        if withinEpoch { reporter.validation(afterStep: state.step, epoch: epoch, result.scalars) }
    }

    func endEpoch(_ epoch: Int, state: TrainingState, validation: Evaluator.Result?) {
        reporter.endEpoch(epoch, training: experiment.epochFigures(state), validation: validation?.scalars ?? [])
        reporter.beginEpoch()
    }

    /// Hands weights and gradient to TensorBoard's thread, for histograms.
    ///
    /// - Parameter gather: fills the whole gradient, of which the other ranks send their parts; false where there is none.
    func histograms(
        of weights: ParameterView, state: TrainingState, gather: (UnsafeMutableBufferPointer<Float>) throws -> Bool
    ) throws {
        guard let tensorBoard else {
            // No file could be made. The other ranks don't know, and send.
            let unused = AlignedBuffer<Float>(count: experiment.network.layout.trainedCount)
            _ = try gather(unused.elements)
            return
        }
        try tensorBoard.histograms(of: weights, step: state.step, gather: gather)
    }

    /// Says which value is the best of what is monitored; nil: none.
    func noteBest(_ value: Double?) { reporter.noteBest(value) }

    /// How fast each rank has computed, and how much of its time it waited for others.
    func rankRates(_ figures: [(samples: Double, computing: Double, waiting: Double)]) {
        reporter.ranks(
            figures.enumerated().map { rank, figures in
                let all = figures.computing + figures.waiting
                return "rank \(rank) \(HumanText.rate(samplesPerSecond: figures.samples / figures.computing)), "
                    + String(format: "%.0f %% waiting", all > 0 ? 100 * figures.waiting / all : 0)
            })
    }

    // MARK: - Checkpoints

    /// The memory that the next checkpoint is copied into. Waits for one in flight.
    func checkpointSnapshot() -> CheckpointWriter.Snapshot? { checkpoints?.snapshot() }

    /// Hands the filled snapshot to the writer.
    func submitCheckpoint(of state: TrainingState, places: CheckpointPlaces) throws {
        checkpoints?.submit(step: state.step, places: places, state: try state.encoded())
        checkpointCount += 1
    }

    /// Looks at how checkpoints ended. One that failed is a warning while an older one is there to go back to, and is
    /// tried again at the next interval; else, or if the configuration wants it so, the run stops.
    func reviewCheckpoints() throws {
        while let report = checkpoints?.takeReport() {
            if let failure = report.logFailure {
                reporter.warning(
                    "step \(HumanText.count(report.step)): metrics.jsonl may lack lines that belong to this "
                        + "checkpoint: \(failure.message)")
            }
            switch report.result {
            case .success(let saved):
                for text in saved.warnings { reporter.warning(text) }
                if report.places.contains(.numbered) { safe = (report.step, saved.digest) }
                if let failure = saved.bestFailure {
                    guard experiment.configuration.checkpoint.onError == .warn else { throw failure }
                    hasLostBest = true
                    reporter.warning(
                        "\(failure.message); training goes on, and the checkpoint of the next validation is saved as best instead"
                    )
                }
            case .failure(let failure):
                guard report.hasOlder, experiment.configuration.checkpoint.onError == .warn else { throw failure }
                if report.places.contains(.best) { hasLostBest = true }
                reporter.warning(
                    "step \(HumanText.count(report.step)): no checkpoint was written: \(failure.message); "
                        + "training goes on, an older checkpoint is there, and the next interval tries again")
            }
        }
    }

    /// Whether a best checkpoint could not be written since the last call.
    func takeLostBest() -> Bool {
        defer { hasLostBest = false }
        return hasLostBest
    }

    /// Waits for the checkpoint in flight and says whether the step's is safely on disk.
    func isSaved(step: Int) throws -> Bool {
        checkpoints?.waitUntilIdle()
        try reviewCheckpoints()
        return safe.step == step
    }

    // MARK: - The end

    /// The last lines: how the run ended, what the weights are worth, the digest. Throws where lines of the log or of
    /// standard output are lost.
    ///
    /// - Parameter validation: the final evaluation, where the run is complete.
    func end(_ state: TrainingState, validation: Evaluator.Result?, interrupted: Bool) throws {
        reporter.clear()
        var fields: [LogLine.Field] = []
        if let validation { fields += validation.scalars.map { .init("validation_" + $0.name, .number($0.value)) } }
        let reason = interrupted ? "interrupted" : state.stopReason ?? "complete"
        fields += [
            .init("reason", .text(reason)), .init("total_steps", .integer(experiment.totalSteps)),
            .init("digest", .text(safe.digest))
        ]
        append(LogLine(.end, step: state.step, fields: fields))
        let logFailure = log?.close()
        log = nil
        closeTensorBoard(state.step, interrupted ? .unknown : .success)
        times?.end()
        if let failure = times?.failure { reporter.warning("the times of steps are incomplete: \(failure)") }
        if let text = state.stopReason { reporter.line("stopped early: \(text)") }
        if state.step > plannedSteps {
            reporter.note(
                plannedSteps < experiment.totalSteps
                    ? "nothing to do: the run is at step \(HumanText.count(state.step)) already; give a larger --steps than "
                        + HumanText.count(plannedSteps)
                    : "nothing to do: \(HumanText.count(state.step)) steps are done, the configuration asks for "
                        + HumanText.count(plannedSteps))
        } else if !interrupted, state.stopReason == nil, state.step < experiment.totalSteps {
            reporter.line(
                "stopped after step \(HumanText.count(state.step)) of \(HumanText.count(experiment.totalSteps)), as "
                    + "asked; go on with --resume")
        }
        if interrupted {
            reporter.line(
                "interrupted after step \(HumanText.count(state.step)); a checkpoint is in \(place.path), go on "
                    + "with --resume")
        }
        if let validation {
            let figures = validation.scalars.map { "\($0.name) \(HumanText.figure($0.value))" }.joined(separator: " ")
            reporter.line("validation: \(figures)")
        }
        if let best = state.bestStep, let value = state.bestValue {
            reporter.line(
                "best \(experiment.bestMonitor) \(HumanText.figure(value)) at step \(HumanText.count(best)): \(place.store.bestPath)"
            )
        }
        reporter.line("checkpoint: \(place.store.path(ofStep: state.step))\(waiting)")
        // Also when quiet: it is the result. In JSON it stands in the last line.
        if printsDigest { output.line("digest \(safe.digest)") }
        do {
            if let logFailure { throw logFailure }
            // Whoever waits for the status of an interrupted run needs to know that, and has got the rest.
            if !interrupted { try output.finish() }
        } catch let failure as Failure {
            throw Failure(failure.code, "\(failure.message); the checkpoint of step \(HumanText.count(state.step)) is safe")
        }
    }

    /// How long training stood still for checkpoints, where that was long enough to matter.
    private var waiting: String {
        guard let checkpoints, checkpoints.stalledSeconds + checkpoints.waitedSeconds > 0.1 else { return "" }
        let seconds = MonotonicClock.seconds - startSeconds
        return String(
            format: " (%d written; training stood still for %.2f s, %.2f %% of the run; %.1f s for the first "
                + "and the last)", checkpointCount, checkpoints.stalledSeconds,
            100 * checkpoints.stalledSeconds / seconds, checkpoints.waitedSeconds)
    }

    /// Lets log and checkpoint in flight come to their end, where the run fails.
    func close() {
        reporter.clear()
        checkpoints?.waitUntilIdle()
        log?.close()
        closeTensorBoard(safe.step, .failure)
    }

    private func closeTensorBoard(_ step: Int, _ ending: Hyperparameters.Ending) {
        warn(tensorBoard?.close(step: max(0, step), ending))
        tensorBoard = nil
    }

    /// Keeps what the ranks' time went into, seconds by phase.
    func phases(_ ranks: [(host: String, seconds: [(name: String, seconds: Double)])]) { times?.phases(ranks) }

    private func append(_ line: LogLine) { warn(log?.append(line)) }

    private func warn(_ failure: Failure?) {
        if let failure { reporter.warning(failure.message) }
    }

    private func fields(of result: Evaluator.Result) -> [LogLine.Field] {
        [.init("loss", .number(result.loss)), .init("samples", .integer(result.sampleCount))]
            + result.metrics.map {
                switch $0.content {
                case .scalar(let value): .init($0.name, value.map(LogValue.number) ?? .null)
                case .list(let values): .init($0.name, .numbers(values))
                case .matrix(let rows): .init($0.name, .list(rows.map(LogValue.numbers)))
                }
            }
    }
}
