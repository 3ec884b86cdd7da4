import ArgumentParser
import Diagnostics
import Training

/// `dtrain export CHECKPOINT OUTPUT`.
struct ExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "A trained network in the form of another program.",
        discussion:
            "onnx: a graph for onnxruntime and others. It takes the numbers of a file as they are, since what training did to them is "
            + "part of it, and gives what predict does. "
            + "safetensors, npz: the weights alone, by the names that they have in checkpoints. "
            + "gpt2: a folder with model.safetensors and config.json, which Hugging Face's transformers loads: "
            + "GPT2LMHeadModel.from_pretrained(OUTPUT). The network has to be GPT-2's, as that of configs/gpt2-small.yaml is.")

    /// What may be written.
    enum Format: String, ExpressibleByArgument, CaseIterable {
        case onnx, safetensors, npz, gpt2
    }

    @Argument(help: "A checkpoint, or a run directory (its newest checkpoint).", completion: .directory)
    var checkpoint: String

    @Argument(help: "The file to write; of gpt2 the folder, which isn't there yet.", completion: .file())
    var output: String

    @Option(help: ArgumentHelp("The form to write.", valueName: "name"))
    var format: Format

    @Flag(help: "Use the average of the weights that training kept (training.ema).")
    var ema = false

    @Flag(
        help:
            "onnx: write the weights of dense layers, convolutions and attention in 8 bits, and judge both on validation data.")
    var int8 = false

    func validate() throws {
        if int8, format != .onnx {
            throw ValidationError("--int8: only graphs of onnx can have weights in 8 bits; leave it out, or use --format onnx")
        }
        if output.isEmpty { throw ValidationError("OUTPUT: an empty path; name the file or folder to write") }
    }

    func run() throws {
        let model = try TrainedModel(path: checkpoint, overrides: [], usesAverage: ema, catalogue: .inForce)
        switch format {
        case .onnx:
            let table = int8 ? try model.judgedInt8() : nil
            try model.exportONNX(to: output, matrices: table?.weights.matrices ?? [:]).forEach(StandardStream.output.line)
            try table?.lines.forEach(StandardStream.output.line)
        case .safetensors: try StandardStream.output.line(try model.exportSafetensors(to: output))
        case .npz: try StandardStream.output.line(try model.exportNumPy(to: output))
        case .gpt2: try StandardStream.output.line(try model.exportGPT2(to: output))
        }
    }
}
