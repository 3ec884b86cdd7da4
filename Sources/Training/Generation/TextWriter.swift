import Datasets
import Diagnostics
import Foundation

/// Writes texts that a network continues: the prompt, and whole characters as they come.
package final class TextWriter {
    private let codec: TextCodec
    private let generator: TextGenerator

    /// - Parameter tokenizer: the `tokenizer.json`, where it isn't where it lay while training.
    package init(_ model: TrainedModel, tokenizer: String?) throws {
        generator = try TextGenerator(model)
        guard let schema = model.state.preprocessing.text else { preconditionFailure("a generator without tokens") }
        codec = try TextCodec(schema, tokenizer: tokenizer)
    }

    /// Writes the prompt and what the network continues it with.
    ///
    /// - Parameters:
    ///   - name: what messages call the prompt.
    ///   - length: how many tokens to add at most.
    ///   - stop: the text ends before this.
    ///   - sample: which of several texts with the same prompt this is.
    /// - Throws: 65 for a prompt that can't be encoded.
    package func write(
        _ prompt: String, name: String, length: Int, stop: String?, sampling: TextGenerator.Sampling, sample: Int,
        to write: (String) throws -> Void
    ) throws {
        var tokens = try codec.encode(prompt, name: name)
        generator.begin()
        if tokens.isEmpty {
            guard let first = Self.firstToken(codec) else {
                throw Failure(.badData, "\(name): an empty prompt; give a character or more to begin with")
            }
            tokens = [first]
        } else {
            try write(prompt)
        }
        try generator.add(tokens)
        var decoder = codec.decoder
        // What may be the beginning of `stop`.
        var held = ""
        for index in 0..<length {
            let token = try generator.next(sampling, draw: UInt64(sample) << 32 | UInt64(index))
            held += codec.knowsText ? decoder.add(token) : " \(token)"
            guard let stop else {
                try write(held)
                held = ""
                continue
            }
            if let place = held.range(of: stop) { return try write(String(held[..<place.lowerBound])) }
            let kept = Self.beginning(of: stop, atEndOf: held)
            try write(String(held.dropLast(kept)))
            held = String(held.suffix(kept))
        }
        try write(held + decoder.finish())
    }

    /// What a text without a prompt begins with: the tokenizer's own token for that, or a line feed.
    private static func firstToken(_ codec: TextCodec) -> Int32? {
        codec.addedToken("<|endoftext|>") ?? (try? codec.encode("\n", name: ""))?.first
    }

    /// How many characters at the end of `text` are the beginning of `stop`.
    private static func beginning(of stop: String, atEndOf text: String) -> Int {
        (0..<min(stop.count, text.count + 1)).reversed().first { text.hasSuffix(stop.prefix($0)) } ?? 0
    }
}
