import Diagnostics
import Kernels
import Settings
import Storage

/// A fully connected layer on the last axis.
///
/// Forward: y = x·Wᵀ + b. Backward, with g = ∂L/∂y: ∂L/∂x = g·W, ∂L/∂W = gᵀ·x, ∂L/∂b = Σ rows of g.
/// Shapes: x […, inputs], y […, units], W units × inputs, b units, as `torch.nn.Linear`; every position of a sample is a row
/// of the products. Kept: nothing; backward reads the input.
///
/// `tied_to: LAYER` (or `tie`) uses the weight of a layer in front of it, such as that of an embedding (Press and Wolf, EACL 2017).
///
/// An activation right behind it whose derivative follows from its output is computed with it: y = f(x·Wᵀ + b), and
/// g = ∂L/∂y · f′ goes to scratch.
package struct Dense: Layer {
    package static let kind = "dense"
    /// More parameters in one layer are taken for a slip of the keyboard.
    static let largestParameterCount = 1 << 33

    package private(set) var outputShape: Shape
    let inputs: Int
    let units: Int
    /// Rows of the products per sample.
    private var positions: Int
    let weight: ParameterSlot
    let bias: ParameterSlot?
    private var activation: Activation?

    package init(options: Settings, site: inout LayerSite) throws {
        units = try Self.units(options, site)
        let hasBias = try options.bool("bias", default: true)
        guard let last = site.inputShape.dimensions.last, site.inputShape.count > 0 else {
            throw options.failure("a dense layer takes one number or more per sample, but this one gets \(site.inputShape)")
        }
        inputs = last
        positions = site.inputShape.count / inputs
        guard inputs.multipliedReportingOverflow(by: units).partialValue <= Self.largestParameterCount,
            !inputs.multipliedReportingOverflow(by: units).overflow
        else {
            throw options.failure("units", "\(units) units for \(inputs) inputs are too many parameters")
        }
        outputShape = try site.shape(site.inputShape.dimensions.dropLast() + [units]) { options.failure("units", $0) }
        let initializer = try Initializer.read(options, inputs: inputs, outputs: units)
        let shape = Shape([units, inputs])
        let tie = options.has("tie") ? "tie" : "tied_to"
        if let owner = try options.optionalString(tie) {
            weight = try Self.tied(to: owner, key: tie, shape, options, &site)
        } else {
            weight = site.reserve("weight", shape: shape, role: .weight, initializer: initializer.weight)
        }
        bias = hasBias ? site.reserve("bias", shape: Shape([units]), role: .bias, initializer: initializer.bias) : nil
    }

    /// The same for fewer positions.
    private init(_ other: Dense, positions: Int) {
        self = other
        self.positions = positions
        outputShape = Shape([positions, units])
    }

    /// `units: vocabulary` is as many as there are tokens.
    private static func units(_ options: Settings, _ site: LayerSite) throws -> Int {
        guard options.isName("vocabulary", at: "units") else { return try options.int("units", in: 1...1 << 30) }
        _ = try options.string("units")
        guard let vocabulary = site.vocabulary else {
            throw options.failure("units", "the data are numbers, which have no vocabulary; give the number of units")
        }
        return vocabulary
    }

    /// The weight of the layer called `path`, which has to have the shape that this one's would.
    private static func tied(to path: String, key: String, _ shape: Shape, _ options: Settings, _ site: inout LayerSite) throws
        -> ParameterSlot
    {
        guard let slot = site.reuse("weight", of: path) else {
            let known = site.owners(of: "weight")
            throw options.failure(
                key,
                "no layer in front of this one is called \"\(path)\" and has a weight"
                    + suggestion(for: path, among: known) + "; known: "
                    + (known.isEmpty ? "none" : known.joined(separator: ", ")))
        }
        guard slot.shape == shape else {
            throw options.failure(
                key,
                "the weight of \"\(path)\" is \(slot.shape), but this layer's would be \(shape) "
                    + "(units, inputs); make them agree")
        }
        return slot
    }

    /// Outputs, weight gradient, input gradient: the same product up to three times.
    package func productOperations(withInputGradient: Bool) -> Int {
        2 * (1 + (weight.region == .trained ? 1 : 0) + (withInputGradient ? 1 : 0)) * inputs * outputShape.count
    }

    package var memory: LayerMemory {
        LayerMemory(backward: MemoryNeed(perSample: activation == nil ? 0 : outputShape.count))
    }

    package var backwardOperands: BackwardOperands { activation == nil ? .input : .both }
    package var isStepwise: Bool { outputShape.dimensions.count > 1 }

    package func fused(with next: any Layer) -> (any Layer)? {
        guard activation == nil, let function = (next as? any ElementwiseLayer)?.activation, function.needsOutput else {
            return nil
        }
        var result = self
        result.activation = function
        return result
    }

    package func forPart(of parts: Int) -> (any Layer)? {
        guard positions % parts == 0 else { return nil }
        return Dense(self, positions: positions / parts)
    }

    package func kernelScratch(rows: Int, leafRows: Int, threads: Int) -> KernelScratch {
        Workspace.productScratch(
            rows: rows * positions, inputs: inputs, outputs: units, leafRows: leafRows * positions)
    }

    package func forward(_ input: MatrixView, into output: MutableMatrixView, memory: PassMemory, in pass: ForwardPass) {
        let rows = input.rows * positions
        pass.workspace.innerProducts(
            input.reshaped(rows: rows, columns: inputs), pass.weights.matrix(weight, columns: inputs),
            bias: bias.map { pass.weights.matrix($0) }, activation: activation,
            into: output.reshaped(rows: rows, columns: units))
    }

    package func backward(
        _ outputGradient: MatrixView, into inputGradient: MutableMatrixView?, input: MatrixView,
        output: MatrixView, memory: PassMemory, in pass: BackwardPass
    ) {
        let rows = input.rows * positions
        let leafRows = pass.summedRows * positions
        var gradient = outputGradient
        if let activation {
            let inner = memory.work.matrix(rows: outputGradient.rows, columns: outputShape.count)
            pass.workspace.activationGradient(activation, outputGradient, saved: output, into: inner)
            gradient = inner.readOnly
        }
        gradient = gradient.reshaped(rows: rows, columns: units)
        let rowInput = input.reshaped(rows: rows, columns: inputs)
        func findInputGradient() {
            guard let inputGradient else { return }
            pass.workspace.inputGradient(
                gradient, pass.weights.matrix(weight, columns: inputs),
                into: inputGradient.reshaped(rows: rows, columns: inputs))
        }
        func findBiasGradient() {
            guard let target = bias.flatMap({ pass.gradient(of: $0) }) else { return }
            pass.workspace.columnSums(gradient, leafRows: leafRows, continues: pass.continues, into: target)
        }
        let target = pass.gradient(of: weight, columns: inputs)
        if let target, let summed = pass.summed, inputGradient != nil, weight.useOffset == nil, let parts = partsOfUnits {
            // Gradients are on their way to other hosts while the rest is computed, from the back to the front.
            findBiasGradient()
            for units in parts.reversed() {
                pass.workspace.weightGradient(
                    gradient[columns: units], rowInput, leafRows: leafRows, continues: pass.continues,
                    into: target[rows: units])
                summed(weight.offset + units.lowerBound * inputs)
            }
            return findInputGradient()
        }
        findInputGradient()
        if let target {
            pass.workspace.weightGradient(
                gradient, rowInput, leafRows: leafRows, continues: pass.continues, into: target)
        }
        findBiasGradient()
    }

    /// The units in parts that are worth a message of their own between hosts; nil where all of them are one.
    private var partsOfUnits: [Range<Int>]? {
        let count = units * inputs / Self.partSize
        guard count > 1 else { return nil }
        return (0..<count).map { $0 * units / count..<($0 + 1) * units / count }
    }

    /// Weights of a part: long enough for products at full speed.
    private static let partSize = 1 << 20
}
