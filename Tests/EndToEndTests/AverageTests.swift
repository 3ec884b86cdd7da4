import Checkpointing
import Foundation
import Testing

/// `training.ema`: the average of the weights, from the run that makes it to those who use it.
@Suite("An average of the weights")
struct AverageTests {
    private static func configuration(_ training: String, sections: String = "checkpoint: {every_steps: 1, keep: 50}") -> String
    {
        """
        model: {layers: [dense: {units: 12}, batch_norm, relu, dense: {units: 10}]}
        optimizer: {adam: {learning_rate: 0.01}}
        \(sections)
        training: {max_steps: 9, global_batch_size: 64, micro_batch_size: 16, \(training)}
        """
    }

    private func checkpoint(_ bench: Workbench, _ run: String, _ step: Int) throws -> LoadedCheckpoint {
        try LoadedCheckpoint(path: bench.path("\(run)/checkpoints/step-0000000\(step)"))
    }

    /// Expects the averages of steps after the first of `steps` to be made of the models of these steps.
    ///
    /// - Parameters:
    ///   - copies: steps whose average is the model.
    ///   - moves: steps that move it by `share`.
    private func expectAverages(
        _ bench: Workbench, _ run: String, _ steps: ClosedRange<Int>, copies: ClosedRange<Int>, moves: Set<Int>, share: Float
    ) throws {
        var averages: [String: [Float]] = [:]
        for step in steps {
            let loaded = try checkpoint(bench, run, step)
            let average = try #require(loaded.average, "step \(step)")
            #expect(average.tensors.map(\.name) == loaded.model.tensors.map(\.name))
            for tensor in loaded.model.tensors {
                let weights = try loaded.model.floats(tensor.name)
                let isBuffer = tensor.name.hasPrefix("1.running") || tensor.name.hasPrefix("1.num")
                if copies.contains(step) || isBuffer {
                    averages[tensor.name] = weights
                } else if moves.contains(step) {
                    averages[tensor.name] = zip(averages[tensor.name] ?? [], weights).map { $0 + ($1 - $0) * share }
                }
                let found = try average.floats(tensor.name)
                #expect(
                    found.map(\.bitPattern) == averages[tensor.name]?.map(\.bitPattern), "\(tensor.name) after step \(step)")
            }
        }
    }

    @Test(
        "is made of the weights behind the steps that count, and has the model's running averages",
        arguments: ["owner", "allreduce"], [nil, 2] as [Int?])
    func definition(strategy: String, ranks: Int?) throws {
        try withWorkbench { bench in
            try bench.write(
                "c.yaml",
                Self.configuration(
                    "synchronization: \(strategy), ema: {decay: 0.75, start_step: 2, every_steps: 2, validate: true}"))
            expectSuccess(try bench.dtrain(["train", "c.yaml", "--run", "run", "--quiet"], ranks: ranks))
            try expectAverages(bench, "run", 0...9, copies: 0...4, moves: [6, 8], share: 0.25)
            #expect(try checkpoint(bench, "run", 9).digest == bench.files("run").digest)
        }
    }

    @Test("is what eval, predict and validations of the run look at where they are told to")
    func uses() throws {
        try withWorkbench { bench in
            try bench.write("c.yaml", Self.configuration("ema: {decay: 0.9, validate: true}", sections: ""))
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "run", "--quiet"))
            func loss(_ arguments: String...) throws -> String {
                let outcome = try bench.dtrain(["eval", "run", "--json"] + arguments)
                expectSuccess(outcome)
                let parts = outcome.output.split(separator: "\"loss\":")
                return String(try #require(parts.last).prefix { $0 != "," })
            }
            let (model, average) = (try loss(), try loss("--ema"))
            #expect(model != average)
            let end = try #require(bench.files("run").rawLines("end").last)
            #expect(end.contains(average) && !end.contains(model), "\(average) isn't in \(end)")
            let text = try bench.dtrain("eval", "run", "--ema")
            #expect(text.output.contains(": step 9, average of the weights, 359 samples"), "\(text)")
            let row = (0..<64).map { "\($0 % 17)" }.joined(separator: ",") + "\n"
            try bench.write("digits.csv", row)
            let predictions = try [[], ["--ema"]].map { try bench.dtrain(["predict", "run", "digits.csv"] + $0) }
            predictions.forEach { expectSuccess($0) }
            #expect(predictions[0].output != predictions[1].output)
        }
    }

    @Test("begins with the weights where a resumed run had none, and ends where one has none any more")
    func resumes() throws {
        try withWorkbench { bench in
            try bench.write("c.yaml", Self.configuration("seed: 1"))
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "run", "--quiet", "--steps", "4"))
            #expect(try checkpoint(bench, "run", 4).average == nil)
            let without = try bench.dtrain("eval", "run", "--ema")
            expectEnd(without, .usage)
            #expect(without.messages.first?.contains("step-00000004 holds no average of its weights") == true, "\(without)")
            let resume = ["train", "c.yaml", "--run", "run", "--resume", "--quiet"]
            expectSuccess(try bench.dtrain(resume + ["--steps", "7", "--set", "training.ema={decay: 0.5}"]))
            let model = try checkpoint(bench, "run", 4).model
            var average = try model.floats("0.weight")
            for step in 5...7 {
                let loaded = try checkpoint(bench, "run", step)
                average = zip(average, try loaded.model.floats("0.weight")).map { $0 + ($1 - $0) * 0.5 }
                #expect(try loaded.average?.floats("0.weight") == average, "step \(step)")
            }
            expectSuccess(try bench.dtrain(resume))
            #expect(try checkpoint(bench, "run", 9).average == nil)
        }
    }

    @Test("verify compares it")
    func verify() throws {
        try withWorkbench { bench in
            for (run, training) in [("a", "ema: {decay: 0.5}"), ("b", "ema: {decay: 0.6}"), ("c", "seed: 0")] {
                try bench.write("\(run).yaml", Self.configuration(training, sections: ""))
                expectSuccess(try bench.dtrain("train", "\(run).yaml", "--run", run, "--quiet"))
            }
            let same = try bench.dtrain("verify", "a", "a")
            expectSuccess(same)
            #expect(same.output.contains(" elements of the weights' average"), "\(same)")
            let other = try bench.dtrain("verify", "a", "b")
            expectEnd(other, .negative)
            #expect(other.output.contains("ema.safetensors differs: 0.") && other.output.contains("model.safetensors is equal"))
            let none = try bench.dtrain("verify", "a", "c")
            expectEnd(none, .negative)
            #expect(none.output.contains("ema.safetensors differs: it is only in a"), "\(none)")
        }
    }

    @Test(
        "options that can't work are refused",
        arguments: [
            ("training.ema={decay: 1}", "training.ema.decay: expected a number from 0 to below 1"),
            ("training.ema={rate: 1}", "unknown key \"rate\""),
            ("training.ema=true", "expected a section"),
            ("training.ema={every_steps: 0}", "training.ema.every_steps"),
            (
                "training={ema: {}, synchronization: {local: {workers: 2, steps: 2}}}",
                "training.ema averages weights that all ranks share"
            )
        ])
    func refused(option: String, message: String) throws {
        try withWorkbench { bench in
            try bench.write("c.yaml", Self.configuration("seed: 1"))
            let outcome = try bench.dtrain("train", "c.yaml", "--run", "run", "--set", option)
            expectEnd(outcome, .badConfiguration)
            #expect(outcome.messages.first?.contains(message) == true, "\(outcome)")
        }
    }

    @Test("validations that there are none of are refused")
    func withoutValidation() throws {
        try withWorkbench { bench in
            try bench.write("t.csv", "x,y\n" + (0..<40).map { "\($0),\($0 % 2)\n" }.joined())
            try bench.write(
                "c.yaml",
                "data: {format: csv, train: {path: t.csv, target: y}}\nmodel: {layers: [dense: {units: 2}]}\n"
                    + "training: {max_steps: 2, global_batch_size: 8, micro_batch_size: 8, ema: {validate: true}}\n")
            let outcome = try bench.dtrain("train", "c.yaml", "--run", "run")
            expectEnd(outcome, .badConfiguration)
            #expect(
                outcome.messages.first?.contains("training.ema.validate: nothing to look at with the average") == true,
                "\(outcome)")
        }
    }
}

