import Foundation
import TestSupport
import Testing

/// `dtrain generate`, of a small network that is trained on the spot.
@Suite("Texts that a network continues")
struct GenerateTests {
    private func withModel(_ block: String = "causal: true", _ body: (Workbench) throws -> Void) throws {
        try withWorkbench { bench in
            try bench.write(
                "text.txt", String(repeating: "once upon a time there was a tree, and the tree was green.\n", count: 40))
            try bench.write(
                "model.yaml",
                """
                data: {format: text, train: {path: text.txt}, context: 8}
                model:
                  layers:
                    - embedding: {units: 16}
                    - positional_embedding
                    - transformer_block: {heads: 2, \(block), dropout: 0}
                    - dense: {units: vocabulary}
                loss: cross_entropy
                optimizer: {adam: {learning_rate: 0.01}}
                training: {max_steps: 40, global_batch_size: 12, micro_batch_size: 6, ema: {decay: 0.5}}
                """)
            expectSuccess(try bench.dtrain("train", "model.yaml", "--run", "run", "--quiet"))
            try body(bench)
        }
    }

    @Test(
        "the same seed gives the same text, another one another; longer than the window, and by the average of the weights too")
    func seeds() throws {
        try withModel { bench in
            func text(_ arguments: String...) throws -> String {
                let outcome = try bench.dtrain(["generate", "run", "--prompt", "once ", "--length", "60"] + arguments)
                expectSuccess(outcome)
                return outcome.output
            }
            let first = try text("--seed", "3")
            #expect(first.hasPrefix("once ") && first.count == 66)
            #expect(try text("--seed", "3") == first)
            #expect(try text("--seed", "4") != first)
            let likely = try text("--temperature", "0")
            #expect(try text("--temperature", "0", "--seed", "9") == likely)
            #expect(try text("--top-k", "1") == likely)
            #expect(try text("--ema").hasPrefix("once "))
            // Several texts have numbers of their own; what ends one isn't part of it.
            let both = try text("--samples", "2", "--stop", "e", "--top-k", "5")
            #expect(!both.replacingOccurrences(of: "once ", with: "").contains("e"))
        }
    }

    @Test("prompts that can't be continued, and models that can't continue, are refused")
    func refusals() throws {
        try withModel { bench in
            let cases: [(arguments: [String], status: Int32, text: String)] = [
                (["--prompt", "once Ω"], 65, "--prompt:1:6: the character \"Ω\" doesn't occur"),
                (["--prompt", "a", "--top-p", "1.5"], 64, "--top-p 1.5"), (["--prompt", "a", "--top-k", "0"], 64, "--top-k 0"),
                (["--prompt", "a", "--temperature", "-1"], 64, "--temperature"), (["--prompt", "a", "--stop", ""], 64, "--stop")
            ]
            for (arguments, status, text) in cases {
                let outcome = try bench.dtrain(["generate", "run"] + arguments)
                #expect(outcome.status == status && outcome.errors.contains(text), "\(arguments): \(outcome)")
            }
            expectSuccess(try bench.dtrain("--run", "digits", "--quiet", "--set", "training.epochs=1"))
            let outcome = try bench.dtrain("generate", "digits", "--prompt", "a")
            #expect(outcome.status == 78 && outcome.errors.contains("wasn't trained to foresee tokens"), "\(outcome)")
        }
        try withModel("causal: false") { bench in
            let outcome = try bench.dtrain("generate", "run", "--prompt", "once")
            #expect(outcome.status == 78 && outcome.errors.contains("sees tokens that come later"), "\(outcome)")
        }
    }
}
