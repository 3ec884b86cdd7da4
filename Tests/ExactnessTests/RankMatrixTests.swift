import Foundation
import TestSupport
import Testing

/// Law 1: the result depends on the configuration, the data and the seed, and on nothing else. Compared is every byte
/// that a run leaves behind.
@Suite("Same bits at any rank count", .enabled(if: MPIRun.isAvailable, "mpirun is not installed"))
struct RankMatrixTests {
    private static let rankCounts = [1, 2, 3, 4, 5, 7, 8]

    @Test(
        "a run leaves the same files on 1, 2, 3, 4, 5, 7 and 8 ranks, and with 1 and 2 threads",
        arguments: examples + mixingKinds)
    func matrix(_ example: Example) throws {
        try withBench(example.text + "\n") { bench in
            try bench.train("plain")
            let expected = bench.run("plain").files
            try expectSound(bench.run("plain"), example)
            for ranks in Self.rankCounts {
                try bench.train("ranks\(ranks)", ranks: ranks)
                expectSame(expected, bench.run("ranks\(ranks)").files, "1 and \(ranks) ranks")
            }
            for ranks in [nil, 2] {
                let run = "threads2-\(ranks ?? 1)"
                try bench.train(run, ranks: ranks, ["--set", "training.threads=2"])
                expectSame(withoutThreads(expected), withoutThreads(bench.run(run).files), "2 threads on \(ranks ?? 1) ranks")
            }
        }
    }

    @Test(
        "a run leaves the same files whichever ranks share memory and whichever send messages",
        arguments: [0, 1, 4, 7, 10].map { examples[$0] })
    func hosts(_ example: Example) throws {
        try withBench(example.text + "\n") { bench in
            try bench.train("plain")
            let expected = bench.run("plain").files
            for (ranks, hostSize) in [(2, 1), (3, 1), (4, 2), (5, 3), (7, 2), (8, 3)] {
                let run = "ranks\(ranks)-hosts\(hostSize)"
                try bench.train(run, ranks: ranks, hostSize: hostSize)
                expectSame(expected, bench.run(run).files, "1 rank and \(ranks) on hosts of \(hostSize)")
            }
        }
    }

    @Test(
        "where memory can't be shared, a line says so, and messages make the same files",
        .enabled(if: SmallDisk.isPermitted, "\(SmallDisk.reason)"))
    func noRoomForWindows() throws {
        try withBench(examples[0].text + "\n") { bench in
            try bench.train("plain")
            try SmallDisk.run(bytes: 1 << 20) { disk in
                let result = try bench.start("messages", ranks: 2, sharedMemory: disk).wait()
                #expect(result.status == 0, "\(result)")
                let lines = result.errors.split(separator: "\n").filter { $0.contains("exchange messages instead") }
                #expect(lines.count == 1 && lines[0].hasPrefix("warning: \(disk) has 1 MB free"), "\(result)")
            }
            expectSame(bench.run("plain").files, bench.run("messages").files, "1 rank and 2 without shared memory")
        }
    }

    // Without these two the matrix would prove nothing: its sums might be too simple to show their order.

    @Test("sums in the order of arrival differ between rank counts", arguments: [0, 1, 7].map { examples[$0] })
    func arrival(_ example: Example) throws {
        try expectDifference(example.training("summation: arrival"), rankCounts: [1, 2, 3, 5])
    }

    @Test("the strategy allreduce differs between rank counts", arguments: [0, 2, 8].map { examples[$0] })
    func allreduce(_ example: Example) throws {
        try expectDifference(example.training("synchronization: allreduce"), rankCounts: [1, 2, 3, 5])
    }

    /// Expects another model and other losses at one of the rank counts at least.
    private func expectDifference(_ text: String, rankCounts: [Int], sourceLocation: SourceLocation = #_sourceLocation) throws {
        try withBench(text + "\n") { bench in
            var models: Set<Data> = []
            var losses: Set<[Double?]> = []
            for ranks in rankCounts {
                try bench.train("ranks\(ranks)", ranks: ranks, sourceLocation: sourceLocation)
                let run = bench.run("ranks\(ranks)")
                models.insert(try #require(run.files["checkpoints/\(run.checkpoints.last ?? "")/model.safetensors"]))
                losses.insert(try run.lines("step").map { $0.numbers["loss"] })
            }
            #expect(models.count > 1, sourceLocation: sourceLocation)
            #expect(losses.count > 1, sourceLocation: sourceLocation)
        }
    }

    /// Expects that the run did what its example is there for.
    private func expectSound(_ run: Run, _ example: Example) throws {
        let steps = try run.lines("step")
        #expect(steps.compactMap(\.step) == Array(1...steps.count), "a line for each step")
        #expect(run.files.keys.contains("checkpoints/best/model.safetensors") == run.log.contains("\"validation\""))
        let losses = steps.map { $0.numbers["loss"] }
        let withoutLoss = losses.count { $0 == nil }
        let withoutNorm = steps.count { $0.numbers["gradient_norm"] == nil }
        if example.text.contains("on_nonfinite") {
            // Three epochs: one sample spoils the loss, another one in most epochs another step's gradient.
            #expect(withoutLoss == 3 && (4...6).contains(withoutNorm), "\(withoutLoss), \(withoutNorm)")
        } else {
            #expect(withoutLoss == 0 && withoutNorm == 0, "\(withoutLoss), \(withoutNorm)")
        }
        #expect(Set(losses).count > losses.count / 2, "the losses move")
        let end = try #require(run.log.split(separator: "\n").last)
        #expect(
            end.contains("\"reason\":\"complete\"") != example.text.contains("patience: 3,")
                || example.text.contains("target: 0.8"), "\(end)")
        if example.text.contains("target: 0.8") { #expect(end.contains("the target was 0.8"), "\(end)") }
    }

    /// The files without what says how many threads there were: the effective configuration does, also in a checkpoint,
    /// and so the checkpoint's seal.
    private func withoutThreads(_ files: [String: Data]) -> [String: Data] {
        var result = files
        for (name, data) in files where name == "config.yaml" || name.hasSuffix("/state.json") {
            let text = String(decoding: data, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
                .filter { !$0.hasPrefix("\"sha256\": ") }.joined(separator: "\n")
            result[name] = Data(
                text.replacingOccurrences(of: "threads: 2", with: "threads: 1")
                    .replacingOccurrences(of: "\"training.threads\":\"2\"", with: "\"training.threads\":\"1\"").utf8)
        }
        return result
    }
}
