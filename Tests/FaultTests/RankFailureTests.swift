import Diagnostics
import Foundation
import TestSupport
import Testing

extension FaultTests {
    /// Processes that die.
    @Suite("Rank failure", .enabled(if: MPIRun.isAvailable, "mpirun isn't there"))
    struct RankFailureTests {
        enum Victim: String, CaseIterable, Sendable { case rank0, rank2, mpirun, launcher, all }

        /// What is promised is 2 s; machines that run tests are busy.
        private static let secondsToGo = 4.0

        private func waitForSteps(
            _ job: ChildProcess.Running, _ run: RunState, beyond step: Int = 2,
            sourceLocation: SourceLocation = #_sourceLocation
        ) throws {
            try #require(
                job.waitUntil { _ in run.loggedStep > step }, "\(job.output)\(job.errors)",
                sourceLocation: sourceLocation)
        }

        private func kill(_ victim: Victim, of job: ChildProcess.Running) throws {
            switch victim {
            case .rank0: try #require(job.ranks().first).send(SIGKILL)
            case .rank2: try #require(job.ranks().last).send(SIGKILL)
            case .mpirun: try #require(job.mpirun()).send(SIGKILL)
            case .launcher: job.send(SIGKILL)
            case .all: job.killAll()
            }
        }

        /// Goes on with a run on other ranks and compares with one that was never interrupted.
        private func expectResumable(
            _ bench: FaultBench, _ launch: Launch,
            sourceLocation: SourceLocation = #_sourceLocation
        ) throws {
            let run = bench.state("r")
            let end = (run.steps.last ?? 0) + 25
            expectEnd(
                try bench.train(launch, "r", ["--resume", "--steps", String(end)]), .success,
                sourceLocation: sourceLocation)
            expectSame(run, try bench.reference(steps: end), sourceLocation: sourceLocation)
        }

