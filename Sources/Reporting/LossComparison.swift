import Diagnostics
import Foundation

/// The logged losses of two runs, step by step, of training and of validation.
///
/// Losses are compared as bits of the Doubles that were written; a loss that wasn't a number (null) is equal to another
/// such one. A line stands for itself: one that is there twice on one side and once on the other is a difference.
package struct LossComparison: Sendable, Equatable {
    /// Which loss of a log.
    package struct Place: Sendable, Hashable, Comparable {
        package let step: Int
        /// Whether it is the validation after this step, else the loss of the step.
        package let isValidation: Bool

        package init(step: Int, isValidation: Bool = false) {
            self.step = step
            self.isValidation = isValidation
        }

        package static func < (a: Place, b: Place) -> Bool {
            a.step == b.step ? !a.isValidation && b.isValidation : a.step < b.step
        }
    }

    /// Two losses of one place; nil is what was logged as null.
    package struct Difference: Sendable, Equatable {
        package let place: Place
        package let first: Double?
        package let second: Double?
    }

    /// The places that both logs have, and how many of them differ.
    package private(set) var commonCount = 0
    package private(set) var differingCount = 0
    package private(set) var firstDifference: Difference?
    /// Places that only one log has, or has more often, in order.
    package private(set) var onlyInFirst: [Place] = []
    package private(set) var onlyInSecond: [Place] = []

    /// Whether both logs tell the same losses of the same steps.
    package var isEqual: Bool { differingCount == 0 && onlyInFirst.isEmpty && onlyInSecond.isEmpty }

    /// Compares two `metrics.jsonl`. Throws 66 or 65 as `MetricsLog.lines` does.
    package init(paths first: String, _ second: String) throws {
        self.init(try MetricsLog.lines(path: first), try MetricsLog.lines(path: second))
    }

    package init(_ first: [LoggedLine], _ second: [LoggedLine]) {
        let (a, b) = (Self.losses(first), Self.losses(second))
        for place in Set(a.keys).union(b.keys).sorted() {
            let (own, others) = (a[place] ?? [], b[place] ?? [])
            for (x, y) in zip(own, others) {
                commonCount += 1
                if x?.bitPattern == y?.bitPattern { continue }
                differingCount += 1
                if firstDifference == nil { firstDifference = Difference(place: place, first: x, second: y) }
            }
            if own.count > others.count { onlyInFirst.append(place) }
            if own.count < others.count { onlyInSecond.append(place) }
        }
    }

    /// In the order of the lines of one place, of which a whole log has one.
    private static func losses(_ lines: [LoggedLine]) -> [Place: [Double?]] {
        var result: [Place: [Double?]] = [:]
        for line in lines where line.event == LogEvent.step.rawValue || line.event == LogEvent.validation.rawValue {
            guard let step = line.step else { continue }
            let place = Place(step: step, isValidation: line.event == LogEvent.validation.rawValue)
            result[place, default: []].append(line.numbers["loss"])
        }
        return result
    }
}
