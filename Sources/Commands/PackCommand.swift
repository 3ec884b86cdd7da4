import ArgumentParser
import Diagnostics
import Training

/// `dtrain pack SOURCE FILE`.
struct PackCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pack",
        abstract: "One file of a folder of images, or of a split of any configuration.",
        discussion:
            "data: {format: packed, train: {path: FILE}} trains on it with the digest of the folder. It is mapped, so that "
            + "the ranks of a machine share it.")

    @Argument(help: "A folder with a folder of images for each class, or a configuration (YAML).", completion: .file())
    var source: String

    @Argument(help: "The file to write.", completion: .file())
    var file: String

    @Option(help: "The split of a configuration: train or validation (default: train).")
    var split: EvalCommand.SplitName?

    @Option(
        name: .customLong("set"),
        help: ArgumentHelp(
            "Override a configuration key; of a folder how images are read (data.size=[64, 64]).", valueName: "key=value"))
    var overrides: [String] = []

    func validate() throws {
        if file.isEmpty { throw ValidationError("FILE: an empty path; name the file to write") }
    }

    func run() throws {
        let packing = try DataPacking(source, overrides: overrides, validates: split == .validation, catalogue: .inForce)
        for note in packing.splits.notes { StandardStream.tell("note", note) }
        try StandardStream.output.line(try packing.write(to: file))
    }
}
