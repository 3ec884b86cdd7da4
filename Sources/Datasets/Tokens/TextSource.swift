import Diagnostics
import Settings
import Storage
import Tokenization

/// `format: text`: files of text (UTF-8, .gz or plain) as sequences of tokens, each to be foreseen from those before it.
///
///     data:
///       format: text
///       train: {path: FILE}
///       validation: {path: FILE}       # or validation_fraction: the end of the training text
///       tokens: characters             # the default; or bytes, or {tokenizer: tokenizer.json}: byte-level BPE
///       context: 64                    # tokens of a sample
///       stride: 64                     # from the beginning of a sample to that of the next; default: they move from epoch to epoch
///
/// A sample is `context` tokens; its target is at every position the token that follows. A character is a Unicode code point.
struct TextSource: DataFormat {
    static let kind = "text"

    /// What a token is.
    private enum Tokens {
        case characters, bytes
        case tokenizer(String)
    }

    private let train: String
    private let validation: String?
    private let tokens: Tokens
    private let windows: WindowOptions

    init(_ settings: Settings, usesInputs: Bool) throws {
        train = try DataConfiguration.section(settings, "train").string("path")
        validation = try settings.optionalSection("validation").map { try $0.string("path") }
        if settings.has("tokens", holding: "tokenizer") {
            tokens = .tokenizer(try settings.section("tokens").string("tokenizer"))
        } else {
            switch try settings.string("tokens", default: "characters") {
            case "characters": tokens = .characters
            case "bytes": tokens = .bytes
            case let name:
                throw settings.failure("tokens", "unknown value \"\(name)\"; expected characters, bytes, or {tokenizer: FILE}")
            }
        }
        windows = try WindowOptions(settings, format: Self.kind)
    }

    var context: Int? { windows.context }
    var tokenizerPath: String? { if case .tokenizer(let path) = tokens { path } else { nil } }

    /// What a checkpoint was trained on has to be text as this configuration reads it.
    private func require(_ stored: TextSchema) throws {
        switch (tokens, stored.vocabulary) {
        case (.characters, .characters), (.bytes, .bytes), (.tokenizer, .tokenizer): break
        default:
            throw Failure(
                .badConfiguration,
                "data.tokens: the checkpoint was trained on \(stored.vocabulary.description); expected the same")
        }
        try windows.schema(stored.vocabulary).require(equals: stored)
    }
}

extension TextSource {
    func load(_ data: DataConfiguration, _ rule: TargetRule, stored: Preprocessing?) throws -> DataSplits {
        if let stored {
            guard let schema = stored.text else {
                throw Failure(
                    .badConfiguration,
                    "data.format: text, but the checkpoint was trained on samples of shape "
                        + "\(stored.inputShape), not on text")
            }
            try require(schema)
        }
        let schema = try stored?.text ?? windows.schema(vocabulary())
        let codec = try TextCodec(schema, tokenizer: tokenizerPath)
        return try schema.splits(
            codec.store(ofText: train), validation: validation.map { try codec.store(ofText: $0) }, data,
            stored ?? schema.preprocessing, paths: (train, validation ?? ""))
    }

    private func vocabulary() throws -> TextSchema.Vocabulary {
        switch tokens {
        case .bytes: return .bytes
        case .characters:
            let found = Set(try TextCodec.scalars(of: train).map(\.value))
            guard !found.isEmpty else {
                throw Failure(.badData, "\(train): an empty text; expected \(windows.context + 1) characters or more")
            }
            return .characters(found.sorted())
        case .tokenizer(let path):
            let tokenizer = try TokenizerFile.read(path: path)
            return .tokenizer(path: path, digest: tokenizer.digest, count: tokenizer.count)
        }
    }

    /// Whatever is in a file that holds no tokens, to a network that was trained on text it is text.
    static func recognizes(_ path: String, for preprocessing: Preprocessing) throws -> Bool { preprocessing.text != nil }

    static func read(_ new: NewSamples, for preprocessing: Preprocessing) throws -> Preprocessing.Reading {
        guard let schema = preprocessing.text else { preconditionFailure("text for a network that was trained on none") }
        guard new.targets == nil else {
            throw Failure(.badConfiguration, "--targets: the targets of text are the tokens that follow; leave it out")
        }
        return try schema.reading(try TextCodec(schema).store(ofText: new.path), isLabelled: new.isLabelled, path: new.path)
    }
}

extension TextSchema {
    /// The samples of new tokens.
    func reading(_ store: TokenStore, isLabelled: Bool, path: String) throws -> Preprocessing.Reading {
        // Predictions are made of every token once, and so are those that are judged where training has no stride.
        let dataset = dataset(
            try windows(store, isLabelled: isLabelled, stride: isLabelled ? stride ?? context : context, path: path))
        let rest = isLabelled ? 0 : store.count - dataset.count * context
        return Preprocessing.Reading(
            dataset: dataset,
            notes: rest == 0 ? [] : ["\(path): the last \(rest) \(unit) fill no sample of \(context); left out"])
    }
}

extension TextSchema.Vocabulary: CustomStringConvertible {
    package var description: String {
        switch self {
        case .characters: "characters"
        case .bytes: "bytes"
        case .tokenizer(let path, _, let count): "the \(count) tokens of \(path)"
        case .numbers(let count): "\(count) numbers of tokens"
        }
    }
}

/// How tokens become samples, as a configuration says it.
struct WindowOptions {
    let context: Int
    /// Nil for windows that move.
    let stride: Int?

    /// Reads `context` and `stride`, and refuses what makes no sense of tokens.
    init(_ settings: Settings, format: String) throws {
        context = try settings.int("context", in: 1...1 << 20)
        stride = try settings.optionalInt("stride", in: 1...1 << 30)
        try DataConfiguration.refuseNumbers(in: settings, format: format)
        for key in ["target_kind", "classes", "class_names"] where settings.has(key) {
            throw settings.failure(key, "tokens are classes and never numbers; leave it out with format: \(format)")
        }
    }

    func schema(_ vocabulary: TextSchema.Vocabulary) -> TextSchema { TextSchema(vocabulary, context: context, stride: stride) }
}
