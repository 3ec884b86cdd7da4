import Diagnostics
import Files
import Foundation
import TestSupport
import Testing

/// Run directories that a stranger made, and files that can't be read.
@Suite("Run directories of strangers", .serialized)
struct StrangerTests {
    /// Runs `body` with a run that can go on, and a victim beside it that must stay as it is.
    private func withVictim(_ body: (Workbench) throws -> Void) throws {
        try withWorkbench { bench in
            try bench.write(
                "c.yaml", Material.digits(steps: 4, sections: "validation: {every_steps: 2}\ncheckpoint: {every_steps: 2}"))
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "base", "--quiet"))
            try bench.write("victim/thesis.txt", "precious")
            try bench.write("victim/sub/deep.txt", "deep")
            try body(bench)
        }
    }

    private func expectVictim(_ bench: Workbench, _ comment: String, sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(bench.names("victim") == ["sub", "thesis.txt"], "\(comment)", sourceLocation: sourceLocation)
        #expect(
            bench.text("victim/thesis.txt") == "precious" && bench.text("victim/sub/deep.txt") == "deep", "\(comment)",
            sourceLocation: sourceLocation)
    }

    @Test(
        "links make no command touch what they lead to; a resume names them and changes nothing",
        arguments: [nil, 2].filter { $0 == nil || MPIRun.isAvailable })
    func links(ranks: Int?) throws {
        try withVictim { bench in
            let directories = [
                "checkpoints", "checkpoints/.incomplete-x", "checkpoints/.deleting-step-00000000",
                "checkpoints/.replaced-best", "checkpoints/step-00000009", "checkpoints/best", "logs"
            ]
            let files = [
                "logs/rank-0.log",
                "metrics.jsonl", "config.yaml", ".lock", "checkpoints/step-00000004/model.safetensors",
                "checkpoints/step-00000004/state.json"
            ]
            for name in ranks == nil
                ? directories + files : ["checkpoints/.incomplete-x", "metrics.jsonl", "logs/rank-1.log"]
            {
                try bench.copy("base", to: "r")
                try? bench.remove("r/\(name)")
                #expect(bench.exists("r/logs") == (name != "logs"))
                let target = files.contains(name) ? "victim/thesis.txt" : "victim"
                symlink(bench.path(target), bench.path("r/\(name)"))
                let before = bench.snapshot()
                let outcome = try bench.dtrain(
                    "train", "c.yaml", "--run", "r", "--resume", "--set", "training.max_steps=6",
                    ranks: ranks)
                #expect([65, 73].contains(outcome.status) && outcome.messages.count == 1, "\(name): \(outcome)")
                #expect(outcome.messages.first?.hasPrefix("r/\(name): a symbolic link, expected a ") == true, "\(outcome)")
                #expect(bench.snapshot() == before, "\(name)")
                for command in [["eval", "r"], ["inspect", "r"], ["verify", "r", "base"]] where ranks == nil {
                    #expect([0, 1, 65].contains(try bench.dtrain(command).status), "\(command) \(name)")
                }
                expectVictim(bench, name)
                try bench.remove("r")
            }
        }
    }

    @Test("hard links to a victim's files under the names of a run: they are left as they are")
    func hardLinks() throws {
        try withVictim { bench in
            for name in ["metrics.jsonl", "config.yaml", ".lock", "logs/rank-0.log", "logs/.start"] {
                try bench.copy("base", to: "r")
                try? bench.remove("r/\(name)")
                try FileManager.default.linkItem(atPath: bench.path("victim/thesis.txt"), toPath: bench.path("r/\(name)"))
                let outcome = try bench.dtrain(
                    "train", "c.yaml", "--run", "r", "--resume", "--quiet", "--set",
                    "training.max_steps=6")
                #expect(outcome.status == (name == ".lock" ? 73 : 0), "\(name): \(outcome)")
                expectVictim(bench, name)
                try bench.remove("r")
            }
        }
    }

    @Test("pipes where files of a run belong are refused, and no command waits for them")
    func pipes() throws {
        try withVictim { bench in
            for name in [
                "metrics.jsonl", "config.yaml", ".lock", "checkpoints", "checkpoints/step-00000004/state.json",
                "checkpoints/step-00000004/model.safetensors", "logs", "logs/rank-0.log"
            ] {
                try bench.copy("base", to: "r")
                try? bench.remove("r/\(name)")
                mkfifo(bench.path("r/\(name)"), 0o600)
                let resumed = try bench.dtrain(["train", "c.yaml", "--run", "r", "--resume", "--quiet"])
                // One among the files of a checkpoint is damage: the older one is taken.
                #expect(resumed.status == (name.contains("step") ? 0 : 73) && !resumed.result.timedOut, "\(name): \(resumed)")
                for command in [["eval", "r"], ["inspect", "r"], ["verify", "r", "base"]] {
                    #expect(!(try bench.dtrain(command)).result.timedOut, "\(command) \(name)")
                }
                try bench.remove("r")
            }
        }
    }

    @Test("files among the checkpoints that aren't ours cost a message at most")
    func strays() throws {
        try withVictim { bench in
            try bench.copy("base", to: "r")
            try bench.write("r/checkpoints/notes.txt", "mine")
            try bench.write("r/checkpoints/step-00000007", "mine too")
            try bench.remove("r/checkpoints/best")
            try bench.write("r/checkpoints/best", "and this")
            let outcome = try bench.dtrain(
                "train", "c.yaml", "--run", "r", "--resume", "--set", "training.max_steps=8", "--set",
                "checkpoint.every_steps=1", "--set", "validation.every_steps=1")
            expectSuccess(outcome)
            #expect(outcome.errors.contains("r/checkpoints/step-00000007: a file, not a checkpoint"), "\(outcome)")
            #expect(outcome.errors.contains("r/checkpoints/best: a file, not a checkpoint"), "\(outcome)")
            #expect(bench.text("r/checkpoints/notes.txt") == "mine")
            #expect(bench.text("r/checkpoints/step-00000007.damaged-1") == "mine too")
            #expect(bench.text("r/checkpoints/best.damaged-1") == "and this")
            #expect(bench.exists("r/checkpoints/best/state.json") && bench.exists("r/checkpoints/step-00000007/state.json"))
        }
    }

    @Test(
        "what can't be read stops a resume with 74 and is named; nothing is passed over, nothing is changed",
        .enabled(if: OrdinaryUser.isPossible, "\(OrdinaryUser.reason)"))
    func unreadable() throws {
        try withVictim { bench in
            for name in [
                "checkpoints", "checkpoints/step-00000004", "checkpoints/step-00000004/state.json",
                "checkpoints/step-00000004/model.safetensors", "checkpoints/step-00000004/optimizer.safetensors",
                "metrics.jsonl", "checkpoints/best", "checkpoints/best/state.json"
            ] {
                try bench.copy("base", to: "r")
                let mode = permissions(of: bench.path("r/\(name)"))
                chmod(bench.path("r/\(name)"), 0)
                let before = bench.snapshot()
                let outcome = try bench.asOrdinaryUser("train", "c.yaml", "--run", "r", "--resume", "--quiet")
                expectRefusal(outcome, .inputOutput, ["r/\(name)", "Permission denied; make it readable"])
                #expect(bench.snapshot() == before, "\(name)")
                if name.contains("step") {
                    for command in ["eval", "inspect"] {
                        expectRefusal(try bench.asOrdinaryUser(command, "r"), .inputOutput, ["r/\(name)"])
                    }
                    expectRefusal(try bench.asOrdinaryUser("verify", "base", "r"), .inputOutput, ["r/\(name)"])
                }
                chmod(bench.path("r/\(name)"), mode)
                expectSuccess(try bench.asOrdinaryUser("train", "c.yaml", "--run", "r", "--resume", "--quiet"))
                try bench.remove("r")
            }
        }
    }

    private func permissions(of path: String) -> mode_t {
        var status = stat()
        stat(path, &status)
        return status.st_mode & 0o7777
    }

    @Test(
        "a state that was forged, its seal right, is refused: every count is looked at before it is used",
        arguments: [
            (#""step":4"#, #""step":5"#), (#""step":4"#, #""step":-4"#), (#""step":4"#, #""step":9223372036854775807"#),
            (#""skippedSteps":0"#, #""skippedSteps":5"#), (#""skippedSteps":0"#, #""skippedSteps":-1"#),
            (#""epochSamples":[0-9]+"#, #""epochSamples":-1"#), (#""epochSamples":[0-9]+"#, #""epochSamples":0"#),
            (#""epochSamples":[0-9]+"#, #""epochSamples":9223372036854775807"#),
            (#""epochSamples":[0-9]+"#, #""epochSamples":1000000"#),
            (#""epochSums":\[[^\]]*\]"#, #""epochSums":[]"#),
            (#""failures":0"#, #""failures":9223372036854775807"#), (#""failures":0"#, #""failures":-1"#),
            (#""bestStep":[0-9]+"#, #""bestStep":5"#), (#""bestStep":[0-9]+"#, #""bestStep":-9223372036854775808"#),
            (#""bestStep":[0-9]+,"#, ""), (#""parameterCount":[0-9]+"#, #""parameterCount":-1"#),
            (
                #""earlyStopping":\{"#,
                #""plateau":{"badReports":9223372036854775807,"cooldownLeft":0,"rate":0.1},"earlyStopping":{"#
            ),
            (#""earlyStopping":\{"#, #""plateau":{"badReports":0,"cooldownLeft":-1,"rate":0.1},"earlyStopping":{"#),
            (#""earlyStopping":\{"#, #""plateau":{"badReports":0,"cooldownLeft":0,"rate":"nan"},"earlyStopping":{"#),
            (#""bestValue":[-0-9.e]+"#, #""bestValue":"nan""#), (#""build":"[^"]*","#, ""), (#""step":4"#, #""step":4.5"#)
        ])
    func forged(pattern: String, replacement: String) throws {
        try withVictim { bench in
            let path = "base/checkpoints/step-00000004/state.json"
            let text = bench.text(path)
            // The trainer's state; what stands before is the manifest's.
            let start = try #require(text.range(of: "\n\"state\": ")).upperBound
            let end = try #require(text.range(of: "\"sha256\": \"", options: .backwards)).lowerBound
            let body = text[start..<end].replacingOccurrences(of: pattern, with: replacement, options: .regularExpression)
            try #require(body != text[start..<end], "\(pattern) is not in \(text[start..<end].prefix(400))")
            let sealed = String(text[..<start]) + body
            try bench.write(path, sealed + "\"sha256\": \"\(try SHA256.hexadecimal(of: sealed.utf8))\"\n}\n")
            for command in [["train", "c.yaml", "--run", "base", "--resume", "--set", "training.max_steps=6"], ["eval", "base"]]
            {
                // Only a resume knows how many samples an epoch has.
                if command[0] == "eval", replacement == #""epochSamples":1000000"# { continue }
                expectRefusal(try bench.dtrain(command), .badData, ["step-00000004/state.json: "])
            }
        }
    }
}
