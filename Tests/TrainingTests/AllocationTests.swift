import Foundation
import TestSupport
import Testing

/// A steady step takes no memory from the C library, whoever would ask for it: our code, Swift's runtime or MPI's.
///
/// Two things do, and are no part of this: MPI_Iallreduce itself, for the strategy `allreduce` on several ranks, and the
/// closures of kernels that are shared by several threads.
@Suite("Allocations", .serialized, .enabled(if: MPIRun.isAvailable, "mpirun is not installed"))
struct AllocationTests {
    static let settings: [[String]] = [
        [],
        ["gradient_clipping={norm: 1}", "training.log_every=1", "schedule=cosine"],
        ["training.on_nonfinite=skip", "optimizer={sgd: {momentum: 0.9}}", "regularization={l2: 0.01}"],
    ]

    @Test("with allreduce neither, where there is no sum to make")
    func allReduce() throws { try steadyStep(["training.synchronization=allreduce"], ranks: 1) }

    @Test("no rank allocates in a steady step", arguments: settings, [1, 2, 3])
    func steadyStep(_ settings: [String], ranks: Int) throws {
        try withTemporaryFolder { folder in
            try FileManager.default.createDirectory(atPath: folder + "/run", withIntermediateDirectories: true)
            let result = try MPIRun.child(ranks: ranks, buildFolder + "/rank-scenarios", ["steady-allocations"] + settings,
                                          directory: folder).run()
            #expect(result.status == 0 && !result.timedOut, "\(result)")
        }
    }
}
