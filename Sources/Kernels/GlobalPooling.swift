import CProcessor
import Storage

/// Pooling over whole planes: one number for each of `channels` channels of a row.
extension Workspace {
    /// `output` = the means; sums in Double.
    package func globalAveragePool(_ input: MatrixView, channels: Int, into output: MutableMatrixView) {
        let area = planeArea(input, channels, output.readOnly)
        parallelPlanes(input.rows, channels) { _, row, channel in
            output.base[row * output.stride + channel] = Float(
                planeTotal(input.base + (row * input.stride + channel * area), count: area) / Double(area))
        }
    }

    /// The gradient of `globalAveragePool`.
    package func globalAveragePoolGradient(
        _ outputGradient: MatrixView, channels: Int, into inputGradient: MutableMatrixView
    ) {
        let area = planeArea(inputGradient.readOnly, channels, outputGradient)
        parallelPlanes(outputGradient.rows, channels) { _, row, channel in
            let share = outputGradient.base[row * outputGradient.stride + channel] / Float(area)
            (inputGradient.base + (row * inputGradient.stride + channel * area)).update(repeating: share, count: area)
        }
    }

    /// `output` = the largest numbers, NaN where a plane has one.
    package func globalMaxPool(_ input: MatrixView, channels: Int, into output: MutableMatrixView) {
        let area = planeArea(input, channels, output.readOnly)
        parallelPlanes(input.rows, channels) { _, row, channel in
            let x = input.base + (row * input.stride + channel * area)
            var largest = Vector(repeating: -.infinity)
            eachVector(area) { index, count in
                var vector = Vector.load(x + index, count: count)
                for lane in count..<max(8, count) { vector[lane] = x[index] }
                largest = dtrain_larger(largest, vector)
            }
            output.base[row * output.stride + channel] = dtrain_largest_lane(largest)
        }
    }

    /// The gradient of `globalMaxPool`: to the first number of a plane that is the largest, or NaN.
    package func globalMaxPoolGradient(
        _ outputGradient: MatrixView, input: MatrixView, output: MatrixView, channels: Int,
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
            for index in 0..<area where x[index] == largest || x[index].isNaN {
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
