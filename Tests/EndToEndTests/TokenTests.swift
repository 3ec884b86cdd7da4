import Diagnostics
import Foundation
import TestSupport
import Testing

/// Byte-level BPE and files of tokens, from texts to predictions.
@Suite("Tokens")
struct TokenTests {
    private static let text = (0..<60).map { "line \($0): to be, or not to be; that's the question \($0 * $0)\n" }.joined()

    /// A text, a tokenizer that was learnt from it, and its tokens.
    private func prepare(_ bench: Workbench) throws {
        try bench.write("t.txt", Self.text)
        let trained = try bench.dtrain(
            "tokenize", "t.txt", "--train", "300", "--special-token", "<|endoftext|>", "--output", "tokenizer.json")
        expectSuccess(trained)
        #expect(trained.output.hasPrefix("tokenizer.json: 300 tokens, 43 merges, from "), "\(trained)")
        let written = try bench.dtrain("tokenize", "t.txt", "--tokenizer", "tokenizer.json", "--output", "t.bin")
        expectSuccess(written)
        let count = bench.bytes("t.bin").count / 2
        #expect(written.output.hasPrefix("t.bin: \(Self.grouped(count)) tokens of uint16 from "), "\(written)")
        #expect(written.output.hasSuffix(" bytes per token\n"))
    }

    private static func grouped(_ number: Int) -> String {
        number < 1000 ? "\(number)" : "\(number / 1000)," + String(format: "%03d", number % 1000)
    }

    private func configuration(_ data: String, units: Int = 300, training: String = "max_steps: 12") -> String {
        """
        data: {\(data), context: 8}
        model:
          layers:
            - embedding: {embedding_dim: 8}
            - dense: {units: \(units)}
        loss: cross_entropy
        optimizer: {adam: {learning_rate: 0.05}}
        training: {\(training), global_batch_tokens: 64, micro_batch_size: 2}
        """ + "\n"
    }

    private static let tokens = "format: tokens, train: {path: t.bin}, validation_fraction: 0.2, tokenizer: tokenizer.json"
    private static let texts =
        "format: text, train: {path: t.txt}, validation_fraction: 0.2, tokens: {tokenizer: tokenizer.json}"

    @Test("a text trains like the file of its tokens, on any number of ranks, and goes on where it stopped, mid-epoch too")
    func training() throws {
        try withWorkbench { bench in
            try prepare(bench)
            try bench.write("c.yaml", configuration(Self.tokens, training: "epochs: 3"))
            try bench.write("d.yaml", configuration(Self.texts, training: "epochs: 3"))
            let whole = try bench.dtrain("train", "c.yaml", "--run", "a", "--quiet")
            expectSuccess(whole)
            let text = try bench.dtrain("train", "d.yaml", "--run", "b", "--quiet")
            #expect(text.digest == whole.digest && whole.digest != nil)
            let ranks = MPIRun.isAvailable ? 3 : nil
            let many = try bench.dtrain("train", "c.yaml", "--run", "c", "--quiet", ranks: ranks)
            #expect(many.digest == whole.digest)
            expectSuccess(try bench.dtrain("train", "d.yaml", "--run", "e", "--quiet", "--steps", "19", ranks: ranks))
            let resumed = try bench.dtrain("train", "d.yaml", "--run", "e", "--quiet", "--resume")
            #expect(resumed.digest == whole.digest, "\(resumed)")
            // Windows that never move are others.
            let fixed = try bench.dtrain("train", "c.yaml", "--run", "f", "--quiet", "--set", "data.stride=8")
            #expect(fixed.status == 0 && fixed.digest != whole.digest)
        }
    }

