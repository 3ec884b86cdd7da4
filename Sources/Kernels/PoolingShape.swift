/// A window that moves over each plane of an image, as in PyTorch's pooling layers.
package struct PoolingShape: Sendable, Hashable {
    package let channels: Int, height: Int, width: Int
    package let kernelHeight: Int, kernelWidth: Int
    package let strideHeight: Int, strideWidth: Int
    /// Before and behind the image; at most half the kernel, so that every window sees a part of it.
    package let paddingHeight: Int, paddingWidth: Int
    package let outputHeight: Int, outputWidth: Int

    package init(
        channels: Int, height: Int, width: Int, kernel: (height: Int, width: Int), stride: (height: Int, width: Int),
        padding: (height: Int, width: Int) = (0, 0)
    ) throws(ConvolutionShape.Problem) {
        let positive = [channels, height, width, kernel.height, kernel.width, stride.height, stride.width]
        guard positive.allSatisfy({ $0 > 0 }), padding.height >= 0, padding.width >= 0 else { throw .notPositive }
        guard positive.allSatisfy({ $0 < 1 << 20 }), padding.height <= kernel.height / 2, padding.width <= kernel.width / 2
        else { throw .tooLarge }
        guard kernel.height <= height + 2 * padding.height, kernel.width <= width + 2 * padding.width else {
            throw .kernelTooLarge
        }
        self.channels = channels
        self.height = height
        self.width = width
        kernelHeight = kernel.height
        kernelWidth = kernel.width
        strideHeight = stride.height
        strideWidth = stride.width
        paddingHeight = padding.height
        paddingWidth = padding.width
        outputHeight = (height + 2 * padding.height - kernel.height) / stride.height + 1
        outputWidth = (width + 2 * padding.width - kernel.width) / stride.width + 1
    }

    package var inputCount: Int { channels * height * width }
    package var outputCount: Int { channels * outputHeight * outputWidth }

    /// The rows of the image that the window of an output row sees.
    func rows(_ output: Int) -> Range<Int> {
        let first = output * strideHeight - paddingHeight
        return max(0, first)..<min(height, first + kernelHeight)
    }

    /// Likewise columns.
    func columns(_ output: Int) -> Range<Int> {
        let first = output * strideWidth - paddingWidth
        return max(0, first)..<min(width, first + kernelWidth)
    }

    /// The most common one: two by two, side by side.
    var isTwoByTwo: Bool {
        kernelHeight == 2 && kernelWidth == 2 && strideHeight == 2 && strideWidth == 2 && paddingHeight == 0
            && paddingWidth == 0
    }

    /// Numbers of a row with its padding, and room for vectors that reach beyond.
    var paddedWidth: Int { width + 2 * paddingWidth + 16 }

    /// Zeros before and behind a row of windows, so that vectors reach those that see a number, whatever the number.
    var windowMargin: Int { kernelWidth + 16 }

    /// Numbers that a thread needs for itself in either direction.
    package var scratch: Int { max(paddedWidth + outputWidth + 16, 2 * (outputWidth + 2 * windowMargin)) }
}
