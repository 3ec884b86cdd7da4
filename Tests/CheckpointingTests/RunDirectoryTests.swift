import Checkpointing
import Diagnostics
import Foundation
import TestSupport
import Testing

@Suite("Run directories")
struct RunDirectoryTests {
    @Test("default directories are numbered, and a resume finds the newest that holds a run")
    func numbered() throws {
        try withTemporaryDirectory { path in
            let parent = path + "/a/runs"
            let made = try (0..<11).map { _ in try RunDirectory.makeNumbered("digits", under: parent).path }
            #expect(made.first == parent + "/digits")
            #expect(made[1] == parent + "/digits-2")
            #expect(made.last == parent + "/digits-11")
            #expect(try RunDirectory.newest("digits", under: parent) == nil)
            for number in [2, 10] { try write([], to: "\(parent)/digits-\(number)/metrics.jsonl") }
            for other in ["digits-wide", "digits-012", "digits-1"] {
                try FileManager.default.createDirectory(
                    atPath: "\(parent)/\(other)/checkpoints",
                    withIntermediateDirectories: true)
            }
            #expect(try RunDirectory.newest("digits", under: parent) == parent + "/digits-10")
            #expect(try RunDirectory.newest("digits", under: path + "/none") == nil)
        }
    }

    @Test("processes that make a directory at once get different ones")
    func race() async throws {
        let path = scratchDirectory + "/dtrain-race-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let made = try await withThrowingTaskGroup(of: String.self) { group in
            for _ in 0..<16 { group.addTask { try RunDirectory.makeNumbered("x", under: path).path } }
            return try await group.reduce(into: Set<String>()) { $0.insert($1) }
        }
        #expect(made.count == 16)
    }

    @Test(
        "a given directory is made with those above it; one that holds a run is refused unless it is resumed",
        arguments: ["config.yaml", "metrics.jsonl", "checkpoints"])
    func given(mark: String) throws {
        try withTemporaryDirectory { path in
            let run = path + "/a/b"
            #expect(try RunDirectory.open(run + "/", resuming: false) == RunDirectory.open(run, resuming: true))
            try write([], to: run + "/notes.txt")
            #expect(try !RunDirectory.open(run, resuming: false).holdsRun)
            if mark == "checkpoints" {
                try FileManager.default.createDirectory(atPath: run + "/" + mark, withIntermediateDirectories: false)
            } else {
                try write([], to: run + "/" + mark)
            }
            let refused = failure { _ = try RunDirectory.open(run, resuming: false) }
            #expect(
                refused
                    == Failure(
                        .cannotCreate,
                        "\(run): holds a run already; go on with it (--resume) or choose "
                            + "another directory (--run)"))
            #expect(try RunDirectory.open(run, resuming: true).holdsRun)
        }
    }

    @Test("a file in the way and a directory that can't be written are refused with 73")
    func refused() throws {
        try withTemporaryDirectory { path in
            try write([], to: path + "/file")
            #expect(
                failure { _ = try RunDirectory.open(path + "/file", resuming: false) }
                    == Failure(.cannotCreate, "\(path)/file: a file, expected a directory for the run"))
            #expect(failure { _ = try RunDirectory.open(path + "/file/run", resuming: false) }?.code == .cannotCreate)
            #expect(failure { _ = try RunDirectory.open("", resuming: false) }?.code == .cannotCreate)
            let disk = FaultyDisk { _, call, _ in call == "mkdir" ? .fail(EROFS) : .pass }
            let readOnly = failure { _ = try RunDirectory.open(path + "/run", resuming: false, fileSystem: disk) }
            #expect(
                readOnly
                    == Failure(
                        .cannotCreate,
                        "\(path)/run: mkdir failed: Read-only file system; make it "
                            + "writable or write the run elsewhere (--run)"))
        }
    }

    @Test(
        "a directory without the right to write is refused with 73",
        .enabled(if: getuid() != 0, "root may write anywhere; the read-only disk in SmallDiskTests stands for this"))
    func unwritable() throws {
        try withTemporaryDirectory { path in
            let run = path + "/run"
            try FileManager.default.createDirectory(
                atPath: run, withIntermediateDirectories: false,
                attributes: [.posixPermissions: 0o500])
            #expect(failure { _ = try RunDirectory.open(run, resuming: false) }?.code == .cannotCreate)
        }
    }
}

/// Descriptions of an open file lock against each other also within one process, so no second process is needed.
@Suite("The lock of a run directory")
struct RunLockTests {
    private let a = JobIdentity(name: "job a")
    private let b = JobIdentity(name: "job b")

    @Test("the ranks of one job share the directory, and its rank 0 owns it")
    func ranks() throws {
        try withTemporaryDirectory { path in
            let ranks = try (0..<4).map { _ in try RunLock(runDirectory: path, job: a) }
            #expect(ranks.allSatisfy { $0.warning == nil })
            try ranks[0].claim(patience: 0)
        }
    }

    @Test("a second job is refused with 73 and the name of the first")
    func secondJob() throws {
        try withTemporaryDirectory { path in
            let first = try RunLock(runDirectory: path, job: a)
            try first.claim(patience: 0)
            let second = try RunLock(runDirectory: path, job: b)
            let begin = ContinuousClock.now
            let refused = failure { try second.claim(patience: 0.2) }
            #expect(ContinuousClock.now - begin >= .milliseconds(200))
            #expect(refused?.code == .cannotCreate)
            let start = "\(path): in use by another job (job a, process \(getpid()) on "
            #expect(refused?.message.hasPrefix(start) == true)
            withExtendedLifetime(first) {}
        }
    }

