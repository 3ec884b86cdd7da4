import ArgumentParser
import Datasets
import Diagnostics
import Files
import Foundation
import Training

/// `dtrain init DATA`.
struct InitCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init",
        abstract: "Looks at data and writes a configuration for them that trains well at once.",
        discussion:
            "DATA is a table (CSV), an IDX, npy or npz file, a folder with a folder of images for each class, or a text. What is to be "
            + "predicted from a table is the column called target, label, class or y, else its last one.")

    /// What is predicted.
    enum Task: String, CaseIterable, ExpressibleByArgument { case classification, regression }

    @Argument(help: "A file or a folder.", completion: .file())
    var data: String

    @Option(help: ArgumentHelp("The column of a table to predict, by its name or number.", valueName: "name"))
    var target: String?

    @Option(
        help: ArgumentHelp("The file of targets, where they are not in DATA.", valueName: "file"), completion: .file())
    var targets: String?

    @Option(help: "Whether targets are classes or numbers; else the data decide.")
    var task: Task?

    @Option(
        help: ArgumentHelp("The configuration to write (default: the name of DATA with .yaml, here).", valueName: "file"),
        completion: .file(extensions: ["yaml", "yml"]))
    var output: String?

    @Flag(help: "Replace the configuration if it is there.")
    var force = false

    func validate() throws {
        if data.isEmpty || output == "" || targets == "" { throw ValidationError("an empty path; name a file") }
    }

    func run() throws {
        let path = output ?? Self.name(data)
        try requireFree(path)
        let wishes = DataSketch.Wishes(
            targets: targets, target: target, wantsClasses: task.map { $0 == .classification })
        let first = try FirstConfiguration(path: data, name: path, wishes)
        for note in first.notes { StandardStream.tell("note", note) }
        let file = try OutputFile(path: path)
        try reportingSystemErrors {
            try Array(first.text.utf8).withUnsafeBytes { try file.write($0) }
            // Looking at the data may have taken a while.
            try requireFree(path)
            try file.commit()
        }
        guard !path.hasPrefix("/dev/") else { return }
        try StandardStream.output.line("\(path): \(first.summary); dtrain train \(path)")
    }

    /// Refuses to replace a file. Pipes and devices are written into.
    private func requireFree(_ path: String) throws {
        var status = stat()
        guard !force, lstat(path, &status) == 0, ![S_IFIFO, S_IFCHR].contains(status.st_mode & S_IFMT) else { return }
        // /dev/stdout and its kin lead to what the shell has opened.
        guard !path.hasPrefix("/dev/") else { return }
        throw Failure(.cannotCreate, "\(path): it is there already; --force replaces it, --output FILE writes another one")
    }

    /// `flowers.yaml` for `data/flowers.csv.gz`.
    static func name(_ path: String) -> String {
        var name = URL(fileURLWithPath: path).lastPathComponent
        for ending in [".gz", ".csv", ".tsv", ".txt", ".npy", ".npz", ".idx", "-ubyte"] where name.hasSuffix(ending) {
            if name.count > ending.count { name.removeLast(ending.count) }
        }
        return (name.isEmpty || name == "/" || name.hasPrefix(".") ? "data" : name) + ".yaml"
    }
}
