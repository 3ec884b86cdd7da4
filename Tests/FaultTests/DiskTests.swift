import Diagnostics
import Foundation
import TestSupport
import Testing

extension FaultTests {
    /// Disks that are full, read-only or refuse the log, while the program trains.
    @Suite("Faults of the disk")
    struct DiskTests {
        /// About 85,000 parameters: a checkpoint is a megabyte.
        private static func config(onError: String = "warn") -> String {
            Configurations.digits(
                layers: [256, 256], steps: 100_000_000, microBatch: 32, every: 50, keep: 2,
                onError: onError)
        }

        /// Runs `body` with a folder on the normal disk and the path of a run directory on a small one.
        private func withSmallDisk(_ config: String = config(), _ body: (FaultBench, String) throws -> Void) throws {
            try withFaultBench { bench in
                try bench.write("c.yaml", config)
                try SmallDisk.run(bytes: 16 << 20) { disk in try body(bench, disk + "/r") }
            }
        }

        /// Waits until the run has written some checkpoints, holds the process that writes between two of them while
        /// `change` does its harm, and lets it go on. Returns the checkpoints' steps at that moment.
        private func interfere(
            _ job: ChildProcess.Running, _ run: RunState,
            _ change: () throws -> Void
        ) throws -> [Int] {
            for _ in 0..<1000 {
                try #require(job.waitUntil { _ in (run.steps.last ?? 0) > 0 }, "\(job.output)\(job.errors)")
                guard let writer = job.ranks().first ?? job.processes().first else { break }
                writer.stop()
                if run.hidden.isEmpty {
                    let steps = run.steps
                    defer { writer.send(SIGCONT) }
                    try change()
                    return steps
                }
                writer.send(SIGCONT)
                usleep(3000)
            }
            Issue.record("the writer was never idle: \(run.entries) \(job.errors)")
            return []
        }

        @Test(
            "a disk that stays full: training goes on, ends with 74, and with room comes to the same bits",
            .enabled(if: SmallDisk.isPermitted, "\(SmallDisk.reason)"), arguments: [Launch.plain, .script(2)])
        func fullToTheEnd(launch: Launch) throws {
            try withSmallDisk { bench, path in
                try expectSurvived(bench, path, launch, "No space left on device") {
                    SmallDisk.fill(path + "/../ballast")
                } repair: {
                    try SmallDisk.remount(path + "/..", bytes: 64 << 20)
                }
            }
        }

        @Test(
            "a directory that becomes read-only is survived like a full disk",
            .enabled(if: SmallDisk.isPermitted, "\(SmallDisk.reason)"))
        func readOnlyLater() throws {
            try withSmallDisk { bench, path in
                try expectSurvived(bench, path, .plain, "Read-only file system") {
                    try SmallDisk.cover(path)
                } repair: {
                    try SmallDisk.uncover(path)
                }
            }
        }

        /// Expects that a run goes on after `harm`, warning of the reason, ends with 74 and the checkpoints
        /// that it had; and that after `repair` it goes on to the same bits.
        private func expectSurvived(
            _ bench: FaultBench, _ path: String, _ launch: Launch, _ reason: String,
            harm: () throws -> Void, repair: () throws -> Void
        ) throws {
            let run = bench.state(path)
            let job = try bench.start(launch, ["train", "c.yaml", "--run", path])
            let steps = try interfere(job, run, harm)
            // The second warning: the run went on after the first.
            let warned = job.waitUntil { $0.errors.split(separator: "no checkpoint was written").count > 2 }
            #expect(warned, "\(job.errors)")
            job.send(SIGUSR1)
            let ended = Ended(job)
            expectRefusal(
                ended, .inputOutput,
                [
                    "the checkpoint of step", "the last one, could not be written",
                    "--resume"
                ])
            #expect(
                ended.warnings.contains { $0.contains("no checkpoint was written") && $0.contains(reason) },
                "\(ended)")
            #expect(run.steps == steps && run.hidden.isEmpty, "\(run.entries), before: \(steps)")
            try repair()
            let end = max(run.loggedStep, steps.last ?? 0) + 25
            expectEnd(try bench.train(.plain, path, ["--resume", "--steps", String(end)]), .success)
            expectSame(run, try bench.reference(steps: end))
        }

        @Test(
            "a disk that is full for a while: checkpoints and log catch up, the run ends with 0 and the same bits",
            .enabled(if: SmallDisk.isPermitted, "\(SmallDisk.reason)"))
        func fullForAWhile() throws {
            try withSmallDisk { bench, path in
                let run = bench.state(path)
                let job = try bench.start(.plain, ["train", "c.yaml", "--run", path, "--steps", "1500"])
                _ = try interfere(job, run) { SmallDisk.fill(path + "/../ballast") }
                #expect(job.waitUntil { $0.errors.contains("no checkpoint was written") }, "\(job.errors)")
                unlink(path + "/../ballast")
                expectEnd(Ended(job), .success)
                expectSame(run, try bench.reference(steps: 1500))
            }
        }

        @Test(
            "checkpoint.on_error: stop ends the run with 74 at the first checkpoint that fails",
            .enabled(if: SmallDisk.isPermitted, "\(SmallDisk.reason)"), arguments: [Launch.plain, .script(2)])
        func stops(launch: Launch) throws {
            try withSmallDisk(Self.config(onError: "stop")) { bench, path in
                let run = bench.state(path)
                let job = try bench.start(launch, ["train", "c.yaml", "--run", path])
                let steps = try interfere(job, run) { SmallDisk.fill(path + "/../ballast") }
                let ended = Ended(job)
                expectRefusal(ended, .inputOutput, ["No space left on device"])
                #expect(run.steps == steps, "\(run.entries)")
            }
        }

