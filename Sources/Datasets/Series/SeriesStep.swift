import Foundation

/// How far the rows of a series are apart.
enum SeriesStep: Hashable, Codable, Sendable {
    case number(Double)
    /// Gregorian months, of 28 to 31 days.
    case months(Int)
    case days(Int)
    case microseconds(Int)

    /// What is impossible in one from a file, for a column of this form; nil if nothing is.
    func problem(_ form: TimeForm) -> String? {
        let isPossible =
            switch (self, form.kind) {
            case (.number(let step), .number): step.isFinite && step > 0
            case (.months(let step), .month), (.months(let step), .day), (.months(let step), .instant):
                (1...120_000).contains(step)
            case (.days(let step), .day): (1...3_652_500).contains(step)
            case (.microseconds(let step), .instant): (1...3_652_500 * SeriesTime.microsecondsOfDay).contains(step)
            default: false
            }
        return isPossible ? nil : "series.time: an impossible step"
    }

    /// As a person says it: "1 month", "15 minutes".
    var text: String {
        func counted(_ count: Int, _ unit: String) -> String { "\(count) \(unit)\(count == 1 ? "" : "s")" }
        switch self {
        case .number(let step): return Int(exactly: step).map(String.init) ?? String(format: "%.6g", step)
        case .months(let months): return months % 12 == 0 ? counted(months / 12, "year") : counted(months, "month")
        case .days(let days): return counted(days, "day")
        case .microseconds(let all):
            for (unit, size) in [("day", SeriesTime.microsecondsOfDay), ("hour", 3_600_000_000), ("minute", 60_000_000)]
            where all % size == 0 { return counted(all / size, unit) }
            return all % 1_000_000 == 0 ? counted(all / 1_000_000, "second") : "\(Double(all) / 1e6) seconds"
        }
    }

    /// Numbers with decimals are rounded in files: steps that differ by less than this share are equal.
    private static let rounding = 0.02

    /// Whether `later` comes one step behind `earlier`.
    ///
    /// - Parameter isMean: whether the step is a mean of rounded ones, which they are further from.
    func leads(from earlier: SeriesTime, to later: SeriesTime, isMean: Bool) -> Bool {
        switch (self, earlier, later) {
        case (.number(let step), .number(let one), .number(let other)):
            let isWhole = step == step.rounded() && one == one.rounded() && other == other.rounded()
            return abs(other - one - step) <= (isWhole ? 0 : Self.rounding * (isMean ? 3 : 1) * step)
        case (.months(let step), .month(let one), .month(let other)): return other - one == step
        case (.months(let step), _, _): return Self.months(from: earlier, to: later) == step
        case (.days(let step), .day(let one), .day(let other)): return other - one == step
        case (.microseconds(let step), .instant(let one), .instant(let other)): return other - one == step
        default: return false
        }
    }

    /// Whether two files have the same step.
    func isSame(as other: SeriesStep) -> Bool {
        if case (.number(let one), .number(let another)) = (self, other) { return abs(one - another) <= Self.rounding * one }
        return self == other
    }

    /// Numbers that are rounded in a file are this far apart on average; others as they are.
    func averaged(_ pairs: [(SeriesTime, SeriesTime)]) -> SeriesStep {
        var sum = 0.0
        for pair in pairs {
            guard case (.number(let one), .number(let other)) = pair else { return self }
            sum += other - one
        }
        return pairs.isEmpty ? self : .number(sum / Double(pairs.count))
    }

    /// So many calendar months from one date to a later one, on the same day of the month, or on the last one of a shorter month;
    /// nil where the days, or the times of day, are others.
    private static func months(from earlier: SeriesTime, to later: SeriesTime) -> Int? {
        guard let first = earlier.days.map(Gregorian.date), let second = later.days.map(Gregorian.date),
            earlier.microsecondsSinceMidnight == later.microsecondsSinceMidnight
        else { return nil }
        func isLast(_ date: (year: Int, month: Int, day: Int)) -> Bool {
            date.day == Gregorian.length(ofMonth: date.month, year: date.year)
        }
        guard
            first.day == second.day || first.day > second.day && isLast(second) || first.day < second.day && isLast(first)
        else { return nil }
        return (second.year - first.year) * 12 + second.month - first.month
    }

    /// The steps that neighbours in a column may be apart, those that most of `pairs` are: a number of days may be calendar months.
    static func candidates(_ pairs: [(SeriesTime, SeriesTime)]) -> [SeriesStep] {
        /// Of an even number the lower one of the two in the middle.
        func median<Number: Comparable>(_ numbers: [Number]) -> Number? {
            numbers.isEmpty ? nil : numbers.sorted()[(numbers.count - 1) / 2]
        }
        let numbers = pairs.compactMap { pair -> Double? in
            if case (.number(let one), .number(let other)) = pair { other - one } else { nil }
        }
        if let step = median(numbers) { return [.number(step)] }
        let months = pairs.compactMap { pair -> Int? in
            if case (.month(let one), .month(let other)) = pair { other - one } else { Self.months(from: pair.0, to: pair.1) }
        }
        let days = pairs.compactMap { pair -> Int? in
            if case (.day(let one), .day(let other)) = pair { other - one } else { nil }
        }
        let instants = pairs.compactMap { pair -> Int? in
            if case (.instant(let one), .instant(let other)) = pair { other - one } else { nil }
        }
        // 31 days from the 15th to the 15th are a month rather.
        return [
            median(months).map(SeriesStep.months), median(days).map(SeriesStep.days),
            median(instants).map(SeriesStep.microseconds)
        ]
        .compactMap { $0 }.filter { if case .months(0) = $0 { false } else { true } }
    }

    /// The time `count` steps behind `time`; nil where that is out of reach.
    ///
    /// - Parameter anchor: the day of the month that calendar months come back to.
    func advance(_ time: SeriesTime, by count: Int, anchor: Int) -> SeriesTime? {
        func moved(_ start: Int, _ step: Int) -> Int? {
            let distance = step.multipliedReportingOverflow(by: count)
            let end = start.addingReportingOverflow(distance.partialValue)
            return distance.overflow || end.overflow ? nil : end.partialValue
        }
        switch (self, time) {
        case (.number(let step), .number(let start)): return .number(start + step * Double(count))
        case (.months(let step), .month(let start)): return moved(start, step).map(SeriesTime.month)
        case (.days(let step), .day(let start)): return moved(start, step).map(SeriesTime.day)
        case (.microseconds(let step), .instant(let start)): return moved(start, step).map(SeriesTime.instant)
        case (.months(let step), _):
            guard let date = time.days.map(Gregorian.date), let months = moved(date.year * 12 + date.month - 1, step) else {
                return nil
            }
            let (year, month) = Gregorian.floorDivision(months, 12)
            guard (0...9999).contains(year) else { return nil }
            let days = Gregorian.days(
                year: year, month: month + 1, day: min(anchor, Gregorian.length(ofMonth: month + 1, year: year)))
            if case .day = time { return .day(days) }
            return .instant(days * SeriesTime.microsecondsOfDay + time.microsecondsSinceMidnight)
        default: return nil
        }
    }
}
