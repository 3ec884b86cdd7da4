import ArgumentParser
import Diagnostics

/// `dtrain manual`.
struct ManualCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "manual",
        abstract: "The manual page, as man reads it.",
        discussion: "dtrain manual | man -l - shows it; launch/install.sh puts it where man finds it.")

    func run() throws { try StandardStream.output.write(try ManualPage().text) }
}
