import Diagnostics
import Foundation
import Metrics
import Reporting
import Training

extension TrainedModel.EightBits {
    /// What 8 bits change, in a line.
    var line: String {
        "\(matrices.count) weight\(matrices.count == 1 ? "" : "s") in 8 bits: \(HumanText.bytes(byteCount)) instead of "
            + "\(HumanText.bytes(plainByteCount)); computed in whole numbers: \(integerCount)"
    }
}

extension TrainedModel.Int8Comparison {
    /// Size, speed, loss and metrics before and after, as a table.
    var lines: [String] {
        func figure(_ number: Double) -> String { String(format: "%.6g", number) }
        let columns = [plain, rounded] + (integers.map { [$0] } ?? [])
        func row(_ name: String, _ cell: (TrainedModel.SplitResult) -> String) -> [String] { [name] + columns.map(cell) }
        let small = HumanText.bytes(weights.byteCount)
        var rows = [
            ["", "float32", "int8 weights"] + (integers == nil ? [] : ["int8 products"]),
            ["weights", HumanText.bytes(weights.plainByteCount), small] + (integers == nil ? [] : [small]),
            row("samples/s") { HumanText.count(Int($0.samplesPerSecond)) }, row("loss") { figure($0.loss) }
        ]
        for (index, metric) in plain.metrics.enumerated() {
            guard case .scalar = metric.content else { continue }
            rows.append(
                row(metric.name) {
                    guard case .scalar(let value) = $0.metrics[index].content else { return "" }
                    return value.map(figure) ?? "undefined"
                })
        }
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            zip(row, widths).enumerated().map { index, cell in
                let blanks = String(repeating: " ", count: cell.1 - cell.0.count)
                return index == 0 ? cell.0 + blanks : blanks + cell.0
            }.joined(separator: "  ")
        } + ["\(HumanText.count(plain.sampleCount)) samples; \(note)"]
    }

    private var note: String {
        guard integers != nil else { return "int8 weights are computed with in float32" }
        return "products of whole numbers: of \(weights.integerCount) of \(weights.matrices.count) weights in 8 bits"
    }
}

extension TrainedModel {
    /// Quantises, and judges both on the validation split; without data that can be read, says why there is no judgement.
    func judgedInt8() throws -> (weights: EightBits, lines: [String]) {
        do {
            let comparison = try compareInt8(.validation, integers: false) { StandardStream.tell("note", $0) }
            return (comparison.weights, comparison.lines)
        } catch let failure as Failure where failure.code != .internalError {
            let weights = try quantize()
            return (weights, ["loss and metrics weren't computed: \(failure.message)"])
        }
    }
}
