import Diagnostics

extension CSVTable.Column {
    /// The column of a table that says what each sample counts in the loss.
    static func weight(at index: Int) -> CSVTable.Column {
        CSVTable.Column(index: index, reading: .numbers, mayBeMissing: false)
    }
}

extension CSVTable.Content {
    /// The last of the columns that were read as weights, one for each row; `column` is what messages call it.
    func weights(in file: TableFile, column: String) throws -> [Float] {
        try lines.indices.map { row in
            let number = cell(row, width - 1)
            let weight = Float(number)
            guard weight >= 0, weight.isFinite else {
                throw file.failure(
                    line: lines[row], column: column,
                    number < 0
                        ? "expected a weight of 0 or more, found \(number)" : "the weight \(number) is too large for Float32")
            }
            return weight
        }
    }
}

extension Dataset {
    /// Refuses samples that all weigh 0: no mean can be taken of their losses. `split` is what messages call them.
    func requireWeight(_ split: String, path: String) throws {
        guard let weights else { return }
        let hasAny = rows.map { rows in rows.contains { weights[Int($0)] > 0 } } ?? weights.contains { $0 > 0 }
        guard !hasAny else { return }
        throw Failure(
            .badData,
            "\(path): all \(count) \(split) have the weight 0, so that their loss has no mean; give some a "
                + "weight above 0")
    }
}
