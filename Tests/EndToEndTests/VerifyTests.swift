import Checkpointing
import Diagnostics
import Foundation
import TestSupport
import Testing

@Suite("dtrain verify")
struct VerifyTests {
    /// A safetensors file of Float32 tensors in the folder of the test.
    private func write(
        _ bench: Workbench, _ name: String, _ tensors: [(name: String, shape: [Int], values: [Float])],
        metadata: String = ""
    ) throws {
        var begin = 0
        let entries = tensors.map { tensor in
            let end = begin + 4 * tensor.values.count
            defer { begin = end }
            return "\"\(tensor.name)\":{\"dtype\":\"F32\",\"shape\":\(tensor.shape),\"data_offsets\":[\(begin),\(end)]}"
        }
        let header = Array("{\(metadata)\(entries.joined(separator: ","))}".utf8)
        let length = (0..<8).map { UInt8(truncatingIfNeeded: header.count >> (8 * $0)) }
        let data = tensors.flatMap(\.values).flatMap { value in
            (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * $0)) }
        }
        try bench.write(name, length + header + data)
    }

    private func expectUnequal(
        _ outcome: Outcome, _ lines: [String],
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        expectEnd(outcome, .negative, sourceLocation: sourceLocation)
        #expect(outcome.errors == "", sourceLocation: sourceLocation)
        for line in lines {
            #expect(
                outcome.outputLines.contains(Substring(line)), "\"\(line)\" is not in: \(outcome)",
                sourceLocation: sourceLocation)
        }
    }

    @Test("two runs of one configuration are equal, whatever stands for them; --quiet says it by the status alone")
    func equalRuns() throws {
        try withWorkbench { bench in
            try bench.write("c.yaml", Material.digits(steps: 4))
            for run in ["a", "b"] { expectSuccess(try bench.dtrain("train", "c.yaml", "--run", run)) }
            let digest = bench.files("a").digest
            let outcome = try bench.dtrain("verify", "a", "b/")
            expectSuccess(outcome)
            #expect(
                outcome.output == "equal: 4 tensors, 1,210 parameters, 2,420 elements of optimizer state, 4 logged "
                    + "losses, digest \(digest)\n", "\(outcome)")
            let checkpoints = try bench.dtrain("verify", "a/checkpoints/step-00000004", "b")
            expectSuccess(checkpoints)
            #expect(
                checkpoints.output == "equal: 4 tensors, 1,210 parameters, 2,420 elements of optimizer state, "
                    + "digest \(digest)\n", "\(checkpoints)")
            let files = try bench.dtrain("verify", "a/checkpoints/step-00000004/model.safetensors", "b")
            expectSuccess(files)
            #expect(files.output == "equal: 4 tensors, 1,210 parameters, digest \(digest)\n", "\(files)")
            let quiet = try bench.dtrain("verify", "--quiet", "a", "b")
            expectSuccess(quiet)
            #expect(quiet.output == "" && quiet.errors == "")
        }
    }

    @Test("a run of another seed differs from the first step on, and in every file")
    func anotherSeed() throws {
        try withWorkbench { bench in
            try bench.write("c.yaml", Material.digits(steps: 4))
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "a"))
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "b", "--seed", "1"))
            let outcome = try bench.dtrain("verify", "a", "b")
            let (a, b) = (bench.files("a"), bench.files("b"))
            let losses = try [a, b].map { try #require($0.log("step").first?.numbers["loss"]) }
            expectUnequal(
                outcome,
                [
                    "metrics.jsonl differs: step 1, loss \(losses[0]) against \(losses[1]); 4 of 4 losses differ",
                    "digest \(a.digest)  a/checkpoints/step-00000004/model.safetensors",
                    "digest \(b.digest)  b/checkpoints/step-00000004/model.safetensors"
                ])
            #expect(outcome.output.hasPrefix("model.safetensors differs: 0.weight[0, 0] is "), "\(outcome)")
            #expect(outcome.output.contains("\noptimizer.safetensors differs: 0.weight.exp_avg[0, "), "\(outcome)")
            let quiet = try bench.dtrain("verify", "a", "b", "--quiet")
            expectEnd(quiet, .negative)
            #expect(quiet.output == "" && quiet.errors == "")
        }
    }

    @Test("runs of which one went further differ in their step and in what was logged")
    func shorterRun() throws {
        try withWorkbench { bench in
            try bench.write("c.yaml", Material.digits(steps: 6))
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "a"))
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "b", "--steps", "4"))
            expectUnequal(
                try bench.dtrain("verify", "a", "b"),
                [
                    "steps differ: 6 against 4", "metrics.jsonl differs: step 5 is logged only in a, and 1 more"
                ])
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "b", "--resume"))
            expectSuccess(try bench.dtrain("verify", "a", "b"))
        }
    }

    @Test("a single loss that was logged otherwise is found, and the equal weights are called equal")
    func oneLoss() throws {
        try withWorkbench { bench in
            try bench.write("c.yaml", Material.digits(steps: 4))
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "a"))
            try bench.copy("a", to: "b")
            let loss = try #require(bench.files("a").log("step")[2].numbers["loss"])
            try bench.write(
                "b/metrics.jsonl",
                bench.text("b/metrics.jsonl")
                    .replacing("\"loss\":\(loss),", with: "\"loss\":\(loss.nextUp),"))
            expectUnequal(
                try bench.dtrain("verify", "a", "b"),
                [
                    "model.safetensors is equal: 1,210 parameters",
                    "optimizer.safetensors is equal: 2,420 elements of optimizer state",
                    "metrics.jsonl differs: step 3, loss \(loss) against \(loss.nextUp); 1 of 4 losses differs"
                ])
        }
    }

    @Test("of two files the first element that differs is told with its bits, and how many and how far")
    func files() throws {
        try withWorkbench { bench in
            let values = (0..<6).map { Float($0) }
            try write(bench, "a/x.safetensors", [("0.weight", [2, 3], values), ("0.bias", [2], [0, .nan])])
            try write(
                bench, "b/x.safetensors",
                [
                    ("0.weight", [2, 3], [0, 1, 2, 3, 4.03125, 5.5]),
                    ("0.bias", [2], [-0.0, 1])
                ])
            try write(bench, "c.safetensors", [("0.weight", [3, 2], values), ("1.bias", [2], [0, 0])])
            try write(
                bench, "d.safetensors", [("0.bias", [2], [0, .nan]), ("0.weight", [2, 3], values)],
                metadata: "\"__metadata__\":{\"by\":\"another\"},")
            expectUnequal(
                try bench.dtrain("verify", "a/x.safetensors", "b/x.safetensors"),
                [
                    "x.safetensors differs: 0.weight[1, 1] is 4.0 (40800000) against 4.03125 (40810000); 4 of 8 elements "
                        + "differ, by at most 5.0e-01; 1 of them is NaN on one side or both"
                ])
            expectUnequal(
                try bench.dtrain("verify", "a/x.safetensors", "c.safetensors"),
                [
                    "x.safetensors against c.safetensors differs: 0.weight is [2, 3] F32 against [3, 2] F32",
                    "x.safetensors against c.safetensors differs: 0.bias [2] F32 is only in a/x.safetensors",
                    "x.safetensors against c.safetensors differs: 1.bias [2] F32 is only in c.safetensors"
                ])
            let reordered = try bench.dtrain("verify", "a/x.safetensors", "d.safetensors")
            expectSuccess(reordered)
            #expect(
                reordered.output.hasPrefix(
                    "equal: 2 tensors, 8 parameters; the files differ in order or "
                        + "description of the tensors only\ndigest "), "\(reordered)")
        }
    }

    @Test(
        "the largest difference is never told too small",
        arguments: [
            (Float(1.25), "1.3e+00"), (1.01, "1.1e+00"), (0.5, "5.0e-01"), (9.99, "1.0e+01"), (1e-40, "1.0e-40")
        ])
    func largestDifference(difference: Float, text: String) throws {
        try withWorkbench { bench in
            try write(bench, "a", [("x", [], [0])])
            try write(bench, "b", [("x", [], [difference])])
            let outcome = try bench.dtrain("verify", "a", "b")
            #expect(outcome.output.contains("; 1 of 1 element differs, by at most \(text)\n"), "\(outcome)")
        }
    }

    @Test("what is missing is a 66, what can't be read a 65; a damaged newest checkpoint is told of and passed over")
    func unreadable() throws {
        try withWorkbench { bench in
            try bench.write("c.yaml", Material.digits(steps: 4))
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "a"))
            let model = "a/checkpoints/step-00000004/model.safetensors"
            expectRefusal(try bench.dtrain("verify", "a", "none"), .missingInput, ["none: "])
            expectRefusal(try bench.dtrain("verify", "none", "a"), .missingInput, ["none: "])
            expectRefusal(try bench.dtrain("verify", "c.yaml", model), .badData, ["c.yaml: not a safetensors file"])
            #expect(try bench.dtrain("verify", "a").status == ExitCode.usage.rawValue)

            try bench.copy("a", to: "b")
            try bench.truncate("b/checkpoints/step-00000004/model.safetensors", to: 300)
            expectRefusal(try bench.dtrain("verify", "a", "b/checkpoints/step-00000004"), .badData, ["truncated"])
            let passedOver = try bench.dtrain("verify", "a/checkpoints/step-00000000", "b")
            expectSuccess(passedOver)
            #expect(passedOver.output.hasPrefix("equal: ") && passedOver.errorLines.count == 1, "\(passedOver)")
            #expect(
                passedOver.errors.hasPrefix("warning: b/checkpoints/step-00000004/model.safetensors: truncated"),
                "\(passedOver)")
        }
    }
}
