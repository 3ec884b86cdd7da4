import CProcessor
import Tiles

// A convolution as windows that move over images.

extension ConvolutionShape {
    /// Whether outputs and weight gradient, and whether the input gradient, are computed by Winograd's tiles instead of directly: 3 × 3
    /// taps that move by one, eight channels and filters or more, and outputs that tiles of 4 × 4 fit well.
    package var isWinograd: Bool { !isDense && Tiles.isWinogradConvolution(forward) }
    package var hasWinogradInputGradient: Bool {
        !isDense && phases == 1 && Tiles.isWinogradConvolution(inputGradient(phase: 0))
    }
}

extension ConvolutionShape {
    /// The forward direction: the window moves over the image, channel by channel and tap by tap.
    var forward: ConvolutionPass {
        var pass = ConvolutionPass()
        pass.groups = groups
        pass.channels = channels / groups
        pass.height = height
        pass.width = width
        pass.top = paddingTop
        pass.left = paddingLeft
        pass.row_step = strideHeight
        pass.column_step = strideWidth
        pass.tap_rows = kernelHeight
        pass.tap_columns = kernelWidth
        pass.tap_row_step = dilationHeight
        pass.tap_column_step = dilationWidth
        pass.outputs = filters / groups
        pass.output_rows = outputHeight
        pass.output_columns = outputWidth
        pass.target_height = outputHeight
        pass.target_width = outputWidth
        pass.target_row_step = 1
        pass.target_column_step = 1
        pass.weight_group_step = filters / groups * filterCount
        pass.weight_output_step = filterCount
        pass.weight_channel_step = kernelHeight * kernelWidth
        pass.weight_row_step = kernelWidth
        pass.weight_column_step = 1
        return pass
    }

    /// How many passes the input gradient has: where the kernel moves by more than one, every phase of rows and columns is
    /// reached by taps of its own. Two phases of columns are one pass.
    var phases: Int { min(strideHeight, height) * columnPasses }

    private var hasColumnPairs: Bool { strideWidth == 2 && width > 1 }
    private var columnPasses: Int { hasColumnPairs ? 1 : min(strideWidth, width) }

    /// A phase of the input gradient: a window that moves over the output gradient, its taps going up and to the left, or one for even
    /// and one for odd columns. It has no taps where no output reads the phase.
    func inputGradient(phase: Int) -> ConvolutionPass {
        let columnPhases = columnPasses
        let rows = AxisGradient(
            phase / columnPhases, length: height, taps: kernelHeight, stride: strideHeight, dilation: dilationHeight,
            before: paddingTop)
        let columns = AxisGradient(
            phase % columnPhases, length: width, taps: kernelWidth, stride: strideWidth, dilation: dilationWidth,
            before: paddingLeft)
        let between =
            hasColumnPairs
            ? AxisGradient(
                1, length: width, taps: kernelWidth, stride: strideWidth, dilation: dilationWidth, before: paddingLeft) : nil
        // Both windows begin so far in front of the output gradient.
        let left = max(columns.before, between?.before ?? columns.before)
        var pass = ConvolutionPass()
        pass.groups = groups
        pass.channels = filters / groups
        pass.height = outputHeight
        pass.width = outputWidth
        pass.top = rows.before
        pass.left = left
        pass.row_step = 1
        pass.column_step = 1
        pass.tap_rows = rows.taps
        pass.tap_columns = columns.taps
        pass.first_tap_row = rows.reach
        pass.first_tap_column = left + columns.start
        pass.tap_row_step = -rows.distance
        pass.tap_column_step = -columns.distance
        pass.outputs = channels / groups
        pass.output_rows = rows.outputs
        pass.output_columns = columns.outputs
        pass.target_height = height
        pass.target_width = width
        pass.target_row = phase / columnPhases
        pass.target_column = phase % columnPhases
        pass.target_row_step = strideHeight
        pass.target_column_step = strideWidth
        pass.first_weight = rows.firstTap * kernelWidth + columns.firstTap
        pass.weight_group_step = filters / groups * filterCount
        pass.weight_output_step = kernelHeight * kernelWidth
        pass.weight_channel_step = filterCount
        pass.weight_row_step = rows.tapStep * kernelWidth
        pass.weight_column_step = columns.tapStep
        if let between {
            pass.between_columns = between.outputs
            pass.between_tap_columns = between.taps
            pass.between_first_tap_column = left + between.start
            pass.between_first_weight = rows.firstTap * kernelWidth + between.firstTap
        }
        return pass
    }
}

/// One axis of a phase of the input gradient: the places `phase`, `phase` + stride, … of the image, and the taps through which
/// outputs read them.
private struct AxisGradient {
    /// Places of the phase.
    let outputs: Int
    let taps: Int
    /// The first tap and how far the next one is.
    let firstTap: Int, tapStep: Int
    /// The output that reads the first place through the first tap, and how much earlier the one is that does through the next.
    let start: Int, distance: Int
    /// How far the last tap's output is from the first one's.
    var reach: Int { max(0, taps - 1) * distance }
    /// Zeros before the outputs, or where negative how many of them are passed over.
    var before: Int { reach - start }

    init(_ phase: Int, length: Int, taps count: Int, stride: Int, dilation: Int, before: Int) {
        outputs = (length - phase + stride - 1) / stride
        let place = phase + before
        // Taps of the phase: i · dilation and the place are equal but for multiples of the stride.
        var first = 0
        while first < min(count, stride), (place - first * dilation) % stride != 0 { first += 1 }
        var step = 1
        while step * dilation % stride != 0 { step += 1 }
        let isRead = first < min(count, stride)
        firstTap = isRead ? first : 0
        tapStep = step
        taps = isRead ? (count - first + step - 1) / step : 0
        // Exact where there are taps.
        start = isRead ? (place - first * dilation) / stride : 0
        distance = step * dilation / stride
    }
}
