import Diagnostics
import Settings
import Storage

/// The `data` section of a configuration.
///
///     data:
///       format: digits                 # built in; the default
///
///       format: idx                    # .gz or plain
///       train: {inputs: FILE, targets: FILE}
///       validation: {inputs: FILE, targets: FILE}
///
///       format: csv                    # .gz or plain
///       train:
///         path: FILE
///         target: species              # name or number (0 is the first column, -1 the last), or a list of them
///         targets: FILE                # or a file of their own, row by row
///         features: [a, b]             # default: all other columns
///         categorical: [zip]           # categories whatever their cells look like
///         weight: importance           # what each sample counts in the loss; no feature; default: all the same
///         header: true                 # from here on the options of `CSVFormat`
///         skip_lines: 0                # in front of header and data
///         quotes: true                 # whether quotation marks hold cells together
///         delimiter: ","               # one character, tab or space (runs of blanks)
///         decimal: "."                 # or ","
///         thousands: "'"               # a character between groups of digits; default: none
///         missing_values: [NA, "-"]    # what counts as missing beside empty cells
///         comment: "#"                 # a character that makes the rest of a line a comment; default: none
///         unknown_category: error      # or ignore: a category that training didn't have is none of its
///       validation: {path: FILE}       # columns as in train, with `targets` where train has it; format options of
///                                      # its own, which are those of train where they are left out
///       missing: error                 # or mean
///
///     in every format:
///       validation_fraction: 0.2       # where there is no validation split
///       split_seed: 0
///       normalize: {scale: 1, mean: 0, std: 1}   # numbers, or lists with one per input
///       standardize: false             # mean 0 and deviation 1, statistics from the training split
///       target_kind: class             # or value; default: what the loss asks for and the targets look like; or input:
///                                      # the target is the input, and neither files nor columns of targets are named
///       classes: 10
///       class_names: [ant, bee]
///       augmentation: [gaussian_noise: {std: 0.1}]   # of training samples, in this order; or augment
///
/// Columns of a table are numbers if all their cells are, else categories, each of which is an input of its own.
/// Missing cells are empty, NA, N/A, NaN, null or ?, where `missing_values` names no others.
package struct DataConfiguration: Sendable {
    let source: any DataFormat
    let validationFraction: Double?
    let splitSeed: UInt64
    /// Nil where the configuration gives no numbers.
    let normalization: Normalization?
    let standardizes: Bool
    let rule: TargetRule
    /// What changes the inputs of training samples, in this order.
    package let augmentations: [any Augmentation]

    /// Reads the section; `settings` is the section itself, empty where the configuration has none. 78 for what is
    /// wrong in it; files are not looked at.
    ///
    /// - Parameter formats: those that it can name.
    package init(_ settings: Settings, formats: DataFormatChoices = .standard) throws {
        let name = try settings.choice("format", of: formats.names, default: formats.names[0])
        // Asked for again with what belongs to it.
        let usesInputs = try settings.optionalString("target_kind") == Self.inputKind
        source = try formats[name].init(settings, usesInputs: usesInputs)
        validationFraction = try settings.optionalDouble("validation_fraction", in: .fraction)
        if let validationFraction {
            guard validationFraction > 0 else {
                throw settings.failure(
                    "validation_fraction",
                    "expected a number between 0 and 1, found 0; leave it "
                        + "out to train without validation")
            }
            guard !settings.has("validation") else {
                throw settings.failure("validation_fraction", "there is a validation split already; leave out one of the two")
            }
        }
        splitSeed = UInt64(try settings.int("split_seed", default: 0))
        normalization = try settings.optionalSection("normalize").map { section in
            Normalization(
                scale: try section.optionalDoubles("scale", in: .positive) ?? [1],
                mean: try section.optionalDoubles("mean") ?? [0],
                std: try section.optionalDoubles("std", in: .positive) ?? [1])
        }
        standardizes = try settings.bool("standardize", default: false)
        guard !standardizes || normalization == nil else {
            throw settings.failure(
                "standardize",
                "normalize gives the numbers that standardize would find; leave out "
                    + "one of the two")
        }
        rule = try Self.rule(settings)
        augmentations = try readAugmentations(settings)
        try source.check(self, settings)
    }

    /// How the training table is written; nil where there is none.
    package var tableOptions: TableOptions? { source.tableOptions }

    /// The tokens of a sample; nil where samples are made of others, or their number isn't known before the data are.
    package var context: Int? { source.context }

    /// Where the tokenizer lies that makes tokens of text; nil where there is none.
    package var tokenizerPath: String? { source.tokenizerPath }

    private static func rule(_ settings: Settings) throws -> TargetRule {
        var rule = TargetRule()
        if let kind = try settings.optionalString("target_kind") {
            let kinds = ["class", "value", inputKind]
            guard kinds.contains(kind) else {
                throw settings.failure(
                    "target_kind",
                    "unknown value \"\(kind)\""
                        + "\(suggestion(for: kind, among: kinds)); expected \(kinds.joined(separator: ", "))")
            }
            rule.wantsClasses = kind == "class"
            rule.wantsInputs = kind == inputKind
        }
        rule.classCount = try settings.optionalInt("classes", in: 1...Int(Int32.max))
        rule.classNames = try settings.optionalStrings("class_names")
        if let names = rule.classNames {
            guard !names.contains(where: { $0.utf8.contains(0) }) else {
                throw settings.failure("class_names", "a name contains a zero byte (\\0), which can't stand in a table")
            }
            guard Set(names).count == names.count, rule.classCount ?? names.count == names.count, !names.isEmpty else {
                throw settings.failure(
                    "class_names",
                    "\(names.count) names, \(Set(names).count) of them different; "
                        + "expected a name of its own for each \(rule.classCount.map { "of the \($0) classes" } ?? "class")")
            }
            rule.classCount = names.count
        }
        if let count = rule.classCount {
            guard rule.wantsClasses != false else {
                throw settings.failure(
                    "target_kind",
                    "found \(rule.wantsInputs ? inputKind : "value"), but classes or "
                        + "class_names asks for \(count) classes; leave out one of the two")
            }
            rule.wantsClasses = true
        }
        return rule
    }

    /// The kind of target that is the input.
    private static let inputKind = "input"

    /// Refuses keys that name targets beside inputs that are the targets.
    static func refuseTargets(in section: Settings, _ keys: String...) throws {
        for key in keys where try section.optionalStrings(key) != nil {
            throw section.failure(key, "data.target_kind: input makes the inputs the targets; leave out one of the two")
        }
    }

    static func section(_ settings: Settings, _ key: String) throws -> Settings {
        guard let section = try settings.optionalSection(key) else {
            throw settings.failure(key, "missing; expected the files to train on")
        }
        return section
    }
}
