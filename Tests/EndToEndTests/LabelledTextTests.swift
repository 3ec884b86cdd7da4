import Diagnostics
import Foundation
import TestSupport
import Testing

/// `format: texts` from the table to predictions.
@Suite("Labelled texts")
struct LabelledTextTests {
    private func train(_ bench: Workbench, steps: Int = 60) throws {
        try bench.write("t.csv", Material.messages())
        try bench.write(
            "c.yaml", Material.texts("t.csv", data: "tokens: words\n  validation_fraction: 0.25", steps: steps))
        expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "run", "--quiet"))
    }

    @Test("what was learnt is said of new texts, in a table and one on each line")
    func predictions() throws {
        try withWorkbench { bench in
            try train(bench, steps: 200)
            let rows = bench.text("t.csv").split(separator: "\n").dropFirst().map { $0.split(separator: ",", maxSplits: 1) }
            try bench.write("new.csv", "message\n" + rows.map { "\($0[1])\n" }.joined())
            let table = try bench.dtrain("predict", "run", "new.csv")
            expectSuccess(table)
            #expect(table.outputLines.first == "prediction,probability_ham,probability_spam")
            #expect(table.outputLines.count == 61)
            let right = zip(table.outputLines.dropFirst(), rows).count { $0.hasPrefix($1[0] + ",") }
            #expect(right > 50, "\(right) of 60 right")
            try bench.write("new.txt", rows.map { $0[1].replacing("\"", with: "") + "\r\n" }.joined())
            let lines = try bench.dtrain("predict", "run", "new.txt")
            #expect(lines.status == 0 && lines.outputLines == table.outputLines)
            #expect(lines.errors.contains("new.txt: read as a text on each line"), "\(lines)")
            let outcome = try bench.dtrain("eval", "run", "--data", "t.csv")
            expectSuccess(outcome)
            #expect(outcome.output.contains("60 samples"))
            expectRefusal(
                try bench.dtrain("eval", "run", "--data", "new.txt"), .badData, ["new.txt: a text on each line has no target"])
            expectRefusal(
                try bench.dtrain("eval", "run", "--set", "data.tokens=characters"), .badConfiguration,
                ["the checkpoint was trained with tokens: words", "lowercase: true"])
            try bench.write("other.csv", "text\nhi\n")
            expectRefusal(
                try bench.dtrain("predict", "run", "other.csv"), .badData,
                ["other.csv:1: expected the header of the training data (message)", "found text"])
        }
    }

    @Test("data, inspect and gradcheck say what there is")
    func reports() throws {
        try withWorkbench { bench in
            try train(bench, steps: 1)
            let data = try bench.dtrain("data", "c.yaml", "--set", "data.length=5", "--set", "data.vocabulary=6")
            expectSuccess(data)
            for line in [
                "  ham: ", "  spam: ", "  lengths: 3 to 8 words, median ", "; cut to 5: ",
                "  vocabulary: 6 words",
                "  not in the vocabulary: "
            ] {
                #expect(data.output.contains(line), "\(line) in \(data)")
            }
            let inspect = try bench.dtrain("inspect", "c.yaml")
            expectSuccess(inspect)
            #expect(inspect.output.contains("inputs [8] tokens"), "\(inspect)")
            expectSuccess(try bench.dtrain("inspect", "run"))
            expectSuccess(try bench.dtrain("gradcheck", "c.yaml"))
        }
    }

    @Test("a run of texts goes on where it stopped, on other ranks too; not with other words, though their tokens are the same")
    func resume() throws {
        try withWorkbench { bench in
            try train(bench, steps: 12)
            let whole = bench.files("run").digest
            try bench.write("d.yaml", bench.text("c.yaml"))
            let first = try bench.dtrain("train", "d.yaml", "--run", "half", "--quiet", "--steps", "5")
            expectSuccess(first)
            let messages = bench.text("t.csv")
            try bench.write("t.csv", messages.replacing("home", with: "hose"))
            expectRefusal(
                try bench.dtrain("train", "d.yaml", "--run", "half", "--resume", "--quiet"), .badConfiguration, ["data"])
            try bench.write("t.csv", messages)
            let rest = try bench.dtrain(
                "train", "d.yaml", "--run", "half", "--resume", "--quiet", ranks: MPIRun.isAvailable ? 3 : nil)
            #expect(rest.status == 0 && rest.output.contains(whole), "\(rest)")
        }
    }

    @Test(
        "a checkpoint whose vocabulary was forged is refused before anything is done with it",
        arguments: [
            ("\"words\":{\"_0\":[", "\"words\":{\"_0\":[\"one more\","), ("\"words\":{\"_0\":[", "\"words\":{\"_0\":[\"\","),
            ("\"words\":{\"_0\":[\"!\",", "\"words\":{\"_0\":["), ("\"words\":{\"_0\":[\"!\",", "\"words\":{\"_0\":[\"home\","),
            ("\"kind\":\"words\"", "\"kind\":\"characters\""), ("\"length\":8", "\"length\":9223372036854775807"),
            ("\"length\":8", "\"length\":6"), ("\"inputDimensions\":[8]", "\"inputDimensions\":[9]")
        ])
    func forgedVocabulary(_ original: String, _ replacement: String) throws {
        try withWorkbench { bench in
            try train(bench, steps: 1)
            let checkpoint = "run/checkpoints/step-00000001"
            try bench.forge(checkpoint, original, replacement)
            for command in [["eval", checkpoint], ["inspect", checkpoint], ["predict", checkpoint, "t.csv"]] {
                expectRefusal(try bench.dtrain(command), .badData, [])
            }
        }
    }
}
