import Foundation
import TestSupport
import Testing

/// Scenarios that run under mpirun: a test starts them at several rank counts and every rank checks its part.
@Suite("Ranks under mpirun", .serialized, .enabled(if: MPIRun.isAvailable, "mpirun is not installed"))
struct RankScenarioTests {
    private static let program = buildFolder + "/rank-scenarios"

    @Test(
        "the communicator's calls do what they say",
        arguments: [
            "broadcast", "all-gather", "all-gather-as-many-of-each", "all-gather-in-place",
            "exchange", "all-reduce", "agree-on-success"
        ], [1, 2, 3, 4, 5])
    func communication(_ scenario: String, ranks: Int) throws {
        let result = try MPIRun.child(ranks: ranks, Self.program, [scenario]).run()
        #expect(result.status == 0, "\(result)")
        #expect(result.output == "ok \(scenario) on \(ranks)\n")
    }

    @Test("owners combine the tree bit for bit, whoever computed its leaves", arguments: [1, 2, 3, 4, 7], [nil, 1, 2, 3])
    func exchange(ranks: Int, hostSize: Int?) throws {
        for scenario in ["topology", "shared-memory", "owner-exchange"] {
            var child = MPIRun.child(ranks: ranks, Self.program, [scenario])
            child.environment["DTRAIN_NODE_SIZE"] = hostSize.map(String.init)
            let result = try child.run()
            #expect(result.status == 0, "\(result)")
            #expect(result.output == "ok \(scenario) on \(ranks)\n")
        }
    }

    /// Parts of one byte, of sizes that leave a rest, and of the size of a message of the scenario. A message that isn't
    /// split traps.
    @Test(
        "messages larger than MPI counts are split, and arrive whole and in order", arguments: [1, 7, 17, 1000],
        ["broadcast", "all-gather", "all-gather-as-many-of-each", "all-gather-in-place", "exchange"])
    func splitMessages(part: Int, scenario: String) throws {
        var child = MPIRun.child(ranks: 3, Self.program, [scenario])
        child.environment["SCENARIO_LARGEST_PART"] = String(part)
        let result = try child.run()
        #expect(result.status == 0, "\(result)")
        #expect(result.output == "ok \(scenario) on 3\n")
    }

    @Test("the owners' exchange between hosts is the same in parts of any size", arguments: [100, 4095, 1 << 20])
    func splitExchange(part: Int) throws {
        var child = MPIRun.child(ranks: 4, Self.program, ["owner-exchange"])
        child.environment["DTRAIN_NODE_SIZE"] = "2"
        child.environment["SCENARIO_LARGEST_PART"] = String(part)
        let result = try child.run()
        #expect(result.status == 0, "\(result)")
    }

    @Test("of several failing ranks the lowest speaks, once, and its code is kept", arguments: [2, 3, 4])
    func agreedFailure(ranks: Int) throws {
        let result = try MPIRun.child(ranks: ranks, Self.program, ["agree-on-failure"]).run()
        #expect(result.status == 65, "\(result)")
        #expect(result.output == "rank 1 has a bad file\n")
    }

    @Test("a rank that fails alone brings the job down with its code", arguments: [1, 2, 4])
    func abort(ranks: Int) throws {
        let result = try MPIRun.child(ranks: ranks, Self.program, ["abort"]).run()
        #expect(result.status == 74, "\(result)")
        #expect(!result.timedOut)
    }
}
