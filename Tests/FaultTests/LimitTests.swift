import Diagnostics
import Foundation
import TestSupport
import Testing

extension FaultTests {
    /// What the system refuses: threads, memory, open files, stacks.
    @Suite("Limits")
    struct LimitTests {
        /// Words of a shell after which a user without any other process starts what follows, since root has no limit of
        /// processes; nil where that can't be.
        private static let asUser: String? = {
            guard geteuid() == 0 else { return "exec bash -c 'ulimit -u 1; exec \"$0\" \"$@\"'" }
            let words = "exec setpriv --reuid 61234 --regid 61234 --clear-groups bash -c 'ulimit -u 1; exec \"$0\" \"$@\"'"
            let works = try? ChildProcess("/bin/bash", ["-c", words + " \(FaultBench.program) --version"]).run().status == 0
            return works == true ? words : nil
        }()

        /// A folder that every user may write to, as its run directory.
        private func withOpenBench(_ body: (FaultBench) throws -> Void) throws {
            try withFaultBench { bench in
                chmod(bench.folder, 0o777)
                try bench.write("c.yaml", Configurations.digits(steps: 20, every: 10))
                try body(bench)
            }
        }

        @Test(
            "a thread that can't be had is 71 with its purpose and reason, at once and never a wait",
            .enabled(if: asUser != nil, "no user is there whose threads can be limited"),
            arguments: [
                (["train", "c.yaml", "--run", "r"], "that writes checkpoints"),
                (["train", "c.yaml", "--run", "r", "--set", "training.threads=3"], "training.threads: 3"),
                (
                    ["bench", "c.yaml", "--windows", "1", "--seconds", "0.01", "--set", "training.threads=2"],
                    "training.threads: 2"
                )
            ])
        func threads(arguments: [String], purpose: String) throws {
            try withOpenBench { bench in
                let ended = try bench.shell(Self.asUser ?? "", arguments, limit: 20)
                expectRefusal(ended, .systemRefused, [purpose, "Resource temporarily unavailable", "ulimit -u"])
            }
        }

        @Test(
            "what needs no thread goes on without", .enabled(if: asUser != nil, "no user is there whose threads can be limited")
        )
        func withoutThreads() throws {
            try withOpenBench { bench in
                expectEnd(try bench.train(.plain, "r"), .success)
                for command in [
                    ["eval", "r"], ["inspect", "r"], ["verify", "r", "r"], ["gradcheck", "c.yaml", "--elements", "1"]
                ] {
                    expectEnd(try bench.shell(Self.asUser ?? "", command, limit: 20), .success, "\(command)")
                }
            }
        }

        @Test(
            "ranks that get no threads for MPI say so, and the job ends with 71",
            .enabled(if: asUser != nil && MPIRun.isAvailable, "mpirun, or a user whose threads can be limited, isn't there"))
        func threadsOfRanks() throws {
            try withOpenBench { bench in
                // mpirun gets its threads, each rank is one process of the limit.
                let limited = (Self.asUser ?? "").replacing("exec ", with: "", maxReplacements: 1)
                let ended = try bench.shell(
                    "exec \(MPIRun.path ?? "mpirun") -q --allow-run-as-root --oversubscribe -np 2 \(limited)",
                    ["train", "c.yaml", "--run", "r"], limit: 30)
                expectRefusal(ended, .systemRefused, ["that MPI needs", "ulimit -u"])
            }
        }

        /// Weights of half a gigabyte.
        private static let wide = Configurations.digits(layers: [2_000_000], steps: 1, every: 1)

        @Test(
            "memory that isn't there is told with what was wanted and what there was, and brings the job down",
            arguments: [Launch.plain, .bare(2), .option(2)], [600_000, 900_000])
        func memory(launch: Launch, kilobytes: Int) throws {
            try withFaultBench { bench in
                try bench.write("c.yaml", Self.wide)
                let limit = "ulimit -v \(kilobytes); exec"
                let arguments = ["train", "c.yaml", "--run", "r", "--quiet"]
                let ended =
                    switch launch {
                    case .option(let ranks): try bench.shell(limit, arguments + ["--ranks", "\(ranks)"])
                    case .bare(let ranks):
                        try bench.shell(
                            "\(limit) \(MPIRun.path ?? "mpirun") -q --allow-run-as-root --oversubscribe -np \(ranks)",
                            arguments)
                    default: try bench.shell(limit, arguments)
                    }
                // A forecast refuses the configuration; what it doesn't see is refused by the system.
                let code: ExitCode = ended.status == ExitCode.badConfiguration.rawValue ? .badConfiguration : .systemRefused
                expectRefusal(ended, code, ["memory", "ulimit -v"])
            }
        }

