import Diagnostics
import Foundation
import Training

/// The manual page in man(7)'s troff, from the same declarations that `--help` prints.
struct ManualPage {
    /// A command as the parser describes it (ArgumentParser's dump of help, version 0).
    private struct Command: Decodable {
        let commandName: String
        let abstract: String?
        let discussion: String?
        let shouldDisplay: Bool?
        let subcommands: [Command]?
        let arguments: [Argument]?
    }

    /// An argument, an option or a flag of a command.
    private struct Argument: Decodable {
        enum Kind: String, Decodable { case positional, option, flag }

        struct Name: Decodable {
            enum Kind: String, Decodable { case long, short, longWithSingleDash }
            let kind: Kind
            let name: String

            var written: String { (kind == .long ? "--" : "-") + name }
        }

        let kind: Kind
        let shouldDisplay: Bool
        let isOptional: Bool
        let isRepeating: Bool
        let names: [Name]?
        let valueName: String?
        let allValues: [String]?
        let abstract: String?
    }

    private struct Dump: Decodable { let command: Command }

    private let root: Command
    /// Of the version; man asks for one.
    private static let date = "2026-11-28"

    init() throws { root = try JSONDecoder().decode(Dump.self, from: Data(Dtrain._dumpHelp().utf8)).command }

    /// The page.
    var text: String {
        let commands = (root.subcommands ?? []).filter { $0.shouldDisplay != false && $0.commandName != "help" }
        var lines = [
            ".TH DTRAIN 1 \"\(Self.date)\" \"dtrain \(Build.version)\" \"User Commands\"", ".SH NAME",
            "dtrain \\- " + Self.escaped(Self.uncapitalized(root.abstract ?? "")), ".SH SYNOPSIS", ".B dtrain",
            "[\\fIcommand\\fR] [\\fIoptions\\fR]", ".SH DESCRIPTION", Self.escaped(Dtrain.introduction), ".SH COMMANDS"
        ]
        for command in commands { lines += section(command) }
        lines.append(".SH EXAMPLES")
        for (place, example) in Examples.all.enumerated() {
            // A heading begins a paragraph by itself.
            lines +=
                (place == 0 ? [] : [".PP"]) + [
                    Self.escaped(example.text), ".PP", ".RS 4", ".nf", Self.escaped(example.command), ".fi", ".RE"
                ]
        }
        lines.append(".SH EXIT STATUS")
        for (code, meaning) in Self.statuses { lines += [".TP", ".B \(code.rawValue)", Self.escaped(meaning)] }
        return lines.joined(separator: "\n") + "\n"
    }

    private func section(_ command: Command) -> [String] {
        let arguments = (command.arguments ?? []).filter {
            $0.shouldDisplay && $0.names?.contains { $0.name == "help" } != true
        }
        var synopsis = "\\fBdtrain " + Self.escaped(command.commandName) + "\\fR"
        for argument in arguments where argument.kind == .positional {
            let name = "\\fI" + Self.escaped(argument.valueName ?? "value") + "\\fR" + (argument.isRepeating ? " ..." : "")
            synopsis += argument.isOptional ? " [\(name)]" : " \(name)"
        }
        if arguments.contains(where: { $0.kind != .positional }) { synopsis += " [\\fIoptions\\fR]" }
        var lines = [".SS \"dtrain \(Self.escaped(command.commandName))\"", synopsis, ".PP"]
        lines.append(
            Self.escaped(
                [command.abstract, command.discussion].compactMap { $0 }.filter { !$0.isEmpty }.joined(separator: "\n")))
        for argument in arguments { lines += [".TP", tag(argument), Self.escaped(argument.abstract ?? "")] }
        return lines
    }

    private func tag(_ argument: Argument) -> String {
        let value = "\\fI" + Self.escaped(argument.allValues?.joined(separator: "|") ?? argument.valueName ?? "value") + "\\fR"
        guard argument.kind != .positional else { return value }
        let names = (argument.names ?? []).map { "\\fB" + Self.escaped($0.written) + "\\fR" }.joined(separator: ", ")
        return argument.kind == .flag ? names : names + " " + value
    }

    private static func uncapitalized(_ text: String) -> String {
        let plain = text.hasSuffix(".") ? String(text.dropLast()) : text
        return plain.prefix(1).lowercased() + plain.dropFirst()
    }

    /// A text that troff prints as it is.
    private static func escaped(_ text: String) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: true).map { line in
            let plain = line.replacing("\\", with: "\\e").replacing("-", with: "\\-")
            // A line that begins with one of these would be a request.
            return plain.hasPrefix(".") || plain.hasPrefix("'") ? "\\&" + plain : plain
        }.joined(separator: "\n")
    }

    private static let statuses: [(code: Diagnostics.ExitCode, meaning: String)] = [
        (.success, "Done."), (.negative, "The answer is no (verify, doctor)."), (.usage, "The command line is wrong."),
        (.badData, "A data file or a checkpoint is damaged or doesn't fit."),
        (.missingInput, "A file that was named isn't there."),
        (.stalled, "A rank or a host that others wait for doesn't answer."),
        (.internalError, "A defect of dtrain or of a library."),
        (.systemRefused, "The system refuses memory, a thread or a process."),
        (.cannotCreate, "An output can't be created, or the run directory is in use."),
        (.inputOutput, "Reading, writing or communicating failed."),
        (.interrupted, "Stopped early by a signal after a checkpoint; run again with --resume."),
        (.badConfiguration, "The configuration is wrong.")
    ]
}

/// Commands to begin with, for `--help` and the manual page.
enum Examples {
    static let all: [(command: String, text: String)] = [
        ("dtrain", "Train a small network on built-in images of digits:"),
        (
            "dtrain init flowers.csv && dtrain train flowers.yaml",
            "Train on a table of yours, with a configuration made for it:"
        ),
        ("dtrain train flowers.yaml --ranks 4", "The same on four cores, to the same bits:"),
        ("dtrain train flowers.yaml --run runs/flowers --resume", "Go on where a run was stopped:"),
        ("dtrain predict runs/flowers new.csv", "Predict what new rows are:")
    ]

    /// As `--help` shows them.
    static var text: String {
        "Examples:\n" + all.map { "  \($0.command)" }.joined(separator: "\n")
    }
}
