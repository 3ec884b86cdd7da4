import Diagnostics
import Foundation
import TestSupport
import Testing

/// Bad input gets one clear message and the right exit code, and nothing is lost.
@Suite("Bad input")
struct BadInputTests {
    private static let rows =
        BadInput.configurations + BadInput.workers + BadInput.data + BadInput.texts + BadInput.tokens + BadInput.series
        + BadInput.checkpoints
        + BadInput.runDirectories

    @Test("a bad configuration is refused", arguments: BadInput.configurations)
    func configuration(_ row: BadInput) throws { try check(row) }

    @Test("workers are refused where they don't go with the rest", arguments: BadInput.workers)
    func workers(_ row: BadInput) throws { try check(row) }

    @Test("bad data are refused", arguments: BadInput.data)
    func data(_ row: BadInput) throws { try check(row) }

    @Test("bad tables of texts are refused", arguments: BadInput.texts)
    func texts(_ row: BadInput) throws { try check(row) }

    @Test("bad texts and tokens are refused", arguments: BadInput.tokens)
    func tokens(_ row: BadInput) throws { try check(row) }

    @Test("bad series are refused", arguments: BadInput.series)
    func series(_ row: BadInput) throws { try check(row) }

    @Test("a bad checkpoint is refused", arguments: BadInput.checkpoints)
    func checkpoint(_ row: BadInput) throws { try check(row) }

    @Test("a bad run directory is refused", arguments: BadInput.runDirectories)
    func runDirectory(_ row: BadInput) throws { try check(row) }

    @Test(
        "on three ranks one speaks, all end with its code",
        .enabled(if: MPIRun.isAvailable, "mpirun is not installed"),
        arguments: rows.filter(\.onRanks))
    func ranks(_ row: BadInput) throws { try check(row, ranks: 3) }

    @Test(
        "a wrong command line on three ranks is told once",
        .enabled(if: MPIRun.isAvailable, "mpirun is not installed"))
    func usageOnRanks() throws {
        try withWorkbench { bench in
            let outcome = try bench.dtrain("train", "--bogus", ranks: 3)
            #expect(outcome.status == ExitCode.usage.rawValue, "\(outcome)")
            #expect(outcome.errorLines.filter { $0.contains("--bogus") }.count == 1, "\(outcome)")
        }
    }

    /// The message, the code, and that no file was changed or lost and no run begun.
    private func check(_ row: BadInput, ranks: Int? = nil) throws {
        try withWorkbench { bench in
            let arguments = try row.arrange(bench)
            let before = bench.snapshot()
            let outcome = try bench.dtrain(arguments, ranks: ranks)
            expectRefusal(outcome, row.code, row.says)
            #expect(outcome.output == "", "\(outcome)")
            let after = bench.snapshot()
            for (file, bytes) in before { #expect(after[file] == bytes, "\(file) was changed") }
            let new = after.keys.filter { before[$0] == nil }
            #expect(new.allSatisfy { ["run", "new", "runs", "runs/c"].contains($0) }, "new: \(new)")
        }
    }

    // MARK: - A run directory in use

    @Test("a run directory in use by a live job is refused, naming the job, on 1 and on 3 ranks")
    func inUse() throws {
        try withWorkbench { bench in
            try bench.write("long.yaml", Material.endless)
            try bench.write("c.yaml", Material.digits)
            let job = try bench.start(["train", "long.yaml", "--run", "run"], timeLimitSeconds: 200)
            let running = try job.begin()
            try #require(running.waitUntil { _ in bench.exists("run/checkpoints/step-00000000/state.json") })
            let holder = bench.text("run/.lock").split(separator: "\n").first.map(String.init) ?? "nobody"
            for ranks in MPIRun.isAvailable ? [nil, 3] : [nil] as [Int?] {
                expectRefusal(
                    try bench.dtrain("train", "c.yaml", "--run", "run", "--resume", ranks: ranks),
                    .cannotCreate,
                    ["run: in use by another job", holder, "--run"])
            }
            // Without --resume it is refused at once for the run that it holds.
            expectRefusal(try bench.dtrain("train", "c.yaml", "--run", "run"), .cannotCreate, ["holds a run already"])
            #expect(running.isRunning)
            running.send(SIGUSR1)
            expectEnd(try job.wait(), .interrupted)
        }
    }

    @Test("two jobs that start at once in one new directory: one trains, the other is refused")
    func simultaneous() throws {
        try withWorkbench { bench in
            try bench.write("c.yaml", Material.digits(steps: 3000))
            let jobs = try (0..<2).map { _ in try bench.start(["train", "c.yaml", "--run", "run", "--quiet"]) }
            for job in jobs { try job.begin() }
            let outcomes = try jobs.map { try $0.wait() }.sorted { $0.status < $1.status }
            expectSuccess(outcomes[0])
            expectRefusal(outcomes[1], .cannotCreate, ["run: "])
            #expect(outcomes[0].digest == bench.files("run").digest)
            #expect(try bench.files("run").log("step").map(\.step) == Array(1...3000))
        }
    }

    // MARK: - A run directory that can't be written

    @Test(
        "a run directory that may not be written is refused",
        .enabled(if: Self.lowered != nil, "runs as root, and the program can't be run as another user"),
        arguments: [["--run", "locked/run"], ["--run", "locked"], []])
    func notWritable(_ place: [String]) throws {
        try withWorkbench { bench in
            let lowered = try #require(Self.lowered)
            try bench.write("c.yaml", Material.digits)
            for folder in ["locked", "runs"] {
                try FileManager.default.createDirectory(atPath: bench.path(folder), withIntermediateDirectories: false)
                chmod(bench.path(folder), 0o555)
            }
            chmod(bench.folder, 0o755)
            defer { for folder in ["locked", "runs"] { chmod(bench.path(folder), 0o755) } }
            let command = lowered + [Workbench.program, "train", "c.yaml"] + place
            let result = try bench.run(command[0], Array(command.dropFirst()))
            let name = place.isEmpty ? "runs" : "locked"
            expectRefusal(Outcome(result: result, survivors: []), .cannotCreate, [name, "Permission denied"])
        }
    }

    /// What runs a program without root's rights; nil where that can't be.
    private static let lowered: [String]? = {
        guard geteuid() == 0 else { return ["/usr/bin/env"] }
        let command = ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        let probe = try? ChildProcess(command[0], command.dropFirst() + [Workbench.program, "--version"]).run()
        return probe?.status == 0 ? command : nil
    }()

    // MARK: - Launchers

    @Test(
        "several ranks by the launcher's word, one by MPI's: refused",
        arguments: [
            ["OMPI_COMM_WORLD_SIZE": "2"], ["OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "0"],
            ["PMI_SIZE": "4", "PMI_RANK": "0"]
        ])
    func launcherMismatch(_ environment: [String: String]) throws {
        try withWorkbench { bench in
            try bench.write("c.yaml", Material.digits)
            let outcome = try bench.dtrain(["train", "c.yaml", "--run", "run", "--no-mpi"], environment: environment)
            expectRefusal(outcome, .usage, [environment.values.max() ?? "", "ranks", "alone", "--no-mpi"])
            #expect(!bench.exists("run/checkpoints"))
        }
    }

    @Test("Slurm's variables around a program that was started once mean nothing")
    func slurm() throws {
        try withWorkbench { bench in
            try bench.write("c.yaml", Material.digits)
            expectSuccess(
                try bench.dtrain(
                    ["train", "c.yaml"],
                    environment: [
                        "SLURM_NTASKS": "8", "SLURM_PROCID": "0",
                        "SLURM_JOB_ID": "77"
                    ]))
        }
    }
}
