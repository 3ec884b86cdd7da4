import ArgumentParser
import Benchmarking
import CAllocations
import Collectives
import Diagnostics
import Examination
import Foundation
import Launching
import Network
import Reporting
import Storage
import Timing
import Training

/// `dtrain bench [CONFIG]`.
struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "How fast a configuration trains, where the time goes, and what the machine could do.",
        discussion: "Trains without run directory, log, checkpoint and validation, in one process or on the ranks of mpirun.")

    @Argument(
        help: "The configuration (YAML); without it, the built-in digits.", completion: .file(extensions: ["yaml", "yml"]))
    var config: String?

    @OptionGroup var options: ConfigurationOptions

    @OptionGroup var launch: RankOptions

    @Option(help: ArgumentHelp("How many times to measure, after a warm-up.", valueName: "n"))
    var windows = 5

    @Option(help: ArgumentHelp("How long each measurement takes, in seconds.", valueName: "s"))
    var seconds = 2.0

    @Flag(help: "Print one JSON object for each window and nothing else.")
    var json = false

    func validate() throws {
        guard (1...10_000).contains(windows) else { throw ValidationError("--windows \(windows): expected 1 to 10000") }
        guard seconds > 0, seconds <= 3600 else { throw ValidationError("--seconds \(seconds): expected above 0, to 3600") }
    }

    func run() throws {
        try RankJob.launchIfAsked(launch, config: config) { try options.read(config).training.threads }
        let environment = LauncherEnvironment()
        StopSignal.install(isLaunched: environment.isUnderLauncher)
        try RankJob.run(
            environment,
            agreeingOn: [
                .init("the command", "bench"), .init("--windows", String(windows)),
                .init("--seconds", String(seconds))
            ], measure)
    }

    /// When rank 0 ends a window, nanoseconds of the monotonic clock; the others follow.
    private final class Deadline: @unchecked Sendable {
        // Sendable: one thread sets and reads it.
        var time = UInt64.max
    }

    private func measure(_ communicator: any Communicator) throws {
        let agreed = try AgreedExperiment(over: communicator) { try Experiment(try options.read(config)) }
        let experiment = agreed.experiment
        let deadline = Deadline()
        let isFirst = communicator.rank == 0
        let output = StreamOutput(.output)
        var trainingOptions = TrainingOptions()
        trainingOptions.availableCores = availableCores()
        trainingOptions.writesCheckpoints = false
        let trainer = try Trainer(
            agreed, communicator: communicator, options: trainingOptions, place: nil,
            stopRequested: { StopSignal.isRaised || MonotonicClock.nanoseconds >= deadline.time })
        try trainer.beginMeasuring()
        let training = experiment.configuration.training
        let wire = try LinkMeasure.bandwidth(communicator).map {
            WireFigures(
                bytesPerStep: StepNeed(experiment, topology: communicator.topology).bytesBetweenHosts, measuredRate: $0,
                nominalRate: NetworkInterface.nominalRate())
        }
        let subject = BenchmarkSubject(
            workload: experiment.configuration.name, ranks: communicator.size,
            threads: training.threads, work: trainer.stepWork,
            batchSize: min(training.globalBatchSize, experiment.sampler.sampleCount),
            hosts: wire == nil ? [] : try communicator.hostNames(), wire: wire)
        if isFirst, !json {
            output.line(BenchmarkReport.title(subject, parameters: experiment.network.layout.parameterCount))
        }
        let clock = PhaseClock()
        func train(seconds: Double, stages: StageClock? = nil) throws -> WindowFigures {
            try trainer.measureWindow(
                on: clock, stages: stages,
                begin: { deadline.time = isFirst ? MonotonicClock.nanoseconds + UInt64(seconds * 1e9) : UInt64.max },
                allocationCount: { Int(dtrain_allocation_count()) })
        }
        _ = try train(seconds: min(seconds, 1))
        let memory = ProcessMemory.current.peak
        let machine = try MachineSpeed(shape: subject.work.largestProduct, threads: training.threads)
        var measured: [BenchmarkWindow] = []
        var isStopped = false
        var hasReader = true
        while measured.count < windows, !isStopped, hasReader {
            let figures = try train(seconds: seconds)
            try communicator.barrier()
            let own = RankWindow(figures: figures, machine: machine.measure(), peakMemory: memory)
            let window = BenchmarkWindow(subject: subject, ranks: try communicator.allGather(own.bytes).map(RankWindow.init))
            isStopped = try communicator.allGather(StopSignal.isRaised ? "stop" : "").contains("stop")
            // A window that a signal cut short counts for nothing.
            guard !isStopped else { break }
            measured.append(window)
            if isFirst {
                output.line(json ? window.json : "window \(measured.count)/\(windows)  \(window.rateText)")
            }
            // Nobody waits for the rest.
            hasReader = try communicator.broadcast(output.hasReader ? "" : "gone", from: 0).isEmpty
        }
        if !json, !measured.isEmpty, !isStopped, hasReader {
            // A window of its own: looking at the clock around every layer takes time.
            let stages = StageClock(experiment.network)
            let figures = try train(seconds: min(seconds, 2), stages: stages)
            if isFirst {
                ([""] + BenchmarkReport(measured).lines).forEach(output.line)
                let rows = stages.rows(experiment.network.layers)
                let peak = measured[0].ranks[0].machine.multiplyAddRate
                let report = LayerReport(rows, steps: figures.steps, samples: stages.samples, peak: peak)
                ([""] + report.lines).forEach(output.line)
            }
        } else if isFirst, !json, !measured.isEmpty {
            ([""] + BenchmarkReport(measured).lines).forEach(output.line)
        }
        try communicator.agree { try output.finish() }
        trainer.close()
        if isStopped { throw ArgumentParser.ExitCode(Diagnostics.ExitCode.interrupted.rawValue) }
    }
}
