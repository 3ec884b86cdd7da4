import Diagnostics
import Settings

/// `format: texts`: tables with a text and a target in each row, as sequences of tokens of different lengths.
///
///     data:
///       format: texts
///       train: {path: FILE, text: message, target: label}    # names or numbers of columns; header and so on as with csv
///       validation: {path: FILE}                              # or validation_fraction
///       tokens: words                  # characters (the default), bytes or words
///       vocabulary: 10000              # the most words or characters with tokens of their own, the most frequent of the
///                                      # training split; default: 10000 words, all characters
///       lowercase: true                # the default for words
///       length: 64                     # tokens of a sample; default: those of the longest training text
///
/// A text that is longer than a sample is cut at its end, a shorter one padded there. Token 0 is padding, 1 whatever isn't in the
/// vocabulary. What a word is says `TokenRule.forEachWord`.
struct TextsSource: DataFormat {
    static let kind = "texts"

    let train: String
    /// How the training table is written.
    let format: CSVFormat
    let validation: (path: String, format: CSVFormat)?
    /// Name or number of the column with the texts.
    let text: String
    /// Names or numbers of the columns to predict.
    let target: [String]
    /// Name or number of the column that says what a sample counts in the loss.
    let weight: String?
    let rule: TokenRule
    let vocabularyCount: Int
    /// Nil for that of the longest training text.
    let length: Int?

    init(_ settings: Settings, usesInputs: Bool) throws {
        let train = try DataConfiguration.section(settings, "train")
        self.train = try train.string("path")
        guard let text = try train.optionalString("text") else {
            throw train.failure("text", "missing; expected the name or number of the column with the texts")
        }
        self.text = text
        guard let target = try train.optionalStrings("target"), !target.isEmpty else {
            throw train.failure("target", "missing; expected the name or number of the column to predict, or a list of them")
        }
        self.target = target
        weight = try train.optionalString("weight")
        let format = try CSVFormat(train)
        self.format = format
        validation = try settings.optionalSection("validation").map {
            (try $0.string("path"), try CSVFormat($0, base: format))
        }
        let kinds = TokenRule.Kind.allCases.map(\.rawValue)
        let name = try settings.choice("tokens", of: kinds, default: TokenRule.Kind.characters.rawValue)
        let kind = TokenRule.Kind(rawValue: name) ?? .characters
        rule = TokenRule(kind: kind, lowercases: try settings.bool("lowercase", default: kind == .words))
        guard kind != .bytes || !settings.has("vocabulary") else {
            throw settings.failure("vocabulary", "all 256 bytes have tokens; leave it out with tokens: bytes")
        }
        vocabularyCount =
            try settings.optionalInt(
                "vocabulary", default: kind == .words ? 10000 : nil, in: 2...TextVocabulary.mostEntries)
            ?? TextVocabulary.mostEntries
        length = try settings.optionalInt("length", in: 1...TextsSchema.mostTokens)
        try DataConfiguration.refuseNumbers(in: settings, format: Self.kind)
        guard !usesInputs else {
            throw settings.failure("target_kind", "tokens can't be given back as numbers; leave it out with format: texts")
        }
    }

    var tableOptions: TableOptions? { TableOptions(format: format) }
}

extension DataConfiguration {
    /// Refuses what changes numbers where samples are made of tokens.
    static func refuseNumbers(in settings: Settings, format: String) throws {
        let standardizes = try settings.bool("standardize", default: false)
        for key in ["normalize", "standardize", "augmentation", "augment"]
        where settings.has(key) && (key != "standardize" || standardizes) {
            throw settings.failure(key, "tokens are names and never numbers; leave it out with format: \(format)")
        }
    }
}