        @Test("memory that runs out in a command that forecasts nothing is 71", arguments: [300_000, 600_000])
        func memoryOfCommands(kilobytes: Int) throws {
            try withFaultBench { bench in
                try bench.write("c.yaml", Self.wide)
                let ended = try bench.shell("ulimit -v \(kilobytes); exec", ["gradcheck", "c.yaml", "--elements", "1"])
                expectRefusal(ended, .systemRefused, ["out of memory", "bytes were asked for", "ulimit -v"])
            }
        }

        @Test("whatever the limit of memory, from what the dynamic loader needs on: a result or one message, never a trap")
        func anyMemory() throws {
            try withFaultBench { bench in
                try bench.write("c.yaml", Configurations.digits(layers: [200], steps: 3, every: 3))
                let reference = try bench.reference(steps: 3)
                var ends: [Int32: Int] = [:]
                for kilobytes in stride(from: 80_000, through: 96_000, by: 1000) {
                    let ended = try bench.shell(
                        "ulimit -v \(kilobytes); exec", ["train", "c.yaml", "--run", "r\(kilobytes)", "--quiet"])
                    ends[ended.status, default: 0] += 1
                    switch ended.status {
                    case 127: #expect(ended.result.errors.contains("shared librar"), "\(ended)")  // The loader's own.
                    case ExitCode.systemRefused.rawValue, ExitCode.badConfiguration.rawValue:
                        #expect(ended.messages.count == 1, "\(kilobytes): \(ended)")
                    default:
                        expectEnd(ended, .success, "\(kilobytes)")
                        expectSame(bench.state("r\(kilobytes)"), reference)
                    }
                }
                #expect(ends[127] != nil && ends[0] != nil, "\(ends)")
            }
        }

        @Test("however few files may be open: a result, or a message that names the limit")
        func openFiles() throws {
            try withFaultBench { bench in
                try bench.write("c.yaml", Configurations.digits(layers: [4], steps: 3, every: 3))
                let reference = try bench.reference(steps: 3)
                for count in 4...9 {
                    let ended = try bench.shell(
                        "ulimit -n \(count); exec", ["train", "c.yaml", "--run", "r\(count)", "--quiet"])
                    guard ended.status != 0 else {
                        expectSame(bench.state("r\(count)"), reference)
                        continue
                    }
                    // Where training goes on without a checkpoint, the message at its end leads to the warning that says why.
                    #expect(
                        ended.messages.count == 1
                            && (ended.messages + ended.warnings).contains { $0.contains("Too many open files") },
                        "\(count): \(ended)")
                    #expect([ExitCode.cannotCreate, .inputOutput].map(\.rawValue).contains(ended.status), "\(count): \(ended)")
                }
            }
        }

        @Test("the size of stacks changes nothing", arguments: ["32", "64", "256", "unlimited"])
        func stacks(kilobytes: String) throws {
            try withFaultBench { bench in
                try bench.write("c.yaml", Configurations.digits(layers: [4], steps: 3, every: 3))
                let command = ["train", "c.yaml", "--set", "training.threads=2", "--run"]
                expectEnd(try bench.shell("ulimit -s \(kilobytes); exec", command + ["r"]), .success)
                expectEnd(try bench.shell("exec", command + ["other"]), .success)
                expectSame(bench.state("r"), bench.state("other"))
                for command in [["eval", "r"], ["inspect", "r"], ["gradcheck", "c.yaml", "--elements", "1"]] {
                    expectEnd(try bench.shell("ulimit -s \(kilobytes); exec", command), .success, "\(command)")
                }
            }
        }
    }
}
