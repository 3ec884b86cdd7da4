import Diagnostics
import Foundation
import Kernels
import Settings
import Storage

/// A configuration key that a sweep varies, and the values that it takes.
package struct SweepParameter: Sendable {
    package enum Values: Sendable, Equatable {
        /// Texts as `--set` takes them, in the order given.
        case choices([String])
        case uniform(ClosedRange<Double>)
        /// Equally likely in each decade.
        case logUniform(ClosedRange<Double>)
        /// Whole numbers, both ends included.
        case intUniform(ClosedRange<Int>)
        case intLogUniform(ClosedRange<Int>)
    }

    /// As `--set` names it: `optimizer.adam.learning_rate`.
    package let key: String
    package let values: Values
    /// Where it stands, for messages: `sweep.yaml:7: parameters.optimizer.adam.learning_rate: `.
    let place: String

    static let kinds = ["choices", "uniform", "log_uniform", "int_uniform", "int_log_uniform"]
    static let mostChoices = 1000

    package init(key: String, values: Values, place: String = "") {
        self.key = key
        self.values = values
        self.place = place
    }

    /// Reads what stands under `key` of the section `parameters`.
    init(_ parameters: Settings, _ key: String) throws {
        self.key = key
        place = parameters.failure(key, "").message
        guard !key.isEmpty, !key.hasPrefix("."), !key.hasSuffix("."), !key.contains(".."), !key.contains("=") else {
            throw parameters.failure(key, "no key of a configuration; expected one as --set takes it, such as training.epochs")
        }
        guard parameters.hasSection(key) else {
            throw parameters.failure(
                key, "expected the values that it takes: {choices: [32, 64]}, or {log_uniform: [0.0001, 0.1]}")
        }
        let settings = try parameters.section(key)
        let kinds = Self.kinds.filter(settings.has)
        guard kinds.count == 1, let kind = kinds.first else {
            // What is there may be misspelt.
            settings.allow(Self.kinds)
            try settings.finish()
            throw settings.failure(
                (kinds.isEmpty ? "no values" : "\(kinds.joined(separator: " and ")) exclude each other") + "; expected one of "
                    + Self.kinds.joined(separator: ", "))
        }
        values =
            switch kind {
            case "choices": .choices(try Self.choices(settings))
            case "uniform": .uniform(try Self.range(settings, kind))
            case "log_uniform": .logUniform(try Self.range(settings, kind, isPositive: true))
            case "int_uniform": .intUniform(try Self.whole(settings, kind))
            default: .intLogUniform(try Self.whole(settings, kind, isPositive: true))
            }
        try settings.finish()
    }

    private static func choices(_ settings: Settings) throws -> [String] {
        let choices = try settings.valueTexts("choices")
        guard !choices.isEmpty else { throw settings.failure("choices", "an empty list; expected one value or more") }
        guard choices.count <= mostChoices else {
            throw settings.failure("choices", "\(choices.count) values; expected at most \(mostChoices)")
        }
        var seen: Set<String> = []
        if let twice = choices.first(where: { !seen.insert($0).inserted }) {
            throw settings.failure("choices", "\(twice) is listed twice")
        }
        return choices
    }

    private static func range(_ settings: Settings, _ kind: String, isPositive: Bool = false) throws -> ClosedRange<Double> {
        let ends = try settings.optionalDoubles(kind, in: isPositive ? .positive : .any) ?? []
        return try range(of: ends, settings, kind)
    }

    private static func whole(_ settings: Settings, _ kind: String, isPositive: Bool = false) throws -> ClosedRange<Int> {
        try range(of: try settings.ints(kind, in: (isPositive ? 1 : 0)...1 << 40), settings, kind)
    }

    private static func range<Number: Comparable>(
        of ends: [Number], _ settings: Settings, _ kind: String
    ) throws -> ClosedRange<Number> {
        guard ends.count == 2 else {
            throw settings.failure(kind, "expected two numbers, the least and the largest value, found \(ends.count)")
        }
        guard ends[0] < ends[1] else {
            throw settings.failure(kind, "an empty range: \(ends[0]) is not below \(ends[1])")
        }
        return ends[0]...ends[1]
    }

    // MARK: - Values of trials

    /// The value of a trial that is drawn at random: a function of seed, key and trial, and of nothing else.
    package func drawn(trial: Int, seed: UInt64) -> String {
        let stream = RandomStream(seed: seed, purpose: .trials, layer: Self.stream(of: key))
        let ordinal = UInt64(trial)
        let unit = stream.unit(ordinal: ordinal)
        switch values {
        case .choices(let choices): return choices[stream.integer(below: choices.count, 0, ordinal: ordinal)]
        case .uniform(let range):
            return Self.text(range.lowerBound * (1 - unit) + range.upperBound * unit, in: range)
        case .logUniform(let range):
            let (low, high) = (logarithm(range.lowerBound), logarithm(range.upperBound))
            return Self.text(exponential(low * (1 - unit) + high * unit), in: range)
        case .intUniform(let range):
            return String(range.lowerBound + stream.integer(below: range.count, 0, ordinal: ordinal))
        case .intLogUniform(let range):
            // Half a step beyond both ends, so that they are as likely as their neighbours.
            let (low, high) = (logarithm(Double(range.lowerBound) - 0.5), logarithm(Double(range.upperBound) + 0.5))
            let number = Int(exponential(low * (1 - unit) + high * unit).rounded())
            return String(min(max(number, range.lowerBound), range.upperBound))
        }
    }

    /// Six digits, so that a person can type it, where that stays inside.
    private static func text(_ number: Double, in range: ClosedRange<Double>) -> String {
        let inside = min(max(number, range.lowerBound), range.upperBound)
        let rounded = Double(String(format: "%.6g", inside)) ?? inside
        return "\(range.contains(rounded) ? rounded : inside)"
    }

    /// A number below 2²⁴ for a key (FNV-1a), so that another parameter more doesn't change the values of this one.
    private static func stream(of key: String) -> Int {
        var hash: UInt32 = 2_166_136_261
        for byte in key.utf8 { hash = (hash ^ UInt32(byte)) &* 16_777_619 }
        return Int(hash >> 24 ^ hash & 0xFF_FFFF)
    }
}
