import Foundation
import Launching
import TestSupport
import Testing

/// `launch/local.sh`, with an mpirun of the test's making and with the real one.
@Suite("launch/local.sh")
struct LocalScriptTests {
    private static let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("launch/local.sh").path

    /// A run of the script that may still be going on.
    private final class Run {
        private let process = Process()
        private let folder: String

        init(_ arguments: [String], in mpi: FakeMPI, path: String? = nil, temporary: String? = nil) throws {
            _ = signalsAreHeard
            folder = mpi.folder
            process.executableURL = URL(fileURLWithPath: "/bin/bash")
            process.arguments = [LocalScriptTests.script] + arguments
            process.environment = ["PATH": path ?? mpi.path, "HOME": mpi.folder, "TMPDIR": temporary ?? "/tmp"]
            process.currentDirectoryURL = URL(fileURLWithPath: mpi.folder)
            try Data().write(to: URL(fileURLWithPath: folder + "/output"))
            let file = FileHandle(forWritingAtPath: folder + "/output")
            process.standardOutput = file
            process.standardError = file
            process.standardInput = FileHandle.nullDevice
            // The threads that tests run on block most signals, and a child begins with its parent's mask.
            var none = sigset_t()
            var former = sigset_t()
            sigemptyset(&none)
            pthread_sigmask(SIG_SETMASK, &none, &former)
            defer { pthread_sigmask(SIG_SETMASK, &former, nil) }
            try process.run()
        }

        func send(_ signal: Int32) { kill(process.processIdentifier, signal) }

        /// The exit code and everything that was printed.
        func end() -> (code: Int32, output: String) {
            process.waitUntilExit()
            let text = (try? String(contentsOfFile: folder + "/output", encoding: .utf8)) ?? ""
            let status = process.terminationStatus
            return (process.terminationReason == .exit ? status : 128 + status, text)
        }
    }

    @Test("the exit code is mpirun's, and the session directory is gone", arguments: [0, 1, 65, 75, 137])
    func exitCode(code: Int32) throws {
        let mpi = try FakeMPI("printf %s \"$DTRAIN_SESSION\" > $here/session; exit \(code)")
        defer { mpi.remove() }
        #expect(try Run(["-np", "3", "true"], in: mpi).end().code == code)
        #expect(mpi.text("session").contains("/dtrain-"))
        #expect(!FileManager.default.fileExists(atPath: mpi.text("session")))
    }

    /// More ranks than any machine has cores, and than any /dev/shm has room for.
    private static let manyRanks = "999999"

    @Test("options and program reach mpirun as they were written")
    func arguments() throws {
        let mpi = try FakeMPI("printf '%s\\n' \"$@\" > $here/arguments; env > $here/environment")
        defer { mpi.remove() }
        let run = try Run(["-np", Self.manyRanks, "--timeout", "60", "true", "a b", "--set", "x=1"], in: mpi)
        #expect(run.end().code == 0)
        #expect(mpi.text("arguments").hasPrefix("-np\n\(Self.manyRanks)\n--oversubscribe\n"))
        #expect(mpi.text("arguments").hasSuffix("--bind-to\nnone\n--timeout\n60\ntrue\na b\n--set\nx=1\n"))
        for line in [
            "DTRAIN_TERMINAL=0", "DTRAIN_COLUMNS=80", "OMP_NUM_THREADS=1", "OPENBLAS_NUM_THREADS=1",
            "OMPI_MCA_mpi_yield_when_idle=1", "OMPI_MCA_odls_base_sigkill_timeout=0"
        ] {
            #expect(mpi.text("environment").split(separator: "\n").contains(Substring(line)), "\(line)")
        }
        #expect(mpi.text("environment").contains("OMPI_ALLOW_RUN_AS_ROOT=1") == (geteuid() == 0))
    }

    @Test(
        "a wrong command line is a usage error with the usage",
        arguments: [
            [], ["-np"], ["-np", "0", "true"], ["-np", "x", "true"], ["-np", "2"], ["true"],
            ["-np", "2", "--restart", "x", "true"], ["-np", "2", "--restart", "1", "true"]
        ])
    func usage(arguments: [String]) throws {
        let mpi = try FakeMPI("touch $here/started")
        defer { mpi.remove() }
        let result = try Run(arguments, in: mpi).end()
        #expect(result.code == 64)
        #expect(result.output.hasPrefix("local.sh: "))
        #expect(!FileManager.default.fileExists(atPath: mpi.folder + "/started"))
    }

    @Test("a program that isn't there is refused")
    func noProgram() throws {
        let mpi = try FakeMPI("exit 134")
        defer { mpi.remove() }
        let result = try Run(["-np", "2", "no-such-program"], in: mpi).end()
        #expect(result.code == 66)
        #expect(result.output.contains("no-such-program"))
    }

    @Test("--restart starts again with --resume after a rank's death, as often as it says")
    func restart() throws {
        let mpi = try FakeMPI("echo \"$@\" >> $here/starts; exit 137")
        defer { mpi.remove() }
        #expect(try Run(["-np", "2", "--restart", "2", "true", "--run", "r"], in: mpi).end().code == 137)
        let starts = mpi.text("starts").split(separator: "\n")
        #expect(starts.count == 3)
        #expect(starts.map { $0.hasSuffix("true --run r --resume") } == [false, true, true])
    }

