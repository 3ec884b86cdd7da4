import Storage

/// Zeros around images.
extension Workspace {
    /// `output` = planes of `height` × `width` numbers with zeros around them.
    package func zeroPad(
        _ input: MatrixView, channels: Int, height: Int, width: Int,
        padding: (top: Int, bottom: Int, left: Int, right: Int), into output: MutableMatrixView
    ) {
        let outputHeight = height + padding.top + padding.bottom
        let outputWidth = width + padding.left + padding.right
        precondition(
            input.columns == channels * height * width && output.columns == channels * outputHeight * outputWidth
                && input.rows == output.rows,
            "\(input.rows)×\(input.columns) into \(output.rows)×\(output.columns), padding \(padding)")
        parallelPlanes(input.rows, channels) { _, row, channel in
            var from = input.base + (row * input.stride + channel * height * width)
            var to = output.base + (row * output.stride + channel * outputHeight * outputWidth)
            to.update(repeating: 0, count: padding.top * outputWidth + padding.left)
            to += padding.top * outputWidth + padding.left
            for line in 0..<height {
                to.update(from: from, count: width)
                let isLast = line == height - 1
                let zeros = padding.right + (isLast ? padding.bottom * outputWidth : padding.left)
                (to + width).update(repeating: 0, count: zeros)
                from += width
                to += outputWidth
            }
        }
    }

    /// The gradient of `zeroPad`: what lies inside.
    package func zeroPadGradient(
        _ outputGradient: MatrixView, channels: Int, height: Int, width: Int,
        padding: (top: Int, bottom: Int, left: Int, right: Int), into inputGradient: MutableMatrixView
    ) {
        let outputHeight = height + padding.top + padding.bottom
        let outputWidth = width + padding.left + padding.right
        precondition(
            inputGradient.columns == channels * height * width
                && outputGradient.columns == channels * outputHeight * outputWidth
                && inputGradient.rows == outputGradient.rows,
            "\(outputGradient.rows)×\(outputGradient.columns) into \(inputGradient.rows)×\(inputGradient.columns), "
                + "padding \(padding)")
        parallelPlanes(outputGradient.rows, channels) { _, row, channel in
            let from =
                outputGradient.base
                + (row * outputGradient.stride + channel * outputHeight * outputWidth + padding.top * outputWidth + padding.left)
            let to = inputGradient.base + (row * inputGradient.stride + channel * height * width)
            for line in 0..<height { (to + line * width).update(from: from + line * outputWidth, count: width) }
        }
    }
}
