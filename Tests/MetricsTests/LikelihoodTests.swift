import Diagnostics
import Foundation
import Metrics
import Storage
import Testing

@Suite("Metrics of probabilities")
struct LikelihoodTests {
    private static let task = LearningTask.classification(classes: 3)

    /// The statistics of rows whose outputs don't matter, in pieces.
    private func statistics(_ set: MetricSet, _ entropies: [Double], _ classes: [Int32], pieces: [Range<Int>]) -> [Double] {
        var statistics = [Double](repeating: 0, count: set.statisticsCount)
        let outputs = [Float](repeating: 0, count: 3 * classes.count)
        outputs.withUnsafeBufferPointer { outputs in
            guard let base = outputs.baseAddress else { return }
            let matrix = MatrixView(base: base, rows: classes.count, columns: 3)
            withView(of: .classes(classes), rows: classes.count) { view in
                for rows in pieces {
                    statistics.withUnsafeMutableBufferPointer { statistics in
                        entropies.withUnsafeBufferPointer {
                            set.accumulate(
                                outputs: matrix[rows: rows], targets: view[rows: rows],
                                crossEntropies: UnsafeBufferPointer(rebasing: $0[rows]), into: statistics)
                        }
                    }
                }
            }
        }
        return statistics
    }

    private func values(_ set: MetricSet, _ statistics: [Double]) -> [String: Double?] {
        Dictionary(uniqueKeysWithValues: set.values(statistics).map { ($0.name, $0.scalar) })
    }

    @Test("perplexity is the exponential of the mean cross entropy, bits per byte that of the bytes of its tokens")
    func definitions() throws {
        let set = try metricSet("[perplexity, bits_per_byte, accuracy]", Self.task, Likelihoods(byteCounts: [1, 2, 4]))
        #expect(set.needsCrossEntropies)
        #expect(set.scalars.map(\.higherIsBetter) == [false, false, true])
        let entropies = [0.5, 1.25, 0, 3]
        for pieces in [[0..<4], [0..<1, 1..<3, 3..<4]] {
            let found = values(set, statistics(set, entropies, [0, 1, 2, 1], pieces: pieces))
            let perplexity = try #require(found["perplexity"] ?? nil)
            #expect(abs(perplexity - exp(4.75 / 4)) < 1e-14 * perplexity)
            let bits = try #require(found["bits_per_byte"] ?? nil)
            #expect(abs(bits - 4.75 / log(2.0) / 9) < 1e-15 * 9)
            #expect(found["accuracy"] == 0.25)
        }
    }

    @Test("rows of the class that is ignored count for nothing, whatever their cross entropy is said to be")
    func ignored() throws {
        let set = try metricSet("[bits_per_byte, perplexity]", Self.task, Likelihoods(ignoredClass: 1, byteCounts: [1, 2, 4]))
        let found = values(set, statistics(set, [0.5, .nan, 1.5], [0, 1, 2], pieces: [0..<3]))
        let perplexity = try #require(found["perplexity"] ?? nil)
        let bits = try #require(found["bits_per_byte"] ?? nil)
        #expect(abs(perplexity - exp(1)) < 1e-14 && abs(bits - 2 / log(2.0) / 5) < 1e-15)
        let none = values(set, statistics(set, [0.5], [1], pieces: [0..<1]))
        #expect(none == ["perplexity": Double?.none, "bits_per_byte": Double?.none])
    }

    @Test("neither do they for any other metric, whatever lies beside them")
    func ignoredElsewhere() throws {
        let set = try metricSet(
            "[accuracy, {top_k: {k: 2}}, precision, recall, f1, confusion_matrix]", Self.task, Likelihoods(ignoredClass: 1))
        let classes: [Int32] = [1, 0, 0, 1, 1, 2, 0, 1]
        let outputs: [Float] =
            [0, 9, 0, 3, 2, 1, 2, 1, 3, 9, 0, 0, 0, 0, 9, 1, 2, 0, 0, 2, 1, 0, 9, 0]
        for piece in [1, 3, 8] {
            var statistics = [Double](repeating: 0, count: set.statisticsCount)
            accumulate(set, outputs, .classes(classes), piece: piece, into: &statistics)
            let found = set.values(statistics)
            func scalar(_ name: String) -> Double { found.first { $0.name == name }?.scalar ?? .nan }
            // What counts: 0 as 0, 0 as 2 (0 is second), 2 as 1 and 0 as 1 (last both).
            #expect(scalar("accuracy") == 0.25 && scalar("top_2_accuracy") == 0.5, "\(found)")
            // Class 0: one of one foreseen, one of three found; class 2: none of one. The ignored class has no part in the means.
            #expect(scalar("precision") == 0.5 && scalar("f1") == 0.25, "\(found)")
            #expect(abs(scalar("recall") - 1.0 / 6) < 1e-15, "\(found)")
            #expect(found.last?.content == .matrix([[1, 1, 1], [0, 0, 0], [0, 1, 0]]), "\(found)")
        }
        var none = [Double](repeating: 0, count: set.statisticsCount)
        accumulate(set, [0, 9, 0], .classes([1]), into: &none)
        #expect(set.values(none).first?.content == .scalar(nil))
    }

    @Test("a cross entropy that isn't finite gives none, or one that isn't either")
    func notFinite() throws {
        let set = try metricSet("[perplexity]", Self.task, Likelihoods())
        #expect(values(set, statistics(set, [.infinity], [0], pieces: [0..<1])) == ["perplexity": Double.infinity])
        #expect(values(set, statistics(set, [.nan], [0], pieces: [0..<1])) == ["perplexity": Double?.none])
        #expect(values(set, statistics(set, [800], [0], pieces: [0..<1])) == ["perplexity": Double.infinity])
    }

    @Test(
        "they need logits, and bits per byte tokens",
        arguments: [
            ("perplexity", false, "the metric perplexity doesn't fit classification with 3 outputs"),
            ("bits_per_byte", false, "the metric bits_per_byte doesn't fit classification with 3 outputs"),
            ("bits_per_byte", true, "needs classes that are tokens of a text, and a tokenizer")
        ])
    func refused(name: String, hasLogits: Bool, message: String) throws {
        let failure = #expect(throws: Failure.self) {
            try metricSet("[\(name)]", Self.task, hasLogits ? Likelihoods() : nil)
        }
        #expect(failure?.code == .badConfiguration && failure?.message.contains(message) == true, "\(failure?.message ?? "")")
    }
}
