import CProcessor
import Storage

/// Pooling over whole planes: one number for each of `channels` channels of a row. With `counts` only the first numbers of a row's
/// planes count, which are its own.
extension Workspace {
    /// `output` = the means; sums in Double.
    package func globalAveragePool(
        _ input: MatrixView, channels: Int, counts: StepCounts? = nil, into output: MutableMatrixView
    ) {
        let area = planeArea(input, channels, output.readOnly)
        parallelPlanes(input.rows, channels) { _, row, channel in
            let own = counts?[row] ?? area
            output.base[row * output.stride + channel] = Float(
                planeTotal(input.base + (row * input.stride + channel * area), count: own) / Double(own))
        }
    }

    /// The gradient of `globalAveragePool`.
    package func globalAveragePoolGradient(
        _ outputGradient: MatrixView, channels: Int, counts: StepCounts? = nil, into inputGradient: MutableMatrixView
    ) {
        let area = planeArea(inputGradient.readOnly, channels, outputGradient)
        parallelPlanes(outputGradient.rows, channels) { _, row, channel in
            let own = counts?[row] ?? area
            let share = outputGradient.base[row * outputGradient.stride + channel] / Float(own)
            let target = inputGradient.base + (row * inputGradient.stride + channel * area)
            target.update(repeating: share, count: own)
            (target + own).update(repeating: 0, count: area - own)
        }
    }

    /// `output` = the largest numbers, NaN where a plane has one.
    package func globalMaxPool(
        _ input: MatrixView, channels: Int, counts: StepCounts? = nil, into output: MutableMatrixView
    ) {
        let area = planeArea(input, channels, output.readOnly)
        parallelPlanes(input.rows, channels) { _, row, channel in
            let x = input.base + (row * input.stride + channel * area)
            var largest = Vector(repeating: -.infinity)
            eachVector(counts?[row] ?? area) { index, count in
                var vector = Vector.load(x + index, count: count)
                for lane in count..<max(8, count) { vector[lane] = x[index] }
                largest = dtrain_larger(largest, vector)
            }
            output.base[row * output.stride + channel] = dtrain_largest_lane(largest)
        }
    }

    /// The gradient of `globalMaxPool`: to the first number of a plane that is the largest, or NaN.
    package func globalMaxPoolGradient(
        _ outputGradient: MatrixView, input: MatrixView, output: MatrixView, channels: Int, counts: StepCounts? = nil,
        into inputGradient: MutableMatrixView
    ) {
        let area = planeArea(input, channels, output)
        precondition(
            inputGradient.readOnly.hasShape(of: input) && outputGradient.hasShape(of: output),
            "\(outputGradient.rows)×\(outputGradient.columns) gradients for \(input.rows)×\(input.columns)")
        parallelPlanes(input.rows, channels) { _, row, channel in
            let x = input.base + (row * input.stride + channel * area)
            let target = inputGradient.base + (row * inputGradient.stride + channel * area)
            let largest = output.base[row * output.stride + channel]
            target.update(repeating: 0, count: area)
            for index in 0..<(counts?[row] ?? area) where x[index] == largest || x[index].isNaN {
                target[index] = outputGradient.base[row * outputGradient.stride + channel]
                break
            }
        }
    }

    private func planeArea(_ input: MatrixView, _ channels: Int, _ output: MatrixView) -> Int {
        precondition(
            input.columns % channels == 0 && output.columns == channels && output.rows == input.rows,
            "\(input.rows)×\(input.columns) in \(channels) channels into \(output.rows)×\(output.columns)")
        return input.columns / channels
    }
}
