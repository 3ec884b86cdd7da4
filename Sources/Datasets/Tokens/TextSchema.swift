import Diagnostics
import Storage

/// What turns text into tokens, and tokens into samples; a checkpoint keeps it.
package struct TextSchema: Hashable, Sendable {
    /// What the tokens stand for.
    package enum Vocabulary: Hashable, Sendable {
        /// The code points that training met, in ascending order; a token is a place among them.
        case characters([UInt32])
        /// All 256; a token is its byte.
        case bytes
        /// Those of a `tokenizer.json`, which lay there when training began, with the SHA-256 of its content.
        case tokenizer(path: String, digest: String, count: Int)
        /// So many numbers that only their files know the meaning of.
        case numbers(Int)
    }

    package var vocabulary: Vocabulary
    /// The tokens of a sample.
    package let context: Int
    /// From a sample to the next one; nil where windows move.
    package let stride: Int?

    init(_ vocabulary: Vocabulary, context: Int, stride: Int?) {
        self.vocabulary = vocabulary
        self.context = context
        self.stride = stride
    }

    /// What is wrong with it; nil if nothing is.
    var problem: String? {
        switch vocabulary {
        case .characters(let characters):
            guard !characters.isEmpty, zip(characters, characters.dropFirst()).allSatisfy(<),
                characters.allSatisfy({ Unicode.Scalar($0) != nil })
            else { return "text.characters" }
        case .bytes: break
        case .tokenizer(_, let digest, let count):
            guard digest.utf8.count == 64, (1...Self.mostKinds).contains(count) else { return "text.tokenizer" }
        case .numbers(let count):
            guard (1...Self.mostKinds).contains(count) else { return "text.numbers: \(count)" }
        }
        guard context > 0, stride ?? 1 > 0 else { return "text: samples of \(context) tokens, \(stride ?? 0) apart" }
        return nil
    }

    /// More different tokens than these can't be told apart as inputs, which are Float32.
    package static let mostKinds = 1 << 24

    /// How many different tokens there are.
    package var kinds: Int {
        switch vocabulary {
        case .characters(let characters): characters.count
        case .bytes: 256
        case .tokenizer(_, _, let count), .numbers(let count): count
        }
    }

    /// How many bytes of UTF-8 each token stands for: special ones for none, as they are no text. Nil where nobody knows.
    ///
    /// - Throws: as `TextCodec` where the tokenizer can't be read, or isn't the one of training.
    func byteCounts() throws -> [Int]? {
        switch vocabulary {
        case .characters(let characters): return characters.map { Unicode.Scalar($0).map(UTF8.width) ?? 0 }
        case .bytes: return Array(repeating: 1, count: 256)
        case .tokenizer:
            let codec = try TextCodec(self)
            return (0..<Int32(kinds)).map { codec.isSpecial($0) ? 0 : codec.bytes(of: $0).count }
        case .numbers: return nil
        }
    }

    /// What messages call the tokens.
    var unit: String {
        switch vocabulary {
        case .characters: "characters"
        case .bytes: "bytes"
        case .tokenizer, .numbers: "tokens"
        }
    }

    var targetKind: TargetKind { .positions(classes: kinds, positions: context) }

    /// The samples of tokens, which have to be enough for one; with targets each is followed by a token.
    func windows(_ store: TokenStore, isLabelled: Bool, stride: Int?, path: String) throws -> TokenWindows {
        let needed = TokenWindows.needed(context: context, hasTargets: isLabelled)
        guard store.count > 0 else { throw Failure(.badData, "\(path): an empty text; expected \(needed) \(unit) or more") }
        guard store.count >= needed else {
            throw Failure(
                .badData,
                "\(path): \(store.count) \(unit), but a sample takes \(needed) (data.context: \(context)"
                    + "\(isLabelled ? " and the one behind it" : "")); use a longer text\(isLabelled ? " or a smaller context" : "")"
            )
        }
        let windows = TokenWindows(store, 0..<store.count, context: context, stride: stride, hasTargets: isLabelled)
        guard windows.count <= Int(Int32.max) else {
            throw Failure(
                .badData,
                "\(path): \(windows.count) samples are more than there may be, \(Int32.max); use a larger data.context or data.stride"
            )
        }
        return windows
    }

    func dataset(_ windows: TokenWindows) -> Dataset {
        Dataset(
            inputs: .windows(windows), inputShape: Shape([context]), targets: windows.hasTargets ? .nextTokens : nil,
            targetKind: targetKind, classNames: nil)
    }

    /// The splits of training data: `validation` is a split of its own, or the end of the training tokens is one.
    func splits(
        _ train: TokenStore, validation: TokenStore?, _ data: DataConfiguration, _ preprocessing: Preprocessing,
        paths: (String, String)
    ) throws -> DataSplits {
        let all = try windows(train, isLabelled: true, stride: stride, path: paths.0)
        if let validation {
            // Each token is foreseen once, whatever training does.
            let held = try windows(validation, isLabelled: true, stride: stride ?? context, path: paths.1)
            return DataSplits(train: dataset(all), validation: dataset(held), preprocessing: preprocessing)
        }
        guard let fraction = data.validationFraction else {
            return DataSplits(train: dataset(all), validation: nil, preprocessing: preprocessing)
        }
        // The end of the text, so that nothing of it was seen in training where samples don't overlap.
        let size = try Split.size(count: all.fixed.count, fraction: fraction, name: paths.0)
        let parts = all.split(validationCount: size)
        return DataSplits(train: dataset(parts.train), validation: dataset(parts.validation), preprocessing: preprocessing)
    }

    /// What a checkpoint keeps of it.
    var preprocessing: Preprocessing {
        Preprocessing(inputShape: Shape([context]), targetKind: targetKind, classNames: nil, normalization: .none, text: self)
    }

    /// What is said of a tokenizer that isn't the one of a checkpoint, by the SHA-256 of both.
    static func otherTokenizer(_ path: String, _ found: String, expected: String) -> Failure {
        Failure(
            .badData,
            "\(path): not the tokenizer that the checkpoint was trained with: its SHA-256 is \(found), expected \(expected); name that one"
        )
    }

    /// Refuses a tokenizer that isn't the one of a checkpoint.
    package func requireTokenizer(of stored: TextSchema) throws {
        guard case .tokenizer(let path, let found, _) = vocabulary, case .tokenizer(_, let expected, _) = stored.vocabulary,
            found != expected
        else { return }
        throw Self.otherTokenizer(path, found, expected: expected)
    }

    /// Refuses a schema of a checkpoint that isn't this one, as a configuration says it.
    func require(equals stored: TextSchema) throws {
        guard stored.context == context, stored.stride == stride else {
            func shown(_ schema: TextSchema) -> String { "\(schema.context) and \(schema.stride.map { "\($0)" } ?? "none")" }
            throw Failure(
                .badConfiguration,
                "data.context and data.stride: found \(shown(self)), but the checkpoint was trained with \(shown(stored))")
        }
    }
}

