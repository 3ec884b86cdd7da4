import Diagnostics
import Kernels
import Settings
import Storage

/// Adds to each position of a sequence, [steps, features], numbers that tell where it stands: y_t = x_t + P_t.
///
/// `kind: learned` (the default) trains P, `num_embeddings` (by default: steps) × features, as a second `torch.nn.Embedding` of the
/// positions; ∂L/∂P_t = Σ over samples of ∂L/∂y_t. `kind: sinusoidal` has P_{t,2i} = sin(t/10000^{2i/d}) and P_{t,2i+1} the
/// cosine (Vaswani et al., NeurIPS 2017). Shapes: x and y [steps, features].
package struct PositionalEmbedding: Layer {
    package static let kind = "positional_embedding"
    package let outputShape: Shape
    let steps: Int
    let width: Int
    /// Nil where nothing is trained.
    let weight: ParameterSlot?
    /// Steps × features where nothing is trained.
    let table: [Float]

    package init(options: Settings, site: inout LayerSite) throws {
        guard site.inputShape.dimensions.count == 2, site.inputShape.count > 0 else {
            throw options.failure(
                "positional_embedding takes sequences, [steps, features], but this one gets \(site.inputShape); put it behind "
                    + "embedding")
        }
        steps = site.inputShape.dimensions[0]
        width = site.inputShape.dimensions[1]
        outputShape = site.inputShape
        switch try options.choice("kind", of: ["learned", "sinusoidal"], default: "learned") {
        case "sinusoidal":
            weight = nil
            table = Self.sinusoidal(steps: site.context ?? steps, width: width)
        default:
            let steps = site.context ?? steps
            let positions = try options.int("num_embeddings", default: steps, in: 1...1 << 30)
            guard positions >= steps else {
                throw options.failure(
                    "num_embeddings",
                    "\(positions) positions, but the sequences have \(steps); set it to \(steps) or more, or leave "
                        + "it out")
            }
            guard positions <= Dense.largestParameterCount / width else {
                throw options.failure(
                    "num_embeddings", "\(width) numbers for each of \(positions) positions are too many parameters")
            }
            let initializer = try Initializer.read(
                options, inputs: positions, outputs: width, pytorch: (.normal(mean: 0, deviation: 1), .constant(0)))
            weight = site.reserve(
                "weight", shape: Shape([positions, width]), role: .weight, initializer: initializer.weight)
            table = []
        }
    }

    private static func sinusoidal(steps: Int, width: Int) -> [Float] {
        (0..<steps * width).map { index in
            let (step, column) = (index / width, index % width)
            let angle = Double(step) * exponential(-logarithm(10_000) * Double(column / 2 * 2) / Double(width))
            let turns = angle / Double.pi
            return Float(column % 2 == 0 ? cosineOfPi(times: turns - 0.5) : cosineOfPi(times: turns))
        }
    }

    package var backwardOperands: BackwardOperands { [] }
    package var isStepwise: Bool { true }

    package func forward(_ input: MatrixView, into output: MutableMatrixView, memory: PassMemory, in pass: ForwardPass) {
        let first = (pass.cache?.count ?? 0) * width
        if let weight {
            let positions = pass.weights.matrix(weight)[columns: first..<first + steps * width]
            return pass.workspace.addRow(positions, to: input, into: output)
        }
        table.withUnsafeBufferPointer { numbers in
            guard let base = numbers.baseAddress else { return }
            let positions = MatrixView(base: base, rows: 1, columns: numbers.count)[columns: first..<first + steps * width]
            pass.workspace.addRow(positions, to: input, into: output)
        }
    }

    package func backward(
        _ outputGradient: MatrixView, into inputGradient: MutableMatrixView?, input: MatrixView,
        output: MatrixView, memory: PassMemory, in pass: BackwardPass
    ) {
        inputGradient?.copy(from: outputGradient)
        guard let weight, let target = pass.gradient(of: weight) else { return }
        pass.workspace.columnSums(outputGradient, leafRows: pass.summedRows, into: target[columns: 0..<steps * width])
        if target.columns > steps * width { target[columns: steps * width..<target.columns].fill(0) }
    }
}
