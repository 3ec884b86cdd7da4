import Checkpointing
import Collectives
import Diagnostics
import Foundation
import Reporting
import Training

/// A sweep on the ranks that it is given: each group of them takes a free trial, trains it as an ordinary run, and takes the next.
///
/// Who takes which trial is decided by locks in the sweep's directory alone (`SweepClaim`), so that several jobs may work on one
/// sweep, and the groups of one job need not talk to each other.
package struct Sweep {
    package let plan: SweepPlan
    package let base: SweepBase
    /// Where it lies.
    package let path: String
    /// What all trials' runs have in common.
    package var options = TrainingOptions()
    /// Asked between trials, and after every step: whether this rank is to stop.
    package var stopRequested: () -> Bool = { false }
    /// Told on a group's first rank of a trial that is done.
    package var tell: (String) -> Void = { _ in }

    package init(_ plan: SweepPlan, _ base: SweepBase, path: String) {
        self.plan = plan
        self.base = base
        self.path = path
    }

    /// Checks the plan and makes or opens its directory, on the first rank of a job, before any of its groups begins.
    package func prepare() throws -> SweepTable {
        let check = try SweepCheck(plan, base)
        guard let mode = check.mode else { throw Failure(.internalError, "a sweep without a mode") }
        let rungs = try SweepRungs(plan, base)
        return try SweepTable(try SweepDirectory(path, plan, mode: mode, base: base), rungs)
    }

    /// Takes trials until there is nothing left to take. Collective over the group.
    ///
    /// - Returns: whether it was asked to stop before that.
    /// - Throws: what isn't a trial's own failure: the sweep can't go on then.
    package func run(on group: any Communicator) throws -> Ending {
        let board = try group.agree { group.rank == 0 ? try Board(self) : nil }
        while true {
            group.pulse.turn(to: .setUp)
            let found = Result { try board?.next() ?? "" }
            // The others are asleep until the first one has found something.
            _ = try group.missingRanks(withinSeconds: Self.forever)
            let order = try group.agree { try found.get() }
            let words = try group.broadcast(order, from: 0).split(separator: " ")
            guard words.count == 3, let trial = Int(words[1]), let rung = Int(words[2]) else {
                return words.first == "stop" ? .interrupted : .finished
            }
            let unit = SweepUnit(trial: trial, rung: rung)
            let outcome = try train(unit, words[0] == "resume", on: group)
            let ending = try group.agree { try board?.finished(unit, outcome) }
            if outcome.isInterrupted { return .interrupted }
            if let text = ending ?? nil { tell(text) }
        }
    }

    /// Seconds; more than any sweep takes.
    package static let forever = 1e9

    // MARK: - A trial

    enum Outcome {
        case ended(TrainingRun.Result)
        case failed(Failure)

        var isInterrupted: Bool { if case .ended(let result) = self { result.ending == .interrupted } else { false } }
    }

    /// Trains a trial to the end of its rung: what `dtrain train CONFIGURATION --set …` does. Collective over the group.
    private func train(_ unit: SweepUnit, _ resumes: Bool, on group: any Communicator) throws -> Outcome {
        let trial = plan.trials[unit.trial]
        let rungs = try SweepRungs(plan, base)
        var run = TrainingRun(name: trial.name) { [plan, base] in try base.configuration(plan, trial) }
        run.directory = "\(path)/\(trial.name)"
        if resumes { run.start = .resume(nil) }
        run.options = options
        run.options.style = .silent
        if let budget = rungs.budgets[unit.rung] {
            if rungs.unit == .epochs { run.options.stopAfterEpoch = budget } else { run.options.stopAfterStep = budget }
        }
        run.outlivesFailure = true
        run.stopRequested = stopRequested
        do {
            return .ended(try run(on: group))
        } catch let agreed as AgreedFailure where Self.isOwn(agreed.failure) {
            return .failed(agreed.failure)
        } catch let failure as Failure where group.size == 1 && Self.isOwn(failure) {
            return .failed(failure)
        } catch let failure as Failure {
            throw Failure(failure.code, "trial \(unit.trial): \(failure.message)")
        } catch let agreed as AgreedFailure {
            throw AgreedFailure(
                rank: agreed.rank, failure: Failure(agreed.failure.code, "trial \(unit.trial): \(agreed.failure.message)"))
        }
    }

    /// Whether a failure follows from the trial's configuration, so that it would meet it again: it diverged, or can't be built.
    private static func isOwn(_ failure: Failure) -> Bool { [.badData, .badConfiguration].contains(failure.code) }
}

