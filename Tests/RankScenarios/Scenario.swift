import Collectives
import Diagnostics
import Foundation

/// What runs under mpirun in a test: every rank does the same, checks its own part, and ends with status 0 only if all
/// of it held. Outputs are filled with garbage first, and expectations are computed from the rank count.
struct Scenario: Sendable {
    let name: String
    let run: @Sendable (any Communicator) throws -> Void
}

/// Ends the whole job with status 70 unless `condition` holds on this rank.
func expect(
    _ condition: Bool, _ text: @autoclosure () -> String, _ communicator: any Communicator,
    line: Int = #line
) {
    guard !condition else { return }
    FileHandle.standardError.write(Data("rank \(communicator.rank) of \(communicator.size), line \(line): \(text())\n".utf8))
    communicator.abort(.internalError)
}

@main
enum RankScenarios {
    /// Finishes MPI.
    private static func finish(_ session: consuming MPISession) {}

    static func main() throws {
        let name = CommandLine.arguments.dropFirst().first ?? ""
        let scenarios =
            communicationScenarios + exchangeScenarios + driftScenarios + allocationScenarios + speedScenarios + runScenarios
            + hangScenarios
        guard let scenario = scenarios.first(where: { $0.name == name }) else {
            print("unknown scenario \(name)")
            exit(64)
        }
        var session = try MPISession()
        let variables = ProcessInfo.processInfo.environment
        try session.place(largestPart: variables["SCENARIO_LARGEST_PART"].flatMap { Int($0) } ?? 1 << 30)
        do {
            try scenario.run(session.world)
        } catch let agreed as AgreedFailure {
            // Before any rank ends: where one has failed, mpirun kills the others.
            if session.world.rank == agreed.rank { print(agreed.failure.message) }
            fflush(nil)
            try? session.world.barrier()
            // MPICH's launcher kills the others, and says nothing but that, where a rank ends without having finished.
            finish(session)
            exit(agreed.failure.code.rawValue)
        }
        try session.world.barrier()
        if session.world.rank == 0 { print("ok \(name) on \(session.world.size)") }
    }
}
