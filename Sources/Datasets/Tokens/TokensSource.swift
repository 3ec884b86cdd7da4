import Diagnostics
import Settings
import Tokenization

/// `format: tokens`: files of tokens, as `dtrain tokenize`, nanoGPT and llm.c write them. They are mapped: of files of any size nothing
/// is held in memory but what the system keeps of them.
///
///     data:
///       format: tokens
///       train: {path: train.bin}       # or {paths: [a.bin, b.bin]}: one behind the other
///       validation: {path: val.bin}    # or validation_fraction: the end of the training tokens
///       dtype: uint16                  # or uint32; default: what a header of llm.c says, else what holds the vocabulary
///       context: 1024                  # tokens of a sample
///       stride: 1024                   # as with text
///       vocabulary: 50257              # how many different tokens there are
///       tokenizer: tokenizer.json      # or those of this
struct TokensSource: DataFormat {
    static let kind = "tokens"
    /// More files than these can't be mapped at once.
    static let mostFiles = 4096

    private let train: [String]
    private let validation: [String]
    private let width: TokenWidth?
    private let vocabulary: Int?
    let tokenizerPath: String?
    private let windows: WindowOptions

    init(_ settings: Settings, usesInputs: Bool) throws {
        train = try Self.paths(try DataConfiguration.section(settings, "train"))
        validation = try settings.optionalSection("validation").map(Self.paths) ?? []
        width = try settings.optionalString("dtype").map { name in
            guard let width = TokenWidth(name: name) else {
                throw settings.failure("dtype", "unknown value \"\(name)\"; expected uint16 or uint32")
            }
            return width
        }
        vocabulary = try settings.optionalInt("vocabulary", in: 1...TextSchema.mostKinds)
        tokenizerPath = try settings.optionalString("tokenizer")
        guard (vocabulary == nil) != (tokenizerPath == nil) else {
            throw settings.failure(
                "vocabulary",
                vocabulary == nil
                    ? "missing; expected how many different tokens there are, or data.tokenizer: the tokenizer.json that made them"
                    : "data.tokenizer says how many tokens there are; leave out one of the two")
        }
        windows = try WindowOptions(settings, format: Self.kind)
    }

    private static func paths(_ section: Settings) throws -> [String] {
        guard let paths = try section.optionalStrings("paths") else { return [try section.string("path")] }
        guard !section.has("path") else { throw section.failure("path", "data has paths too; leave out one of the two") }
        guard (1...mostFiles).contains(paths.count) else {
            throw section.failure("paths", "expected 1 to \(mostFiles) files, found \(paths.count)")
        }
        return paths
    }

    var context: Int? { windows.context }

    func load(_ data: DataConfiguration, _ rule: TargetRule, stored: Preprocessing?) throws -> DataSplits {
        let schema = try schema(stored)
        return try schema.splits(
            TokenFiles.store(train, width: width, schema),
            validation: validation.isEmpty ? nil : TokenFiles.store(validation, width: width, schema), data,
            stored ?? schema.preprocessing, paths: (train[0], validation.first ?? ""))
    }

    /// What the files' tokens are, by the configuration, or by the checkpoint that it has to agree with.
    private func schema(_ stored: Preprocessing?) throws -> TextSchema {
        let tokenizer = try tokenizerPath.map { try TokenizerFile.read(path: $0) }
        let found: TextSchema.Vocabulary
        if let tokenizer, let tokenizerPath {
            found = .tokenizer(path: tokenizerPath, digest: tokenizer.digest, count: tokenizer.count)
        } else {
            found = .numbers(vocabulary ?? 1)
        }
        let schema = windows.schema(found)
        guard let stored else { return schema }
        switch (found, stored.text?.vocabulary) {
        case (.numbers(let count), .numbers(let other)) where count == other: break
        case (.tokenizer(let path, let digest, _), .tokenizer(_, let other, _)):
            guard digest == other else { throw TextSchema.otherTokenizer(path, digest, expected: other) }
        default:
            throw Failure(
                .badConfiguration,
                "data.format: tokens with \(found), but the checkpoint was trained on "
                    + "\(stored.text?.vocabulary.description ?? "samples of shape \(stored.inputShape)"); expected the same")
        }
        guard let text = stored.text else { return schema }
        try schema.require(equals: text)
        return text
    }

    /// A network that was trained on tokens is given them; one that knows its tokenizer takes texts too, which `*.bin` isn't.
    static func recognizes(_ path: String, for preprocessing: Preprocessing) throws -> Bool {
        switch preprocessing.text?.vocabulary {
        case .numbers: true
        case .tokenizer: path.hasSuffix(".bin")
        default: false
        }
    }

    static func read(_ new: NewSamples, for preprocessing: Preprocessing) throws -> Preprocessing.Reading {
        guard let schema = preprocessing.text else { preconditionFailure("tokens for a network that was trained on none") }
        guard new.targets == nil else {
            throw Failure(.badConfiguration, "--targets: the targets of text are the tokens that follow; leave it out")
        }
        return try schema.reading(
            TokenFiles.store([new.path], width: nil, schema), isLabelled: new.isLabelled, path: new.path)
    }
}

/// Files of tokens.
enum TokenFiles {
    /// Maps files one behind the other.
    ///
    /// - Parameters:
    ///   - width: what the configuration says of all; nil: what the header of each does, or what holds the vocabulary.
    ///   - schema: what the tokens are.
    /// - Throws: 66 for a missing file, 65 for one whose length or header can't be, or that is empty.
    static func store(_ paths: [String], width: TokenWidth?, _ schema: TextSchema) throws -> TokenStore {
        var shards: [TokenShard] = []
        var count = 0
        for path in paths {
            var shard = try map(path, width: width, kinds: schema.kinds)
            shard.first = count
            count += shard.count
            shards.append(shard)
        }
        let tokenizer: String? = if case .tokenizer(_, let digest, _) = schema.vocabulary { digest } else { nil }
        return TokenStore(.files(shards), kinds: schema.kinds, tokenizer: tokenizer)
    }

    private static func map(_ path: String, width: TokenWidth?, kinds: Int) throws -> TokenShard {
        let file = try SourceFile(path: path)
        guard !file.isCompressed else {
            throw Failure(.badData, "\(path): tokens can't be read from a .gz file; unpack it first (gunzip)")
        }
        let beginning = try file.readBytes(TokenFileHeader.byteCount)
        let header = try beginning.withUnsafeBytes { try TokenFileHeader($0, path: path) }
        if let width, let header, header.width != width {
            throw Failure(
                .badConfiguration,
                "data.dtype: \(width.name), but the header of \(path) says \(header.width.name); leave it out")
        }
        let found = header?.width ?? width ?? TokenWidth(tokenCount: kinds)
        let offset = header == nil ? 0 : TokenFileHeader.byteCount
        let byteCount = file.byteCount - offset
        guard byteCount % found.rawValue == 0, header.map({ $0.count * found.rawValue == byteCount }) ?? true else {
            throw Failure(
                .badData,
                "\(path): \(byteCount) bytes of tokens"
                    + (header.map {
                        ", but its header tells of \($0.count) of \(found.rawValue) bytes; it is truncated or damaged"
                    }
                        ?? " of \(found.rawValue) bytes (\(found.name)); expected a multiple, so it is truncated or of another dtype")
            )
        }
        guard byteCount > 0 else { throw Failure(.badData, "\(path): an empty set: no tokens") }
        return TokenShard(
            path: path, region: try file.map(readsAhead: false), offset: offset, width: found, count: byteCount / found.rawValue
        )
    }
}
