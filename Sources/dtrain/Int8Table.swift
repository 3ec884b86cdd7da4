import Diagnostics
import Foundation
import Metrics
import Reporting
import Training

extension TrainedModel.EightBits {
    /// What 8 bits change, in a line.
    var line: String {
        "\(matrices.count) weight\(matrices.count == 1 ? "" : "s") in 8 bits: \(HumanText.bytes(byteCount)) instead of "
            + "\(HumanText.bytes(plainByteCount)); computed in float32 as ever, so that nothing is faster"
    }
}

extension TrainedModel.Int8Comparison {
    /// Size, speed, loss and metrics before and after, as a table.
    var lines: [String] {
        func figure(_ number: Double) -> String { String(format: "%.6g", number) }
        var rows = [
            ["", "float32", "int8"],
            ["weights", HumanText.bytes(weights.plainByteCount), HumanText.bytes(weights.byteCount)],
            ["samples/s", HumanText.count(Int(plain.samplesPerSecond)), HumanText.count(Int(int8.samplesPerSecond))],
            ["loss", figure(plain.loss), figure(int8.loss)]
        ]
        for (before, after) in zip(plain.metrics, int8.metrics) {
            guard case .scalar(let first) = before.content, case .scalar(let second) = after.content else { continue }
            rows.append([before.name, first.map(figure) ?? "undefined", second.map(figure) ?? "undefined"])
        }
        let widths = (0..<3).map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            zip(row, widths).enumerated().map { index, cell in
                let blanks = String(repeating: " ", count: cell.1 - cell.0.count)
                return index == 0 ? cell.0 + blanks : blanks + cell.0
            }.joined(separator: "  ")
        } + [
            "\(HumanText.count(int8.sampleCount)) samples; int8 weights are expanded to float32 before they are used: smaller, not "
                + "faster"
        ]
    }
}

extension TrainedModel {
    /// Quantises, and judges both on the validation split; without data that can be read, says why there is no judgement.
    func judgedInt8() throws -> (weights: EightBits, lines: [String]) {
        do {
            let comparison = try compareInt8(.validation) { StandardStream.tell("note", $0) }
            return (comparison.weights, comparison.lines)
        } catch let failure as Failure where failure.code != .internalError {
            let weights = try quantize()
            return (weights, [weights.line, "loss and metrics weren't computed: \(failure.message)"])
        }
    }
}
