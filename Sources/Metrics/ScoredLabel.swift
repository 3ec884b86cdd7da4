/// One answer of a yes/no classifier and the truth, for the ROC curve.
///
/// Two Doubles without padding, so that pairs can travel between ranks as plain numbers.
package struct ScoredLabel: BitwiseCopyable, Sendable, Equatable {
    /// The logit of yes (against no).
    package let score: Double
    /// 1 for yes, 0 for no.
    package let label: Double

    package init(score: Double, isPositive: Bool) {
        self.score = score
        label = isPositive ? 1 : 0
    }

    package var isPositive: Bool { label > 0.5 }
}

/// The area under the ROC curve: how often a positive scores above a negative, ties counting half (the Mann-Whitney
/// statistic by average ranks; Fawcett 2006, "An introduction to ROC analysis").
///
/// Counted in integers, so exact up to one division and independent of the order of the pairs. Nil where one of the two
/// classes is missing or a score is NaN.
package func areaUnderROCCurve(_ pairs: [ScoredLabel]) -> Double? {
    guard !pairs.contains(where: { $0.score.isNaN }) else { return nil }
    let sorted = pairs.sorted { $0.score < $1.score }
    var positives = 0
    var negatives = 0
    /// Twice the number of (positive, negative) pairs in the right order. At most pairs² / 2, which fits below 2³²
    /// pairs (64 GiB of them).
    var twiceOrdered = 0
    var start = 0
    while start < sorted.count {
        var end = start
        var positivesHere = 0
        while end < sorted.count, sorted[end].score == sorted[start].score {
            positivesHere += sorted[end].isPositive ? 1 : 0
            end += 1
        }
        let negativesHere = end - start - positivesHere
        twiceOrdered += positivesHere * (2 * negatives + negativesHere)
        positives += positivesHere
        negatives += negativesHere
        start = end
    }
    guard positives > 0, negatives > 0 else { return nil }
    return Double(twiceOrdered) / (2 * Double(positives) * Double(negatives))
}
