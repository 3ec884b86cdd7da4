import Foundation
import TestSupport
import Testing
import Training

/// Over an epoch every sample is used exactly once, whoever used it.
@Suite("Audit of the samples", .enabled(if: MPIRun.isAvailable, "mpirun is not installed"))
struct AuditTests {
    /// 1,438 digits in steps of five micro-batches, the last of an epoch with eight samples.
    static let configuration = """
        model:
          layers: [dense: {units: 10}]
        optimizer: {sgd: {learning_rate: 0.1}}
        training:
          epochs: 3
          global_batch_size: 130
          micro_batch_size: 26
          audit: true
        """
    static let sampleCount = 1438

    @Test("every sample is used once per epoch at every rank count, and the steps use the same ones")
    func rankCounts() throws {
        try withBench(Self.configuration) { bench in
            try bench.train("plain")
            let plain = try Audit(bench.run("plain"))
            #expect(plain.lines.map(\.step) == Array(1...36))
            #expect(plain.lines.map(\.epoch) == (1...36).map { ($0 + 11) / 12 })
            for ranks in [1, 2, 3, 5] {
                try bench.train("ranks\(ranks)", ranks: ranks)
                let audit = try Audit(bench.run("ranks\(ranks)"))
                #expect(audit.brokenEpochs(3, sampleCount: Self.sampleCount) == [], "\(ranks) ranks")
                #expect(audit.lines == plain.lines, "\(ranks) ranks")
            }
            // Shuffled: no two epochs cut their steps alike.
            #expect(Set(plain.lines.map(\.hash)).count == 36)
        }
    }

    @Test("also where a run stops within an epoch and goes on with other ranks", arguments: [[5, 1, 3], [17, 3, 2], [24, 2, 5]])
    func resumed(_ numbers: [Int]) throws {
        try withBench(Self.configuration) { bench in
            try bench.train("run", ranks: numbers[1], ["--steps", "\(numbers[0])"])
            try bench.train("run", ranks: numbers[2], ["--resume"])
            let audit = try Audit(bench.run("run"))
            #expect(audit.lines.map(\.step) == Array(1...36))
            #expect(audit.brokenEpochs(3, sampleCount: Self.sampleCount) == [])
        }
    }

    @Test("a step that is missing, done twice or replaced by another is noticed, in its epoch")
    func brokenLog() throws {
        try withBench(Self.configuration) { bench in
            try bench.train("run")
            let audit = try Audit(bench.run("run"))
            #expect(audit.brokenEpochs(3, sampleCount: Self.sampleCount) == [])
            for index in audit.lines.indices {
                var missing = audit
                var doubled = audit
                var replaced = audit
                let line = audit.lines[index]
                let epoch = line.epoch
                missing.lines.remove(at: index)
                doubled.lines.append(line)
                let other = audit.lines[(index + 1) % audit.lines.count]
                replaced.lines[index] = .init(
                    event: "audit", step: line.step, epoch: epoch, samples: line.samples,
                    hash: other.hash)
                for broken in [missing, doubled, replaced] {
                    #expect(broken.brokenEpochs(3, sampleCount: Self.sampleCount) == [epoch])
                }
            }
        }
    }

    @Test("one sample left out, used twice or put in the place of another changes the sum")
    func samples() {
        let hashes = (0..<Self.sampleCount).map(auditHash)
        // Leaving k out changes the sum by hash(k), putting j in the place of k by hash(j) − hash(k).
        #expect(!hashes.contains(0))
        #expect(Set(hashes).count == Self.sampleCount)
        // Nor do two wrongs cancel: j twice and k left out is the swap above; j and k for l and m would need equal sums.
        let few = hashes.prefix(200)
        let pairs = few.indices.flatMap { j in (j..<200).map { few[j] &+ few[$0] } }
        #expect(Set(pairs).count == pairs.count)
    }
}
