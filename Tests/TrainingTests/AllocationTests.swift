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

    @Test("memory that isn't there ends all ranks with 71 and one message, whoever asked for it", arguments: [
        "malloc", "calloc", "calloc-overflow", "realloc", "aligned_alloc", "posix_memalign", "swift",
    ])
    func refused(function: String) throws {
        let result = try MPIRun.child(ranks: 2, buildFolder + "/rank-scenarios", ["refused-allocation", function]).run()
        #expect(result.status == 71 && !result.timedOut, "\(result)")
        let messages = result.errors.split(separator: "\n").filter { $0.hasPrefix("dtrain: error: ") }
        #expect(messages.count == 1 && messages[0].contains("out of memory: ") && messages[0].contains(" bytes were asked for"),
                "\(result)")
        let wanted = function == "calloc-overflow" ? "18,446,744,073,709,551,615" : "1,152,921,504,606,846,"
        #expect(messages.first?.contains(wanted) == true, "\(result)")
    }
}
