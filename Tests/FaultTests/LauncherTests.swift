import Diagnostics
import Foundation
import TestSupport
import Testing

extension FaultTests {
    /// What the two launchers, `dtrain --ranks` and `launch/local.sh`, do with the output of a job and with its life. The
    /// mpirun is of the test's making.
    @Suite("Launchers")
    struct LauncherTests {
        enum Launcher: String, CaseIterable, Sendable {
            case option, script
            /// The command, for bash.
            var command: String {
                switch self {
                case .option: "'\(FaultBench.program)' --ranks 2"
                case .script: "bash '\(FaultBench.script)' -np 2 true"
                }
            }
        }

        /// Runs a line of bash in which `LAUNCH` is the launcher, with a fake mpirun.
        private func child(_ line: String, _ launcher: Launcher, _ mpi: FakeMPI) -> ChildProcess {
            var environment = ["PATH": mpi.path]
            for name in launcherVariables { environment[name] = "" }
            return ChildProcess(
                "/bin/bash", ["-c", line.replacingOccurrences(of: "LAUNCH", with: launcher.command)],
                directory: mpi.folder, environment: environment)
        }

        // MARK: - Output

        @Test(
            "a reader that goes away stops nothing, whoever it is", arguments: Launcher.allCases,
            [
                "LAUNCH | head -n 1", "LAUNCH 2>&1 | head -n 1", "LAUNCH | true", "LAUNCH | head -c 3; true",
                "LAUNCH 2> >(true)",
                "trap '' PIPE; LAUNCH | head -n 1", "LAUNCH > >(sed q) 2> >(true)"
            ])
        func readerGone(launcher: Launcher, line: String) throws {
            let mpi = try FakeMPI(
                """
                echo first; echo warning >&2
                for ((i = 0; i < 300; i++)); do printf '%01000d\\n' $i; echo more >&2; done
                touch $here/finished
                """)
            defer { mpi.remove() }
            let result = try child("set -o pipefail; \(line)", launcher, mpi).run()
            #expect(result.status == 0 && mpi.exists("finished"), "\(result)")
            #expect(!result.errors.contains("error") && !result.errors.contains("ipe"), "\(result)")
        }

        @Test(
            "a full disk behind standard output stops nothing either, is told at the end, and gives 74",
            arguments: Launcher.allCases, ["LAUNCH > /dev/full", "trap '' PIPE; LAUNCH > /dev/full", "LAUNCH >> /dev/full"])
        func fullDisk(launcher: Launcher, line: String) throws {
            let mpi = try FakeMPI("for i in 1 2 3; do echo line; sleep 0.01; done; touch $here/finished")
            defer { mpi.remove() }
            let result = try child(line, launcher, mpi).run()
            #expect(result.status == ExitCode.inputOutput.rawValue && mpi.exists("finished"), "\(result)")
            #expect(
                result.errors
                    == (launcher == .option
                        ? "dtrain: error: standard output can't be written: No space left on device; what was printed is incomplete\n"
                        : "local.sh: standard output: write failed: No space left on device\n"))
        }

