import ArgumentParser
import Diagnostics
import Training

/// `dtrain tokenize TEXT…`.
struct TokenizeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tokenize",
        abstract: "Learns a byte-level BPE tokenizer from texts, or writes texts as files of tokens.",
        discussion:
            "With --train a tokenizer.json, as Hugging Face's tokenizers reads it; with --tokenizer a file of tokens for "
            + "data: {format: tokens}, as nanoGPT and llm.c read it.")

    @Argument(help: "Texts in UTF-8, .gz or plain.", completion: .file())
    var texts: [String]

    @Option(help: ArgumentHelp("Learn a tokenizer of so many tokens, all 256 bytes included.", valueName: "n"))
    var train: Int?

    @Option(help: ArgumentHelp("Turn the texts into the tokens of this tokenizer.json.", valueName: "file"))
    var tokenizer: String?

    @Option(help: ArgumentHelp("The file to write.", valueName: "file"))
    var output: String

    @Option(
        help: ArgumentHelp("With --train: pairs of tokens that occur less often are never joined (default: 2).", valueName: "n")
    )
    var minFrequency: Int?

    @Option(
        name: .customLong("special-token"),
        help: ArgumentHelp(
            "With --train: a token that is never cut, such as <|endoftext|>; may be repeated.", valueName: "token"))
    var specialTokens: [String] = []

    @Option(help: ArgumentHelp("With --tokenizer: an added token to write behind each text.", valueName: "token"))
    var end: String?

    @Option(
        help: ArgumentHelp(
            "With --tokenizer: nanogpt (tokens alone, the default) or llm.c (with its header).", valueName: "format"))
    var format: TextTokenizing.Layout?

    func validate() throws {
        if texts.contains("") || output.isEmpty || tokenizer == "" { throw ValidationError("an empty path; name a file") }
        guard (train == nil) != (tokenizer == nil) else {
            throw ValidationError("expected one of --train and --tokenizer")
        }
        if let minFrequency, minFrequency < 1 { throw ValidationError("--min-frequency \(minFrequency): expected 1 or more") }
        if train == nil, minFrequency != nil || !specialTokens.isEmpty {
            throw ValidationError("--min-frequency and --special-token belong to --train; leave them out with --tokenizer")
        }
        if train != nil, end != nil || format != nil {
            throw ValidationError("--end and --format belong to --tokenizer; leave them out with --train")
        }
    }

    func run() throws {
        let line: String
        if let train {
            line = try TextTokenizing.train(
                on: texts, size: train, leastFrequency: minFrequency ?? 2, specialTokens: specialTokens, to: output)
        } else if let tokenizer {
            line = try TextTokenizing.write(texts, tokenizer: tokenizer, end: end, layout: format ?? .nanogpt, to: output)
        } else {
            return
        }
        try StandardStream.output.line(line)
    }
}

extension TextTokenizing.Layout: ExpressibleByArgument {}
