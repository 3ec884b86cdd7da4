import Diagnostics
import Foundation
import TestSupport
import Testing

@Suite("Doctor", .serialized)
struct DoctorTests {
    /// What `--json` printed.
    private struct Answer: Decodable {
        struct Finding: Decodable { let severity, check, place, what, mend: String }
        struct Job: Decodable {
            struct Rank: Decodable {
                let rank, threads: Int
                let host: String
                let cores: [Int]
            }
            struct Link: Decodable {
                let from, to: Int
                let isBetweenHosts: Bool
                let latencySeconds, bandwidth: Double
                let clockOffsetSeconds: Double?
            }
            struct Directory: Decodable {
                let path: String
                let failures: [String]
            }
            struct Need: Decodable { let workload: String }
            let ranks: [Rank]
            let hosts: [[Int]]
            let links: [Link]
            let directory: Directory
            let need: Need?
        }
        let needsMending: Bool
        let findings: [Finding]
        let job: Job
    }

    /// The one line of `--json`, decoded. The exit status must say the same: this machine may be busy, so either is fine.
    private func answer(_ outcome: Outcome) throws -> Answer {
        #expect(outcome.outputLines.count == 1 && outcome.errors.isEmpty, "\(outcome)")
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let answer = try decoder.decode(Answer.self, from: Data(outcome.output.utf8))
        expectEnd(outcome, answer.needsMending ? .negative : .success)
        #expect(answer.needsMending == answer.findings.contains { $0.severity != "note" })
        return answer
    }

    @Test("alone: a map, findings of one line each, and nothing left behind")
    func alone() throws {
        try withWorkbench { bench in
            let outcome = try bench.dtrain("doctor")
            #expect([0, 1].contains(outcome.status) && outcome.errors.isEmpty, "\(outcome)")
            for start in ["dtrain ", "1 rank on 1 host", "host ", "  rank 0: ", "run directory: in ., "] {
                #expect(outcome.outputLines.filter { $0.hasPrefix(start) }.count == 1, "\(start): \(outcome)")
            }
            #expect(outcome.output.contains("locks, rename and fsync work"))
            let left = try FileManager.default.contentsOfDirectory(atPath: bench.folder)
            #expect(left.isEmpty)
        }
    }

    @Test("--json is one object, plain and on ranks", arguments: [nil, 2, 3].filter { $0 == nil || MPIRun.isAvailable })
    func json(ranks: Int?) throws {
        try withWorkbench { bench in
            let answer = try answer(try bench.dtrain(["doctor", "--json"], ranks: ranks))
            #expect(answer.job.ranks.map(\.rank) == Array(0..<(ranks ?? 1)) && answer.job.hosts.count == 1)
            #expect(answer.job.links.count == (ranks == nil ? 0 : 1) && answer.job.need == nil)
            #expect(answer.job.links.allSatisfy { $0.latencySeconds > 0 && $0.bandwidth > 1e6 && !$0.isBetweenHosts })
            #expect(answer.job.directory.failures.isEmpty && answer.job.ranks.allSatisfy { !$0.cores.isEmpty })
            #expect(bench.names(".").isEmpty)
        }
    }

    @Test("a configuration's needs, threads and data are looked at; --run names the directory")
    func configuration() throws {
        try withWorkbench { bench in
            try bench.write("small.yaml", Material.digits(steps: 4, training: ", threads: 2"))
            try bench.write("there/kept", "x")
            let answer = try answer(try bench.dtrain(["doctor", "small.yaml", "--json", "--run", "there/new/run"]))
            #expect(answer.job.need?.workload == "small" && answer.job.ranks[0].threads == 2)
            #expect(answer.job.directory.path == "there" && bench.names("there") == ["kept"])
            let outcome = try bench.dtrain("doctor", "small.yaml")
            #expect(outcome.outputLines.contains { $0.hasPrefix("a step of small: ") }, "\(outcome)")
        }
    }

    @Test("more ranks than cores are found", .enabled(if: MPIRun.isAvailable, "mpirun is not installed"))
    func oversubscribed() throws {
        try withWorkbench { bench in
            let cores = try answer(try bench.dtrain(["doctor", "--json"])).job.ranks[0].cores.count
            try withKnownLimit(cores) {
                let answer = try answer(try bench.dtrain(["doctor", "--json", "--timeout", "60"], ranks: cores + 1))
                let finding = try #require(answer.findings.first { $0.check == "cores" })
                #expect(finding.severity == "warning" && finding.what.hasPrefix("\(cores + 1) ranks share \(cores) core"))
                #expect(answer.needsMending)
            }
        }
    }

