import Diagnostics
import Foundation
import Kernels
import Network
import Storage
import Testing

/// The table of checks for losses: a row in References/losses.json gives a loss all its tests.
@Suite("Losses")
struct LossTableTests {
    /// A loss on rows of outputs, with memory for both kinds of targets.
    private final class Bench {
        let name: String
        let loss: any Loss
        let rows: Int, columns: Int
        let outputs: AlignedBuffer<Float>, values: AlignedBuffer<Float>, gradient: AlignedBuffer<Float>
        let classes: AlignedBuffer<Int32>
        let losses: AlignedBuffer<Double>
        let hasClasses: Bool
        /// Of the samples; empty where they have none.
        let sampleWeights: [Float]
        let expectedValue: Double, expectedGradient: [Double]

        init(_ row: [String: Any]) throws {
            name = try #require(row["name"] as? String)
            loss = try readLoss(settings(["loss": row["loss"] ?? "missing"]))
            rows = try #require(row["outputs"] as? [Any]).count
            let numbers = flattened(row["outputs"])
            let targets = flattened(row["targets"])
            columns = numbers.count / rows
            sampleWeights = flattened(row["sample_weights"]).map { Float($0) }
            hasClasses = !(try #require((row["targets"] as? [Any])?.first) is [Any])
            outputs = AlignedBuffer(count: numbers.count)
            values = AlignedBuffer(count: numbers.count)
            gradient = AlignedBuffer(count: numbers.count, repeating: .nan)
            classes = AlignedBuffer(count: rows, repeating: 0)
            losses = AlignedBuffer(count: rows, repeating: .nan)
            fill(outputs, numbers)
            if hasClasses {
                for (index, value) in targets.enumerated() { classes[index] = Int32(value) }
            } else {
                fill(values, targets)
            }
            expectedValue = try #require(row["value"] as? NSNumber).doubleValue
            expectedGradient = flattened(row["gradient"])
        }

        /// Evaluates a range of the rows.
        func evaluate(_ range: Range<Int>? = nil, withGradient: Bool = true, in workspace: Workspace = Workspace()) {
            let range = range ?? 0..<rows
            let losses = UnsafeMutableBufferPointer(start: losses.base + range.lowerBound, count: range.count)
            let gradient = withGradient ? gradient.matrix(rows: rows, columns: columns)[rows: range] : nil
            loss.evaluate(
                outputs.matrix(rows: rows, columns: columns).readOnly[rows: range], targets[rows: range],
                losses: losses, gradient: gradient, in: workspace)
            guard !sampleWeights.isEmpty else { return }
            weights(of: range).withUnsafeBufferPointer { workspace.weigh(losses, gradient: gradient, by: $0) }
        }

        /// One weight for each sample where the rows are whole samples of as many positions each, else one for each row.
        private func weights(of range: Range<Int>) -> ArraySlice<Float> {
            let positions = rows / sampleWeights.count
            if range.lowerBound % positions == 0, range.upperBound % positions == 0 {
                return sampleWeights[range.lowerBound / positions..<range.upperBound / positions]
            }
            return ArraySlice(range.map { sampleWeights[$0 / positions] })
        }

        private var targets: TargetView {
            hasClasses
                ? .classes(ClassView(base: classes.base, count: rows))
                : .values(values.matrix(rows: rows, columns: columns).readOnly)
        }

        /// What rows add to what the mean divides by.
        private func divisor(_ range: Range<Int>) -> Double {
            let each = loss.divisor(outputs: columns, hasClasses: hasClasses)
            guard !sampleWeights.isEmpty else { return each.sum(targets[rows: range]) }
            return weights(of: range).withUnsafeBufferPointer {
                LossDivisor.bySample(each).sum(targets[rows: range], weights: $0)
            }
        }

        /// What the mean divides by.
        var weight: Double { divisor(0..<rows) }

        /// Whether a row enters the mean.
        func counts(_ row: Int) -> Bool { divisor(row..<row + 1) > 0 }
        var sum: Double { losses.elements.reduce(0, +) }
        var bits: [UInt64] { losses.elements.map(\.bitPattern) + gradient.elements.map { UInt64($0.bitPattern) } }
    }

    private static func benches() throws -> [Bench] { try references("losses.json").map { try Bench($0) } }

    /// Sums of Float32 over at most five classes, each term rounded a few times.
    private static let tolerance = 16 * 0x1p-24

    @Test("values and gradients are PyTorch's")
    func pyTorch() throws {
        for bench in try Self.benches() {
            bench.evaluate()
            let (mean, expected) = (bench.sum / bench.weight, bench.expectedValue)
            #expect(abs(mean - expected) <= Self.tolerance * max(1, abs(expected)), "\(bench.name)")
            for (index, expected) in bench.expectedGradient.enumerated() {
                let value = Double(bench.gradient[index]) / bench.weight
                #expect(
                    abs(value - expected) <= Self.tolerance * max(1, abs(expected)),
                    "\(bench.name): gradient \(index)")
            }
        }
    }

    @Test("gradients are what central differences say")
    func centralDifferences() throws {
        let kinks = ["extreme", "exact", "large"]
        for bench in try Self.benches() where !kinks.contains(where: bench.name.contains) {
            bench.evaluate()
            let gradient = bench.gradient.elements.map { Double($0) }
            for index in gradient.indices {
                let before = bench.outputs[index]
                let agrees = [Float(0x1p-7), 0x1p-9].contains { h in
                    bench.outputs[index] = before + h
                    bench.evaluate(withGradient: false)
                    let above = bench.sum
                    bench.outputs[index] = before - h
                    bench.evaluate(withGradient: false)
                    let slope = (above - bench.sum) / (2 * Double(h))
                    return abs(slope - gradient[index]) < 1e-3 * max(1, abs(gradient[index]))
                }
                bench.outputs[index] = before
                #expect(agrees, "\(bench.name): output \(index)")
            }
        }
    }

    @Test("rows have the same bits however they are grouped, with and without gradient, on any number of threads")
    func grouping() throws {
        for bench in try Self.benches() {
            bench.evaluate()
            let whole = bench.bits
            bench.evaluate(withGradient: false)
            #expect(bench.bits == whole, "\(bench.name)")
            for part in 1...3 {
                fill(bench.gradient, [Double](repeating: .nan, count: bench.gradient.count))
                for first in stride(from: 0, to: bench.rows, by: part) {
                    bench.evaluate(first..<min(first + part, bench.rows))
                }
                #expect(bench.bits == whole, "\(bench.name), \(part) rows at once")
            }
            bench.evaluate(in: try Workspace(threadCount: 2))
            #expect(bench.bits == whole, "\(bench.name), two threads")
        }
    }

    @Test("a NaN among the outputs makes its row's loss NaN, unless the row is ignored, and no other's")
    func specialNumbers() throws {
        for bench in try Self.benches() where bench.rows > 2 {
            bench.outputs[bench.columns] = .nan
            bench.evaluate()
            for row in 0..<bench.rows {
                #expect(bench.losses[row].isNaN == (row == 1 && bench.counts(1)), "\(bench.name), row \(row)")
            }
        }
    }

    @Test("every loss of the catalog has a row in the table")
    func everyLossHasARow() throws {
        let covered = Set(try references("losses.json").compactMap { kind(of: $0["loss"]) })
        for name in LossChoices.standard.names { #expect(covered.contains(name), "\(name)") }
    }

    @Test("an unknown loss is refused with the nearest name")
    func unknownLoss() throws {
        #expect {
            try readLoss(settings(["loss": "cross_entropi"]))
        } throws: { "\($0)".contains("did you mean \"cross_entropy\"?") }
    }
}