/// Metrics of language models: what `eval` says against what its loss says.
@Suite("Metrics of texts")
struct TextMetricTests {
    @Test("perplexity and bits per byte follow from the loss, whatever the network was trained with", arguments: [0, 0.1])
    func follow(smoothing: Double) throws {
        try withWorkbench { bench in
            // Characters of one, two, three and four bytes, as many of each.
            try bench.write("t.txt", String(repeating: "aé€𝄞", count: 60))
            try bench.write(
                "c.yaml",
                """
                data: {format: text, train: {path: t.txt}, validation_fraction: 0.25, context: 8}
                model: {layers: [embedding: {embedding_dim: 4}, dense: {units: 4}]}
                loss: {cross_entropy: {label_smoothing: \(smoothing)}}
                metrics: [perplexity, bits_per_byte]
                checkpoint: {monitor: validation_bits_per_byte}
                training: {max_steps: 3, global_batch_size: 6, micro_batch_size: 2, log_every: 1}
                """)
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "run", "--quiet"))
            // The same weights, judged by the plain loss.
            let outcome = try bench.dtrain(
                "eval", "run", "--json", "--set", "loss={cross_entropy: {label_smoothing: 0}}")
            expectSuccess(outcome)
            let trained = try bench.dtrain("eval", "run", "--json")
            let loss = try value("loss", outcome)
            for judged in [outcome, trained] {
                let perplexity = try value("perplexity", judged)
                #expect(abs(perplexity - exp(loss)) < 1e-9 * perplexity)
                // A character is two and a half bytes in the mean.
                let bits = try value("bits_per_byte", judged)
                #expect(abs(bits - loss / log(2) / 2.5) < 1e-9 * bits)
            }
            let isPlain = try value("loss", trained) == loss
            #expect(isPlain == (smoothing == 0))
        }
    }

    @Test("bits per byte of tokens count the bytes that a tokenizer says, and none for special tokens")
    func tokenizer() throws {
        try withWorkbench { bench in
            // Tokens of many lengths; the first one, which is nobody's target, is a byte that nothing is merged with.
            let text =
                "Q" + (0..<300).map { $0 % 4 == 0 ? "line \($0) of a text é that comes again\n" : "\($0 * 7919)\n" }.joined()
            try bench.write("t.txt", text)
            expectSuccess(
                try bench.dtrain(
                    "tokenize", "t.txt", "--train", "300", "--special-token", "<|endoftext|>", "--output", "tokenizer.json"))
            expectSuccess(
                try bench.dtrain(
                    "tokenize", "t.txt", "t.txt", "--tokenizer", "tokenizer.json", "--end", "<|endoftext|>", "--output", "t.bin"
                ))
            func configuration(_ data: String) -> String {
                """
                data: {\(data), context: 1}
                model: {layers: [embedding: {embedding_dim: 4}, dense: {units: vocabulary}]}
                metrics: [bits_per_byte]
                training: {max_steps: 3, global_batch_size: 6}

                """
            }
            let asText = "format: text, train: {path: t.txt}, tokens: {tokenizer: tokenizer.json}"
            let asTokens = "format: tokens, train: {path: t.bin}, tokenizer: tokenizer.json"
            for (name, data, byteCount, tokenCount) in [
                ("tokens", asTokens, 2 * text.utf8.count, bench.bytes("t.bin").count / 2),
                ("text", asText, text.utf8.count, bench.bytes("t.bin").count / 4 - 1)
            ] {
                try bench.write("\(name).yaml", configuration(data))
                expectSuccess(try bench.dtrain("train", "\(name).yaml", "--run", name, "--quiet"))
                let judged = try bench.dtrain("eval", name, "--split", "train", "--json")
                expectSuccess(judged)
                let bits = try value("bits_per_byte", judged) * Double(byteCount - 1)
                let expected = try value("loss", judged) * Double(tokenCount - 1) / log(2)
                #expect(abs(bits - expected) < 1e-9 * bits, "\(judged)")
            }
            // Whoever doesn't ask for it needs no tokenizer to be judged on tokens.
            try bench.remove("tokenizer.json")
            expectRefusal(try bench.dtrain("eval", "tokens", "--data", "t.bin"), .missingInput, ["tokenizer.json"])
            expectSuccess(try bench.dtrain("eval", "tokens", "--data", "t.bin", "--set", "metrics=[accuracy]"))
        }
    }

    /// A number of what `eval --json` printed.
    private func value(_ key: String, _ outcome: Outcome) throws -> Double {
        let parts = outcome.output.split(separator: "\"\(key)\":")
        let number = try #require(parts.last).prefix { $0 != "," && $0 != "}" }
        return try #require(Double(number))
    }
}
