import Kernels
import Storage

/// `batch_norm: {synchronized: true}`: mean and variance over the whole batch of a step, on whatever ranks its rows are.
///
/// Forward, each leaf's count, sum and sum of squares of every channel are added along the tree over all leaves of the step;
/// backward, so are Σ g·x̂ and Σ g, which are the gradients of weight and bias too. All in Double, and in an order that the
/// ranks don't enter. One update of the running averages per step, with the mean and the unbiased variance of the batch.
extension BatchNorm {
    /// Moments that all leaves share are kept as if by the first leaf; backward takes the means of a step, and gradients of each
    /// leaf.
    func synchronizedMemory(moments: MemoryNeed) -> LayerMemory {
        LayerMemory(
            kept: moments, evaluation: MemoryNeed(perLeaf: channels), backward: MemoryNeed(perLeaf: 4 * channels))
    }

    /// The biased variance of `count` numbers; rounding may make it a little less than 0 where all are equal. NaN stays.
    static func variance(count: Double, mean: Double, squares: Double) -> Double {
        let variance = squares / count - mean * mean
        return variance < 0 ? 0 : variance
    }

    func forwardSynchronized(
        _ input: MatrixView, adding shortcut: MatrixView?, rectifies: Bool, into output: MutableMatrixView,
        _ weight: MatrixView?, _ bias: MatrixView?, _ kept: Scratch, _ pass: ForwardPass
    ) {
        let (sums, totals) = joined(pass.statistics, pass.totals)
        pass.workspace.channelMoments(input, channels: channels, leafRows: pass.leafRows, sums: sums)
        let total = totals.total(sums)
        let moments = kept.leaves(1, columns: 2 * channels)
        for channel in 0..<channels {
            let mean = total[1 + channel] / total[0]
            let variance = Self.variance(count: total[0], mean: mean, squares: total[1 + channels + channel])
            moments.base[channel] = Float(mean)
            moments.base[channels + channel] = Float(1 / (variance + epsilon).squareRoot())
        }
        normalize(
            input, means: moments[columns: 0..<channels].readOnly, scales: moments[columns: channels..<2 * channels].readOnly,
            weight, bias, adding: shortcut, rectifies: rectifies, into: output, pass.workspace)
    }

    func backwardSynchronized(
        _ outputGradient: MatrixView, rectified: MatrixView?, into inputGradient: MutableMatrixView?, _ input: MatrixView,
        _ memory: PassMemory, _ pass: BackwardPass
    ) {
        let (sums, totals) = joined(pass.statistics, pass.totals)
        let moments = memory.left.leaves(1, columns: 2 * channels).readOnly
        pass.workspace.channelGradientSums(
            outputGradient, input: input, rectified: rectified, channels: channels, leafRows: pass.leafRows, moments: moments,
            sums: sums)
        if let inputGradient {
            let total = totals.total(sums)
            let means = memory.work.leaves(1, columns: 2 * channels)
            for index in 0..<2 * channels { means.base[index] = Float(total[1 + index] / total[0]) }
            pass.workspace.normalizeChannelsGradient(
                outputGradient, input: input, rectified: rectified, channels: channels,
                weight: weight.map { pass.weights.matrix($0) }, moments: moments, means: means.readOnly, into: inputGradient)
        }
        pass.eachSegment(rows: input.rows) { rows, pass in
            let first = rows.lowerBound / pass.leafRows
            let count = (rows.count + pass.leafRows - 1) / pass.leafRows
            let gradients = memory.work.leaves(count, columns: 2 * channels, offset: 2 * channels)
            for leaf in 0..<count {
                let sums = sums.leaf(first + leaf)
                for index in 0..<2 * channels { gradients.row(leaf)[index] = Float(sums[1 + index]) }
            }
            if let target = weight.flatMap({ pass.gradient(of: $0) }) {
                pass.workspace.columnSums(gradients[columns: 0..<channels].readOnly, leafRows: 1, into: target)
            }
            if let target = bias.flatMap({ pass.gradient(of: $0) }) {
                pass.workspace.columnSums(gradients[columns: channels..<2 * channels].readOnly, leafRows: 1, into: target)
            }
        }
    }

    private func joined(_ statistics: LeafSums?, _ totals: (any StepTotals)?) -> (LeafSums, any StepTotals) {
        guard let sums = leafSums(statistics), let totals else {
            preconditionFailure("a synchronised layer in a pass that knows no step")
        }
        return (sums, totals)
    }
}
