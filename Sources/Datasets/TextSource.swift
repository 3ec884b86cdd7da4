import Diagnostics
import Settings
import Storage

/// `format: text`: files of text (UTF-8, .gz or plain) as sequences of characters, each to be foreseen from those before it.
///
///     data:
///       format: text
///       train: {path: FILE}
///       validation: {path: FILE}       # or validation_fraction: the end of the training text
///       context: 64                    # characters of a sample
///       stride: 64                     # from the beginning of a sample to that of the next; default: context
///
/// A sample is `context` characters; its target is at every position the character that follows. A character is a Unicode code
/// point.
struct TextSource: DataFormat {
    static let kind = "text"

    let train: String
    let validation: String?
    let context: Int
    let stride: Int

    init(_ settings: Settings, usesInputs: Bool) throws {
        train = try DataConfiguration.section(settings, "train").string("path")
        validation = try settings.optionalSection("validation").map { try $0.string("path") }
        context = try settings.int("context", in: 1...1 << 20)
        stride = try settings.int("stride", default: context, in: 1...1 << 30)
        try DataConfiguration.refuseNumbers(in: settings, format: Self.kind)
        for key in ["target_kind", "classes", "class_names"] where settings.has(key) {
            throw settings.failure(key, "characters are classes and never numbers; leave it out with format: text")
        }
    }
}

/// What turns characters into tokens: the code points that training met, in ascending order; a token is a place among them.
package struct TextSchema: Hashable, Codable, Sendable {
    let characters: [UInt32]
    let context: Int
    let stride: Int

    /// What is wrong with it; nil if nothing is.
    var problem: String? {
        guard !characters.isEmpty, zip(characters, characters.dropFirst()).allSatisfy(<),
            characters.allSatisfy({ Unicode.Scalar($0) != nil })
        else { return "text.characters" }
        return context > 0 && stride > 0 ? nil : "text: samples of \(context) characters, \(stride) apart"
    }

    /// How many different ones there are.
    package var characterCount: Int { characters.count }

    /// How many bytes of UTF-8 each of them is.
    var byteCounts: [Int] { characters.map { Unicode.Scalar($0).map(UTF8.width) ?? 0 } }

    /// The character of a token.
    package func character(_ token: Int) -> Character {
        guard characters.indices.contains(token), let scalar = Unicode.Scalar(characters[token]) else { return "\u{FFFD}" }
        return Character(scalar)
    }

    /// The text of a file as tokens.
    func tokens(in path: String) throws -> [Int32] {
        try encode(try Self.read(path), path: path)
    }

    /// The code points of a file, without a byte order mark.
    static func read(_ path: String) throws -> String.UnicodeScalarView {
        let bytes = try SourceFile(path: path).readText()
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Failure(.badData, "\(path): not text in UTF-8; convert it (iconv -t UTF-8)")
        }
        let scalars = text.unicodeScalars
        return scalars.first == "\u{FEFF}" ? String.UnicodeScalarView(scalars.dropFirst()) : scalars
    }

    init(characters: [UInt32], context: Int, stride: Int) {
        self.characters = characters
        self.context = context
        self.stride = stride
    }

    init(of text: String.UnicodeScalarView, context: Int, stride: Int) {
        self.init(characters: Set(text.map(\.value)).sorted(), context: context, stride: stride)
    }

    func encode(_ text: String.UnicodeScalarView, path: String) throws -> [Int32] {
        let tokens = Dictionary(uniqueKeysWithValues: characters.enumerated().map { ($1, Int32($0)) })
        var line = 1
        var column = 1
        return try text.map { scalar in
            guard let token = tokens[scalar.value] else {
                throw Failure(
                    .badData,
                    "\(path):\(line):\(column): the character \"\(Character(scalar))\" "
                        + "doesn't occur in the training text, of \(characters.count) different ones; take it out")
            }
            (line, column) = scalar == "\n" ? (line + 1, 1) : (line, column + 1)
            return token
        }
    }

    /// The samples of a text, which has to hold one; with targets each is followed by a character.
    func dataset(_ tokens: [Int32], isLabelled: Bool, path: String) throws -> Dataset {
        let needed = context + (isLabelled ? 1 : 0)
        guard tokens.count >= needed else {
            throw Failure(
                .badData,
                "\(path): \(tokens.count) characters, but a sample takes \(needed) (data.context: \(context)"
                    + "\(isLabelled ? " and the character behind it" : "")); use a longer text\(isLabelled ? " or a smaller context" : "")"
            )
        }
        let count = (tokens.count - needed) / stride + 1
        guard count <= Int(Int32.max) else {
            throw Failure(
                .badData, "\(path): \(count) samples are more than there may be, \(Int32.max); use a larger data.stride")
        }
        return Dataset(
            inputs: .windows(tokens, stride: stride, count: count), inputShape: Shape([context]),
            targets: isLabelled ? .nextTokens : nil, targetKind: targetKind, classNames: nil)
    }

    var targetKind: TargetKind { .positions(classes: characters.count, positions: context) }
}

