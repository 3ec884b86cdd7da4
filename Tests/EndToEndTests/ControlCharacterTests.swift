import Diagnostics
import Foundation
import Testing

/// Names, paths and files of strangers may hold anything; a terminal only shows what is printed of them.
@Suite("Control characters")
struct ControlCharacterTests {
    /// Colours and a title for the terminal, line ends, a text that reads backwards, a byte order mark, and much of it.
    private static let nasty = "\u{1b}[31mred\u{1b}]0;title\u{7}\n\r\u{202e}gpj\u{2066}\u{9b}1m\u{feff}"

    /// The same as YAML's double quotes hold it.
    private static let quoted = #""\e[31mred\e]0;title\a\n\r\u202egpj\u2066\x9b1m\ufeff""#

    /// Expects of everything that was printed that it is lines of text and no more, and messages of bounded length.
    private func expectHarmless(_ outcome: Outcome, _ code: ExitCode, sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(outcome.status == code.rawValue && !outcome.result.timedOut, "\(outcome)", sourceLocation: sourceLocation)
        let harmful = (outcome.output + outcome.errors).unicodeScalars.filter {
            $0 != "\n" && [.control, .format, .lineSeparator, .paragraphSeparator].contains($0.properties.generalCategory)
        }
        #expect(harmful.isEmpty, "\(harmful.map { String($0.value, radix: 16) }): \(outcome)", sourceLocation: sourceLocation)
        #expect(outcome.errorLines.allSatisfy { $0.unicodeScalars.count < 1100 }, "\(outcome)", sourceLocation: sourceLocation)
        #expect(
            outcome.messages.count == (code == .success || code == .negative ? 0 : 1), "\(outcome)",
            sourceLocation: sourceLocation)
    }

    @Test("in paths")
    func paths() throws {
        try withWorkbench { bench in
            let nasty = Self.nasty
            try bench.write("c.yaml", Material.digits)
            expectHarmless(try bench.dtrain("train", nasty), .missingInput)
            expectHarmless(try bench.dtrain("train", nasty + ".yaml", ranks: 2), .missingInput)
            for command in ["eval", "inspect"] { expectHarmless(try bench.dtrain(command, nasty + "/x"), .missingInput) }
            expectHarmless(try bench.dtrain("verify", nasty, nasty), .missingInput)
            // A configuration and a run directory of that name.
            try FileManager.default.copyItem(atPath: bench.path("c.yaml"), toPath: bench.path(nasty + ".yaml"))
            expectHarmless(try bench.dtrain("train", nasty + ".yaml"), .success)
            expectHarmless(try bench.dtrain("bench", nasty + ".yaml", "--windows", "1", "--seconds", "0.01"), .success)
            expectHarmless(try bench.dtrain("train", "c.yaml", "--run", nasty), .success)
            for command in [["eval", nasty], ["inspect", nasty], ["verify", nasty, nasty]] {
                expectHarmless(try bench.dtrain(command), .success)
            }
            expectHarmless(try bench.dtrain("train", "c.yaml", "--run", nasty), .cannotCreate)
            expectHarmless(try bench.dtrain("train", "c.yaml", "--run", nasty, "--resume", "--steps", "4"), .success)
            try bench.write("\(nasty)/checkpoints/step-00000004/model.safetensors", "damaged")
            expectHarmless(try bench.dtrain("train", "c.yaml", "--run", nasty, "--resume", "--steps", "4"), .success)
            expectHarmless(try bench.dtrain("predict", nasty, nasty + ".csv"), .missingInput)
            expectHarmless(try bench.dtrain("train", "c.yaml", "--initialize", nasty + ".safetensors"), .missingInput)
        }
    }

    @Test("in the command line")
    func commandLine() throws {
        try withWorkbench { bench in
            let nasty = Self.nasty
            for arguments in [
                ["--" + nasty], ["--" + nasty + "=3"], ["-" + nasty], ["--steps", nasty], ["--steps=" + nasty],
                ["eval", "r", "--split", nasty], ["train", "a.yaml", nasty], [nasty, nasty, nasty],
                ["--" + String(repeating: nasty, count: 200)], ["--seed", nasty]
            ] {
                expectHarmless(try bench.dtrain(arguments), .usage)
            }
            for override in [nasty, "training.\(nasty)=3", "=\(nasty)", "training.epochs=\(nasty)", "training.seed=[\(nasty)"] {
                let outcome = try bench.dtrain("--set", override)
                expectHarmless(
                    Outcome(result: outcome.result, survivors: []), outcome.status == 78 ? .badConfiguration : .usage,
                    messages: 1)
            }
        }
    }

    /// The same where a usage error is a message of ours.
    private func expectHarmless(
        _ outcome: Outcome, _ code: ExitCode, messages: Int,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(
            outcome.messages.count == messages && outcome.status == code.rawValue, "\(outcome)", sourceLocation: sourceLocation)
        let harmful = (outcome.output + outcome.errors).unicodeScalars.filter {
            $0 != "\n" && [.control, .format].contains($0.properties.generalCategory)
        }
        #expect(harmful.isEmpty, "\(outcome)", sourceLocation: sourceLocation)
    }

    @Test(
        "in a configuration",
        arguments: [
            "data: {format: QUOTED}", "data: {format: digits, QUOTED: 1}", "QUOTED: {a: 1}", "data: [QUOTED]",
            "data: {format: csv, train: {path: QUOTED, target: a}}", "metrics: [QUOTED]", "loss: QUOTED",
            "training: {epochs: QUOTED}", "optimizer: {QUOTED: {learning_rate: 1}}", "data: QUOTED: x"
        ])
    func configuration(_ line: String) throws {
        try withWorkbench { bench in
            let rest = "model: {layers: [{dense: {units: 10}}]}\n" + (line.hasPrefix("data") ? "" : "data: {format: digits}\n")
            try bench.write("c.yaml", rest + line.replacing("QUOTED", with: Self.quoted) + "\n")
            let outcome = try bench.dtrain("train", "c.yaml")
            // The path of a table is one that isn't there.
            expectHarmless(outcome, outcome.status == 66 ? .missingInput : .badConfiguration)
        }
    }

    @Test("in the name of a layer, which gradcheck, inspect and verify print")
    func layerName() throws {
        try withWorkbench { bench in
            let named =
                "data: {format: digits}\nmodel: {layers: [{dense: {units: 10, name: NAME}}]}\ntraining: {max_steps: 2}\n"
            try bench.write("a.yaml", named.replacing("NAME", with: Self.quoted))
            try bench.write("b.yaml", named.replacing("NAME", with: "plain"))
            for name in ["a", "b"] {
                let outcome = try bench.dtrain("train", name + ".yaml", "--run", name)
                // A name may be refused.
                if outcome.status == 78 { return expectHarmless(outcome, .badConfiguration) }
                expectHarmless(outcome, .success)
            }
            expectHarmless(try bench.dtrain("inspect", "a.yaml"), .success)
            expectHarmless(try bench.dtrain("inspect", "a"), .success)
            expectHarmless(try bench.dtrain("gradcheck", "a.yaml", "--elements", "1"), .success)
            expectHarmless(try bench.dtrain("verify", "a", "b"), .negative)
        }
    }

    @Test("in tables: names of columns and classes, and cells")
    func tables() throws {
        try withWorkbench { bench in
            let cell = "\"\(Self.nasty)\""
            try bench.write("names.csv", "\(cell),v,kind\n1,2,x\n2,1,y\n3,2,x\n4,4,y\n")
            try bench.write("names.yaml", Material.table("names.csv", target: "missing"))
            expectHarmless(try bench.dtrain("train", "names.yaml"), .badConfiguration)
            try bench.write("cells.csv", Material.csv(column: 0, replacedBy: cell))
            try bench.write("cells.yaml", Material.table("cells.csv"))
            let cells = try bench.dtrain("train", "cells.yaml")
            expectHarmless(cells, ExitCode(rawValue: cells.status) ?? .internalError)
            try bench.write("classes.csv", "u,v,kind\n" + (0..<20).map { "\($0),1,\($0 % 2 == 0 ? cell : "x")\n" }.joined())
            try bench.write("classes.yaml", Material.table("classes.csv", sections: "metrics: [confusion_matrix, f1]"))
            let outcome = try bench.dtrain("train", "classes.yaml", "--run", "classes")
            expectHarmless(outcome, .success)
            expectHarmless(try bench.dtrain("eval", "classes", "--split", "train"), .success)
            expectHarmless(try bench.dtrain("inspect", "classes"), .success)
            try bench.write("other.csv", "u,v,kind\n1,1,\(cell)\(cell)\n")
            expectHarmless(try bench.dtrain("eval", "classes", "--data", "other.csv"), .badData)
        }
    }

    @Test("in safetensors files and states that a stranger made")
    func forged() throws {
        try withWorkbench { bench in
            let header = Array(
                #"{"\u001b[31mred\n\u001b]0;t\u0007\u202e":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#.utf8)
            let file = withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) } + header + [0, 0, 0, 0]
            try bench.write("a.safetensors", file)
            try bench.write("b.safetensors", file.dropLast() + [1])
            expectHarmless(try bench.dtrain("verify", "a.safetensors", "b.safetensors"), .negative)
            try bench.write("c.yaml", Material.digits)
            expectHarmless(try bench.dtrain("train", "c.yaml", "--initialize", "a.safetensors"), .badData)
            expectHarmless(try bench.dtrain("train", "c.yaml", "--run", "r"), .success)
            let state = "r/checkpoints/step-00000004/state.json"
            let text = bench.text(state)
            for (name, change) in [
                ("configuration", #""configuration":"\u001b[2J\u202e"#), ("build", #""build":"\u001b[2J\u202e"#)
            ] {
                let changed = text.replacing("\"\(name)\":\"", with: change)
                #expect(changed != text, "no \(name) in \(text)")
                try bench.write(state, changed)
                let outcome = try bench.dtrain("inspect", "r/checkpoints/step-00000004")
                expectHarmless(outcome, outcome.status == 0 ? .success : .badData)
            }
        }
    }
}
