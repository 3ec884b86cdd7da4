import Settings
import Storage

/// `format: digits`: the images of digits that are built in, every fifth of them for validation.
struct DigitsSource: DataFormat {
    static let kind = "digits"

    init(_ settings: Settings, usesInputs: Bool) throws {
        for key in ["train", "validation"] where settings.has(key) {
            throw settings.failure(
                key,
                "the built-in digits have splits of their own; leave it out, or set "
                    + "data.format to idx, csv or text")
        }
        guard !settings.has("validation_fraction") else {
            throw settings.failure(
                "validation_fraction", "the built-in digits have a validation split (every fifth image); leave it out")
        }
    }

    func check(_ data: DataConfiguration, _ settings: Settings) throws {
        guard data.rule.wantsInputs || data.rule.wantsClasses != false,
            data.rule.classCount ?? Digits.classCount == Digits.classCount
        else {
            throw settings.failure(
                "the built-in digits have \(Digits.classCount) classes; leave out target_kind, "
                    + "classes and class_names, or give as many")
        }
    }

    func load(_ data: DataConfiguration, _ rule: TargetRule, stored: Preprocessing?) throws -> DataSplits {
        let (samples, labels) = try Digits.load()
        let rows = Digits.split
        let coded =
            rule.wantsInputs
            ? CodedLabels(targets: nil, kind: .inputs(count: Digits.pixelCount))
            : CodedLabels(targets: .classes(labels), kind: .classes(count: Digits.classCount))
        return try data.splits(
            samples, inputShape: Shape([Digits.pixelCount]), coded, rows: (rows.train, rows.validation), stored,
            fallback: Digits.normalization, name: "digits")
    }
}