/// What the first rank of a group knows of the sweep.
private final class Board {
    private let sweep: Sweep
    private let directory: SweepDirectory
    private let rungs: SweepRungs
    /// The trial that this group is at.
    private var claim: SweepClaim?

    /// Seconds between two looks for something to do.
    private static let pauseSeconds = 0.1

    init(_ sweep: Sweep) throws {
        self.sweep = sweep
        directory = try SweepDirectory(reading: sweep.path)
        rungs = try SweepRungs(sweep.plan, sweep.base)
    }

    /// What to do next: `begin 7 0`, `resume 7 0`, `end`, or `stop`. Waits for the rest of a rung where the next one is still to come.
    func next() throws -> String {
        while true {
            if sweep.stopRequested() { return "stop" }
            let progress = SweepProgress(
                sweep.plan, rungCount: rungs.count, mode: directory.mode, results: try directory.allResults())
            for unit in progress.open {
                guard let claim = try directory.claim(unit.trial) else { continue }
                // Another may have come to its end since the look at the results.
                guard try directory.result(unit) == nil else { continue }
                self.claim = claim
                let begun = try RunDirectory.isRun(directory.runPath(unit.trial))
                return "\(begun ? "resume" : "begin") \(unit.trial) \(unit.rung)"
            }
            // All that is left is in other hands, and nothing will follow from it.
            if progress.isLast { return "end" }
            usleep(UInt32(Self.pauseSeconds * 1e6))
        }
    }

    /// Records what a trial came to, and lets go of it.
    /// - Returns: a line for people; nil where it was interrupted.
    func finished(_ unit: SweepUnit, _ outcome: Sweep.Outcome) throws -> String? {
        defer { claim = nil }
        guard !outcome.isInterrupted else { return nil }
        let result =
            switch outcome {
            case .failed(let failure): SweepResult(unit, .failed, reason: messageLine(failure.message))
            case .ended(let ended): try measured(unit, ended)
            }
        try directory.record(result)
        try SweepTable.write(directory, rungs)
        let trial = sweep.plan.trials[unit.trial]
        let what = result.value.map { "\(sweep.plan.metric) \(HumanText.figure($0))" } ?? "failed: \(result.reason ?? "")"
        let rung = rungs.count > 1 ? ", rung \(unit.rung)" : ""
        return "trial \(unit.trial)\(rung): \(what) (\(sweep.plan.description(of: trial)))"
    }

    /// The best value of the metric in the trial's log, and the digest at its end.
    private func measured(_ unit: SweepUnit, _ ended: TrainingRun.Result) throws -> SweepResult {
        let run = RunMeasurement(
            try MetricsLog.lines(path: "\(ended.path)/\(RunDirectory.log)"), sweep.plan.metric, directory.mode)
        guard let digest = run.digest else {
            throw Failure(.badData, "\(ended.path)/\(RunDirectory.log): it doesn't say how the run ended")
        }
        guard let value = run.best else {
            return SweepResult(
                unit, .failed, reason: "\(sweep.plan.metric) was never a number up to step \(HumanText.count(ended.step))")
        }
        return SweepResult(unit, .finished, value: value, step: ended.step, digest: digest)
    }
}

/// What a run's log says of a metric.
struct RunMeasurement {
    private(set) var best: Double?
    let digest: String?

    init(_ lines: [LoggedLine], _ metric: String, _ mode: SweepMode) {
        let key = metric.hasPrefix("validation_") ? String(metric.dropFirst("validation_".count)) : metric
        for line in lines {
            let number =
                switch line.event {
                case LogEvent.validation.rawValue: line.numbers[key]
                case LogEvent.end.rawValue: line.numbers[metric]
                default: nil as Double?
                }
            guard let number, number.isFinite else { continue }
            if best.map({ mode.isBetter(number, than: $0) }) ?? true { best = number }
        }
        digest = lines.last { $0.event == LogEvent.end.rawValue }?.texts["digest"]
    }
}