    @Test("a launcher that may start its job again keeps out other launchers and their jobs, and lets its own in")
    func launcher() throws {
        try withTemporaryDirectory { path in
            let launcher = try LauncherLock(path)
            let other = failure { _ = try LauncherLock(path) }
            #expect(other?.code == .cannotCreate && other?.message.hasPrefix("\(path): in use by another launcher") == true)
            let own = try RunLock(runDirectory: path, job: a)
            let refused = failure { try own.claim(patience: 0) }
            #expect(refused?.message.hasPrefix("\(path): held for its next start by the launcher of another job") == true)
            try own.claim(patience: 0, belongsToLauncher: true)
            withExtendedLifetime(launcher) {}
        }
        try withTemporaryDirectory { path in
            do { _ = try LauncherLock(path) }
            try RunLock(runDirectory: path, job: b).claim(patience: 0)
        }
    }

    @Test("a new job waits for the last rank of a killed one, and not longer")
    func waits() async throws {
        let path = scratchDirectory + "/dtrain-lock-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: path) }
        var rank: RunLock? = try RunLock(runDirectory: path, job: a)
        let new = try RunLock(runDirectory: path, job: b)
        let refused = failure { try new.claim(patience: 0.1) }
        #expect(refused?.message.contains("still in use by ranks of another job") == true)
        let claim = Task.detached {
            try new.claim(patience: 60)
            return ContinuousClock.now
        }
        try await Task.sleep(for: .milliseconds(200))
        let death = ContinuousClock.now
        rank = nil
        #expect(try await claim.value >= death)
        withExtendedLifetime(rank) {}
    }

    @Test("of two jobs that start at once one gets the directory, the other gives up")
    func rivals() throws {
        try withTemporaryDirectory { path in
            let first = try RunLock(runDirectory: path, job: a)
            do {
                let second = try RunLock(runDirectory: path, job: b)
                // The first has the owner's byte and waits for the second's shared lock to go.
                #expect(failure { try first.claim(patience: 0) }?.code == .cannotCreate)
                let refused = failure { try second.claim(patience: 0.05) }
                #expect(refused?.message.contains("just being started by another job") == true)
            }
            try first.claim(patience: 0)
        }
    }

    @Test("a lock survives other descriptors of its file, and ends with its holder")
    func lifetime() throws {
        try withTemporaryDirectory { path in
            do {
                let holder = try RunLock(runDirectory: path, job: a)
                try holder.claim(patience: 0)
                _ = try contents(of: path + "/.lock")
                let other = try RunLock(runDirectory: path, job: b)
                #expect(failure { try other.claim(patience: 0) } != nil)
                withExtendedLifetime(holder) {}
            }
            try RunLock(runDirectory: path, job: b).claim(patience: 0)
        }
    }

    @Test("a child doesn't inherit the lock")
    func children() throws {
        try withTemporaryDirectory { path in
            let child = Process()
            child.executableURL = URL(fileURLWithPath: "/bin/sleep")
            child.arguments = ["30"]
            do {
                let holder = try RunLock(runDirectory: path, job: a)
                try holder.claim(patience: 0)
                try child.run()
                withExtendedLifetime(holder) {}
            }
            defer { child.terminate() }
            try RunLock(runDirectory: path, job: b).claim(patience: 0)
        }
    }

    @Test("a file system without locks gives a warning instead", arguments: [ENOLCK, ENOTSUP, EINVAL])
    func noLocks(code: Int32) throws {
        try withTemporaryDirectory { path in
            let disk = FaultyDisk { _, call, _ in call == "fcntl" ? .fail(code) : .pass }
            let lock = try RunLock(runDirectory: path, job: a, fileSystem: disk)
            #expect(
                lock.warning == "\(path)/.lock: this file system has no locks, so a second job in this directory "
                    + "would not be noticed; don't start one")
            try lock.claim(patience: 0)
        }
    }

    @Test("a job is known by what its launcher says, a lone process by itself")
    func identity() {
        func name(_ environment: [String: String]) -> String {
            JobIdentity(environment: environment, process: "alone").name
        }
        #expect(name([:]) == "alone")
        #expect(name(["PMIX_NAMESPACE": "77", "OMPI_MCA_ess_base_jobid": "8"]) == "job 77")
        #expect(name(["OMPI_MCA_ess_base_jobid": "8"]) == "job 8")
        #expect(name(["DTRAIN_JOB": "x", "PMIX_NAMESPACE": "77"]) == "job x")
        #expect(name(["SLURM_JOB_ID": "5", "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "4"]) == "job 5.0")
        #expect(name(["SLURM_JOB_ID": "5", "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "1"]) == "alone")
        #expect(name(["SLURM_JOB_ID": "5"]) == "alone")
    }

    @Test("a job of MPICH's launcher is known by where its proxies reach it")
    func hydra() {
        let proxy = ["/usr/bin/hydra_pmi_proxy", "--control-port", "vm:45027", "--rmk", "user", "--proxy-id", "0"]
        func name(_ environment: [String: String], _ ancestors: [[String]]) -> String {
            JobIdentity(environment: environment, process: "alone", ancestors: ancestors).name
        }
        #expect(name(["PMI_RANK": "1"], [["sh", "-c", "dtrain"], proxy, ["mpirun.mpich"]]) == "job vm:45027")
        #expect(name(["PMI_RANK": "1", "DTRAIN_JOB": "x"], [proxy]) == "job x")
        #expect(name(["PMI_RANK": "1"], [["sh"], ["hydra_pmi_proxy", "--control-port"]]) == "alone")
        #expect(name([:], [proxy]) == "alone")
    }
}
