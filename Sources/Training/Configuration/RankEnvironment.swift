import Collectives
import Diagnostics
import Files
import Foundation

/// What a rank is, apart from configuration and data: all ranks of a job must be the same in it.
package enum RankEnvironment {
    /// Refuses what nobody could have meant.
    /// - Throws: `Failure` with 78.
    package static func check(_ environment: [String: String] = ProcessInfo.processInfo.environment) throws {
        if let text = environment["DTRAIN_SIMD"], !["", "256"].contains(text) {
            throw Failure(.badConfiguration, "DTRAIN_SIMD: expected 256 or nothing, found \"\(text)\"")
        }
        if let text = environment["DTRAIN_NODE_SIZE"], !text.isEmpty, Int(text).map({ $0 < 1 }) ?? true {
            throw Failure(.badConfiguration, "DTRAIN_NODE_SIZE: expected a number of ranks, 1 or more, found \"\(text)\"")
        }
    }

    /// Variables by which ranks would exchange in different ways, and what nobody sets on some ranks alone on purpose; that
    /// processors differ in their vectors is fine, for the bits don't. Open MPI's choice of collective algorithms and of the
    /// layer below counts too: ranks whose choices differ wait for messages that nobody sends.
    private static let variables = ["DTRAIN_SIMD", "DTRAIN_NODE_SIZE", "DTRAIN_JOB"]
    private static let prefixes = ["OMPI_MCA_coll", "OMPI_MCA_pml"]

    /// What is compared first of all.
    package static func items(_ environment: [String: String] = ProcessInfo.processInfo.environment) -> [Agreement.Item] {
        let choices = environment.filter { variable in prefixes.contains { variable.key.hasPrefix($0) } }
            .sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        return [
            .init("the program", Build.identity), .init("the program's file", programDigest()),
            .init("the MPI library", MPISession.libraryVersion)
        ]
            + variables.map { .init("the environment variable \($0)", environment[$0]) }
            + [.init("the choice of MPI's components (OMPI_MCA_coll…, OMPI_MCA_pml…)", choices.joined(separator: "\n"))]
    }

    /// The SHA-256 sum of the running program; nil where the system doesn't show it. Two builds of one version differ in
    /// nothing else.
    private static func programDigest() -> String? {
        try? InputFile(path: "/proc/self/exe", fileSystem: PosixFileSystem()).digest()
    }
}