        @Test(
            "a read-only directory is refused with 73 at the start, of a new run and of an old one",
            .enabled(if: SmallDisk.isPermitted, "\(SmallDisk.reason)"))
        func readOnlyAtStart() throws {
            try withSmallDisk { bench, path in
                let arguments = ["train", "c.yaml", "--run", path, "--steps", "60"]
                expectEnd(try bench.run(.plain, arguments), .success)
                try SmallDisk.remount(path + "/..", readOnly: true)
                let before = bench.inventory(path)
                for launch in [Launch.plain, .bare(2)] {
                    let again = try bench.run(launch, arguments + ["--resume"])
                    expectRefusal(again, .cannotCreate, [path, "Read-only file system"])
                    let other = try bench.run(launch, ["train", "c.yaml", "--run", path + "-2"])
                    expectRefusal(other, .cannotCreate, [path + "-2", "Read-only file system"])
                }
                #expect(bench.inventory(path) == before)
            }
        }

        @Test("a log that can't be written costs no checkpoint: the weights are saved, and the run ends with 74")
        func logTooLarge() throws {
            try withFaultBench { bench in
                try bench.write("c.yaml", Configurations.digits(steps: 1000, every: 100))
                // The limit on the size of a file hits the log, which grows; checkpoints are smaller.
                let ended = try bench.shell("ulimit -f 64; exec", ["train", "c.yaml", "--run", "r", "--steps", "900"])
                expectRefusal(
                    ended, .inputOutput,
                    [
                        "metrics.jsonl", "File too large", "lines of metrics are lost",
                        "the checkpoint of step 900 is safe"
                    ])
                #expect(ended.warnings.contains { $0.contains("metrics.jsonl") }, "\(ended)")
                let run = bench.state("r")
                let whole = try bench.reference(steps: 900)
                #expect(run.steps == whole.steps)
                #expect(run.file("model.safetensors", step: 900) == whole.file("model.safetensors", step: 900))
                // What was written is whole lines after a resume, each step once.
                expectEnd(try bench.train(.plain, "r", ["--resume"]), .success)
                let steps = run.lines("step").compactMap { RunState.step(of: $0) }
                #expect(steps == Array(1...(steps.firstIndex(of: 901) ?? 0)) + Array(901...1000))
            }
        }

        @Test(
            "a limit on the size of a file is like a full disk: nobody dies of it, and without it the run comes to its end",
            arguments: [1, 4, 8])
        func fileSizeLimit(kilobytes: Int) throws {
            try withFaultBench { bench in
                // Weights of 7.5 KB, optimizer state of 15 KB, a state of 3 KB.
                try bench.write("c.yaml", Configurations.digits(layers: [24], steps: 60, every: 20))
                expectEnd(try bench.train(.plain, "r", ["--steps", "20"]), .success)
                let before = bench.state("r").steps
                let ended = try bench.shell("ulimit -f \(kilobytes); exec", ["train", "c.yaml", "--run", "r", "--resume"])
                // The smallest limit hits the copy of the log already, before anything is changed.
                expectRefusal(ended, .inputOutput, [kilobytes == 1 ? "File too large" : "could not be written"])
                #expect(bench.state("r").steps == before)
                expectEnd(try bench.train(.plain, "r", ["--resume"]), .success)
                expectSame(bench.state("r"), try bench.reference(steps: 60))
            }
        }

        @Test("checkpoints that can't be made any more, with none left, stop all ranks with 74")
        func checkpointsGone() throws {
            try withFaultBench { bench in
                try bench.write("c.yaml", Configurations.endless())
                let job = try bench.start(.script(3), ["train", "c.yaml", "--run", "r"])
                try #require(job.waitUntil { _ in (bench.state("r").steps.last ?? 0) > 0 }, "\(job.errors)")
                // Rank 0 fails alone, between two steps, while the others compute.
                let writer = try #require(job.ranks().first)
                writer.stop()
                defer { writer.send(SIGCONT) }
                try FileManager.default.moveItem(atPath: bench.path("r/checkpoints"), toPath: bench.path("r/gone"))
                try bench.write("r/checkpoints", "in the way")
                writer.send(SIGCONT)
                let ended = Ended(job)
                expectRefusal(ended, .inputOutput, ["rank 0", "r/checkpoints"])
            }
        }

        @Test("training goes on while a checkpoint is being written")
        func offTheCriticalPath() throws {
            try withFaultBench { bench in
                try bench.write("c.yaml", Configurations.heavy(every: 10))
                let job = try bench.start(.plain, ["train", "c.yaml", "--run", "r"])
                let run = bench.state("r")
                // A later step is in the log, and the checkpoint still has the name of an unfinished one.
                let seen = job.waitUntil(seconds: 120) { _ in
                    guard let name = run.hidden.first(where: { $0.hasPrefix(".incomplete-step-") }),
                        let step = Int(name.dropFirst(".incomplete-step-".count)), step > 0
                    else { return false }
                    return run.loggedStep > step && run.hidden.contains(name)
                }
                #expect(seen, "\(job.output)\(job.errors)")
                job.send(SIGTERM)
                expectEnd(Ended(job), .interrupted)
            }
        }
    }
}
