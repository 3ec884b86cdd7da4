import Diagnostics
import Foundation
import TestSupport
import Testing

extension FaultTests {
    /// Asking a run to stop, in every way in which it can have been started and at every moment.
    @Suite("Signals", .enabled(if: MPIRun.isAvailable, "mpirun isn't there"))
    struct SignalTests {
        private static let names = [SIGUSR1: "SIGUSR1", SIGTERM: "SIGTERM", SIGINT: "SIGINT", SIGHUP: "SIGHUP"]

        struct Case: Sendable, CustomTestStringConvertible {
            let launch: Launch
            let signal: Int32
            var testDescription: String { "\(SignalTests.names[signal] ?? "?") to \(launch)" }
        }

        static let cases: [Case] =
            [Launch.plain, .script(3), .option(3)].flatMap { launch in
                [SIGUSR1, SIGTERM, SIGINT].map { Case(launch: launch, signal: $0) }
            } + [Case(launch: .bare(3), signal: SIGUSR1), Case(launch: .plain, signal: SIGHUP)]

        /// Expects that a job was stopped by a signal: all ranks after the same step, of which there is a checkpoint,
        /// and from which another number of ranks comes to the same bits.
        private func expectInterrupted(
            _ ended: Ended, _ bench: FaultBench, resumedBy other: Launch, more: Int = 3,
            sourceLocation: SourceLocation = #_sourceLocation
        ) throws {
            expectEnd(ended, .interrupted, sourceLocation: sourceLocation)
            #expect(ended.messages.isEmpty, "\(ended)", sourceLocation: sourceLocation)
            let run = bench.state("r")
            let step = try #require(ended.interruptedStep, "\(ended)", sourceLocation: sourceLocation)
            #expect(
                run.steps.last == step && run.hidden.isEmpty, "stopped after \(step): \(run.entries)",
                sourceLocation: sourceLocation)
            #expect(
                run.lines("step").compactMap { RunState.step(of: $0) } == Array(1...step),
                sourceLocation: sourceLocation)
            #expect(
                run.lines("end").count == 1 && run.lines("end")[0].contains("\"reason\":\"interrupted\""),
                sourceLocation: sourceLocation)
            let resumed = try bench.train(other, "r", ["--resume", "--steps", String(step + more)])
            expectEnd(resumed, .success, sourceLocation: sourceLocation)
            expectSame(run, try bench.reference(steps: step + more), sourceLocation: sourceLocation)
        }

        @Test(
            "the step is finished, a checkpoint written, the exit code is 75, and the run goes on to the same bits",
            arguments: cases)
        func stops(_ one: Case) throws {
            try withFaultBench { bench in
                try bench.write("c.yaml", Configurations.endless())
                let job = try bench.start(one.launch, ["train", "c.yaml", "--run", "r"])
                try #require(job.waitUntil { _ in bench.state("r").loggedStep >= 3 }, "\(job.output)\(job.errors)")
                job.send(one.signal)
                var other = Launch.plain
                if case .plain = one.launch { other = .bare(2) }
                try expectInterrupted(Ended(job), bench, resumedBy: other)
            }
        }

        @Test("a signal to one rank stops all after the same step", arguments: [Launch.bare(3), .script(3)])
        func oneRank(launch: Launch) throws {
            try withFaultBench { bench in
                try bench.write("c.yaml", Configurations.endless())
                let job = try bench.start(launch, ["train", "c.yaml", "--run", "r"])
                try #require(job.waitUntil { _ in bench.state("r").loggedStep >= 3 }, "\(job.output)\(job.errors)")
                let rank = try #require(job.ranks().dropFirst().randomElement())
                rank.send([SIGUSR1, SIGTERM, SIGINT].randomElement() ?? SIGUSR1)
                try expectInterrupted(Ended(job), bench, resumedBy: .plain)
            }
        }

        @Test(
            "a signal that comes as soon as the program can hear it leaves a run that can be resumed",
            arguments: [Launch.plain, .script(3), .option(3)], [0.0, 0.3])
        func startUp(launch: Launch, delaySeconds: Double) throws {
            try withFaultBench { bench in
                try bench.write("c.yaml", Configurations.endless())
                let job = try bench.start(launch, ["train", "c.yaml", "--run", "r"])
                try #require(
                    job.waitUntil { running in
                        guard let program = running.processes().first(where: { $0.identifier == running.identifier }) else {
                            return false
                        }
                        // It takes signals by waiting for them, and while it waits the kernel shows them as not blocked;
                        // but once mpirun is there, it has begun to.
                        if case .option = launch { return program.blocks(SIGTERM) || running.processes().count > 1 }
                        return program.catches(SIGTERM)
                    }, "\(job.output)\(job.errors)")
                usleep(UInt32(delaySeconds * 1e6))
                job.send(SIGTERM)
                let ended = Ended(job)
                if ended.interruptedStep != nil { return try expectInterrupted(ended, bench, resumedBy: .plain) }
                // It came before the run had begun.
                expectEnd(ended, .interrupted)
                #expect(ended.messages.isEmpty, "\(ended)")
                expectEnd(try bench.train(.plain, "r", ["--resume", "--steps", "3"]), .success)
                expectSame(bench.state("r"), try bench.reference(steps: 3))
            }
        }

        @Test(
            "a signal that was ignored when the program started, as nohup and shells do it, stays ignored",
            arguments: [("HUP", SIGHUP), ("INT", SIGINT), ("TERM", SIGTERM), ("USR1", SIGUSR1)])
        func ignored(name: String, signal: Int32) throws {
            try withFaultBench { bench in
                try bench.write("c.yaml", Configurations.endless())
                let job = try bench.startShell("trap '' \(name); exec", ["train", "c.yaml", "--run", "r"])
                let run = bench.state("r")
                try #require(job.waitUntil { _ in run.loggedStep >= 3 }, "\(job.output)\(job.errors)")
                job.send(signal)
                job.send(signal)
                let step = run.loggedStep
                #expect(job.waitUntil { _ in run.loggedStep >= step + 100 }, "\(job.output)\(job.errors)")
                // The others are heard.
                job.send(signal == SIGTERM ? SIGUSR1 : SIGTERM)
                try expectInterrupted(Ended(job), bench, resumedBy: .plain)
            }
        }

        @Test("a signal during a validation stops after its step", arguments: [Launch.plain, .bare(2)])
        func validation(launch: Launch) throws {
            try withFaultBench { bench in
                // Nearly all of the time is spent in validations.
                try bench.write(
                    "c.yaml",
                    Configurations.digits(
                        layers: [512], steps: 100_000_000, batch: 4,
                        microBatch: 2, every: 20, validateEvery: 1))
                let job = try bench.start(launch, ["train", "c.yaml", "--run", "r"])
                try #require(job.waitUntil { _ in bench.state("r").loggedStep >= 3 }, "\(job.output)\(job.errors)")
                job.send(SIGUSR1)
                try expectInterrupted(Ended(job), bench, resumedBy: .plain)
                let run = bench.state("r")
                #expect(run.lines("validation").count == run.lines("step").count)
            }
        }

        @Test("a signal during the writing of a checkpoint stops after its step", arguments: [Launch.plain, .script(2)])
        func writing(launch: Launch) throws {
            try withFaultBench { bench in
                try bench.write("c.yaml", Configurations.heavy(every: 5))
                let job = try bench.start(launch, ["train", "c.yaml", "--run", "r"])
                let run = bench.state("r")
                try #require(
                    job.waitUntil { _ in
                        run.steps.contains(0) && run.hidden.contains { $0.hasPrefix(".incomplete") }
                    }, "\(job.output)\(job.errors)")
                job.send(SIGTERM)
                try expectInterrupted(Ended(job), bench, resumedBy: .plain, more: 1)
            }
        }

        @Test("a second SIGINT ends the program at once, in the middle of a step, and leaves a valid checkpoint")
        func secondInterrupt() throws {
            try withFaultBench { bench in
                // A step takes most of a second: the first SIGINT waits for its end.
                try bench.write(
                    "c.yaml",
                    Configurations.digits(
                        layers: [2048, 2048], steps: 100_000_000, batch: 1437,
                        microBatch: 256, every: 1000))
                let job = try bench.start(.plain, ["train", "c.yaml", "--run", "r"])
                try #require(job.waitUntil { _ in bench.state("r").steps == [0] }, "\(job.output)\(job.errors)")
                job.send(SIGINT)
                // Two that wait together would be one.
                try #require(job.waitUntil { !$0.program.hasPending(SIGINT) })
                job.send(SIGINT)
                let ended = Ended(job)
                #expect(ended.status == 128 + SIGINT && ended.left.isEmpty, "\(ended)")
                #expect(bench.state("r").steps == [0])
                expectEnd(try bench.train(.plain, "r", ["--resume", "--steps", "1"]), .success)
                expectSame(bench.state("r"), try bench.reference(steps: 1))
            }
        }

        @Test("a second SIGINT ends a job at once that can't end by itself", arguments: [Launch.script(3), .option(3)])
        func secondInterruptOfJob(launch: Launch) throws {
            try withFaultBench { bench in
                try bench.write("c.yaml", Configurations.endless())
                let job = try bench.start(launch, ["train", "c.yaml", "--run", "r"])
                let run = bench.state("r")
                try #require(job.waitUntil { _ in run.loggedStep >= 3 }, "\(job.output)\(job.errors)")
                // A rank that hangs: the others wait for it in their step.
                let hanging = try #require(job.ranks().last)
                hanging.stop()
                job.send(SIGINT)
                // What the launcher made of it has reached all ranks, and that one can't answer.
                try #require(job.waitUntil { _ in hanging.hasPending(SIGUSR1) }, "\(job.output)\(job.errors)")
                #expect(job.isRunning)
                let before = Date()
                job.send(SIGINT)
                let ended = Ended(job)
                #expect(Date().timeIntervalSince(before) < 4)
                #expect(ended.status == 128 + SIGINT && ended.left.isEmpty, "\(ended)")
                let end = (run.steps.last ?? 0) + 25
                expectEnd(try bench.train(.plain, "r", ["--resume", "--steps", String(end)]), .success)
                expectSame(run, try bench.reference(steps: end))
            }
        }
    }
}
