import Diagnostics
import Foundation
import Metrics
import Reporting

extension GroupReport {
    /// A table of the groups, and the largest gaps.
    func lines(column: String, positive: String?) -> [String] {
        let measures = positive == nil ? ["accuracy"] : ["accuracy", "positive rate", "true-positive rate"]
        var rows = [["group", "samples"] + measures]
        for group in groups {
            let values = [group.accuracy] + (positive == nil ? [] : [group.positiveRate, group.truePositiveRate])
            rows.append([printable(group.name), HumanText.count(group.count)] + values.map { $0.map(Self.figure) ?? "-" })
        }
        let title = "by \(printable(column))" + (positive.map { "; positive: \($0)" } ?? "")
        return [title] + alignedColumns(rows).map { "  " + $0 }
            + gaps.filter { $0.size > 0 && (positive != nil || $0.measure == "accuracy") }.map {
                "largest gap of \($0.measure.replacing("_", with: " ")): \(Self.figure($0.size)) (\(printable($0.lowest)) to "
                    + "\(printable($0.highest)))"
            }
    }

    var fields: [LogLine.Field] {
        func value(_ number: Double?) -> LogValue { number.map(LogValue.number) ?? .null }
        return [
            .init(
                "groups",
                .list(
                    groups.map {
                        .object([
                            .init("name", .text($0.name)), .init("samples", .integer($0.count)),
                            .init("accuracy", .number($0.accuracy)),
                            .init("positive_rate", value($0.positiveRate)),
                            .init("true_positive_rate", value($0.truePositiveRate))
                        ])
                    })),
            .init("gaps", .object(gaps.map { .init($0.measure, .number($0.size)) }))
        ]
    }

    fileprivate static func figure(_ number: Double) -> String { String(format: "%.4f", number) }
}

extension Calibration {
    var lines: [String] {
        let rows =
            [["confidence", "samples", "mean", "accuracy"]]
            + bins.map { bin in
                [
                    String(format: "%.1f to %.1f", bin.low, bin.high), HumanText.count(bin.count),
                    bin.count == 0 ? "-" : GroupReport.figure(bin.confidence),
                    bin.count == 0 ? "-" : GroupReport.figure(bin.accuracy)
                ]
            }
        return ["calibration"] + alignedColumns(rows).map { "  " + $0 } + [
            "expected calibration error \(GroupReport.figure(expectedError)), largest \(GroupReport.figure(largestError))"
        ]
    }

    var fields: [LogLine.Field] {
        [
            .init(
                "calibration",
                .object([
                    .init("expected_error", .number(expectedError)), .init("largest_error", .number(largestError)),
                    .init("counts", .list(bins.map { .integer($0.count) })),
                    .init("confidence", .numbers(bins.map(\.confidence))),
                    .init("accuracy", .numbers(bins.map(\.accuracy)))
                ]))
        ]
    }
}

/// Rows of cells as lines: the first column to the left, the others to the right.
func alignedColumns(_ rows: [[String]]) -> [String] {
    let widths = (rows.first ?? []).indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
        row.indices.map { column in
            let space = String(repeating: " ", count: widths[column] - row[column].count)
            return column == 0 ? row[column] + space : space + row[column]
        }.joined(separator: "  ")
    }
}
