import ArgumentParser
import Collectives
import Diagnostics
import Examination
import Foundation
import Launching
import Reporting
import Training

/// `dtrain train [CONFIG]`.
struct TrainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract: "Train a network, in one process or on the ranks of mpirun.")

    @Argument(
        help: "The configuration (YAML); without it, the built-in digits.", completion: .file(extensions: ["yaml", "yml"]))
    var config: String?

    @OptionGroup var options: ConfigurationOptions

    @Option(
        name: .customLong("run"),
        help: ArgumentHelp("The run directory (default: runs/<name of the configuration>, numbered).", valueName: "dir"))
    var runDirectory: String?

    @Option(
        defaultAsFlag: "",
        help: ArgumentHelp(
            "Go on from the newest valid checkpoint of the run directory, or from "
                + "the one given.", valueName: "checkpoint"))
    var resume: String?

    @Option(help: ArgumentHelp("Start from the weights in this file or folder.", valueName: "file.safetensors"))
    var initialize: String?

    @Option(help: ArgumentHelp("Stop after this global step; the run can be resumed.", valueName: "n"))
    var steps: Int?

    @Option(
        help: ArgumentHelp(
            "Write what each rank did when, in Chrome's trace format (for ui.perfetto.dev).",
            valueName: "file"))
    var trace: String?

    @Option(
        help: ArgumentHelp(
            "End the job, with 69, when a rank that others wait for has not moved for so many seconds, or a host not answered.",
            valueName: "s"))
    var stallTimeout: Double?

    @OptionGroup var launch: RankOptions

    @Option(
        help: ArgumentHelp(
            "With --ranks or --hosts: start the job again where it fails, at most so many times, on the hosts that answer.",
            valueName: "n"))
    var restart: Int?

    @Flag(help: "Print nothing but warnings, errors and the digest.")
    var quiet = false

    @Flag(help: "Print the lines of metrics.jsonl as they come, and nothing else on standard output.")
    var json = false

    @Flag(help: "Say behind each epoch how fast each rank computed, and how long it waited for others.")
    var rankRates = false

    @Flag(name: .customLong("no-mpi"), help: "Train in this one process, whatever launched it.")
    var withoutMPI = false

    func validate() throws {
        if let steps, steps < 0 { throw ValidationError("--steps \(steps): expected 0 or more") }
        if let stallTimeout, !(stallTimeout >= 1 && stallTimeout <= 86_400) {
            throw ValidationError("--stall-timeout \(stallTimeout): expected a number of seconds from 1 to 86400")
        }
        if let restart {
            guard (0...1_000_000).contains(restart) else { throw ValidationError("--restart \(restart): expected 0 or more") }
            if launch.ranks == nil, launch.hosts == nil {
                throw ValidationError(
                    "--restart \(restart): it is the launcher that starts a job again: use it with --ranks or --hosts")
            }
        }
        if json, quiet { throw ValidationError("--json and --quiet exclude each other: take one of them out") }
        if rankRates, json || quiet {
            throw ValidationError(
                "--rank-rates prints lines that \(json ? "--json" : "--quiet") leaves out: take one of them out")
        }
        if resume == "", CommandLine.arguments.contains(where: { $0.isEmpty || $0 == "--resume=" }) {
            throw ValidationError("--resume: an empty path; name a checkpoint or a run, or leave the path out")
        }
        if resume != nil, initialize != nil {
            throw ValidationError("--initialize and --resume exclude each other: a checkpoint has its own weights")
        }
    }

    mutating func run() throws {
        // `--resume config.yaml`: what follows is the configuration, not a checkpoint, which is a directory.
        if let value = resume, config == nil, value.hasSuffix(".yaml") || value.hasSuffix(".yml") {
            config = value
            resume = ""
        }
        try RankJob.launchIfAsked(launch, config: config, threadsPerRank: { try options.read(config).training.threads }) {
            guard let restart else { return nil }
            let hold = try RunHold(trainingRun(LauncherEnvironment()))
            return (hold.restarts(most: restart), runDirectory == nil ? ["--run", hold.path] : [])
        }
        let environment = LauncherEnvironment()
        StopSignal.install(isLaunched: environment.isUnderLauncher)
        let run = trainingRun(environment)
        // Before MPI starts. What fails here is told when the ranks can agree on who speaks.
        var opened: Result<OpenedPlace?, any Error>?
        // What --set and --seed say is in the configuration, which is compared as a whole.
        try RankJob.run(
            environment, withoutMPI: withoutMPI, agreeingOn: agreedItems + run.agreedItems,
            beforeMPI: { opened = Result { try run.open() } }
        ) {
            let watch = try RankWatch(
                over: $0, stallTimeout: stallTimeout, program: "/proc/self/exe", arguments: ["watch"],
                addresses: NetworkInterface.reachable(SystemView()))
            defer { watch?.end() }
            guard try run(on: $0, opened: opened).ending == .interrupted else { return }
            throw ArgumentParser.ExitCode(Diagnostics.ExitCode.interrupted.rawValue)
        }
    }

    /// What of the command line all ranks must agree on, besides what concerns the run itself.
    private var agreedItems: [Agreement.Item] {
        [
            .init("the command", "train"), .init("--rank-rates", rankRates ? "" : nil),
            .init("--stall-timeout", stallTimeout.map { String($0) })
        ]
    }

    /// What the command line asks for.
    private func trainingRun(_ environment: LauncherEnvironment) -> TrainingRun {
        var run = TrainingRun(name: ConfigurationOptions.runName(config)) { [options, config] in try options.read(config) }
        run.directory = runDirectory
        if let resume { run.start = .resume(resume.isEmpty ? nil : resume) }
        if let initialize { run.start = .weights(initialize) }
        run.tracePath = trace
        run.options.availableCores = availableCores()
        run.options.stopAfterStep = steps
        run.options.columns = { environment.columns }
        run.options.style =
            quiet || json ? .quiet : !environment.isTerminal ? .lines : environment.isDumb ? .fittingLines : .terminal
        run.options.usesColor = environment.usesColor
        run.options.printsJSON = json
        run.options.showsRankRates = rankRates
        let restarting = ProcessInfo.processInfo.environment[RankLauncher.restartingVariable]
        run.belongsToLauncher = restarting != nil
        run.mustGoOn = restarting == "goes on"
        run.stopRequested = { StopSignal.isRaised }
        return run
    }
}
