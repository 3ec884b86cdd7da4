import Diagnostics
import Kernels
import Settings
import Storage

/// Batch normalisation (Ioffe and Szegedy, ICML 2015) of features, sequences [channels, steps] or images [channels, height,
/// width], as `torch.nn.BatchNorm1d` and `BatchNorm2d`: y = γ·x̂ + β with x̂ = (x − μ)/√(σ² + ε), while training with mean μ and
/// biased variance σ² of the channel over rows and positions of the micro-batch, otherwise with running averages.
///
/// Backward, with ĝ = ∂L/∂y·γ and means over the channel's numbers in the micro-batch: ∂L/∂x = (ĝ − mean ĝ − x̂·mean(ĝ·x̂))/√(σ² + ε),
/// ∂L/∂γ = Σ g·x̂, ∂L/∂β = Σ g. Kept: μ and 1/√(σ² + ε) of each micro-batch.
///
/// There is one update of the running averages per step: new = (1 − momentum)·old + momentum·batch, where batch is the
/// average over the step's micro-batches, weighted by their numbers, of mean and unbiased variance. `momentum: none` makes them
/// the plain averages over all steps. PyTorch updates once per forward pass: the same where a step is one micro-batch.
/// With `synchronized: true` mean and variance are those of the whole batch of the step (`BatchNorm+Synchronized.swift`), as of
/// `torch.nn.SyncBatchNorm`. Frozen parameters leave the averages moving, as in PyTorch. On images a `relu` right behind is computed with it, or what a
/// residual adds.
package struct BatchNorm: Layer, ResidualEnding {
    package static let kind = "batch_norm"
    package let outputShape: Shape
    let channels: Int
    /// Numbers of a channel in a sample.
    let area: Int
    /// Whether what isn't above 0 becomes 0; on images only.
    private var rectifies = false
    let epsilon: Double
    let weight: ParameterSlot?
    let bias: ParameterSlot?
    let mean: ParameterSlot
    let variance: ParameterSlot
    /// Where among the leaf's sums its own begin.
    private let sums: Int
    /// Whether mean and variance are those of the whole batch of a step.
    private let isSynchronized: Bool

    package init(options: Settings, site: inout LayerSite) throws {
        epsilon = try options.double("epsilon", default: 1e-5, in: .nonNegative)
        let momentum = try Self.momentum(options)
        let isAffine = try options.bool("affine", default: true)
        let isSynchronized = try options.bool("synchronized", default: false)
        self.isSynchronized = isSynchronized
        let dimensions = site.inputShape.dimensions
        guard (1...3).contains(dimensions.count), site.inputShape.count > 0 else {
            throw options.failure(
                "batch_norm takes features, [channels, steps] or [channels, height, width], but this one gets "
                    + "\(site.inputShape); put \"flatten\" in front of it, or use layer_norm")
        }
        outputShape = site.inputShape
        channels = dimensions[0]
        area = site.inputShape.count / channels
        let shape = Shape([channels])
        weight = isAffine ? site.reserve("weight", shape: shape, role: .other, initializer: .constant(1)) : nil
        bias = isAffine ? site.reserve("bias", shape: shape, role: .bias, initializer: .constant(0)) : nil
        let mean = site.reserveBuffer("running_mean", shape: shape, initialValue: 0)
        let variance = site.reserveBuffer("running_var", shape: shape, initialValue: 1)
        let steps = site.reserveBuffer("num_batches_tracked", shape: Shape([]), initialValue: 0)
        self.mean = mean
        self.variance = variance
        // One number has no variance.
        let least = area > 1 ? 1 : 2
        sums = site.reserveStatistics(
            1 + 2 * shape.count, leastLeafRows: isSynchronized ? 1 : least, leastBatchRows: least
        ) { sums, weights in
            let counter = weights.matrix(steps).elements
            let means = weights.matrix(mean).elements
            let variances = weights.matrix(variance).elements
            let count = sums[0]
            let width = shape.count
            counter[0] += 1
            let share = momentum ?? 1 / Double(counter[0])
            for index in 0..<width {
                let mean = sums[1 + index] / count
                let variance =
                    isSynchronized
                    ? Self.variance(count: count, mean: mean, squares: sums[1 + width + index]) * count / (count - 1)
                    : sums[1 + width + index] / count
                means[index] = Float((1 - share) * Double(means[index]) + share * mean)
                variances[index] = Float((1 - share) * Double(variances[index]) + share * variance)
            }
        }
    }

    /// Nil for plain averages.
    private static func momentum(_ options: Settings) throws -> Double? {
        let text = try options.string("momentum", default: "0.1")
        guard text != "none" else { return nil }
        guard let number = Double(text), (0...1).contains(number) else {
            throw options.failure(
                "momentum",
                "expected a number from 0 to 1, or none for the average over all steps, found "
                    + "\"\(text)\"")
        }
        return number
    }

    package var joinsLeaves: Bool { isSynchronized }

    package var memory: LayerMemory {
        let moments = MemoryNeed(perLeaf: 2 * channels)
        guard !isSynchronized else { return synchronizedMemory(moments: moments) }
        let scales = MemoryNeed(perLeaf: channels)
        guard area == 1 else { return LayerMemory(kept: moments, evaluation: scales) }
        return LayerMemory(
            kept: moments, training: .none, evaluation: scales,
            backward: MemoryNeed(perSample: weight == nil ? 0 : channels))
    }

    package func kernelScratch(rows: Int, leafRows: Int, threads: Int) -> KernelScratch {
        area == 1
            ? .none
            // Synchronised sums go elsewhere; the room for those of each channel is the same.
            : Workspace.channelNormalizationScratch(sums: MemoryNeed.leaves(rows: rows, leafRows: leafRows), channels: channels)
    }

    package var backwardOperands: BackwardOperands { rectifies ? .both : .input }

    var canEndResidual: Bool { area > 1 && !rectifies }

    package func fused(with next: any Layer) -> (any Layer)? {
        guard area > 1, !rectifies, next is ReLU else { return nil }
        var result = self
        result.rectifies = true
        return result
    }

    package func forward(_ input: MatrixView, into output: MutableMatrixView, memory: PassMemory, in pass: ForwardPass) {
        forward(input, adding: nil, rectifies: rectifies, into: output, memory, pass)
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
        let weight = weight.map { pass.weights.matrix($0) }
        let bias = bias.map { pass.weights.matrix($0) }
        guard case .training = pass.purpose, let kept = memory.kept else {
            return evaluate(input, adding: shortcut, rectifies: rectifies, into: output, weight, bias, memory, pass)
        }
        guard !isSynchronized else {
            return forwardSynchronized(input, adding: shortcut, rectifies: rectifies, into: output, weight, bias, kept, pass)
        }
        let moments = moments(kept, rows: input.rows, leafRows: pass.leafRows)
        let sums = leafSums(pass.statistics)
        if area == 1 {
            pass.workspace.normalizeLeaves(
                input, leafRows: pass.leafRows, epsilon: epsilon, weight: weight, bias: bias, moments: moments, sums: sums,
                into: output)
        } else {
            pass.workspace.normalizeChannels(
                input, channels: channels, leafRows: pass.leafRows, epsilon: epsilon, weight: weight, bias: bias,
                adding: shortcut, rectifies: rectifies, moments: moments, sums: sums, into: output)
        }
    }

    private func evaluate(
        _ input: MatrixView, adding shortcut: MatrixView?, rectifies: Bool, into output: MutableMatrixView,
        _ weight: MatrixView?, _ bias: MatrixView?, _ memory: PassMemory, _ pass: ForwardPass
    ) {
        let scales = (memory.kept ?? memory.work).leaves(1, columns: channels)
        pass.workspace.normalizationScales(of: pass.weights.matrix(variance), epsilon: epsilon, into: scales)
        normalize(
            input, means: pass.weights.matrix(mean), scales: scales.readOnly, weight, bias, adding: shortcut,
            rectifies: rectifies,
            into: output, pass.workspace)
    }

    /// With means and scales that are known.
    func normalize(
        _ input: MatrixView, means: MatrixView, scales: MatrixView, _ weight: MatrixView?, _ bias: MatrixView?,
        adding shortcut: MatrixView?, rectifies: Bool, into output: MutableMatrixView, _ workspace: Workspace
    ) {
        if area == 1 {
            workspace.normalizeColumns(input, means: means, scales: scales, weight: weight, bias: bias, into: output)
        } else {
            workspace.normalizeChannels(
                input, channels: channels, means: means, scales: scales, weight: weight, bias: bias, adding: shortcut,
                rectifies: rectifies, into: output)
        }
    }

    /// Its own sums among those of each leaf.
    func leafSums(_ statistics: LeafSums?) -> LeafSums? { statistics?.part(sums, count: 1 + 2 * channels) }

    package func backward(
        _ outputGradient: MatrixView, into inputGradient: MutableMatrixView?, input: MatrixView,
        output: MatrixView, memory: PassMemory, in pass: BackwardPass
    ) {
        guard !isSynchronized, area == 1 else {
            return backwardOfChannels(
                outputGradient, rectified: rectifies ? output : nil, into: inputGradient, input, memory, pass)
        }
        let weightGradient = weight.flatMap { pass.gradient(of: $0) }
        let scaled = weightGradient.map { _ in memory.work.matrix(rows: input.rows, columns: channels) }
        pass.workspace.normalizeLeavesGradient(
            outputGradient, input: input, leafRows: pass.leafRows,
            weight: weight.map { pass.weights.matrix($0) },
            moments: moments(memory.left, rows: input.rows, leafRows: pass.leafRows).readOnly,
            scaled: scaled, into: inputGradient)
        if let weightGradient, let scaled {
            pass.workspace.columnSums(scaled.readOnly, leafRows: pass.summedRows, into: weightGradient)
        }
        if let target = bias.flatMap({ pass.gradient(of: $0) }) {
            pass.workspace.columnSums(outputGradient, leafRows: pass.summedRows, into: target)
        }
    }

    func backward(
        _ outputGradient: MatrixView, rectified: MatrixView, into inputGradient: MutableMatrixView?, input: MatrixView,
        memory: PassMemory, in pass: BackwardPass
    ) {
        backwardOfChannels(outputGradient, rectified: rectified, into: inputGradient, input, memory, pass)
    }

    private func backwardOfChannels(
        _ outputGradient: MatrixView, rectified: MatrixView?, into inputGradient: MutableMatrixView?, _ input: MatrixView,
        _ memory: PassMemory, _ pass: BackwardPass
    ) {
        guard !isSynchronized else {
            return backwardSynchronized(outputGradient, rectified: rectified, into: inputGradient, input, memory, pass)
        }
        pass.workspace.normalizeChannelsGradient(
            outputGradient, input: input, rectified: rectified, channels: channels, leafRows: pass.leafRows,
            weight: weight.map { pass.weights.matrix($0) },
            moments: moments(memory.left, rows: input.rows, leafRows: pass.leafRows).readOnly,
            weightGradient: weight.flatMap { pass.gradient(of: $0) }, biasGradient: bias.flatMap { pass.gradient(of: $0) },
            into: inputGradient)
    }

    private func moments(_ kept: Scratch, rows: Int, leafRows: Int) -> MutableMatrixView {
        kept.leaves((rows + leafRows - 1) / leafRows, columns: 2 * channels)
    }
}
