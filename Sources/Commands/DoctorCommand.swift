import ArgumentParser
import Collectives
import Diagnostics
import Examination
import Foundation
import Launching
import Reporting
import Training

/// `dtrain doctor [CONFIG]`.
struct DoctorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Looks at the set-up: hosts, cores, memory, file system, network; says what should be mended.",
        discussion: "Looks at one process, or at the ranks of a launcher. Ends with 1 where something should be mended "
            + "(errors and warnings, not notes).")

    @Argument(
        help: "A configuration (YAML) whose needs are compared with what is there; its data are read.",
        completion: .file(extensions: ["yaml", "yml"]))
    var config: String?

    @OptionGroup var options: ConfigurationOptions

    @OptionGroup var launch: RankOptions

    @Option(
        name: .customLong("run"),
        help: ArgumentHelp(
            "Try the file system of this directory, or of the nearest one above it that exists; runs/<name> unless given.",
            valueName: "dir"))
    var runDirectory: String?

    @Option(help: ArgumentHelp("How long ranks wait for each other, in seconds.", valueName: "s"))
    var timeout = 10.0

    @Flag(help: "Print one JSON object and nothing else.")
    var json = false

    func validate() throws {
        guard timeout > 0, timeout <= 3600 else { throw ValidationError("--timeout \(timeout): expected above 0, to 3600") }
    }

    /// Whether there is a configuration to compare with.
    private var hasConfiguration: Bool { config != nil || !options.overrides.isEmpty || options.seed != nil }

    func run() throws {
        try RankJob.launchIfAsked(launch, config: config, canSayNo: true) {
            hasConfiguration ? try options.read(config).training.threads : 1
        }
        let environment = LauncherEnvironment()
        let rank = environment.declaredRank ?? 0
        let patience = try Patience(seconds: timeout, extra: rank == 0 ? 0 : 5)
        if environment.isUnderLauncher {
            patience.begin(
                "rank \(rank): MPI hasn't started",
                advice: NetworkInterface.advice(NetworkInterface.all(SystemView())), times: 2)
        }
        try RankJob.run(environment, agreeingOn: nil) { communicator in
            patience.end()
            let examination = Examination(communicator, patience: patience, seconds: timeout)
            let job = try examination.run(
                program: Build.identity, library: MPISession.libraryVersion,
                runDirectory: runDirectory ?? "runs/\(ConfigurationOptions.runName(config))", read: subject)
            let report = ExaminationReport(job)
            let output = StreamOutput(.output)
            try communicator.agree {
                if communicator.rank == 0 { try (json ? [report.json()] : report.lines).forEach(output.line) }
                try output.finish()
            }
            try examination.finish()
            if report.needsMending { throw ArgumentParser.ExitCode(Diagnostics.ExitCode.negative.rawValue) }
        }
    }

    /// What this rank is and reads.
    private func subject(_ topology: Topology) -> Examination.Subject {
        var subject = Examination.Subject()
        var items = RankEnvironment.items()
        if hasConfiguration {
            do {
                let experiment = try Experiment(try options.read(config))
                items += try AgreedExperiment.items(experiment)
                subject.threads = experiment.configuration.training.threads
                subject.need = StepNeed(experiment, topology: topology)
            } catch {
                subject.loadFailure = error as? Failure ?? Failure(.inputOutput, "\(error)")
            }
        }
        subject.identities = items.map { .init($0.name, $0.value) }
        return subject
    }
}
