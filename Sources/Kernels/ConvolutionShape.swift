/// What a convolution of images is: channels × height × width numbers in, filters × output height × output width out.
///
/// As in PyTorch, the filters are `filters` × `channels / groups` × `kernelHeight` × `kernelWidth`, and the kernel isn't
/// flipped. Output (y, x) reads, for tap (i, j), the image at row y·strideHeight + i·dilationHeight − paddingTop, and
/// likewise for columns; outside the image there are zeros.
///
/// A transposed convolution is the input gradient of a convolution whose output is its input. PyTorch's `output_padding` is
/// then a larger height and width, which the same output comes from.
package struct ConvolutionShape: Sendable, Hashable {
    package let channels: Int, height: Int, width: Int
    package let filters: Int
    package let kernelHeight: Int, kernelWidth: Int
    package let strideHeight: Int, strideWidth: Int
    package let paddingTop: Int, paddingBottom: Int, paddingLeft: Int, paddingRight: Int
    package let dilationHeight: Int, dilationWidth: Int
    package let groups: Int
    package let outputHeight: Int, outputWidth: Int

    /// Why there is no such convolution.
    package enum Problem: Error, Equatable {
        /// A size, stride, dilation or number of groups below 1, or padding below 0.
        case notPositive
        /// The groups don't divide channels and filters.
        case groups
        /// The kernel, spread by its dilation, is larger than the padded image.
        case kernelTooLarge
        /// Sizes that no memory holds.
        case tooLarge
    }

    package init(
        channels: Int, height: Int, width: Int, filters: Int, kernel: (height: Int, width: Int),
        stride: (height: Int, width: Int) = (1, 1),
        padding: (top: Int, bottom: Int, left: Int, right: Int) = (0, 0, 0, 0),
        dilation: (height: Int, width: Int) = (1, 1), groups: Int = 1
    ) throws(Problem) {
        let positive = [
            channels, height, width, filters, kernel.height, kernel.width, stride.height, stride.width, dilation.height,
            dilation.width, groups
        ]
        let padded = [padding.top, padding.bottom, padding.left, padding.right]
        guard positive.allSatisfy({ $0 > 0 }), padded.allSatisfy({ $0 >= 0 }) else { throw .notPositive }
        guard channels % groups == 0, filters % groups == 0 else { throw .groups }
        guard (positive + padded).allSatisfy({ $0 < 1 << 31 }) else { throw .tooLarge }
        // Sums and products of two numbers below 2³¹ fit.
        let spreadHeight = (kernel.height - 1) * dilation.height + 1
        let spreadWidth = (kernel.width - 1) * dilation.width + 1
        let paddedHeight = height + padding.top + padding.bottom
        let paddedWidth = width + padding.left + padding.right
        guard spreadHeight <= paddedHeight, spreadWidth <= paddedWidth else { throw .kernelTooLarge }
        outputHeight = (paddedHeight - spreadHeight) / stride.height + 1
        outputWidth = (paddedWidth - spreadWidth) / stride.width + 1
        let products = [
            [channels, paddedHeight, paddedWidth], [filters, outputHeight, outputWidth],
            [filters, channels / groups, kernel.height, kernel.width]
        ]
        for factors in products {
            var product = 1
            for factor in factors {
                let (next, overflow) = product.multipliedReportingOverflow(by: factor)
                guard !overflow, next < 1 << 40 else { throw .tooLarge }
                product = next
            }
        }
        self.channels = channels
        self.height = height
        self.width = width
        self.filters = filters
        kernelHeight = kernel.height
        kernelWidth = kernel.width
        strideHeight = stride.height
        strideWidth = stride.width
        paddingTop = padding.top
        paddingBottom = padding.bottom
        paddingLeft = padding.left
        paddingRight = padding.right
        dilationHeight = dilation.height
        dilationWidth = dilation.width
        self.groups = groups
    }

    /// Numbers of a sample: of the image, and of what comes out.
    package var inputCount: Int { channels * height * width }
    package var outputCount: Int { filters * outputHeight * outputWidth }

    /// Numbers of one filter, and of all.
    package var filterCount: Int { channels / groups * kernelHeight * kernelWidth }
    package var weightCount: Int { filters * filterCount }

    /// Multiply-adds for a sample in either direction; those with zeros of the padding count.
    package var multiplyAdds: Int { outputCount * filterCount }

    /// Whether it is a dense layer: the kernel lies on the whole image, once. The chains of the matrix products are the same then.
    var isDense: Bool {
        groups == 1 && outputHeight == 1 && outputWidth == 1 && kernelHeight == height && kernelWidth == width
            && paddingTop == 0 && paddingLeft == 0
    }
}
