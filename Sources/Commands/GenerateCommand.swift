import ArgumentParser
import Datasets
import Diagnostics
import Files
import Foundation
import Training

/// `dtrain generate CHECKPOINT`.
struct GenerateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "generate",
        abstract: "Continues a text with a trained language model.",
        discussion:
            "Without --prompt every line of standard input is a prompt, and its text ends with a line feed. The same seed gives the same "
            + "text.")

    @Argument(help: "A checkpoint, or a run directory (its newest checkpoint).", completion: .directory)
    var checkpoint: String

    @Option(help: ArgumentHelp("The beginning of the text.", valueName: "text"))
    var prompt: String?

    @Option(help: ArgumentHelp("How many tokens to write at most.", valueName: "n"))
    var length = 200

    @Option(help: ArgumentHelp("What logits are divided by; 0 always takes the most probable token.", valueName: "t"))
    var temperature = 1.0

    @Option(help: ArgumentHelp("Draw from so many of the most probable tokens.", valueName: "k"))
    var topK: Int?

    @Option(help: ArgumentHelp("Draw from the fewest tokens whose probabilities make this.", valueName: "p"))
    var topP: Double?

    @Option(help: ArgumentHelp("Where random numbers begin.", valueName: "n"))
    var seed: UInt64 = 0

    @Option(help: ArgumentHelp("How many texts to write, each from numbers of its own.", valueName: "n"))
    var samples = 1

    @Option(help: ArgumentHelp("End a text before this.", valueName: "text"))
    var stop: String?

    @Option(help: ArgumentHelp("The tokenizer.json, where it isn't where it lay while training.", valueName: "file"))
    var tokenizer: String?

    @Flag(help: "Use the average of the weights that training kept (training.ema).")
    var ema = false

    @Option(name: .customLong("set"), help: ArgumentHelp("Override a key of the stored configuration.", valueName: "key=value"))
    var overrides: [String] = []

    func validate() throws {
        guard length >= 0, length <= 1 << 30 else { throw ValidationError("--length \(length): expected 0 or more") }
        guard temperature >= 0, temperature.isFinite else {
            throw ValidationError("--temperature \(temperature): expected a number of 0 or more")
        }
        if let topK, topK < 1 { throw ValidationError("--top-k \(topK): expected 1 or more") }
        if let topP, !(topP > 0 && topP <= 1) { throw ValidationError("--top-p \(topP): expected a number above 0, 1 at most") }
        guard (1...1 << 20).contains(samples) else { throw ValidationError("--samples \(samples): expected 1 or more") }
        if stop == "" { throw ValidationError("--stop: an empty text ends every text; leave the option out") }
        if tokenizer == "" { throw ValidationError("--tokenizer: an empty path; name a file, or leave the option out") }
    }

    func run() throws {
        let model = try TrainedModel(path: checkpoint, overrides: overrides, usesAverage: ema, catalogue: .inForce)
        let writer = try TextWriter(model, tokenizer: tokenizer)
        let sampling = TextGenerator.Sampling(temperature: temperature, topK: topK, topP: topP, seed: seed)
        func write(_ text: String) throws {
            var text = text
            try text.withUTF8 { try StandardStream.output.write(UnsafeRawBufferPointer($0)) }
        }
        func answer(_ prompt: String, name: String) throws {
            for sample in 0..<samples {
                try writer.write(
                    prompt, name: name, length: length, stop: stop, sampling: sampling, sample: sample, to: write)
                try write("\n")
            }
        }
        do {
            if let prompt { return try answer(prompt, name: "--prompt") }
            var line = 0
            while let prompt = readLine() {
                line += 1
                try answer(prompt, name: "standard input, line \(line)")
            }
        } catch let error as SystemError {
            // Whoever reads a pipe has seen enough.
            if error.code == EPIPE { throw ReaderGone() }
            throw error.failure()
        }
    }
}
