import Diagnostics
import Kernels
import Settings
import Storage

/// Group normalisation (Wu and He, ECCV 2018), as `torch.nn.GroupNorm`: y = γ·x̂ + β with x̂ = (x − μ)/√(σ² + ε), mean μ and biased
/// variance σ² of `groups` groups of neighbouring channels, each sample for itself; γ and β are the channels'.
///
/// Backward, with ĝ = ∂L/∂y·γ and means over the group: ∂L/∂x = (ĝ − mean ĝ − x̂·mean(ĝ·x̂))/√(σ² + ε), ∂L/∂γ = Σ g·x̂, ∂L/∂β = Σ g.
/// Shapes: x and y [channels, …]. Kept: μ and 1/√(σ² + ε) of each group. A `relu` right behind is computed with it, or what a residual
/// adds.
package struct GroupNorm: GroupNormLayer {
    package static let kind = "group_norm"
    var normalization: GroupNormalization

    package init(options: Settings, site: inout LayerSite) throws {
        normalization = try GroupNormalization(options, &site, kind: Self.kind, isAffine: true) { channels in
            let groups = try options.int("groups", in: 1...1 << 30)
            guard channels % groups == 0 else {
                throw options.failure("groups", "\(groups) groups must divide the \(channels) channels")
            }
            return groups
        }
    }
}

/// Instance normalisation (Ulyanov, Vedaldi and Lempitsky, arXiv:1607.08022), as `torch.nn.InstanceNorm2d`: group normalisation
/// with a group for each channel, by default (`affine: false`) without γ and β.
package struct InstanceNorm: GroupNormLayer {
    package static let kind = "instance_norm"
    var normalization: GroupNormalization

    package init(options: Settings, site: inout LayerSite) throws {
        normalization = try GroupNormalization(options, &site, kind: Self.kind, isAffine: false) { $0 }
        guard normalization.outputShape.count > normalization.channels else {
            throw options.failure("instance_norm takes more than one number per channel, but this one gets \(site.inputShape)")
        }
    }
}

/// What both have in common.
struct GroupNormalization: Sendable {
    let outputShape: Shape
    let channels: Int
    let groups: Int
    let epsilon: Double
    let weight: ParameterSlot?
    let bias: ParameterSlot?
    /// Whether what isn't above 0 becomes 0.
    var rectifies = false

    init(
        _ options: Settings, _ site: inout LayerSite, kind: String, isAffine: Bool, groups: (_ channels: Int) throws -> Int
    ) throws {
        guard let channels = site.inputShape.dimensions.first, site.inputShape.count > 0 else {
            throw options.failure("\(kind) takes [channels, …], but this one gets \(site.inputShape)")
        }
        self.channels = channels
        self.groups = try groups(channels)
        outputShape = site.inputShape
        epsilon = try options.double("epsilon", default: 1e-5, in: .nonNegative)
        let isAffine = try options.bool("affine", default: isAffine)
        let shape = Shape([channels])
        weight = isAffine ? site.reserve("weight", shape: shape, role: .other, initializer: .constant(1)) : nil
        bias = isAffine ? site.reserve("bias", shape: shape, role: .bias, initializer: .constant(0)) : nil
    }
}

/// A layer that is a normalisation of groups.
protocol GroupNormLayer: ResidualEnding {
    var normalization: GroupNormalization { get set }
}

extension GroupNormLayer {
    package var outputShape: Shape { normalization.outputShape }

    package var memory: LayerMemory {
        let moments = MemoryNeed(perSample: 2 * normalization.groups)
        return LayerMemory(kept: moments, evaluation: moments)
    }

    package func kernelScratch(rows: Int, leafRows: Int, threads: Int) -> KernelScratch {
        Workspace.channelNormalizationScratch(sums: rows, channels: normalization.channels)
    }

    package var backwardOperands: BackwardOperands { normalization.rectifies ? .both : .input }

    var canEndResidual: Bool { !normalization.rectifies }

    package func fused(with next: any Layer) -> (any Layer)? {
        guard !normalization.rectifies, next is ReLU else { return nil }
        var result = self
        result.normalization.rectifies = true
        return result
    }

    package func forward(_ input: MatrixView, into output: MutableMatrixView, memory: PassMemory, in pass: ForwardPass) {
        forward(input, adding: nil, rectifies: normalization.rectifies, into: output, memory, pass)
    }

    func forward(
        _ input: MatrixView, adding sum: ResidualSum, into output: MutableMatrixView, memory: PassMemory, in pass: ForwardPass
    ) {
        forward(input, adding: sum.shortcut, rectifies: sum.rectifies, into: output, memory, pass)
    }

    private func forward(
        _ input: MatrixView, adding shortcut: MatrixView?, rectifies: Bool, into output: MutableMatrixView,
        _ memory: PassMemory, _ pass: ForwardPass
    ) {
        pass.workspace.normalizeGroups(
            input, channels: normalization.channels, groups: normalization.groups, epsilon: normalization.epsilon,
            weight: normalization.weight.map { pass.weights.matrix($0) },
            bias: normalization.bias.map { pass.weights.matrix($0) }, adding: shortcut, rectifies: rectifies,
            moments: moments(memory.kept ?? memory.work, rows: input.rows), into: output)
    }

    package func backward(
        _ outputGradient: MatrixView, into inputGradient: MutableMatrixView?, input: MatrixView,
        output: MatrixView, memory: PassMemory, in pass: BackwardPass
    ) {
        backward(
            outputGradient, mask: normalization.rectifies ? output : nil, into: inputGradient, input, memory, pass)
    }

    func backward(
        _ outputGradient: MatrixView, rectified: MatrixView, into inputGradient: MutableMatrixView?, input: MatrixView,
        memory: PassMemory, in pass: BackwardPass
    ) {
        backward(outputGradient, mask: rectified, into: inputGradient, input, memory, pass)
    }

    /// - Parameter mask: gradients count as 0 where it isn't above 0.
    private func backward(
        _ outputGradient: MatrixView, mask: MatrixView?, into inputGradient: MutableMatrixView?, _ input: MatrixView,
        _ memory: PassMemory, _ pass: BackwardPass
    ) {
        pass.workspace.normalizeGroupsGradient(
            outputGradient, input: input, rectified: mask, channels: normalization.channels, groups: normalization.groups,
            leafRows: pass.summedRows, weight: normalization.weight.map { pass.weights.matrix($0) },
            moments: moments(memory.left, rows: input.rows).readOnly,
            weightGradient: normalization.weight.flatMap { pass.gradient(of: $0) },
            biasGradient: normalization.bias.flatMap { pass.gradient(of: $0) }, into: inputGradient)
    }

    private func moments(_ scratch: Scratch, rows: Int) -> MutableMatrixView {
        scratch.matrix(rows: rows, columns: 2 * normalization.groups)
    }
}
