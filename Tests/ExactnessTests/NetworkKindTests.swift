import Foundation
import TestSupport
import Testing

/// Laws 1 and 3 for every kind of network.
@Suite("Same bits for every kind of network", .enabled(if: MPIRun.isAvailable, "mpirun is not installed"))
struct NetworkKindTests {
    private static let rankCounts = isFullMatrix ? [1, 2, 3, 4, 5, 7, 8] : [1, 3, 4, 7]

    @Test(
        "a run leaves the same files at any rank count, and where ranks share no memory",
        arguments: networkKinds + convolutionKinds + recurrentKinds + delayedKinds + synchronizedKinds + languageKinds
            + localKinds + averageKinds + prunedKinds)
    func ranks(_ example: Example) throws {
        try withBench(example.text + "\n") { bench in
            try bench.train("plain")
            let expected = bench.run("plain").files
            #expect(bench.run("plain").savedStep > 10)
            for ranks in Self.rankCounts {
                try bench.train("ranks\(ranks)", ranks: ranks)
                expectSame(expected, bench.run("ranks\(ranks)").files, "1 and \(ranks) ranks")
            }
            for (ranks, hostSize) in isFullMatrix ? [(2, 1), (3, 1), (4, 2), (5, 3), (7, 2)] : [(3, 1), (4, 2)] {
                let run = "ranks\(ranks)-hosts\(hostSize)"
                try bench.train(run, ranks: ranks, hostSize: hostSize)
                expectSame(expected, bench.run(run).files, "1 rank and \(ranks) on hosts of \(hostSize)")
            }
        }
    }

    @Test(
        "a run that is stopped and goes on with other ranks ends the same",
        arguments: networkKinds + convolutionKinds + recurrentKinds + mixingKinds + delayedKinds + synchronizedKinds
            + languageKinds + localKinds + averageKinds + prunedKinds)
    func resume(_ example: Example) throws {
        try withBench(example.text + "\n") { bench in
            try bench.train("whole")
            let last = bench.run("whole").savedStep
            for step in isFullMatrix ? Array(1..<last) : [1, last / 2 + 1] {
                let run = "parts\(step)"
                try bench.train(run, ranks: 3, ["--steps", "\(step)"])
                try bench.train(run, ranks: 4, ["--resume"])
                expectSame(bench.run("whole").result, bench.run(run).result, "stopped after step \(step)")
            }
        }
    }
}
