import Diagnostics
import Foundation
import TestSupport
import Testing

extension FaultTests {
    /// A rank that hangs is named, and ends the job where that is asked for. Most tests let the watcher lose patience after one
    /// second instead of eight.
    @Suite("Ranks that hang", .serialized, .enabled(if: MPIRun.isAvailable, "mpirun is not installed"))
    struct Stalls {
        private static let impatient = ["DTRAIN_IDLE_SECONDS": "1"]

        /// A job that trains, with its ranks, lowest first.
        private func training(
            _ bench: FaultBench, ranks: Int, _ options: [String] = [], environment: [String: String] = impatient
        ) throws -> (job: ChildProcess.Running, ranks: [ChildProcess.Running.Member]) {
            try bench.write("c.yaml", Configurations.endless())
            let job = try bench.start(
                .bare(ranks), ["train", "c.yaml", "--run", "r"] + options, environment: environment, limit: 60)
            try #require(job.waitUntil { _ in bench.state("r").loggedStep > 2 }, "\(job.output)\(job.errors)")
            let members = job.ranks()
            try #require(members.map(\.rank) == (0..<ranks).map { $0 }, "\(members)")
            return (job, members)
        }

        private func lines(_ job: ChildProcess.Running, _ part: String) -> [Substring] {
            job.errors.split(separator: "\n").filter { $0.contains(part) }
        }

        @Test("a stopped rank is named once, with pid, step, phase and who waits; when it goes on, that is said too")
        func named() throws {
            try withFaultBench { bench in
                let (job, ranks) = try training(bench, ranks: 3)
                let victim = ranks[1]
                victim.stop()
                let stopped = Date()
                let isNamed = job.waitUntil(seconds: 10) { !lines($0, "has not moved for").isEmpty }
                Measurements.note("a stopped rank is named after", Date().timeIntervalSince(stopped))
                try #require(isNamed, "\(job.errors)")
                let step = bench.state("r").loggedStep
                usleep(500_000)
                victim.send(SIGCONT)
                #expect(job.waitUntil(seconds: 10) { !lines($0, "moves on after").isEmpty }, "\(job.errors)")
                #expect(job.waitUntil(seconds: 10) { _ in bench.state("r").loggedStep > step + 20 })
                job.send(SIGUSR1)
                let ended = Ended(job)
                expectEnd(ended, .interrupted)
                let name = "rank 1 (pid \(victim.identifier))"
                // Ranks are uneven, which is told of too.
                let warnings = ended.warnings.filter { $0.contains("has not moved") }
                #expect(warnings.count == 1, "\(ended)")
                let warning = warnings.first ?? ""
                #expect(
                    warning.hasPrefix("\(name) has not moved for ")
                        && warning.contains("; it is stopped (SIGSTOP); kill -CONT \(victim.identifier) lets it go on")
                        && warning.hasSuffix("; ranks 0 and 2 wait for it"), "\(ended)")
                // The log may be a step behind.
                #expect((step...step + 1).contains { warning.contains(": step \($0), ") }, "step \(step): \(ended)")
                #expect(ended.lines("note: ").filter { $0.hasPrefix("\(name) moves on after ") }.count == 1, "\(ended)")
            }
        }

        @Test("within ten seconds, as it is without a test's impatience", .enabled(if: isFullMatrix, "takes ten seconds"))
        func inTime() throws {
            try withFaultBench { bench in
                let (job, ranks) = try training(bench, ranks: 2, environment: [:])
                ranks[0].stop()
                let stopped = Date()
                #expect(job.waitUntil(seconds: 15) { !lines($0, "rank 0 (pid \(ranks[0].identifier)) has not").isEmpty })
                let seconds = Date().timeIntervalSince(stopped)
                Measurements.note("a stopped rank is named after", seconds)
                #expect((7...10).contains(seconds))
                job.killAll()
            }
        }

        @Test("a rank that gets on slower than the others is named once, with pid and phase, and the job goes on")
        func straggler() throws {
            try withFaultBench { bench in
                // Steps of some milliseconds, with as many micro-batches on each rank. The watcher's minute is 3.75 s here.
                try bench.write(
                    "c.yaml",
                    Configurations.digits(
                        layers: [1024, 1024], steps: 100_000_000, batch: 384, microBatch: 64, every: 1_000_000))
                let job = try bench.start(
                    .bare(3), ["train", "c.yaml", "--run", "r"], environment: ["DTRAIN_IDLE_SECONDS": "0.5"], limit: 90)
                try #require(job.waitUntil { _ in bench.state("r").loggedStep > 2 }, "\(job.output)\(job.errors)")
                let ranks = job.ranks()
                try #require(ranks.map(\.rank) == [0, 1, 2], "\(ranks)")
                let victim = ranks[2]
                func warnings() -> [Substring] { lines(job, "makes the others wait") }
                /// Lets the rank have a tenth of the time: others may have to share their cores with other tests.
                func slowDown(seconds: Double, until isEnough: () -> Bool) {
                    let end = Date().addingTimeInterval(seconds)
                    while Date() < end, !isEnough() {
                        victim.stop()
                        usleep(90_000)
                        victim.send(SIGCONT)
                        usleep(10_000)
                    }
                }
                slowDown(seconds: 40) { !warnings().isEmpty }
                try #require(warnings().count == 1, "\(job.errors)")
                // For more than another such minute.
                let step = bench.state("r").loggedStep
                slowDown(seconds: 5) { false }
                #expect(bench.state("r").loggedStep > step)
                job.send(SIGUSR1)
                let ended = Ended(job)
                expectEnd(ended, .interrupted)
                let found = ended.warnings.filter { $0.contains("makes the others wait") }
                #expect(found.count == 1, "\(ended)")
                let pattern =
                    "^rank 2 \\(pid \(victim.identifier)\\) makes the others wait: for [34] s it has computed [0-9.]+ times as long "
                    + "as the median rank, most of the difference in (forward|backward|combining gradients); see what else runs"
                #expect(found.first?.range(of: pattern, options: .regularExpression) != nil, "\(ended)")
            }
        }

