import ArgumentParser
import Collectives
import Diagnostics
import Examination
import Foundation
import Launching
import Reporting
import Sweeping
import Training

/// `dtrain sweep SWEEP.yaml`.
struct SweepCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sweep",
        abstract: "Train a configuration with many settings, several side by side, and find the best.",
        discussion: """
            Every trial is an ordinary run in the directory of the sweep. The same command goes on with a sweep that was stopped or \
            killed; several jobs that name the same directory share its trials.
            """)

    @Argument(
        help: "What to vary, and how (YAML).", completion: .file(extensions: ["yaml", "yml"]))
    var sweep: String

    @Option(
        help: ArgumentHelp("Divide the ranks among so many trials at a time (default: 1).", valueName: "n"))
    var groups: Int?

    @Option(
        help: ArgumentHelp(
            "Where runs and results go (default: what the file says, else runs/<its name>).", valueName: "dir"))
    var directory: String?

    @OptionGroup var launch: RankOptions

    @Flag(help: "Print nothing but warnings, errors and where the best configuration is.")
    var quiet = false

    func validate() throws {
        if let groups, groups < 1 { throw ValidationError("--groups \(groups): expected 1 or more") }
        if directory == "" { throw ValidationError("--directory: an empty path; name a directory, or leave the option out") }
    }

    func run() throws {
        try RankJob.launchIfAsked(
            launch, config: sweep,
            threadsPerRank: {
                let plan = try SweepPlan(path: sweep)
                return try SweepBase(plan, catalogue: .inForce).configuration(plan, plan.trials[0]).training.threads
            })
        let environment = LauncherEnvironment()
        StopSignal.install(isLaunched: environment.isUnderLauncher)
        try RankJob.run(
            environment,
            agreeingOn: [
                .init("the command", "sweep"), .init("--groups", groups.map { String($0) }), .init("--directory", directory)
            ]
        ) { try work(on: $0) }
    }

    private func work(on world: any Communicator) throws {
        let (plan, base) = try world.agree {
            let plan = try SweepPlan(path: self.sweep)
            return (plan, try SweepBase(plan, catalogue: .inForce))
        }
        try Agreement.check([.init("the sweep", plan.effective), .init("the configuration", base.text)], over: world)
        let groups = self.groups ?? 1
        try world.agree { try checkGroups(groups, ranks: world.size) }
        var sweep = Sweep(plan, base, path: directory ?? plan.directory ?? "runs/\(plan.name)")
        sweep.options.availableCores = availableCores()
        sweep.stopRequested = { StopSignal.isRaised }
        let output = StreamOutput(.output)
        let isFirst = world.rank == 0
        try world.agree {
            guard isFirst else { return }
            let table = try sweep.prepare()
            if !quiet { output.line(opening(sweep, table, groups: groups, ranks: world.size)) }
        }
        if !quiet { sweep.tell = { output.line($0) } }
        let group = try part(of: world, groups: groups)
        let ending = try run(sweep, on: group, of: world, groups: groups)
        // Groups come to their ends one after the other; until the last one has, the others sleep.
        _ = try world.missingRanks(withinSeconds: Sweep.forever)
        let isInterrupted = try world.allGather(ending == .interrupted ? "interrupted" : "").contains("interrupted")
        let words = try world.agree { isFirst ? try close(sweep, output, isInterrupted: isInterrupted) : "" }
        switch try world.broadcast(words, from: 0) {
        case "interrupted": throw ArgumentParser.ExitCode(Diagnostics.ExitCode.interrupted.rawValue)
        case "none": throw ArgumentParser.ExitCode(Diagnostics.ExitCode.negative.rawValue)
        default: return
        }
    }

    private func checkGroups(_ groups: Int, ranks: Int) throws {
        guard ranks % groups != 0 else { return }
        guard ranks > 1 else {
            throw Failure(
                .usage, "--groups \(groups): 1 rank makes one group only; start more ranks (--ranks, mpirun -np)")
        }
        let possible = (1...ranks).filter { ranks % $0 == 0 }.map { String($0) }.joined(separator: ", ")
        throw Failure(
            .usage, "--groups \(groups): \(ranks) ranks don't make groups of equal size; possible are \(possible)")
    }

    private func part(of world: any Communicator, groups: Int) throws -> any Communicator {
        guard groups > 1, let world = world as? MPICommunicator else { return world }
        return try world.split(color: world.rank / (world.size / groups))
    }

    /// What a group does. Where it can't go on nobody can: the others know nothing of it, and are ended.
    private func run(_ sweep: Sweep, on group: any Communicator, of world: any Communicator, groups: Int) throws -> Ending {
        do {
            let watch = try RankWatch(
                over: group, stallTimeout: nil, program: "/proc/self/exe", arguments: ["watch"],
                addresses: NetworkInterface.reachable(SystemView()))
            defer { watch?.end() }
            return try sweep.run(on: group)
        } catch  where groups > 1 {
            let agreed = error as? AgreedFailure
            let failure = agreed?.failure ?? error as? Failure ?? Failure(.internalError, "\(error)")
            if agreed == nil || agreed?.rank == group.rank {
                StandardStream.tell("dtrain: error", failure.message)
            } else {
                // The one that speaks ends all.
                sleep(10)
            }
            world.abort(failure.code)
        }
    }

    // MARK: - What is said

    private func opening(_ sweep: Sweep, _ table: SweepTable, groups: Int, ranks: Int) -> String {
        let size = ranks / groups
        let who = groups == 1 ? "" : ", \(groups) groups of"
        let method = table.plan.method.name.replacing("_", with: " ")
        return
            "\(sweep.path): \(HumanText.count(table.rows.count)) trial\(table.rows.count == 1 ? "" : "s") of \(sweep.base.name), "
            + "\(method)\(who)\(groups == 1 ? "," : "") \(size) rank\(size == 1 ? "" : "s")"
            + (table.doneCount > 0 ? "; \(HumanText.count(table.doneCount)) done before" : "")
    }

    /// Prints the table and the best trial, on rank 0.
    /// - Returns: `interrupted`, or `none` where no trial has a value.
    private func close(_ sweep: Sweep, _ output: StreamOutput, isInterrupted: Bool) throws -> String {
        let directory = try SweepDirectory(reading: sweep.path)
        let table = try SweepTable(directory, try SweepRungs(sweep.plan, sweep.base))
        if !quiet { table.lines(most: 50).forEach(output.line) }
        if let best = table.best {
            output.line(
                "best: trial \(best.trial), \(sweep.plan.metric) \(HumanText.figure(best.value ?? .nan)): "
                    + "\(sweep.path)/\(SweepDirectory.bestName)")
        }
        if !table.isComplete {
            let rest = "\(HumanText.count(table.doneCount)) of \(HumanText.count(table.rows.count)) trials are done"
            output.line(
                isInterrupted
                    ? "interrupted: \(rest); the same command goes on" : "\(rest); others are at work on the rest")
        }
        try output.finish()
        if isInterrupted, !table.isComplete { return "interrupted" }
        guard table.isComplete, table.best == nil else { return "" }
        StandardStream.tell("dtrain: error", "\(sweep.path): none of the \(table.rows.count) trials has a value")
        return "none"
    }
}
