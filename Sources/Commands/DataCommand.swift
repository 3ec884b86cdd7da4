import ArgumentParser
import Diagnostics
import Files
import Reporting
import Training

/// `dtrain data [CONFIG]`.
struct DataCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "data",
        abstract: "What the data of a configuration are like: samples per class, shapes, ranges, means; a picture of samples.")

    @Argument(
        help: "The configuration (YAML); without it, the built-in digits.", completion: .file(extensions: ["yaml", "yml"]))
    var config: String?

    @OptionGroup var options: ConfigurationOptions

    @Option(help: ArgumentHelp("Write a picture (PNG) of samples as training gets them.", valueName: "file"))
    var sheet: String?

    @Option(help: ArgumentHelp("How many samples the picture shows.", valueName: "n"))
    var samples = 64

    func validate() throws {
        guard (1...1024).contains(samples) else { throw ValidationError("--samples \(samples): expected 1 to 1024") }
        if sheet == "" { throw ValidationError("--sheet: an empty path; name a file, or leave the option out") }
    }

    func run() throws {
        let report = try DataReport(try options.read(config))
        let file = try sheet.map { try OutputFile(path: $0) }
        for note in report.notes { StandardStream.tell("note", note) }
        let picture = try file == nil ? nil : report.sheet(samples: samples)
        for line in report.lines() { try StandardStream.output.line(line) }
        guard let file, let picture, let sheet else { return }
        try reportingSystemErrors {
            try picture.png.withUnsafeBytes { try file.write($0) }
            try file.commit()
        }
        try StandardStream.output.line("\(sheet): \(picture.text)")
    }
}
