import CProcessor

/// How a convolution is cut for the caches. It never shows in the results, since a chain of additions that is stored and
/// taken up again has the same bits.
///
/// A unit is what a thread computes at a time: a band of output rows (all of them, where they are few) of some samples, for
/// some outputs of a group. Its positions are numbered one behind the other, and computed in runs: either in place, where
/// positions are those of the copied image and the few behind each row's end are thrown away, or, for small images, after
/// the run's numbers for each channel and tap were copied side by side into a panel.
struct ConvolutionPlan {
    let usesPanel: Bool
    /// Samples of a unit, and how many units they make.
    let samples: Int, sampleBlocks: Int
    /// Output rows of a unit.
    let bandRows: Int, bands: Int
    /// Outputs of a unit.
    let outputBlock: Int, outputBlocks: Int
    /// Channels that are summed at a time.
    let channelBlock: Int, channelBlocks: Int
    let planes: Planes
    /// Positions of a unit, of a run, and how many numbers apart outputs' sums are kept.
    let positions: Int, runPositions: Int, sumStride: Int
    let units: Int
    /// Taps of a channel, and how many windows there are.
    let taps: Int, windows: Int

    // Numbers that may lie in the first-level cache at a time beside what streams through it, in copied images, and in sums.
    private static var near: Int { tileHeight == 12 ? 9 << 10 : 7 << 10 }
    private static var mostPlanes: Int { 64 << 10 }
    private static var mostSums: Int { 128 << 10 }

    init(_ pass: ConvolutionPass, rows: Int) {
        taps = pass.allTaps
        windows = pass.windows
        outputBlocks = max(1, (pass.outputs + 511) / 512)
        outputBlock = (pass.outputs + outputBlocks - 1) / outputBlocks
        let image = Planes(pass, bandRows: pass.output_rows, samples: 1, channels: 1)
        let area = pass.output_rows * pass.output_columns
        // What a vector of positions costs, half a cycle for each output, and two more for each part that is copied.
        let spread = ((pass.output_rows - 1) * image.pitch + pass.output_columns + laneCount - 1) / laneCount
        let copies = 4 * max(1, (laneCount + pass.output_columns - 1) / pass.output_columns)
        usesPanel = spread * pass.outputs * laneCount > area * (pass.outputs + copies)
        // So many positions side by side that tiles are filled; more where the weights are many.
        let wanted = pass.outputs * pass.channels * taps > 1 << 18 ? 256 : 12 * laneCount
        let most = max(1, min(rows, Self.mostSums / max(1, windows * outputBlock * area)))
        let together = usesPanel ? max(1, min(most, (wanted + area - 1) / area)) : 1
        sampleBlocks = max(1, (rows + together - 1) / together)
        samples = max(1, (rows + sampleBlocks - 1) / sampleBlocks)
        // Of the window that has more.
        let mostTaps = pass.tap_rows * max(pass.tap_columns, pass.between_tap_columns)
        var run = (mostTaps < 4 ? 3 : pass.outputs == 1 ? 64 : 6) * laneCount
        var block: Int
        if usesPanel {
            run = min(samples * area, 3 * laneCount)
            block = Self.near / (taps * ((run + laneCount - 1) / laneCount * laneCount))
        } else {
            // Longer runs have fewer ends, but all channels at once is better.
            if mostTaps >= 4, pass.outputs > 1 {
                if Self.channels(near: 2 * run, pass, image) >= pass.channels {
                    run *= 2
                } else if Self.channels(near: run, pass, image) < pass.channels,
                    Self.channels(near: run / 2, pass, image) >= pass.channels
                {
                    run /= 2
                }
            }
            block = Self.channels(near: run, pass, image)
        }
        block = max(1, min(pass.channels, block))
        channelBlocks = max(1, (pass.channels + block - 1) / block)
        channelBlock = max(1, (pass.channels + channelBlocks - 1) / channelBlocks)
        let perRow = channelBlock * image.rows.phases * image.columns.phases * image.pitch * samples
        var band = max(1, Self.mostPlanes / max(1, perRow) - image.rows.reach)
        if channelBlocks > 1 { band = min(band, Self.mostSums / max(1, windows * outputBlock * image.pitch * samples)) }
        band = max(1, min(pass.output_rows, band))
        bands = max(1, (pass.output_rows + band - 1) / band)
        bandRows = max(1, (pass.output_rows + bands - 1) / bands)
        planes = Planes(pass, bandRows: bandRows, samples: samples, channels: channelBlock)
        positions =
            usesPanel ? samples * bandRows * pass.output_columns : (bandRows - 1) * planes.pitch + pass.output_columns
        runPositions = min(run, (positions + laneCount - 1) / laneCount * laneCount)
        let kept = channelBlocks > 1 ? positions + laneCount : runPositions
        sumStride = ((kept + 15) / 16 | 1) * 16
        units = sampleBlocks * bands * pass.groups * outputBlocks
    }

    /// So many channels that what a run reads of them stays near.
    private static func channels(near run: Int, _ pass: ConvolutionPass, _ image: Planes) -> Int {
        // Cache lines of a channel: its rows apart, or all that lies between the first number and the last.
        let length = min(run, 12 * laneCount)
        let span = length + image.rows.reach * image.pitch + image.columnReach
        let lines = min(image.planeStride / 16 + 2, pass.tap_rows * (length / 16 + 2), span / 16 + 2)
        return near / (16 * lines * image.rows.phases * image.columns.phases)
    }

    /// The outputs of a unit's block, of one group.
    func outputs(ofBlock block: Int, _ pass: ConvolutionPass) -> Range<Int> {
        let first = min(block * outputBlock, pass.outputs)
        return first..<min(first + outputBlock, pass.outputs)
    }

    /// The channels of a block, of one group.
    func channels(ofBlock block: Int, _ pass: ConvolutionPass) -> Range<Int> {
        let first = min(block * channelBlock, pass.channels)
        return first..<min(first + channelBlock, pass.channels)
    }

    /// Numbers of a run, in whole vectors, as the panel has them for each channel and tap.
    var panelStride: Int { (runPositions + laneCount - 1) / laneCount * laneCount }

    var offsetCount: Int { wholeLines(channelBlock * taps) }
    var segmentCount: Int { runPositions + 2 }
    /// How far the sums of the second window are from those of the first.
    var windowStride: Int { (channelBlocks > 1 ? outputBlock : mostOutputs) * sumStride }
    var sumCount: Int { wholeLines(windows * windowStride + 4 * laneCount) }
    var segmentRoom: Int { wholeLines(segmentCount * MemoryLayout<Segment>.stride / MemoryLayout<Float>.stride) }
    var panelCount: Int {
        usesPanel ? wholeLines(channelBlock * taps * panelStride + 2 * laneCount) : 0
    }

    /// Numbers that a thread needs for itself.
    var scratch: Int {
        2 * offsetCount + wholeLines(planes.count) + 2 * sumCount + panelCount + 2 * segmentRoom
    }
}

/// So many numbers, rounded up to whole cache lines.
func wholeLines(_ count: Int) -> Int { (count + 15) / 16 * 16 }

/// The tiles of `count` outputs: as few as can be, of nearly equal height.
func outputTiles(_ count: Int) -> Int { (count + mostOutputs - 1) / mostOutputs }

/// The outputs of one of these tiles.
func tileOutputs(_ tile: Int, of tiles: Int, in range: Range<Int>) -> Range<Int> {
    range.lowerBound + tile * range.count / tiles..<range.lowerBound + (tile + 1) * range.count / tiles
}
