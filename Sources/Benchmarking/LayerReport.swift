import Network
import Reporting

/// Where the time of a rank's passes goes, layer by layer, as text for people.
package struct LayerReport {
    /// A heading and a row for each layer, without their newlines.
    package let lines: [String]

    /// - Parameters:
    ///   - rows: what was counted over `steps` steps, in which the rank ran `samples` samples.
    ///   - peak: operations a second of multiply-adds alone, on the rank's threads.
    package init(_ rows: [StageClock.Row], steps: Int, samples: Int, peak: Double) {
        var table = [["layer, µs per step", "output", "forward", "backward", "GFLOP/s", "of the peak"]]
        for row in rows {
            func microseconds(_ seconds: Double) -> String { BenchmarkReport.figure(seconds * 1e6 / Double(max(steps, 1))) }
            let rate = Double(row.operations) * Double(samples) / max(row.forwardSeconds + row.backwardSeconds, 1e-12)
            table.append([
                row.layers, "\(row.outputShape)", microseconds(row.forwardSeconds), microseconds(row.backwardSeconds),
                row.operations == 0 ? "" : BenchmarkReport.figure(rate / 1e9),
                row.operations == 0 ? "" : BenchmarkReport.percent(rate, of: peak)
            ])
        }
        let widths = table[0].indices.map { column in table.map { $0[column].count }.max() ?? 0 }
        lines = table.map { row in
            zip(row, widths).enumerated().map { index, cell in
                let space = String(repeating: " ", count: cell.1 - cell.0.count)
                return index < 2 ? cell.0 + space : space + cell.0
            }.joined(separator: "  ").trimmingCharacters(in: .whitespaces)
        }
    }
}
