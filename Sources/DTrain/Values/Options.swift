import Diagnostics
import Settings

/// The options of something of yours in a configuration, or a section of it. To read one is to declare it: its type, its range and its
/// default stand where it is used. A key that nobody reads is refused with the nearest one that somebody does, and what is read stands
/// with its default in the effective configuration of a run.
public struct Options {
    let settings: Settings

    init(_ settings: Settings) { self.settings = settings }

    /// A whole number; required where there is no default.
    public func int(_ key: String, default fallback: Int? = nil, in range: ClosedRange<Int> = 0...Int.max) throws -> Int {
        try settings.int(key, default: fallback, in: range)
    }

    /// A number; required where there is no default.
    public func double(
        _ key: String, default fallback: Double? = nil, in range: ClosedRange<Double>? = nil
    ) throws -> Double {
        try settings.double(key, default: fallback, in: range.map { Bounds.range($0) } ?? .any)
    }

    /// `true` or `false`.
    public func bool(_ key: String, default fallback: Bool) throws -> Bool { try settings.bool(key, default: fallback) }

    /// A text; required where there is no default.
    public func string(_ key: String, default fallback: String? = nil) throws -> String {
        try settings.string(key, default: fallback)
    }

    /// One text or a list of them; nil where the key is missing.
    public func strings(_ key: String) throws -> [String]? { try settings.optionalStrings(key) }

    /// One of these names; required where there is no default.
    public func choice(_ key: String, of names: [String], default fallback: String? = nil) throws -> String {
        try settings.choice(key, of: names, default: fallback)
    }

    /// A section, such as `train: {path: a.txt}`; empty where the key is missing.
    public func section(_ key: String) throws -> Options { Options(try settings.section(key)) }

    /// Whether the configuration has the key.
    public func has(_ key: String) -> Bool { settings.has(key) }

    /// An error about an option, to be thrown: file and line are put in front of the text.
    public func failure(_ key: String, _ text: String) -> Failure { Failure(settings.failure(key, text)) }

    /// An error about all of them together, to be thrown.
    public func failure(_ text: String) -> Failure { Failure(settings.failure(text)) }
}
