import Foundation
import Reporting
import Timing
import Training

/// What several windows say together, as text for people.
package struct BenchmarkReport: Sendable {
    private let windows: [BenchmarkWindow]

    /// - Parameter windows: one or more of the same subject.
    package init(_ windows: [BenchmarkWindow]) {
        precondition(!windows.isEmpty, "a report of nothing")
        self.windows = windows
    }

    /// What is measured, for the line before the windows.
    package static func title(_ subject: BenchmarkSubject, parameters: Int) -> String {
        "\(subject.workload): \(HumanText.count(parameters)) parameters, \(HumanText.count(subject.batchSize)) samples a step, "
            + "\(subject.ranks) rank\(subject.ranks == 1 ? "" : "s")"
            + (subject.threads == 1 ? "" : " of \(subject.threads) threads")
    }

    /// The table: lines without their newlines.
    package var lines: [String] {
        let rates = windows.map(\.samplesPerSecond)
        let median = Self.median(rates)
        var lines = [
            "throughput       \(HumanText.rate(samplesPerSecond: median)) (median of \(windows.count); "
                + "\(HumanText.count(Int(rates.min() ?? 0))) to \(HumanText.count(Int(rates.max() ?? 0))))"
        ]
        let step = Self.median(windows.map { $0.seconds * 1e6 / Double($0.steps) })
        let work = windows[0].subject.work
        lines.append(
            "step             \(Self.figure(step)) µs, \(Self.figure(Double(work.productOperations) / 1e6)) million "
                + "operations, \(Self.figure(Double(work.parameterBytes) / 1e6)) MB of parameters moved")
        lines += machineLines
        if let wire = windows[0].subject.wire { lines.append(wireLine(wire)) }
        lines.append("")
        lines += rankLines
        return lines
    }

    private var machineLines: [String] {
        let subject = windows[0].subject
        let work = subject.work
        let shape = work.largestProduct
        let products = Self.median(windows.map(\.productRate))
        let peak = Self.median(windows.map(\.machineMultiplyAddRate))
        let threads = subject.ranks * subject.threads
        var text =
            "matrix products  \(Self.figure(products / 1e9)) GFLOP/s, \(Self.percent(products, of: peak)) of the "
            + "\(Self.figure(peak / 1e9)) of multiply-adds alone on \(threads) thread\(threads == 1 ? "" : "s")"
        if let large = Self.median(windows.map(\.machineProductRate)),
            let layer = Self.median(windows.map(\.machineLayerProductRate))
        {
            text +=
                "; OpenBLAS on each: \(Self.figure(large / 1e9)) at 2048×2048×2048, \(Self.figure(layer / 1e9)) at the "
                + "largest layer's \(shape.rows)×\(shape.inputs)×\(shape.outputs)"
        } else {
            text += "; there is no OpenBLAS to compare with"
        }
        let moved = Self.median(windows.map(\.parameterRate))
        let memory = Self.median(windows.map(\.machineMemoryRate))
        return [
            text,
            "parameters       \(Self.figure(moved / 1e9)) GB/s of weights, gradients and optimizer state, "
                + "\(Self.percent(moved, of: memory)) of the memory's \(Self.figure(memory / 1e9))"
        ]
    }

    private func wireLine(_ wire: WireFigures) -> String {
        let rate = Self.median(windows.compactMap(\.wireRate))
        return "between hosts    \(Self.figure(Double(wire.bytesPerStep) / 1e6)) MB each way per step and host, "
            + "\(Self.figure(rate / 1e6)) MB/s, \(Self.percent(rate, of: wire.measuredRate)) of the "
            + "\(Self.figure(wire.measuredRate / 1e6)) that large messages have between the first two"
            + (wire.nominalRate.map { "; the interface says \(Self.figure($0 / 1e6))" } ?? "")
    }

    /// One row for each rank: microseconds per step and share of the step.
    private var rankLines: [String] {
        var rows = [["µs per step"] + Phase.allCases.map(\.name) + ["other", "allocations", "peak memory"]]
        for rank in windows[0].ranks.indices {
            let figures = windows.map { $0.ranks[rank].figures }
            let step = Self.median(figures.map(\.stepMicroseconds))
            func cell(_ value: (WindowFigures) -> Double) -> String {
                let median = Self.median(figures.map(value))
                return "\(Self.figure(median)) \(Self.percent(median, of: step))"
            }
            let allocations = Self.median(figures.map { Double($0.allocations) / Double($0.steps) })
            let memory = windows.map { $0.ranks[rank].peakMemory }.max() ?? 0
            rows.append(
                ["rank \(rank)" + (windows[0].subject.hosts.isEmpty ? "" : " on \(windows[0].subject.hosts[rank])")]
                    + Phase.allCases.map { phase in cell { $0.microseconds(phase) } }
                    + [cell(\.otherMicroseconds), Self.figure(allocations), String(format: "%.1f MB", Double(memory) / 1e6)])
        }
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            zip(row, widths).enumerated().map { index, cell in
                let space = String(repeating: " ", count: cell.1 - cell.0.count)
                return index == 0 ? cell.0 + space : space + cell.0
            }.joined(separator: "  ")
        }
    }

    /// The middle one, or the mean of the two in the middle.
    package static func median(_ values: [Double]) -> Double {
        let sorted = values.sorted()
        let middle = sorted.count / 2
        return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    }

    private static func median(_ values: [Double?]) -> Double? {
        let known = values.compactMap { $0 }
        return known.isEmpty ? nil : median(known)
    }

    /// Three or four digits.
    static func figure(_ value: Double) -> String {
        if value >= 1000 { return HumanText.count(Int(min(value, 1e15).rounded())) }
        return String(format: value >= 100 ? "%.0f" : value >= 10 ? "%.1f" : "%.2f", value)
    }

    static func percent(_ part: Double, of whole: Double) -> String {
        whole > 0 ? String(format: "%.0f %%", 100 * part / whole) : "- %"
    }
}
