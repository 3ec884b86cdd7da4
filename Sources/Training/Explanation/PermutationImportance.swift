import Datasets
import Diagnostics
import Metrics
import Storage

/// How much worse a network gets when a column's cells are dealt out anew among the rows (Breiman, "Random Forests", 2001).
package struct PermutationImportance: Sendable {
    package struct Column: Sendable {
        package let name: String
        /// How much the loss grows, as the mean over the repetitions, and the deviation between them.
        package let lossIncrease: Double
        package let deviation: Double
    }

    /// The loss with all cells in their places.
    package let loss: Double
    package let sampleCount: Int
    /// In the order of the table.
    package let columns: [Column]
}

extension TrainedModel {
    /// The importance of every column of a table for the loss over a split.
    ///
    /// - Parameter repetitions: how often each column is dealt out; by the seed 0, so that the result is always the same.
    package func permutationImportance(
        _ split: Split, repetitions: Int = 5, note: (String) -> Void = { _ in }
    ) throws -> PermutationImportance {
        guard let columns = state.preprocessing.columns else {
            throw Failure(
                .usage,
                "--method permutation: \(checkpoint.path) wasn't trained on a table (data.format: csv); use another method")
        }
        let dataset = try judged(split, note: note)
        let loss = try evaluate(dataset).loss
        let order = RandomStream(seed: 0, purpose: .shuffle)
        let results = try columns.enumerated().map { place, column in
            let losses = try (0..<repetitions).map { repetition in
                let rows = order.permutation(count: dataset.count, ordinal: UInt64(place * repetitions + repetition))
                return try evaluate(dataset.dealing(inputs: column.inputs, by: rows)).loss - loss
            }
            let mean = losses.reduce(0, +) / Double(losses.count)
            let square = losses.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(losses.count)
            return PermutationImportance.Column(name: column.name, lossIncrease: mean, deviation: square.squareRoot())
        }
        return PermutationImportance(loss: loss, sampleCount: dataset.count, columns: results)
    }
}
