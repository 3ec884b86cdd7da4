import Diagnostics
import Foundation
import TestSupport
import Testing

/// Two ranks that were started differently are told so, whatever it is that differs; they never wait for each other.
@Suite("Ranks that disagree", .serialized, .enabled(if: MPIRun.isAvailable, "mpirun is not installed"))
struct DisagreementTests {
    /// One thing that rank 1 has otherwise than rank 0.
    struct Difference: Sendable, CustomTestStringConvertible {
        /// How the message names it.
        let name: String
        var environment: [String: String] = [:]
        var arguments: [String] = []
        /// Files of its own, by name.
        var files: [String: String] = [:]
        /// Whether it runs a program of another SHA-256.
        var hasOtherProgram = false

        var testDescription: String { name }
    }

    /// In the order in which they are compared.
    static let differences = [
        Difference(name: "the program's file", hasOtherProgram: true),
        Difference(name: "the environment variable DTRAIN_SIMD", environment: ["DTRAIN_SIMD": "256"]),
        Difference(name: "the environment variable DTRAIN_NODE_SIZE", environment: ["DTRAIN_NODE_SIZE": "1"]),
        Difference(name: "the environment variable DTRAIN_JOB", environment: ["DTRAIN_JOB": "other"]),
        Difference(name: "the choice of MPI's components", environment: ["OMPI_MCA_coll_tuned_priority": "20"]),
        Difference(name: "--run", arguments: ["--run", "other"]),
        Difference(name: "--resume", arguments: ["--resume"]),
        Difference(name: "--initialize", arguments: ["--initialize", "w.safetensors"]),
        Difference(name: "--steps", arguments: ["--steps", "3"]),
        Difference(name: "--trace", arguments: ["--trace", "t.json"]),
        Difference(name: "the configuration", arguments: ["--set", "training.synchronization=allreduce"]),
        Difference(name: "the configuration", arguments: ["--set", "training.threads=2"]),
        Difference(name: "the configuration", arguments: ["--set", "training.summation=arrival"]),
        Difference(name: "the configuration", arguments: ["--seed", "3"]),
        Difference(name: "the training data", files: ["t.csv": Material.csv(column: 0, replacedBy: "0.5")]),
        Difference(name: "the validation data", files: ["v.csv": Material.csv(column: 0, replacedBy: "0.5")])
    ]

    /// Every pair in the full matrices, else each by itself.
    static let pairs = differences.indices.flatMap { first in
        (isFullMatrix ? Array(first..<differences.count) : [first]).map { (first, $0) }
    }

    @Test("what differs is named, in the order of comparison", arguments: pairs)
    func pair(_ first: Int, _ second: Int) throws {
        let (one, other) = (Self.differences[first], Self.differences[second])
        try withWorkbench { bench in
            for folder in ["one", "two"] {
                for file in ["t.csv", "v.csv"] {
                    try bench.write("\(folder)/\(file)", Material.csv(column: 0, replacedBy: "0.25"))
                }
                try bench.write("\(folder)/c.yaml", Material.table("t.csv", steps: 8))
            }
            for (name, text) in one.files.merging(other.files, uniquingKeysWith: { $1 }) {
                try bench.write("two/\(name)", text)
            }
            var program = Workbench.program
            if one.hasOtherProgram || other.hasOtherProgram {
                try bench.write("dtrain", Array(bench.bytes(program)) + [0])
                program = bench.path("dtrain")
                #expect(chmod(program, 0o755) == 0)
            }
            let command = ["train", "c.yaml", "--set", "data.validation={path: v.csv}"]
            let environment = one.environment.merging(other.environment) { $1 }.map { "\($0.key)=\($0.value)" }
            let second =
                [":", "-np", "1", "-wdir", bench.path("two"), "env"] + environment + [program] + command
                + one.arguments + (first == second ? [] : other.arguments)
            let outcome = try Workbench(folder: bench.path("one")).dtrain(command + second, ranks: 1)
            // These two exclude each other: rank 1 has nothing to compare, but is heard.
            if [one.name, other.name] == ["--resume", "--initialize"] {
                expectRefusal(outcome, .usage, ["--initialize and --resume exclude each other"])
            } else {
                expectRefusal(outcome, .badConfiguration, ["rank 1 differs from rank 0 in \(one.name)"])
            }
            #expect(!bench.exists("one/runs"))
        }
    }

    @Test("two ranks of which one trains and the other measures don't wait for each other")
    func commands() throws {
        try withWorkbench { bench in
            let outcome = try bench.dtrain(["train", "--quiet", ":", "-np", "1", Workbench.program, "bench"], ranks: 1)
            expectRefusal(
                outcome, .badConfiguration, ["rank 1 differs from rank 0 in the command: found bench, expected train"])
        }
    }
}