    @Test("--restart leaves ends that a restart can't help", arguments: [0, 64, 65, 66, 73, 75, 78])
    func noRestart(code: Int32) throws {
        let mpi = try FakeMPI("echo x >> $here/starts; exit \(code)")
        defer { mpi.remove() }
        #expect(try Run(["-np", "2", "--restart", "2", "true", "--run=r"], in: mpi).end().code == code)
        #expect(mpi.text("starts") == "x\n")
    }

    @Test(
        "SIGTERM, SIGINT, SIGHUP and SIGUSR1 reach the ranks as SIGUSR1, and nothing is started again",
        arguments: [SIGTERM, SIGINT, SIGHUP, SIGUSR1])
    func stopping(signal: Int32) throws {
        let rank = try FakeMPI(
            """
            trap 'exit 75' USR1
            trap 'exit 1' TERM INT HUP
            touch "$here/started-$OMPI_COMM_WORLD_RANK"
            while :; do sleep 0.02; done
            """, name: "rank")
        defer { rank.remove() }
        let run = try Run(
            ["-np", "3", "--restart", "1", rank.folder + "/rank", "--run", "r"], in: rank,
            path: ProcessInfo.processInfo.environment["PATH"])
        #expect(rank.waitFor("started-0", "started-1", "started-2"))
        run.send(signal)
        #expect(run.end().code == 75)
        #expect(!rank.text("output").contains("starting again"))
    }

    @Test("a second SIGINT ends the job at once with 130")
    func secondInterrupt() throws {
        let rank = try FakeMPI(
            """
            trap 'touch "$here/asked"' USR1
            touch "$here/started-$OMPI_COMM_WORLD_RANK"
            while :; do sleep 0.02; done
            """, name: "rank")
        defer { rank.remove() }
        let run = try Run(
            ["-np", "2", rank.folder + "/rank"], in: rank,
            path: ProcessInfo.processInfo.environment["PATH"])
        // Every rank has its trap: without it the first request would end it.
        #expect(rank.waitFor("started-0", "started-1"))
        run.send(SIGINT)
        #expect(rank.waitFor("asked"))
        run.send(SIGINT)
        #expect(run.end().code == 130)
    }

    @Test("ranks that survive a killed mpirun are gone when the script returns, and so are its files")
    func survivors() throws {
        let mpi = try FakeMPI(
            """
            sleep 60 & echo $! > $here/survivor
            printf %s "$DTRAIN_SESSION" > $here/session
            touch "$DTRAIN_SESSION/segment"
            kill -KILL $$
            """)
        defer { mpi.remove() }
        #expect(try Run(["-np", "2", "true"], in: mpi).end().code == 137)
        let survivor = try #require(pid_t(mpi.text("survivor").trimmingCharacters(in: .whitespacesAndNewlines)))
        let environment = FileManager.default.contents(atPath: "/proc/\(survivor)/environ") ?? Data()
        #expect(environment.isEmpty, "process \(survivor) is still alive")
        #expect(!FileManager.default.fileExists(atPath: mpi.text("session")))
    }

    @Test("what a killed script left is removed by the next one")
    func leftovers() throws {
        let base = FileManager.default.isWritableFile(atPath: "/dev/shm") ? "/dev/shm" : "/tmp"
        let leftover = "\(base)/dtrain-\(geteuid())-\(Int32.max)"
        try FileManager.default.createDirectory(
            atPath: leftover, withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700])
        try Data().write(to: URL(fileURLWithPath: leftover + "/lock"))
        let mpi = try FakeMPI("exit 0")
        defer { mpi.remove() }
        #expect(try Run(["-np", "1", "true"], in: mpi).end().code == 0)
        #expect(!FileManager.default.fileExists(atPath: leftover))
    }

    @Test("what others planted where sessions lie is left alone, what links lead to as well")
    func planted() throws {
        let mpi = try FakeMPI("exit 0")
        defer { mpi.remove() }
        let planted = try PlantedSessions()
        defer { planted.remove() }
        #expect(try Run(["-np", Self.manyRanks, "true"], in: mpi, temporary: planted.base).end().code == 0)
        planted.expectUntouched()
    }

    @Test(
        "a directory for temporary files may have any name",
        arguments: ["-delete", "-d e*", "a b/[c]", "--", "grüße", "new\nline"])
    func temporaryDirectory(name: String) throws {
        let mpi = try FakeMPI("printf %s \"$DTRAIN_SESSION\" > $here/session; test -d \"$DTRAIN_SESSION\"")
        defer { mpi.remove() }
        let keeps = "\(mpi.folder)/\(name)/keep"
        try FileManager.default.createDirectory(atPath: keeps, withIntermediateDirectories: true)
        let result = try Run(["-np", Self.manyRanks, "true"], in: mpi, temporary: name).end()
        #expect(result.code == 0, "\(result.output)")
        #expect(!mpi.text("session").isEmpty && !FileManager.default.fileExists(atPath: mpi.text("session")))
        #expect(FileManager.default.fileExists(atPath: keeps) && mpi.exists("mpirun"))
    }

    @Test("OMP_NUM_THREADS isn't taken for the number of cores", arguments: ["1", "64"])
    func cores(threads: String) throws {
        let mpi = try FakeMPI("printf '%s\\n' \"$@\" > $here/arguments")
        defer { mpi.remove() }
        let child = ChildProcess(
            "/bin/bash", [Self.script, "-np", "64", "true"],
            environment: ["PATH": mpi.path, "OMP_NUM_THREADS": threads])
        #expect(try child.run().status == 0)
        let binding = availableCores() < 64 ? "none" : "core:overload-allowed"
        #expect(mpi.text("arguments").contains("--bind-to\n\(binding)\n"))
    }
}
