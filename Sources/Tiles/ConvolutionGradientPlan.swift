import CProcessor

/// How a convolution's weight gradient is cut. It never shows in the results.
///
/// A unit is what a thread computes at a time, the gradient of some filters of a group at some of its channels; where a group is
/// one filter at one channel, as many groups as a vector has lanes. Vectors are of filters, of such groups, or, where filters
/// are few, of channels. The batch goes through it in pieces, a few samples or a
/// band of output rows of one, whose output gradients are turned so that filters lie side by side.
struct ConvolutionGradientPlan {
    /// What the lanes of vectors are.
    let form: ConvolutionGradientRun.Form
    var isLanewise: Bool { form == .groups }
    /// Filters of a unit (lane by lane: groups), and how many numbers that are in whole vectors.
    let filterBlock: Int, filterBlocks: Int, filterStride: Int
    let channelBlock: Int, channelBlocks: Int
    /// What remains: groups, or 1.
    let groups: Int
    /// Samples of a piece, or output rows of one.
    let samples: Int
    let bandRows: Int
    /// The window over the channels of a unit.
    let pass: ConvolutionPass
    let planes: Planes
    /// Sums of a unit: for each channel and tap, the filters.
    let depth: Int
    let units: Int
    /// Where it is computed by tiles.
    let winograd: WinogradGradientPlan?

    // Elements of a unit for each filter, and positions of a piece, so that its turned output gradients stay near.
    private static var mostDepth: Int { 1024 }
    private static var mostPositions: Int { 192 }

    init(_ forward: ConvolutionPass, leafRows: Int, threads: Int) {
        let isLanewise = forward.channels == 1 && forward.outputs == 1 && forward.groups > 1
        let isThree = forward.tap_columns == 3 && forward.tap_column_step == 1 && forward.column_step == 1
        if isLanewise {
            form = .groups
        } else if forward.isWinograd {
            form = .filters
        } else if forward.taps >= 4, Self.usedShare(forward.outputs) < 0.8 * Self.usedShare(forward.channels) {
            form = .channels
        } else {
            form = isThree && forward.outputs <= laneCount && tileHeight == 12 ? .triples : .filters
        }
        let isByChannel = form == .channels
        let filters = isLanewise ? forward.groups : forward.outputs
        groups = isLanewise ? 1 : forward.groups
        var filterBlocks = isLanewise ? (filters + laneCount - 1) / laneCount : (filters + 63) / 64
        let channelsAtOnce = isByChannel ? laneCount : forward.isWinograd ? 32 : max(1, Self.mostDepth / forward.taps)
        var channelBlocks = (forward.channels + channelsAtOnce - 1) / channelsAtOnce
        // At least one unit for each thread, where they can be cut so.
        if !isByChannel, groups * filterBlocks * channelBlocks < threads {
            channelBlocks = min(forward.channels, (threads + groups * filterBlocks - 1) / (groups * filterBlocks))
            if !isByChannel, groups * filterBlocks * channelBlocks < threads {
                filterBlocks = min((filters + laneCount - 1) / laneCount, threads)
            }
        }
        channelBlock = isByChannel ? laneCount : (forward.channels + channelBlocks - 1) / channelBlocks
        self.channelBlocks = channelBlocks
        let most = (filters + filterBlocks - 1) / filterBlocks
        filterBlock = isLanewise ? laneCount : isByChannel ? most : blockLength(filters, most: most, unit: laneCount)
        self.filterBlocks = (filters + filterBlock - 1) / filterBlock
        filterStride = (filterBlock + laneCount - 1) / laneCount * laneCount
        let area = forward.output_rows * forward.output_columns
        // Twice as many where they are narrow.
        let mostPositions = Self.mostPositions * (filterStride <= laneCount ? 2 : 1)
        samples = max(1, min(leafRows, mostPositions / area))
        let band = max(1, min(forward.output_rows, mostPositions / forward.output_columns))
        bandRows =
            samples > 1 || area <= mostPositions
            ? forward.output_rows : blockLength(forward.output_rows, most: band, unit: 1)
        depth = channelBlock * forward.taps
        pass = forward
        planes = Planes(
            forward, bandRows: bandRows, samples: samples, channels: isLanewise || isByChannel ? laneCount : channelBlock)
        units = groups * self.filterBlocks * channelBlocks
        winograd =
            forward.isWinograd
            ? WinogradGradientPlan(forward, leafRows: leafRows, channels: channelBlock, filterStride: filterStride) : nil
    }

    /// The share of lanes that are used where `count` things stand side by side.
    private static func usedShare(_ count: Int) -> Double {
        Double(count) / Double((count + laneCount - 1) / laneCount * laneCount)
    }

    /// Whether channels or groups have to lie side by side.
    var turnsCopies: Bool { form == .groups || form == .channels }
    var sumCount: Int { form == .channels ? filterBlock * pass.taps * laneCount : depth * filterStride }
    var offsetCount: Int { wholeLines(depth + 16) }
    /// Output gradients that are turned; lanes that are channels need none.
    var gradientCount: Int {
        form == .channels || winograd != nil ? 0 : samples * bandRows * pass.output_columns * filterStride
    }
    /// Images that are copied; by tiles none.
    var copyCount: Int { winograd == nil ? planes.count : 0 }
    /// The copies with channels side by side.
    var turnedCount: Int { turnsCopies ? planes.channelStride * laneCount : 0 }
    /// Sums of some filters with a filter's elements side by side.
    var resultCount: Int { wholeLines(laneCount * (depth + laneCount)) }

    /// Numbers that a thread needs for itself, where at most `levels` sums of leaves wait at once.
    func scratch(levels: Int) -> Int {
        wholeLines(offsetCount) + wholeLines(copyCount) + wholeLines(gradientCount) + turnedCount + resultCount
            + (1 + levels) * sumCount + (winograd?.scratch ?? 0)
    }
}
