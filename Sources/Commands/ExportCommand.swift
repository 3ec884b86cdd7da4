import ArgumentParser
import Diagnostics
import Training

/// `dtrain export CHECKPOINT OUTPUT`.
struct ExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "A trained network in the form of another program.",
        discussion:
            "gpt2: a folder with model.safetensors and config.json, which Hugging Face's transformers loads: "
            + "GPT2LMHeadModel.from_pretrained(OUTPUT). The network has to be GPT-2's, as that of configs/gpt2-small.yaml is.")

    /// What may be written.
    enum Format: String, ExpressibleByArgument, CaseIterable {
        case gpt2
    }

    @Argument(help: "A checkpoint, or a run directory (its newest checkpoint).", completion: .directory)
    var checkpoint: String

    @Argument(help: "The folder to write, which isn't there yet.", completion: .file())
    var output: String

    @Option(help: ArgumentHelp("The form to write.", valueName: "name"))
    var format: Format

    func validate() throws {
        if output.isEmpty { throw ValidationError("OUTPUT: an empty path; name the folder to write") }
    }

    func run() throws {
        let model = try TrainedModel(path: checkpoint, overrides: [], catalogue: .inForce)
        switch format {
        case .gpt2: try StandardStream.output.line(try model.exportGPT2(to: output))
        }
    }
}