    @Test("predictions are text where the tokenizer is known, else numbers, and eval judges text and tokens alike")
    func predictions() throws {
        try withWorkbench { bench in
            try prepare(bench)
            try bench.write("c.yaml", configuration(Self.tokens, training: "max_steps: 60"))
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "a", "--quiet"))
            try bench.write("new.txt", "to be, or not to be; that's the question ")
            let text = try bench.dtrain("predict", "a", "new.txt")
            #expect(text.status == 0 && text.output.contains("be") && text.outputLines.first == "prediction", "\(text)")
            expectSuccess(try bench.dtrain("tokenize", "new.txt", "--tokenizer", "tokenizer.json", "--output", "new.bin"))
            #expect(try bench.dtrain("predict", "a", "new.bin").output == text.output)
            let judged = try ["t.txt", "t.bin"].map { try bench.dtrain("eval", "a", "--data", $0) }
            #expect(judged[0].status == 0 && judged[0].output == judged[1].output, "\(judged)")
            // The tokenizer may lie elsewhere; another one may not be there.
            try bench.copy("tokenizer.json", to: "moved.json")
            try bench.write("tokenizer.json", bench.text("tokenizer.json") + "\n")
            expectRefusal(
                try bench.dtrain("predict", "a", "new.txt"), .badData,
                ["tokenizer.json: not the tokenizer that the checkpoint was trained with"])
            let moved = try bench.dtrain("predict", "a", "new.txt", "--set", "data.tokenizer=moved.json")
            #expect(moved.output == text.output, "\(moved)")
            expectRefusal(
                try bench.dtrain("train", "c.yaml", "--run", "a", "--resume", "--set", "training.max_steps=70"), .badData,
                ["tokenizer.json: not the tokenizer"])
            try bench.write(
                "n.yaml",
                configuration("format: tokens, train: {path: t.bin}, vocabulary: 512", units: 512, training: "max_steps: 2"))
            expectSuccess(try bench.dtrain("train", "n.yaml", "--run", "n", "--quiet"))
            let numbers = try bench.dtrain("predict", "n", "new.bin")
            #expect(
                numbers.outputLines.count > 1 && numbers.outputLines[1].split(separator: " ").compactMap { Int($0) }.count == 8)
        }
    }

    @Test(
        "a token outside of the vocabulary ends training with 65, its file and its byte, when its window comes",
        arguments: [nil, 3])
    func unknownToken(ranks: Int?) throws {
        guard ranks == nil || MPIRun.isAvailable else { return }
        try withWorkbench { bench in
            var tokens = (0..<600).map { UInt16($0 % 50) }
            tokens[300] = 50
            try bench.write("t.bin", tokens.flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] })
            try bench.write(
                "c.yaml",
                configuration(
                    "format: tokens, train: {path: t.bin}, vocabulary: 50", units: 50,
                    training: "epochs: 1, shuffle: false, log_every: 1"))
            let outcome = try bench.dtrain(["train", "c.yaml", "--run", "r"], ranks: ranks)
            expectRefusal(outcome, .badData, ["t.bin: byte 600: token 50 is outside of the vocabulary of 50 (0 to 49)"])
            // Windows of 8 tokens, 8 a step: those of the first four steps are whole.
            let log = bench.text("r/metrics.jsonl")
            #expect(ranks != nil || log.contains("\"step\":4,"), "\(log)")
            #expect(!log.contains("\"step\":5,"), "\(log)")
            // In a validation split it is met as well.
            try bench.write(
                "v.yaml",
                configuration("format: tokens, train: {path: u.bin}, validation: {path: t.bin}, vocabulary: 50", units: 50))
            try bench.write("u.bin", [UInt8](repeating: 0, count: 400))
            expectRefusal(try bench.dtrain("train", "v.yaml", "--run", "v", "--quiet"), .badData, ["t.bin: byte 600"])
        }
    }

    @Test("a file of tokens that is cut while it is mapped ends the job with an error that names it")
    func cutFile() throws {
        try withWorkbench { bench in
            try bench.write("t.bin", [UInt8](repeating: 1, count: 1 << 20))
            try bench.write(
                "c.yaml",
                configuration("format: tokens, train: {path: t.bin}, vocabulary: 300", training: "max_steps: 100000000"))
            let job = try bench.start(["train", "c.yaml", "--run", "run", "--quiet"])
            let running = try job.begin()
            try #require(running.waitUntil { _ in bench.exists("run/checkpoints/step-00000000/state.json") })
            truncate(bench.path("t.bin"), 0)
            expectRefusal(try job.wait(), .inputOutput, ["t.bin: it can't be read any more", "shrank"])
        }
    }

    @Test("tokens are written as llm.c reads them, and behind each text what is asked for")
    func formats() throws {
        try withWorkbench { bench in
            try prepare(bench)
            let plain = bench.bytes("t.bin")
            let outcome = try bench.dtrain(
                "tokenize", "t.txt", "t.txt", "--tokenizer", "tokenizer.json", "--end", "<|endoftext|>", "--format", "llm.c",
                "--output", "both.bin")
            expectSuccess(outcome)
            let count = plain.count / 2
            let bytes = bench.bytes("both.bin")
            let header = bytes.prefix(12).withUnsafeBytes { bytes in
                (0..<3).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Int32.self) }
            }
            #expect(header == [20_240_520, 1, Int32(2 * count + 2)] && bytes.count == 1024 + 4 * count + 4)
            #expect(bytes.dropFirst(1024) == plain + Data([0, 0]) + plain + Data([0, 0]), "the special token is the first")
            try bench.write("c.yaml", configuration(Self.tokens.replacing("t.bin", with: "both.bin")))
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "r", "--quiet"))
            let piped = try bench.run(
                "/bin/sh",
                [
                    "-c",
                    "'\(Workbench.program)' tokenize t.txt --tokenizer tokenizer.json --output /dev/stdout | head -c \(plain.count) | cmp - t.bin"
                ])
            #expect(piped.status == 0, "\(piped)")
        }
    }

    @Test("what can't be done is refused, and what was there stays")
    func refusals() throws {
        try withWorkbench { bench in
            try prepare(bench)
            try bench.write("latin.txt", Array("caf".utf8) + [0xE9, 0x0A])
            try bench.write("empty.txt", "")
            try bench.write("word.json", #"{"model": {"type": "WordPiece", "vocab": {"a": 0}}}"#)
            try bench.write("out", "before")
            let encode = ["tokenize", "t.txt", "--output", "out", "--tokenizer"]
            let cases: [([String], ExitCode, [String])] = [
                (
                    encode + ["word.json"], .badData,
                    ["word.json: a tokenizer of the kind \"WordPiece\"", "expected byte-level BPE"]
                ),
                (encode + ["none.json"], .missingInput, ["none.json"]),
                (encode + ["tokenizer.json", "--end", "<s>"], .usage, ["--end \"<s>\": tokenizer.json has no added token"]),
                (
                    ["tokenize", "latin.txt", "--tokenizer", "tokenizer.json", "--output", "out"], .badData,
                    ["latin.txt", "UTF-8", "byte 3"]
                ),
                (["tokenize", "latin.txt", "--train", "300", "--output", "out"], .badData, ["latin.txt", "UTF-8", "byte 3"]),
                (
                    ["tokenize", "t.txt", "empty.txt", "--tokenizer", "tokenizer.json", "--output", "out"], .badData,
                    ["empty.txt: an empty text"]
                ),
                (["tokenize", "empty.txt", "--train", "300", "--output", "out"], .badData, ["empty.txt: an empty text"]),
                (["tokenize", "none.txt", "--train", "300", "--output", "out"], .missingInput, ["none.txt"]),
                (["tokenize", "t.txt", "--train", "255", "--output", "out"], .usage, ["--train 255", "256"]),
                (
                    ["tokenize", "t.txt", "--train", "300", "--special-token", "x", "--output", "out"], .usage,
                    ["--special-token \"x\""]
                ),
                (["tokenize", "t.txt", "--output", "out"], .usage, ["--train and --tokenizer"]),
                (["tokenize", "t.txt", "--train", "300", "--output", "none/out"], .cannotCreate, ["none/out"])
            ]
            for (arguments, code, says) in cases {
                expectRefusal(try bench.dtrain(arguments), code, says)
                #expect(bench.text("out") == "before", "\(arguments)")
            }
            let fewer = try bench.dtrain(
                "tokenize", "t.txt", "--train", "5000", "--min-frequency", "60", "--output", "few.json")
            #expect(fewer.output.contains("5,000 were wanted, but no other pair occurs 60 times"), "\(fewer)")
        }
    }
}