        @Test("what nobody has said about the end of a job, the launcher says", arguments: Launcher.allCases)
        func silentEnds(launcher: Launcher) throws {
            func end(_ body: String) throws -> (status: Int32, errors: String) {
                let mpi = try FakeMPI(body)
                defer { mpi.remove() }
                let result = try child("LAUNCH", launcher, mpi).run()
                return (result.status, result.errors)
            }
            let killed = try end("kill -KILL $$")
            #expect(
                killed.status == 137
                    && killed.errors.contains(launcher == .option ? "killed by signal 9 (Killed)" : "killed by SIGKILL")
                    && killed.errors.hasSuffix("go on with --resume\n"), "\(killed)")
            let told = try end("echo why >&2; exit 65")
            #expect(told.status == 65 && told.errors == "why\n", "\(told)")
            guard launcher == .option else { return }
            let silent = try end("exit 1")
            #expect(
                silent.status == 1 && silent.errors.contains("nobody said why")
                    && silent.errors.contains("mpirun -np 2 dtrain"),
                "\(silent)")
            #expect(try end("echo why >&2; exit 1").errors == "why\n")
        }

        @Test(
            "a signal to all processes of a job doesn't reach mpirun, which would kill the ranks",
            arguments: Launcher.allCases, ["TERM", "INT", "HUP"])
        func signalToAll(launcher: Launcher, signal: String) throws {
            let mpi = try FakeMPI(
                """
                kill -\(signal) $$
                touch $here/survived
                exit 75
                """)
            defer { mpi.remove() }
            let result = try child("LAUNCH", launcher, mpi).run()
            #expect(result.status == ExitCode.interrupted.rawValue && mpi.exists("survived"), "\(result)")
        }

        @Test(
            "limits under which Open MPI would wait for ever are refused",
            arguments: ["ulimit -f 4000", "ulimit -n 35", "ulimit -n 9"])
        func limits(limit: String) throws {
            let mpi = try FakeMPI("touch $here/started")
            defer { mpi.remove() }
            let result = try child("\(limit); LAUNCH", .option, mpi).run()
            #expect(result.status == ExitCode.systemRefused.rawValue && !mpi.exists("started"), "\(result)")
            #expect(result.errors.contains("--ranks 2: ") && result.errors.contains("raise the limit"), "\(result)")
            #expect(result.errors.split(separator: "\n").count == 1)
        }

        @Test(
            "a full disk doesn't hide how the job ended, nor does one behind standard error count",
            arguments: Launcher.allCases, [("LAUNCH > /dev/full", 65), ("LAUNCH 2> /dev/full", 0), ("LAUNCH 2> /dev/full", 75)])
        func fullDiskAndCode(launcher: Launcher, end: (line: String, code: Int32)) throws {
            let mpi = try FakeMPI("echo line; echo line >&2; exit \(end.code)")
            defer { mpi.remove() }
            #expect(try child(end.line, launcher, mpi).run().status == end.code)
        }

        @Test(
            "both streams come through byte for byte; in the order of writing where they go to one place",
            arguments: Launcher.allCases)
        func bytes(launcher: Launcher) throws {
            let mpi = try FakeMPI(
                """
                for ((i = 0; i < 200; i++)); do echo out $i; echo err $i >&2; done
                printf '\\0\\377\\r no end of line'
                """)
            defer { mpi.remove() }
            let both = try child("LAUNCH > both 2>&1", launcher, mpi).run()
            #expect(both.status == 0, "\(both)")
            let lines = (0..<200).map { "out \($0)\nerr \($0)\n" }.joined()
            #expect(
                FileManager.default.contents(atPath: mpi.folder + "/both")
                    == Data(lines.utf8) + [0, 255] + Data("\r no end of line".utf8))
            let result = try child("LAUNCH > out", launcher, mpi).run()
            #expect(result.errors == (0..<200).map { "err \($0)\n" }.joined())
            let out = FileManager.default.contents(atPath: mpi.folder + "/out")
            #expect(out == Data((0..<200).map { "out \($0)\n" }.joined().utf8) + [0, 255] + Data("\r no end of line".utf8))
        }

        @Test("what is printed is seen at once, a line that isn't ended too", arguments: Launcher.allCases)
        func latency(launcher: Launcher) throws {
            let mpi = try FakeMPI("printf 'step 7'; while [[ ! -e $here/go ]]; do sleep 0.01; done; echo ' of 9'")
            defer { mpi.remove() }
            let job = try child("exec LAUNCH", launcher, mpi).start()
            #expect(job.waitUntil { $0.output == "step 7" } && job.isRunning, "\(job.output)\(job.errors)")
            mpi.touch("go")
            let result = job.wait()
            #expect(result.status == 0 && result.output == "step 7 of 9\n", "\(result)")
        }

        @Test("something that mpirun leaves behind with the job's output open holds nobody up", arguments: Launcher.allCases)
        func leftBehind(launcher: Launcher) throws {
            let mpi = try FakeMPI(
                """
                env -u DTRAIN_SESSION bash -c 'touch "$0/started"; while [[ ! -e $0/go ]]; do sleep 0.05; done' "$here" &
                while [[ ! -e $here/started ]]; do sleep 0.01; done
                echo done
                """)
            defer { mpi.remove() }
            // Without the descriptors beyond the streams: with one of them a test sees a program end, and everybody who
            // inherits it.
            let job = try child("for ((d = 3; d < 256; d++)); do exec {d}>&-; done; exec LAUNCH", launcher, mpi).start()
            let result = job.wait()
            mpi.touch("go")
            #expect(result.status == 0 && !result.timedOut && result.output == "done\n", "\(result)")
            #expect(job.awaitProcesses(seconds: 10).isEmpty)
        }

        // MARK: - Life

        /// Bash runs its last trap on all but the first; Swift survives those of a crash that another process sends.
        @Test(
            "a launcher that is killed takes its job with it, by whatever signal",
            arguments: Launcher.allCases, [SIGKILL, SIGALRM, SIGUSR2])
        func killed(launcher: Launcher, signal: Int32) throws {
            let mpi = try FakeMPI(
                """
                trap '' TERM INT HUP QUIT
                touch $here/started
                while :; do sleep 0.05; done
                """)
            defer { mpi.remove() }
            let job = try child("ulimit -c 0; exec LAUNCH", launcher, mpi).start()
            #expect(mpi.waitFor("started"))
            job.send(signal)
            _ = job.wait()
            let left = job.awaitProcesses(seconds: 10)
            #expect(left.isEmpty, "\(left)")
        }

        @Test(
            "signals that were ignored at the start stay so, the others ask to stop", arguments: Launcher.allCases,
            [("HUP", SIGHUP), ("INT", SIGINT), ("TERM", SIGTERM), ("USR1", SIGUSR1)])
        func ignored(launcher: Launcher, signal: (name: String, number: Int32)) throws {
            let mpi = try FakeMPI(
                """
                # It starts with SIGUSR1 ignored, as mpirun does, and bash traps nothing that it was started to ignore.
                if [[ -z ${hears:-} ]]; then hears=1 exec env --default-signal=USR1 bash "$0" "$@"; fi
                trap 'touch $here/asked' USR1
                touch $here/started
                while [[ ! -e $here/go ]]; do sleep 0.01; done
                if [[ -e $here/asked ]]; then exit 75; fi
                """)
            defer { mpi.remove() }
            let deaf = try child("trap '' \(signal.name); exec LAUNCH", launcher, mpi).start()
            #expect(mpi.waitFor("started"))
            deaf.send(signal.number)
            // A launcher that took it would pass it on within a tenth of a second.
            usleep(300_000)
            mpi.touch("go")
            #expect(deaf.wait().status == 0)
            for name in ["started", "go"] { unlink("\(mpi.folder)/\(name)") }
            let hearing = try child("exec LAUNCH", launcher, mpi).start()
            #expect(mpi.waitFor("started"))
            hearing.send(signal.number)
            #expect(mpi.waitFor("asked"))
            mpi.touch("go")
            #expect(hearing.wait().status == 75)
        }

        @Test("a parent that ignores SIGCHLD doesn't hide how the job ended", arguments: Launcher.allCases, [0, 65])
        func ignoredChildren(launcher: Launcher, code: Int32) throws {
            let mpi = try FakeMPI("exit \(code)")
            defer { mpi.remove() }
            #expect(try child("exec env --ignore-signal=CHLD LAUNCH", launcher, mpi).run().status == code)
        }

        // MARK: - What the system refuses

        @Test("an mpirun that can't be run is told with the call and its reason")
        func noProgram() throws {
            let mpi = try FakeMPI("")
            defer { mpi.remove() }
            try Data("\u{7f}ELF".utf8).write(to: URL(fileURLWithPath: mpi.folder + "/mpirun"))
            let result = try child("exec LAUNCH", .option, mpi).run()
            #expect(result.status == ExitCode.inputOutput.rawValue, "\(result)")
            #expect(result.errors == "dtrain: error: \(mpi.folder)/mpirun can't be started (execve): Exec format error\n")
        }
    }
}