        @Test(
            "a killed rank, mpirun, launcher or job is gone with everything it left, and the run goes on to the same bits",
            arguments: [Launch.script(3), .option(3)], Victim.allCases)
        func killed(launch: Launch, victim: Victim) throws {
            try withFaultBench { bench in
                try bench.write("c.yaml", Configurations.endless())
                let job = try bench.start(launch, ["train", "c.yaml", "--run", "r"])
                try waitForSteps(job, bench.state("r"))
                let sessions = Set(job.ranks().compactMap { $0.variable("DTRAIN_SESSION") })
                let session = try #require(sessions.count == 1 ? sessions.first : nil, "\(sessions)")
                let before = Date()
                try kill(victim, of: job)
                let result = job.wait()
                let left = job.awaitProcesses(seconds: Self.secondsToGo)
                let seconds = Date().timeIntervalSince(before)
                Measurements.note("\(victim.rawValue) of \(launch) killed: gone after", seconds)
                #expect(left.isEmpty && seconds < Self.secondsToGo, "\(left) after \(seconds) s")
                #expect(result.status != 0, "\(result)")
                // A launcher that was killed itself can't clean up; the next one does. (The script has a watcher that can.)
                let isKilled = victim == .all || victim == .launcher
                if !isKilled { #expect(!FileManager.default.fileExists(atPath: session)) }
                try expectResumable(bench, isKilled ? .script(2) : .plain)
                #expect(!FileManager.default.fileExists(atPath: session))
            }
        }

        @Test("a new job waits for the ranks of one whose mpirun was killed, and goes on to the same bits")
        func dyingJob() throws {
            try withFaultBench { bench in
                try bench.write("c.yaml", Configurations.endless())
                let job = try bench.start(.bare(3), ["train", "c.yaml", "--run", "r"])
                try waitForSteps(job, bench.state("r"))
                // Ranks compute on for most of a second; one that can't yet is there when the new job comes.
                let late = try #require(job.ranks().last)
                late.stop()
                try kill(.mpirun, of: job)
                #expect(!job.ranks().isEmpty)
                let end = bench.state("r").loggedStep + 1200
                let next = try bench.start(.plain, ["train", "c.yaml", "--run", "r", "--resume", "--steps", String(end)])
                try #require(next.waitUntil { $0.program.catches(SIGUSR1) }, "\(next.errors)")
                late.send(SIGCONT)
                expectEnd(Ended(next), .success)
                #expect(Ended(job).left.isEmpty)
                // On a fast machine the dying ranks got further than that; then there was nothing left to do.
                let reached = max(end, bench.state("r").loggedStep)
                expectSame(bench.state("r"), try bench.reference(steps: reached))
            }
        }

        @Test("a run directory in use by a live job is refused with 73, naming the job")
        func liveJob() throws {
            try withFaultBench { bench in
                try bench.write("c.yaml", Configurations.endless())
                let job = try bench.start(.bare(2), ["train", "c.yaml", "--run", "r"])
                try waitForSteps(job, bench.state("r"))
                let owner = try #require(job.ranks().first).identifier
                expectRefusal(
                    try bench.train(.plain, "r", ["--resume"]), .cannotCreate,
                    ["r: in use by another job", "process \(owner) on"])
                // Without --resume there is nothing to wait for.
                expectRefusal(try bench.train(.plain, "r"), .cannotCreate, ["holds a run already"])
                job.send(SIGUSR1)
                expectEnd(Ended(job), .interrupted)
            }
        }

        @Test("a rank that fails alone brings the job down with its exit code")
        func failsAlone() throws {
            try withFaultBench { bench in
                let program = buildFolder + "/rank-scenarios"
                let child = ChildProcess(
                    "/bin/bash", [FaultBench.script, "-np", "3", program, "abort"],
                    directory: bench.folder)
                let ended = Ended(try child.start())
                expectEnd(ended, .inputOutput)
            }
        }

        @Test("launch/local.sh --restart goes on after every death and ends in the same bits")
        func restart() throws {
            try withFaultBench { bench in
                try bench.write("c.yaml", Configurations.endless())
                let job = try bench.start(
                    .script(3), ["train", "c.yaml", "--run", "r", "--steps", "1500"],
                    scriptOptions: ["--restart", "3"])
                let run = bench.state("r")
                for death in 1...2 {
                    try waitForSteps(job, run, beyond: 30 * death)
                    let resumed = job.output.split(separator: "\n").count { $0.hasPrefix("resumed from") }
                    try #require(resumed == death - 1, "\(job.output)\(job.errors)")
                    let before = Date()
                    try kill(death == 1 ? .rank2 : .rank0, of: job)
                    // The resumed run says from where, and then logs a later step.
                    let isBack = job.waitUntil { running in
                        let lines = running.output.split(separator: "\n").filter { $0.hasPrefix("resumed from") }
                        guard lines.count == death, let last = lines.last?.split(separator: " ").last,
                            let step = Int(last.filter(\.isNumber))
                        else { return false }
                        return run.loggedStep > step
                    }
                    Measurements.note("--restart: training again after", Date().timeIntervalSince(before))
                    try #require(isBack, "\(job.output)\(job.errors)")
                }
                let ended = Ended(job)
                expectEnd(ended, .success)
                #expect(ended.lines("local.sh: ").filter { $0.contains("starting again") }.count == 2, "\(ended)")
                expectSame(run, try bench.reference(steps: 1500))
            }
        }

        @Test("--restart leaves alone what it can't help: bad options, data, files, configurations, a stop by signal")
        func notRestarted() throws {
            try withFaultBench { bench in
                try bench.write("c.yaml", Configurations.endless())
                try bench.write("d.csv", "a,b\n1,x\n2\n")
                try bench.write(
                    "bad-data.yaml",
                    """
                    data: {format: csv, train: {path: d.csv, target: b}}
                    model: {layers: [{dense: {units: 2}}]}

                    """)
                try bench.write("bad.yaml", "training: {epoch: 3}\n")
                for (arguments, code) in [
                    (["c.yaml", "--no-such-option"], ExitCode.usage),
                    (["bad-data.yaml"], .badData),
                    (["missing.yaml"], .missingInput), (["bad.yaml"], .badConfiguration)
                ] {
                    let job = try bench.start(
                        .script(2), ["train"] + arguments + ["--run", "x"],
                        scriptOptions: ["--restart", "3"])
                    let ended = Ended(job)
                    expectEnd(ended, code, "\(arguments)")
                    #expect(!ended.result.errors.contains("starting again"), "\(ended)")
                }
                let job = try bench.start(
                    .script(2), ["train", "c.yaml", "--run", "r"],
                    scriptOptions: ["--restart", "3"])
                try waitForSteps(job, bench.state("r"))
                job.send(SIGTERM)
                let ended = Ended(job)
                expectEnd(ended, .interrupted)
                #expect(!ended.result.errors.contains("starting again"), "\(ended)")
            }
        }
    }

    /// Times that tests met, printed where `DTRAIN_TEST_TIMES` is set; no test depends on them.
    enum Measurements {
        static func note(_ what: String, _ seconds: Double) {
            guard ProcessInfo.processInfo.environment["DTRAIN_TEST_TIMES"] != nil else { return }
            print(String(format: "%@ %.2f s", what, seconds))
        }
    }
}
