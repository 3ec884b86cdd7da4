/// What a classifier said of a sample, beside the truth.
package struct Judgement: Sendable, Equatable {
    /// The class that it found the most probable.
    package let predicted: Int
    /// The true class.
    package let target: Int
    /// How probable it found the class that it predicted, 0 to 1.
    package let confidence: Double

    package init(predicted: Int, target: Int, confidence: Double) {
        self.predicted = predicted
        self.target = target
        self.confidence = confidence
    }
}

/// How well stated probabilities are kept: a reliability table over equal bins of confidence and the expected calibration error,
/// Σ (n_b / n) · |accuracy_b − confidence_b| (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017).
package struct Calibration: Sendable {
    /// The samples whose confidence is in (low, high]; the first bin has 0 too.
    package struct Bin: Sendable, Equatable {
        package let low: Double
        package let high: Double
        package let count: Int
        /// The share of right predictions, and the mean confidence; 0 in an empty bin.
        package let accuracy: Double
        package let confidence: Double
    }

    package let bins: [Bin]
    package let expectedError: Double
    /// The largest distance between accuracy and confidence in a bin.
    package let largestError: Double

    package init(_ judgements: [Judgement], binCount: Int = 10) {
        precondition(binCount > 0, "\(binCount) bins")
        var counts = [Int](repeating: 0, count: binCount)
        var hits = counts
        var sums = [Double](repeating: 0, count: binCount)
        for judgement in judgements {
            let place = (judgement.confidence * Double(binCount)).rounded(.up) - 1
            let bin = Int(min(max(place.isNaN ? 0 : place, 0), Double(binCount - 1)))
            counts[bin] += 1
            hits[bin] += judgement.predicted == judgement.target ? 1 : 0
            sums[bin] += judgement.confidence
        }
        bins = (0..<binCount).map { bin in
            let count = max(Double(counts[bin]), 1)
            return Bin(
                low: Double(bin) / Double(binCount), high: Double(bin + 1) / Double(binCount), count: counts[bin],
                accuracy: Double(hits[bin]) / count, confidence: sums[bin] / count)
        }
        var expected = 0.0
        var largest = 0.0
        for bin in bins where bin.count > 0 {
            let distance = abs(bin.accuracy - bin.confidence)
            expected += Double(bin.count) / Double(judgements.count) * distance
            largest = max(largest, distance)
        }
        expectedError = expected
        largestError = largest
    }
}

/// How a classifier treats the groups that a column divides samples into.
package struct GroupReport: Sendable {
    package struct Group: Sendable, Equatable {
        package let name: String
        package let count: Int
        package let accuracy: Double
        /// The share that the positive class was predicted for; nil where no class is the positive one.
        package let positiveRate: Double?
        /// The share of those of the positive class that it was predicted for; nil where there are none.
        package let truePositiveRate: Double?
    }

    /// In the order of their names.
    package let groups: [Group]

    /// - Parameter positive: the class whose prediction is the good or bad news; nil where no class stands out.
    package init(_ judgements: [Judgement], groups names: [String], positive: Int?) {
        precondition(judgements.count == names.count, "\(judgements.count) judgements, \(names.count) groups")
        let places = Dictionary(grouping: names.indices) { names[$0] }
        groups = places.sorted { $0.key < $1.key }.map { name, members in
            let own = members.map { judgements[$0] }
            let count = Double(own.count)
            let positives = own.filter { $0.target == positive }
            return Group(
                name: name, count: own.count, accuracy: Double(own.count { $0.predicted == $0.target }) / count,
                positiveRate: positive.map { positive in Double(own.count { $0.predicted == positive }) / count },
                truePositiveRate: positives.isEmpty
                    ? nil : Double(positives.count { $0.predicted == positive }) / Double(positives.count))
        }
    }

    /// A measure in the two groups that differ most in it.
    package struct Gap: Sendable {
        package let measure: String
        package let size: Double
        package let lowest: String
        package let highest: String
    }

    /// The largest gaps, measure by measure; none where fewer than two groups have it.
    package var gaps: [Gap] {
        [
            gap("accuracy", \.accuracy), gap("positive_rate", \.positiveRate), gap("true_positive_rate", \.truePositiveRate)
        ].compactMap { $0 }
    }

    private func gap(_ measure: String, _ value: (Group) -> Double?) -> Gap? {
        let all = groups.compactMap { group in value(group).map { (name: group.name, value: $0) } }
        guard all.count > 1, let lowest = all.min(by: { $0.value < $1.value }),
            let highest = all.max(by: { $0.value < $1.value })
        else { return nil }
        return Gap(measure: measure, size: highest.value - lowest.value, lowest: lowest.name, highest: highest.name)
    }
}
