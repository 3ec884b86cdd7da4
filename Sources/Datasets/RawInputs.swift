import Storage

/// What a trained network is given before anything is done to it, and what is done: for those who hand a network on with its
/// preprocessing.
package struct RawInputs: Sendable {
    package enum Elements: Sendable {
        /// Numbers as they stand in the file.
        case numbers
        /// Bytes of pixels, channel by channel.
        case bytes
        /// Whole numbers that stand for texts.
        case tokens
    }

    /// An input of the network is (x − offset) · factor.
    package struct Terms: Sendable {
        package let offsets: [Float], factors: [Float]
        /// The dimensions of both, the last of a sample's, or 1 in their place; none where all inputs share one.
        package let dimensions: [Int]

        /// Nil where they change nothing.
        init?(offsets: [Float], factors: [Float], dimensions: [Int]) {
            guard offsets.contains(where: { $0 != 0 }) || factors.contains(where: { $0 != 1 }) else { return nil }
            self.offsets = offsets
            self.factors = factors
            self.dimensions = dimensions
        }
    }

    package let elements: Elements
    /// Nil where inputs are the numbers themselves.
    package let terms: Terms?
    /// What the inputs are called; nil where they have no names.
    package let names: [String]?
}

extension Preprocessing {
    package var rawInputs: RawInputs {
        if tokenKinds != nil { return RawInputs(elements: .tokens, terms: nil, names: nil) }
        if let series {
            let columns = series.columns[..<series.inputCount]
            return RawInputs(
                elements: .numbers,
                terms: RawInputs.Terms(
                    offsets: columns.map { Float($0.mean) }, factors: columns.map { Float(1 / $0.std) },
                    dimensions: [columns.count]), names: columns.map(\.name))
        }
        if let ucr {
            return RawInputs(
                elements: .numbers,
                terms: RawInputs.Terms(
                    offsets: ucr.means.map { Float($0) }, factors: ucr.deviations.map { Float(1 / $0) },
                    dimensions: [ucr.dimensions]), names: nil)
        }
        let terms = Rescaling(normalization, width: inputShape.count).floats
        var (offsets, factors, dimensions) = (terms.offsets, terms.factors, inputDimensions)
        if terms.singleOffset != nil, terms.singleFactor != nil {
            dimensions = []
        } else if inputDimensions.count == 3 {
            // One for each channel is said once.
            let area = inputDimensions[1] * inputDimensions[2]
            let isPerChannel = offsets.indices.allSatisfy {
                offsets[$0] == offsets[$0 / area * area] && factors[$0] == factors[$0 / area * area]
            }
            if isPerChannel {
                let firsts = stride(from: 0, to: offsets.count, by: area)
                (offsets, factors) = (firsts.map { offsets[$0] }, firsts.map { factors[$0] })
                dimensions = [inputDimensions[0], 1, 1]
            }
        }
        return RawInputs(
            elements: images == nil ? .numbers : .bytes,
            terms: RawInputs.Terms(offsets: offsets, factors: factors, dimensions: dimensions), names: table?.inputNames)
    }

    /// How outputs of a forecast become numbers in the unit of the file, y = x · std + mean for each target of a step; nil where they
    /// are those.
    package var forecastUnits: (deviations: [Float], means: [Float])? {
        guard let series, series.isStandardized else { return nil }
        let columns = series.targets.map { series.columns[$0] }
        return (columns.map { Float($0.std) }, columns.map { Float($0.mean) })
    }
}
