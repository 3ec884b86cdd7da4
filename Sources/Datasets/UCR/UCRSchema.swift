import Diagnostics
import Storage

/// How files of classified series become samples: kept in the checkpoint, so that other files are read the same way.
package struct UCRSchema: Hashable, Codable, Sendable {
    /// Steps of a sample.
    package let length: Int
    /// Numbers of a step.
    package let dimensions: Int
    /// Whether samples have lengths: else all series are `length` steps long.
    package let hasLengths: Bool
    /// Of each dimension: an input is (number − mean) / std.
    var means: [Double]
    var deviations: [Double]

    /// Longer series, and more dimensions, are refused.
    static let mostSteps = 1 << 20, mostDimensions = 1 << 16

    /// What doesn't fit together in a schema from a file; nil if all does.
    var problem: String? {
        guard (1...Self.mostSteps).contains(length), (1...Self.mostDimensions).contains(dimensions) else {
            return "ucr: samples of \(length) steps of \(dimensions) dimensions"
        }
        guard means.count == dimensions, deviations.count == dimensions, means.allSatisfy(\.isFinite),
            deviations.allSatisfy({ $0.isFinite && $0 > 0 })
        else { return "ucr: expected finite numbers, and deviations greater than 0" }
        return nil
    }

    var inputShape: Shape { Shape([length, dimensions]) }

    func undone(_ value: Double, dimension: Int) -> Double { value * deviations[dimension] + means[dimension] }

    /// The samples of a file that fits. How many of them were cut.
    func sequences(_ file: UCRFile) throws -> (steps: StepSequences, cutCount: Int) {
        guard file.dimensions == dimensions else {
            throw Failure(
                .badData,
                "\(file.path):\(file.lines[0]): a series of \(file.dimensions) dimension\(file.dimensions == 1 ? "" : "s"); expected "
                    + "\(dimensions), as in the training data")
        }
        var cutCount = 0
        for series in file.lines.indices {
            let steps = file.length(of: series)
            guard hasLengths || steps == length else {
                throw Failure(
                    .badData,
                    "\(file.path):\(file.lines[series]): a series of \(steps) step\(steps == 1 ? "" : "s"); expected \(length), as all of "
                        + "the training data have")
            }
            if steps > length { cutCount += 1 }
        }
        var values: [Float] = []
        values.reserveCapacity(file.values.count)
        for (place, number) in file.values.enumerated() {
            let dimension = place % dimensions
            let value = Float((number - means[dimension]) / deviations[dimension])
            guard value.isFinite else {
                throw Failure(
                    .badData,
                    "\(file.path):\(file.lines[file.series(ofStep: place / dimensions)]): \(number) is too large for Float32")
            }
            values.append(value)
        }
        return (
            StepSequences(length: length, dimensions: dimensions, hasLengths: hasLengths, values: values, starts: file.starts),
            cutCount
        )
    }
}