extension TextSource {
    /// Whatever is in a file, to a network that was trained on text it is text.
    static func recognizes(_ path: String, for preprocessing: Preprocessing) throws -> Bool { preprocessing.text != nil }

    static func read(_ new: NewSamples, for preprocessing: Preprocessing) throws -> Preprocessing.Reading {
        guard let schema = preprocessing.text else { preconditionFailure("text for a network that was trained on none") }
        guard new.targets == nil else {
            throw Failure(.badConfiguration, "--targets: the targets of text are the characters that follow; leave it out")
        }
        return try preprocessing.readText(new.path, schema, isLabelled: new.isLabelled)
    }

    func load(_ data: DataConfiguration, _ rule: TargetRule, stored: Preprocessing?) throws -> DataSplits {
        if let stored, stored.text == nil {
            throw Failure(
                .badConfiguration,
                "data.format: text, but the checkpoint was trained on samples of shape "
                    + "\(stored.inputShape), not on text")
        }
        let training = try TextSchema.read(train)
        let schema = stored?.text ?? TextSchema(of: training, context: context, stride: stride)
        guard schema.context == context, schema.stride == stride else {
            throw Failure(
                .badConfiguration,
                "data.context: \(context) and data.stride: \(stride), but the checkpoint was "
                    + "trained with \(schema.context) and \(schema.stride)")
        }
        let all = try schema.dataset(try schema.encode(training, path: train), isLabelled: true, path: train)
        let preprocessing =
            stored
            ?? Preprocessing(
                inputShape: all.inputShape, targetKind: all.targetKind, classNames: nil,
                normalization: .none, text: schema)
        if let path = validation {
            let held = try schema.dataset(try schema.tokens(in: path), isLabelled: true, path: path)
            return DataSplits(train: all, validation: held, preprocessing: preprocessing)
        }
        guard let validationFraction = data.validationFraction else {
            return DataSplits(train: all, validation: nil, preprocessing: preprocessing)
        }
        // The end of the text, so that nothing of it was seen in training where samples don't overlap.
        let held = try Split.end(count: all.count, fraction: validationFraction, name: train)
        return DataSplits(train: all.part(held.train), validation: all.part(held.validation), preprocessing: preprocessing)
    }
}

extension Preprocessing {
    /// The samples of a file of text.
    func readText(_ path: String, _ schema: TextSchema, isLabelled: Bool) throws -> Reading {
        var schema = schema
        // Predictions are made of every character once.
        if !isLabelled { schema = TextSchema(characters: schema.characters, context: schema.context, stride: schema.context) }
        let tokens = try schema.tokens(in: path)
        let dataset = try schema.dataset(tokens, isLabelled: isLabelled, path: path)
        let rest = isLabelled ? 0 : tokens.count - dataset.count * schema.context
        return Reading(
            dataset: dataset,
            notes: rest == 0
                ? []
                : [
                    "\(path): the last \(rest) characters fill no sample of "
                        + "\(schema.context); left out"
                ])
    }
}