extension TextSchema: Codable {
    private enum Key: String, CodingKey { case characters, bytes, tokenizer, path, digest, count, numbers, context, stride }

    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: Key.self)
        context = try values.decode(Int.self, forKey: .context)
        stride = try values.decodeIfPresent(Int.self, forKey: .stride)
        if let characters = try values.decodeIfPresent([UInt32].self, forKey: .characters) {
            vocabulary = .characters(characters)
        } else if values.contains(.tokenizer) {
            let inner = try values.nestedContainer(keyedBy: Key.self, forKey: .tokenizer)
            vocabulary = .tokenizer(
                path: try inner.decode(String.self, forKey: .path), digest: try inner.decode(String.self, forKey: .digest),
                count: try inner.decode(Int.self, forKey: .count))
        } else if let count = try values.decodeIfPresent(Int.self, forKey: .numbers) {
            vocabulary = .numbers(count)
        } else {
            guard try values.decode(Bool.self, forKey: .bytes) else {
                throw DecodingError.dataCorruptedError(forKey: .bytes, in: values, debugDescription: "text.bytes")
            }
            vocabulary = .bytes
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: Key.self)
        try values.encode(context, forKey: .context)
        try values.encodeIfPresent(stride, forKey: .stride)
        switch vocabulary {
        case .characters(let characters): try values.encode(characters, forKey: .characters)
        case .bytes: try values.encode(true, forKey: .bytes)
        case .numbers(let count): try values.encode(count, forKey: .numbers)
        case .tokenizer(let path, let digest, let count):
            var inner = values.nestedContainer(keyedBy: Key.self, forKey: .tokenizer)
            try inner.encode(path, forKey: .path)
            try inner.encode(digest, forKey: .digest)
            try inner.encode(count, forKey: .count)
        }
    }
}
