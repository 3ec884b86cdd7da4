import Kernels
import Settings
import Storage

/// What `layer_norm` and `rms_norm` have in common: each position's numbers, over the last axes, are normalised by what follows from
/// them alone.
///
/// Kept: μ and the scale of each position.
struct RowNormalization {
    let outputShape: Shape
    let width: Int
    let positions: Int
    /// Whether steps, on the first axis, are normalised one by one.
    let isStepwise: Bool
    let epsilon: Double
    /// Whether the mean is taken away.
    let centers: Bool
    let weight: ParameterSlot?
    let bias: ParameterSlot?

    /// - Parameter epsilon: where the configuration says none.
    init(_ options: Settings, _ site: inout LayerSite, epsilon: Double, centers: Bool) throws {
        let dimensions = site.inputShape.dimensions
        let axes = try options.int("dimensions", default: 1, in: 1...1 << 20)
        self.epsilon = try options.double("epsilon", default: epsilon, in: .nonNegative)
        self.centers = centers
        let isAffine = try options.bool("affine", default: true)
        let hasBias = try centers && options.bool("bias", default: true)
        guard axes <= dimensions.count, site.inputShape.count > 0 else {
            throw options.failure(
                "dimensions",
                "\(axes) dimensions are to be normalized, but a sample has the shape "
                    + "\(site.inputShape)")
        }
        let normalized = Shape(Array(dimensions.suffix(axes)))
        width = normalized.count
        positions = site.inputShape.count / width
        outputShape = site.inputShape
        isStepwise = axes < dimensions.count
        weight = isAffine ? site.reserve("weight", shape: normalized, role: .other, initializer: .constant(1)) : nil
        bias = isAffine && hasBias ? site.reserve("bias", shape: normalized, role: .bias, initializer: .constant(0)) : nil
    }

    var memory: LayerMemory {
        let statistics = MemoryNeed(perSample: 2 * positions)
        return LayerMemory(
            kept: statistics, evaluation: statistics,
            backward: MemoryNeed(perSample: weight == nil ? 0 : outputShape.count))
    }

    func forward(_ input: MatrixView, into output: MutableMatrixView, memory: PassMemory, in pass: ForwardPass) {
        let rows = input.rows * positions
        pass.workspace.normalizeRows(
            input.reshaped(rows: rows, columns: width), epsilon: epsilon, centers: centers,
            weight: weight.map { pass.weights.matrix($0) }, bias: bias.map { pass.weights.matrix($0) },
            statistics: statistics(memory.kept ?? memory.work, rows: input.rows),
            into: output.reshaped(rows: rows, columns: width))
    }

    func backward(
        _ outputGradient: MatrixView, into inputGradient: MutableMatrixView?, input: MatrixView, memory: PassMemory,
        in pass: BackwardPass
    ) {
        let rows = input.rows * positions
        let leafRows = pass.summedRows * positions
        let gradient = outputGradient.reshaped(rows: rows, columns: width)
        let weightGradient = weight.flatMap { pass.gradient(of: $0) }
        let scaled = weightGradient.map { _ in
            memory.work.matrix(rows: input.rows, columns: outputShape.count)
                .reshaped(rows: rows, columns: width)
        }
        pass.workspace.normalizeRowsGradient(
            gradient, input: input.reshaped(rows: rows, columns: width), centers: centers,
            weight: weight.map { pass.weights.matrix($0) },
            statistics: statistics(memory.left, rows: input.rows).readOnly,
            scaled: scaled, into: inputGradient?.reshaped(rows: rows, columns: width))
        if let weightGradient, let scaled {
            pass.workspace.columnSums(scaled.readOnly, leafRows: leafRows, into: weightGradient)
        }
        if let target = bias.flatMap({ pass.gradient(of: $0) }) {
            pass.workspace.columnSums(gradient, leafRows: leafRows, into: target)
        }
    }

    /// Mean and scale of every position, a row each.
    private func statistics(_ scratch: Scratch, rows: Int) -> MutableMatrixView {
        scratch.matrix(rows: rows, columns: 2 * positions).reshaped(rows: rows * positions, columns: 2)
    }
}

/// A layer that does that and nothing else.
protocol RowNormalizing: Layer {
    var rows: RowNormalization { get }
}

extension RowNormalizing {
    package var outputShape: Shape { rows.outputShape }
    package var memory: LayerMemory { rows.memory }
    package var backwardOperands: BackwardOperands { .input }
    package var isStepwise: Bool { rows.isStepwise }

    package func forward(_ input: MatrixView, into output: MutableMatrixView, memory: PassMemory, in pass: ForwardPass) {
        rows.forward(input, into: output, memory: memory, in: pass)
    }

    package func backward(
        _ outputGradient: MatrixView, into inputGradient: MutableMatrixView?, input: MatrixView,
        output: MatrixView, memory: PassMemory, in pass: BackwardPass
    ) {
        rows.backward(outputGradient, into: inputGradient, input: input, memory: memory, in: pass)
    }
}