        @Test("a job that is stopped as a whole is suspended, not stuck")
        func suspended() throws {
            try withFaultBench { bench in
                let (job, ranks) = try training(bench, ranks: 2, ["--stall-timeout", "1"])
                for rank in ranks { rank.stop() }
                sleep(3)
                for rank in ranks { rank.send(SIGCONT) }
                let step = bench.state("r").loggedStep
                #expect(job.waitUntil(seconds: 10) { _ in bench.state("r").loggedStep > step + 20 }, "\(job.errors)")
                job.send(SIGUSR1)
                let ended = Ended(job)
                expectEnd(ended, .interrupted)
                #expect(ended.warnings.isEmpty && ended.messages.isEmpty, "\(ended)")
            }
        }

        @Test("--stall-timeout ends the job with its own code, whichever rank is stopped; nothing is left", arguments: [0, 1])
        func ends(victim: Int) throws {
            try withFaultBench { bench in
                let (job, ranks) = try training(bench, ranks: 2, ["--stall-timeout", "3"], environment: [:])
                ranks[victim].stop()
                let stopped = Date()
                let ended = Ended(job)
                let seconds = Date().timeIntervalSince(stopped)
                Measurements.note("--stall-timeout 3: gone after", seconds)
                expectRefusal(
                    ended, .stalled,
                    [
                        "rank \(victim) (pid \(ranks[victim].identifier)) has not moved for 3 s", "it is stopped (SIGSTOP)",
                        "; rank \(1 - victim) waits for it; the job is ended (--stall-timeout 3); go on with --resume"
                    ])
                #expect((3...8).contains(seconds))
                #expect(ended.warnings.isEmpty, "\(ended)")
                let again = try bench.train(.plain, "r", ["--resume", "--steps", "1"])
                expectEnd(again, .success)
            }
        }

        @Test("a rank that a watcher ends ends with the agreed status, whatever was asked for: its host may be cut off")
        func endedByWatcher() throws {
            try withFaultBench { bench in
                let (job, ranks) = try training(bench, ranks: 2, environment: [:])
                // What a watcher sends. The C library keeps some real-time signals for itself, and says where the others begin.
                for rank in ranks { rank.send(__libc_current_sigrtmin() + 7) }
                expectEnd(Ended(job), .stalled)
            }
        }

        @Test("ranks that hang in MPI are told of, with what each waits for; --stall-timeout ends them")
        func inMPI() throws {
            let child = MPIRun.child(
                ranks: 2, buildFolder + "/rank-scenarios", ["hang-in-mpi", FaultBench.program],
                environment: Self.impatient, timeLimitSeconds: 30)
            let ended = Ended(try child.start())
            expectRefusal(
                ended, .stalled,
                [
                    "no rank has moved for 2 s", "rank 0 for all ranks in a call of MPI (set-up)",
                    "rank 1 for messages of other ranks (set-up)", "--stall-timeout 2"
                ])
            #expect(ended.warnings.count == 1, "\(ended)")
        }

        @Test("a rank that sleeps in the kernel in the middle of its work is named")
        func asleep() throws {
            let child = MPIRun.child(
                ranks: 2, buildFolder + "/rank-scenarios", ["hang-in-kernel", FaultBench.program],
                environment: Self.impatient, timeLimitSeconds: 30)
            let ended = Ended(try child.start())
            expectRefusal(
                ended, .stalled, ["rank 1 (pid ", "step 3, forward; it sleeps in the kernel", "; rank 0 waits for it"])
        }

        @Test("a rank that computes for long, with others waiting, is left alone")
        func busy() throws {
            let child = MPIRun.child(
                ranks: 2, buildFolder + "/rank-scenarios", ["long-computation", FaultBench.program],
                environment: Self.impatient, timeLimitSeconds: 30)
            let ended = Ended(try child.start())
            expectEnd(ended, .success)
            #expect(ended.result.errors.isEmpty, "\(ended)")
        }

        @Test("a lone process is watched where --stall-timeout asks for it, and ends as always")
        func alone() throws {
            try withFaultBench { bench in
                try bench.write("c.yaml", Configurations.digits(steps: 20, every: 10))
                expectEnd(try bench.train(.plain, "r", ["--stall-timeout", "5"]), .success)
            }
        }

        @Test("a limit that can't be meant is refused", arguments: ["0", "-1", "0.5", "x", "1e9", "nan"])
        func refused(value: String) throws {
            try withFaultBench { bench in
                expectRefusal(try bench.run(.plain, ["train", "--stall-timeout=\(value)"]), .usage, ["--stall-timeout"])
            }
        }

        @Test("`dtrain watch` isn't for people")
        func notForPeople() throws {
            try withFaultBench { bench in expectRefusal(try bench.run(.plain, ["watch"]), .usage, ["own use"]) }
        }
    }
}
