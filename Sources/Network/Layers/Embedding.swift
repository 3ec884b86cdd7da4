import Kernels
import Settings
import Storage

/// A row of numbers for each token.
///
/// Forward: y_i = W[token_i]. Backward: ∂L/∂W[v] = Σ of ∂L/∂y_i over all i whose token is v, in the order of positions within
/// a leaf. The row of `padding_index` begins with zeros and has no gradient. Shapes: tokens […], y […, embedding_dim], W num_embeddings × embedding_dim, as `torch.nn.Embedding`. Kept: nothing;
/// backward reads the tokens.
package struct Embedding: Layer {
    package static let kind = "embedding"
    package static let inputElements = InputElements.tokens

    package let outputShape: Shape
    private let kinds: Int
    let width: Int
    let weight: ParameterSlot
    private let paddingIndex: Int?

    package init(options: Settings, site: inout LayerSite) throws {
        width = try options.int(options.has("units") ? "units" : "embedding_dim", in: 1...1 << 24)
        let found = site.tokenKinds ?? 0
        kinds = try options.optionalInt("num_embeddings", in: 1...Dense.largestParameterCount) ?? found
        guard kinds >= found else {
            throw options.failure(
                "num_embeddings",
                "\(kinds) rows, but the data have \(found) different tokens; set it to "
                    + "\(found) or more, or leave it out")
        }
        guard kinds <= Dense.largestParameterCount / width else {
            throw options.failure("embedding_dim", "\(width) numbers for each of \(kinds) tokens are too many parameters")
        }
        outputShape = try site.shape(site.inputShape.dimensions + [width]) { options.failure("embedding_dim", $0) }
        let initializer = try Initializer.read(
            options, inputs: kinds, outputs: width,
            pytorch: (.normal(mean: 0, deviation: 1), .constant(0)))
        paddingIndex = try options.optionalInt("padding_index", in: 0...kinds - 1)
        let width = width
        let start = paddingIndex.map { Initializer.parted(initializer.weight, $0 * width..<($0 + 1) * width, value: 0) }
        weight = site.reserve(
            "weight", shape: Shape([kinds, width]), role: .weight, initializer: start ?? initializer.weight)
        site.noteTokenTable(weight)
    }

    package func sequence(behind input: SequenceSteps, of shape: Shape) -> SequenceSteps? { input }

    package func kernelScratch(rows: Int, leafRows: Int, threads: Int) -> KernelScratch {
        let positions = outputShape.count / width
        return Workspace.embeddingScratch(
            tokens: rows * positions, leafTokens: leafRows * positions, kinds: kinds, width: width)
    }

    package var backwardOperands: BackwardOperands { .input }
    package var isStepwise: Bool { true }

    package func forward(_ input: MatrixView, into output: MutableMatrixView, memory: PassMemory, in pass: ForwardPass) {
        pass.workspace.embed(
            input, pass.weights.matrix(weight, columns: width),
            into: output.reshaped(rows: input.count, columns: width))
    }

    package func backward(
        _ outputGradient: MatrixView, into inputGradient: MutableMatrixView?, input: MatrixView,
        output: MatrixView, memory: PassMemory, in pass: BackwardPass
    ) {
        // Tokens have no gradient.
        inputGradient?.fill(0)
        guard let target = pass.gradient(of: weight, columns: width) else { return }
        pass.workspace.embeddingGradient(
            outputGradient.reshaped(rows: input.count, columns: width), input,
            leafTokens: pass.summedRows * input.columns, into: target)
        if let paddingIndex { target[rows: paddingIndex..<paddingIndex + 1].fill(0) }
    }
}
