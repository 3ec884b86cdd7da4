import Diagnostics
import Foundation
import TestSupport
import Testing

extension FaultTests {
    /// `dtrain --ranks N --restart M`.
    @Suite("Starting again", .enabled(if: MPIRun.isAvailable, "mpirun isn't there"))
    struct RestartTests {
        @Test("after a killed rank and a killed mpirun the launcher goes on, to the bits of a run that nothing happened to")
        func killed() throws {
            try withFaultBench { bench in
                try bench.write("c.yaml", Configurations.endless())
                let run = bench.state("r")
                let job = try bench.start(.option(3), ["train", "c.yaml", "--run", "r", "--restart", "2", "--steps", "2000"])
                try #require(job.waitUntil { _ in run.loggedStep > 45 }, "\(job.output)\(job.errors)")
                // Nobody else gets in meanwhile.
                expectRefusal(
                    try bench.train(.option(2), "r", ["--resume", "--restart", "1"]), .cannotCreate,
                    ["r: in use by another launcher, which starts its job again where that fails (--restart)"])
                try #require(job.ranks().last).send(SIGKILL)
                let fault = Date()
                try #require(job.waitUntil { $0.errors.contains("starting again, 1 of 2 times") }, "\(job.errors)")
                // Its first line of a step is one that was done before: from then on it trains.
                let cut = run.loggedStep
                try #require(job.waitUntil { _ in run.loggedStep > cut }, "\(job.errors)")
                #expect(Date().timeIntervalSince(fault) < 10)
                try #require(job.mpirun()).send(SIGKILL)
                let ended = Ended(job)
                expectEnd(ended, .success)
                let host = ProcessInfo.processInfo.hostName
                #expect(
                    // mpirun doesn't always know the process.
                    ended.warnings.contains {
                        $0.hasPrefix("rank 2 on \(host) ") && $0.contains("killed by signal 9") && $0.contains(" from step ")
                    },
                    "\(ended)")
                #expect(
                    ended.warnings.contains {
                        $0.hasPrefix("a rank or mpirun was killed by signal 9") && $0.contains("2 of 2 times")
                    },
                    "\(ended)")
                #expect(ended.messages.isEmpty, "\(ended)")
                expectSame(run, try bench.reference(steps: 2000))
                // What each start had to say.
                let log = bench.text("r/logs/rank-1.log")
                #expect(
                    log.components(separatedBy: " start: ").count == 4 && log.hasSuffix(" end: step 2000, finished\n"), "\(log)"
                )
            }
        }

        /// A launcher whose mpirun, and way to another host, are of the test's making.
        private func child(_ mpi: FakeMPI, _ options: String, agent: String? = nil) throws -> ChildProcess {
            var environment = ["PATH": mpi.path]
            for name in launcherVariables { environment[name] = "" }
            if let agent {
                let path = mpi.folder + "/agent"
                try "#!/usr/bin/env bash\nhere=\(mpi.folder)\n\(agent)\n".write(toFile: path, atomically: true, encoding: .utf8)
                chmod(path, 0o755)
                environment["OMPI_MCA_plm_rsh_agent"] = path
            }
            return ChildProcess(
                "/bin/bash", ["-c", "exec '\(FaultBench.program)' train --run r \(options)"], directory: mpi.folder,
                environment: environment)
        }

        @Test(
            "no more starts than --restart says, each but the first with --resume; none where the data are wrong",
            arguments: [74, 65])
        func counted(code: Int) throws {
            let mpi = try FakeMPI("echo \"$*\" >> $here/starts; exit \(code)")
            defer { mpi.remove() }
            let result = try child(mpi, "--ranks 2 --restart 2").run()
            #expect(result.status == Int32(code), "\(result)")
            let starts = mpi.text("starts").split(separator: "\n")
            #expect(starts.map { $0.hasSuffix(" --resume") } == (code == 74 ? [false, true, true] : [false]), "\(starts)")
            #expect(starts.allSatisfy { !$0.contains("--restart") })
            #expect(result.errors.contains("it was started again 2 times") == (code == 74), "\(result)")
        }

        @Test("weights from elsewhere are needed until there is a checkpoint: without one there is no other start")
        func initialized() throws {
            let mpi = try FakeMPI("echo start >> $here/starts; exit 74")
            defer { mpi.remove() }
            let result = try child(mpi, "--ranks 2 --restart 2 --initialize w.safetensors").run()
            #expect(result.status == 74 && mpi.text("starts") == "start\n", "\(result)")
            #expect(result.errors.contains("no checkpoint of this run is seen here yet"), "\(result)")
        }

        @Test("the next start is on the hosts that answer, with as many ranks as they have room for")
        func hosts() throws {
            let mpi = try FakeMPI("echo \"$*\" >> $here/starts; [[ $(wc -l < $here/starts) == 2 ]] || exit 205")
            defer { mpi.remove() }
            // The first time all answer, later no host a.
            let agent = "if [[ -e $here/starts && $1 == a ]]; then echo 'no route to a' >&2; exit 255; fi"
            let result = try child(mpi, "--hosts a:2,b:3 --ranks 4 --restart 5", agent: agent).run()
            #expect(result.status == 0, "\(result)")
            let starts = mpi.text("starts").split(separator: "\n")
            #expect(starts.count == 2 && starts.first?.contains("-np 4 --host a:2,b:3 ") == true, "\(starts)")
            #expect(starts.last?.contains("-np 3 --host b:3 ") == true, "\(starts)")
            #expect(result.errors.contains("on 3 ranks of b:3; left out: a can't be reached (no route to a)"), "\(result)")
        }

        @Test("a signal while hosts are asked for the next start ends the launcher", arguments: [SIGTERM, SIGINT])
        func interrupted(signal: Int32) throws {
            let mpi = try FakeMPI("touch $here/started; exit 74")
            defer { mpi.remove() }
            let agent = "if [[ -e $here/started ]]; then touch $here/asked; exec sleep 60; fi"
            let job = try child(mpi, "--hosts a,b --restart 5", agent: agent).start()
            #expect(mpi.waitFor("asked"))
            let begin = Date()
            job.send(signal)
            let result = job.wait()
            #expect(result.status == ExitCode.interrupted.rawValue && Date().timeIntervalSince(begin) < 2, "\(result)")
            #expect(job.awaitProcesses(seconds: 2).isEmpty)
        }

        @Test("--restart without a launcher is refused")
        func alone() throws {
            try withFaultBench { bench in
                expectRefusal(try bench.run(.plain, ["train", "--restart", "1"]), .usage, ["--restart 1", "--ranks or --hosts"])
            }
        }
    }
}
