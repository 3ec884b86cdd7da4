import Storage

/// What the texts of a split are like, before they are cut.
package struct SequenceStatistics: Sendable {
    /// Tokens of the shortest, the middle and the longest text; of two middle ones the longer.
    package let shortest: Int, median: Int, longest: Int
    /// How many texts are longer than a sample.
    package let cutCount: Int
    /// Which share of the tokens in the samples isn't in the vocabulary.
    package let unknownShare: Double
}

extension Dataset {
    /// Whether samples are sequences of different lengths, padded with zeros behind their ends.
    package var hasLengths: Bool {
        switch inputs {
        case .sequences: true
        case .steps(let steps): steps.hasLengths
        default: false
        }
    }

    /// Element i of `destination` becomes the number of steps of `samples[i]` that aren't padding, 1 or more. For samples that have
    /// lengths. Allocates nothing.
    package func gatherLengths(_ samples: ArraySlice<Int32>, into destination: UnsafeMutableBufferPointer<Int32>) {
        precondition(destination.count == samples.count, "\(samples.count) samples into \(destination.count) places")
        var row = 0
        switch inputs {
        case .sequences(let sequences):
            for sample in samples {
                destination[row] = Int32(sequences.tokens(of: stored(sample)).count)
                row += 1
            }
        case .steps(let steps):
            for sample in samples {
                destination[row] = Int32(steps.length(of: stored(sample)))
                row += 1
            }
        default: preconditionFailure("the samples have no lengths")
        }
    }

    /// Looks at all samples; nil where they have no lengths.
    package var sequenceStatistics: SequenceStatistics? {
        guard case .sequences(let sequences) = inputs, count > 0 else { return nil }
        let lengths = (0..<Int32(count)).map { Int(sequences.fullLengths[stored($0)]) }.sorted()
        var tokenCount = 0
        var unknownCount = 0
        for sample in 0..<Int32(count) {
            let tokens = sequences.tokens(of: stored(sample))
            tokenCount += tokens.count
            unknownCount += tokens.count { $0 == TokenRule.unknown }
        }
        return SequenceStatistics(
            shortest: lengths[0], median: lengths[count / 2], longest: lengths[count - 1],
            cutCount: lengths.count { $0 > sequences.length }, unknownShare: Double(unknownCount) / Double(max(tokenCount, 1)))
    }
}