    /// On a machine of many cores a job of more ranks would show nothing new and take its time.
    private func withKnownLimit(_ cores: Int, _ body: () throws -> Void) throws { if cores <= 16 { try body() } }

    @Test("--ranks starts them and ends with their answer", .enabled(if: MPIRun.isAvailable, "mpirun is not installed"))
    func started() throws {
        try withWorkbench { bench in
            let answer = try answer(try bench.dtrain("doctor", "--ranks", "2", "--json"))
            #expect(answer.job.ranks.count == 2 && answer.job.links.count == 1)
        }
    }

    @Test(
        "ranks of several hosts: links between them, with clocks", .enabled(if: MPIRun.isAvailable, "mpirun is not installed"))
    func hosts() throws {
        try withWorkbench { bench in
            let outcome = try bench.dtrain(
                ["doctor", "--json", "--set", "training.epochs=1"], ranks: 3, environment: ["DTRAIN_NODE_SIZE": "1"])
            let answer = try answer(outcome)
            #expect(answer.job.hosts == [[0], [1], [2]])
            #expect(answer.job.links.map(\.to) == [1, 2] && answer.job.links.allSatisfy { $0.isBetweenHosts && $0.from == 0 })
            // Really one machine: its clock is that of all.
            #expect(answer.job.links.allSatisfy { abs($0.clockOffsetSeconds ?? 9) < 0.5 })
            #expect(answer.job.need?.workload == "digits")
        }
    }

    @Test(
        "what training would refuse is a finding here: another environment, other data, none",
        .enabled(if: MPIRun.isAvailable, "mpirun is not installed"), arguments: ["environment", "data", "no data"])
    func unequal(what: String) throws {
        try withWorkbench { bench in
            for folder in ["one", "two"] {
                if folder == "one" || what != "no data" {
                    let cell = folder == "two" && what == "data" ? "0.5" : "0.25"
                    try bench.write("\(folder)/t.csv", Material.csv(column: 0, replacedBy: cell))
                }
                try bench.write("\(folder)/c.yaml", Material.table("t.csv", steps: 8))
            }
            let command = ["doctor", "c.yaml", "--json"]
            let variable = what == "environment" ? ["DTRAIN_JOB=other"] : []
            let second = [":", "-np", "1", "-wdir", bench.path("two"), "env"] + variable + [Workbench.program] + command
            let answer = try answer(try Workbench(folder: bench.path("one")).dtrain(command + second, ranks: 1))
            let finding = try #require(answer.findings.first { $0.check == "equality" })
            let expected =
                ["environment": "the environment variable DTRAIN_JOB", "data": "the training data", "no data": "t.csv"][what]
                ?? ""
            #expect(finding.severity == "error" && finding.what.contains(expected) && finding.place.hasPrefix("rank 1 on "))
        }
    }

    @Test("a rank that doesn't come is told, in time", .enabled(if: MPIRun.isAvailable, "mpirun is not installed"))
    func missing() throws {
        try withWorkbench { bench in
            let outcome = try bench.dtrain(["doctor", "--timeout", "1", ":", "-np", "1", "sleep", "60"], ranks: 1)
            expectRefusal(outcome, .inputOutput, ["rank 0: MPI hasn't started", "within 2 s", "btl_tcp_if_include"])
        }
    }

    @Test("bad input is told as train tells it, once", arguments: [nil, 2].filter { $0 == nil || MPIRun.isAvailable })
    func badInput(ranks: Int?) throws {
        try withWorkbench { bench in
            expectRefusal(try bench.dtrain(["doctor", "none.yaml"], ranks: ranks), .missingInput, ["none.yaml"])
            expectRefusal(
                try bench.dtrain(["doctor", "--set", "training.epoch=3"], ranks: ranks), .badConfiguration, ["epochs"])
            expectRefusal(try bench.dtrain(["doctor", "--timeout", "0"], ranks: ranks), .usage, ["--timeout 0"])
        }
    }
}
