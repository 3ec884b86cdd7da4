import Foundation
import TestSupport
import Testing

/// What shells complete, and the manual page: from the same declarations as `--help`.
@Suite("Completion and manual")
struct CompletionTests {
    /// Where a program is on the PATH; nil where it isn't.
    private static func path(_ program: String) -> String? {
        (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map { "\($0)/\(program)" }
            .first { FileManager.default.isExecutableFile(atPath: $0) }
    }

    /// The commands that `--help` lists.
    private func commands(_ bench: Workbench) throws -> [String] {
        let help = try bench.dtrain("--help")
        expectSuccess(help)
        #expect(help.output.contains("Examples:") && help.output.contains("dtrain init flowers.csv"))
        let lines = help.output.components(separatedBy: "SUBCOMMANDS:").last ?? ""
        return lines.split(separator: "\n").filter { $0.hasPrefix("  ") && !$0.hasPrefix("   ") }
            .compactMap { $0.split(separator: " ").first.map(String.init) }.filter { $0 != "See" }
    }

    @Test("bash completes commands, options and files")
    func bash() throws {
        try withWorkbench { bench in
            let script = try bench.dtrain("completion", "bash")
            expectSuccess(script)
            try bench.write("c.bash", script.output)
            try bench.write("mine.yaml", "")
            func completed(_ words: String...) throws -> Set<String> {
                let line = words.joined(separator: " ")
                let program = """
                    source ./c.bash
                    COMP_WORDS=(\(words.map { "'\($0)'" }.joined(separator: " "))) COMP_CWORD=\(words.count - 1)
                    COMP_LINE='\(line)' COMP_POINT=\(line.utf8.count)
                    _dtrain dtrain '\(words[words.count - 1])' '\(words[words.count - 2])'
                    printf '%s\\n' "${COMPREPLY[@]}"
                    """
                let result = try bench.run("/bin/bash", ["-c", program])
                #expect(result.status == 0, "\(result)")
                return Set(
                    result.output.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty })
            }
            #expect(try completed("dtrain", "in") == ["init", "inspect"])
            #expect(try completed("dtrain", "eval", "--cal").contains("--calibration"))
            #expect(try completed("dtrain", "completion", "z") == ["zsh"])
            #expect(try completed("dtrain", "train", "mi") == ["mine.yaml"])
            for command in try commands(bench) {
                // Of a whole command bash would complete what comes behind it.
                #expect(try completed("dtrain", String(command.dropLast())).contains(command), "\(command)")
            }
        }
    }

    @Test("fish completes commands, with what they do", .enabled(if: Self.path("fish") != nil, "no fish"))
    func fish() throws {
        try withWorkbench { bench in
            let script = try bench.dtrain("completion", "fish")
            expectSuccess(script)
            try bench.write("c.fish", script.output)
            let result = try bench.run(
                try #require(Self.path("fish")), ["--no-config", "-c", "source c.fish; complete -C 'dtrain in'"])
            let lines = result.output.split(separator: "\n")
            #expect(lines.count == 2 && lines.contains { $0.hasPrefix("init\tLooks at data") }, "\(result)")
        }
    }

    @Test("zsh completes commands", .enabled(if: Self.path("zsh") != nil, "no zsh"))
    func zsh() throws {
        try withWorkbench { bench in
            let script = try bench.dtrain("completion", "zsh")
            expectSuccess(script)
            try bench.write("folder/_dtrain", script.output)
            try FileManager.default.createDirectory(atPath: bench.path("bin"), withIntermediateDirectories: true)
            try FileManager.default.createSymbolicLink(atPath: bench.path("bin/dtrain"), withDestinationPath: Workbench.program)
            // A terminal of its own; what is typed there is completed at ^X, and read until both commands are there.
            try bench.write(
                "t.zsh",
                #"""
                zmodload zsh/zpty
                zpty child "PATH=$PWD/bin:\$PATH TERM=dumb COLUMNS=200 zsh -f -i"
                zpty -w child "fpath=($PWD/folder \$fpath); autoload -Uz compinit; compinit -u -D; bindkey '^X' list-choices; print RE''ADY"
                zpty -r child line '*READY*'
                zpty -w -n child $'dtrain in\x18'
                zpty -r child line '*init*inspect*'
                print -r -- "$line"
                zpty -d child
                """#)
            let result = try bench.run(try #require(Self.path("zsh")), ["-f", "t.zsh"], timeLimitSeconds: 60)
            #expect(result.status == 0 && result.output.contains("Looks at data"), "\(result)")
        }
    }

    @Test("the manual page has every command and option of the help, and troff finds nothing to mend")
    func manual() throws {
        try withWorkbench { bench in
            let page = try bench.dtrain("manual")
            expectSuccess(page)
            for command in try commands(bench) { #expect(page.output.contains(".SS \"dtrain \(command)\""), "\(command)") }
            for option in ["calibration", "group", "stall\\-timeout", "force"] {
                #expect(page.output.contains("\\-\\-\(option)"), "\(option)")
            }
            try bench.write("dtrain.1", page.output)
            if let mandoc = Self.path("mandoc") {
                let lint = try bench.run(mandoc, ["-Tlint", "-Wwarning", "dtrain.1"])
                #expect(lint.status == 0 && lint.output == "", "\(lint)")
            }
            if let man = Self.path("man") {
                let shown = try bench.run(man, ["-l", "dtrain.1"])
                #expect(shown.status == 0 && shown.output.contains("EXIT STATUS"), "\(shown)")
            }
        }
    }
}
