import CProcessor

/// One axis of a window that moves: which places its taps read.
struct WindowAxis {
    /// How far the window moves from an output to the next.
    let step: Int
    let taps: Int
    let firstTap: Int, tapStep: Int
    /// Zeros before the image.
    let before: Int
    /// The image's length.
    let length: Int
    let outputs: Int

    /// Taps that are so far apart see the same places, one output later or earlier. Places between which the window never moves
    /// are different phases.
    var period: Int { step / greatestCommonDivisor(step, abs(tapStep)) }
    var phases: Int { max(1, min(taps, period)) }

    /// Where the phase begins.
    func residue(ofPhase phase: Int) -> Int { (firstTap + phase * tapStep) % step }

    /// Which place of its phase a tap of the first output reads.
    func shift(ofTap tap: Int) -> Int { (firstTap + tap * tapStep) / step }

    /// Places of a phase beyond the number of outputs.
    var reach: Int { taps == 0 ? 0 : max(shift(ofTap: 0), shift(ofTap: taps - 1)) }

    /// Which of `places` places of a phase from the output `first` on lie in the image.
    func inside(phase: Int, first: Int, places: Int) -> Range<Int> {
        // Place i is at (first + i) · step + start in the image.
        let start = first * step + residue(ofPhase: phase) - before
        let low = start >= 0 ? 0 : min(places, (-start + step - 1) / step)
        let high = length <= start ? 0 : min(places, (length - start + step - 1) / step)
        return low..<max(low, high)
    }
}

func greatestCommonDivisor(_ a: Int, _ b: Int) -> Int { b == 0 ? a : greatestCommonDivisor(b, a % b) }

extension ConvolutionPass {
    var rowAxis: WindowAxis {
        WindowAxis(
            step: row_step, taps: tap_rows, firstTap: first_tap_row, tapStep: tap_row_step, before: top, length: height,
            outputs: output_rows)
    }
    var columnAxis: WindowAxis {
        WindowAxis(
            step: column_step, taps: tap_columns, firstTap: first_tap_column, tapStep: tap_column_step, before: left,
            length: width, outputs: output_columns)
    }
    var taps: Int { tap_rows * tap_columns }

    /// Whether a second window makes the columns between.
    var hasBetween: Bool { between_columns > 0 }
    var windows: Int { hasBetween ? 2 : 1 }

    /// The second window; it computes as many columns as the first one, of which the last may be too many.
    var between: ConvolutionPass {
        var pass = self
        pass.tap_columns = between_tap_columns
        pass.first_tap_column = between_first_tap_column
        pass.first_weight = between_first_weight
        pass.between_columns = 0
        return pass
    }

    /// Taps of both windows.
    var allTaps: Int { tap_rows * (tap_columns + (hasBetween ? between_tap_columns : 0)) }
    /// Whether any number is read.
    package var hasTaps: Bool { allTaps > 0 }
}

/// Copies of a band of some images, with zeros around, so that at every tap neighbouring outputs read neighbouring numbers:
/// where the window moves by more than one, every phase has a plane of its own.
struct Planes {
    let rows: WindowAxis, columns: WindowAxis
    /// Rows of outputs that the band has at most.
    let bandRows: Int
    /// Rows of a plane, and numbers of a row.
    let height: Int, pitch: Int
    let planeStride: Int, sampleStride: Int, channelStride: Int
    let samples: Int, channels: Int
    /// Places of a row beyond the number of outputs.
    let columnReach: Int

    init(_ pass: ConvolutionPass, bandRows: Int, samples: Int, channels: Int) {
        rows = pass.rowAxis
        columns = pass.columnAxis
        self.bandRows = bandRows
        self.samples = samples
        self.channels = channels
        height = bandRows + rows.reach
        columnReach = max(columns.reach, pass.hasBetween ? pass.between.columnAxis.reach : 0)
        pitch = columns.outputs + columnReach
        planeStride = height * pitch
        sampleStride = rows.phases * columns.phases * planeStride
        // Whole cache lines, an odd number of them: at powers of two they would push each other out of the caches.
        channelStride = ((samples * sampleStride + 15) / 16 | 1) * 16
    }

    /// Numbers that all copies take, with room for a vector that reaches beyond.
    var count: Int { channels * channelStride + 2 * laneCount }

    /// Where the first output of the first sample and channel finds what a tap reads.
    func offset(row: Int, column: Int) -> Int { offset(row: row, column: column, of: columns) }

    /// Likewise for a window whose columns are others.
    private func offset(row: Int, column: Int, of axis: WindowAxis) -> Int {
        let phase = row % rows.period * columns.phases + column % axis.period
        return phase * planeStride + rows.shift(ofTap: row) * pitch + axis.shift(ofTap: column)
    }

    /// The offsets for each channel and tap.
    func writeOffsets(to offsets: UnsafeMutablePointer<Int32>) { writeOffsets(of: columns, to: offsets) }

    /// Likewise for a window whose columns are others.
    func writeOffsets(of axis: WindowAxis, to offsets: UnsafeMutablePointer<Int32>) {
        var next = offsets
        for channel in 0..<channels {
            for row in 0..<rows.taps {
                for column in 0..<axis.taps {
                    next.pointee = Int32(
                        truncatingIfNeeded: channel * channelStride + offset(row: row, column: column, of: axis))
                    next += 1
                }
            }
        }
    }

    /// Copies the band from output row `firstRow` on of `channels` channels, `plane` numbers each, of `samples` samples. Where
    /// columns are outside the image the copies must have been 0 before.
    func fill(
        _ copies: UnsafeMutablePointer<Float>, from image: UnsafePointer<Float>, sampleDistance: Int, samples: Int,
        channels: Int, firstRow: Int, bandRows: Int
    ) {
        let plane = rows.length * columns.length
        let height = bandRows + rows.reach
        for rowPhase in 0..<rows.phases {
            let inside = rows.inside(phase: rowPhase, first: firstRow, places: height)
            let firstSource = (firstRow + inside.lowerBound) * rows.step + rows.residue(ofPhase: rowPhase) - rows.before
            for columnPhase in 0..<columns.phases {
                let part = columns.inside(phase: columnPhase, first: 0, places: pitch)
                if part.isEmpty { continue }
                let column = part.lowerBound * columns.step + columns.residue(ofPhase: columnPhase) - columns.before
                let first = (rowPhase * columns.phases + columnPhase) * planeStride + part.lowerBound
                for channel in 0..<channels {
                    for sample in 0..<samples {
                        let target = copies + (channel &* channelStride &+ sample &* sampleStride &+ first)
                        for row in 0..<inside.lowerBound { clear(target + row &* pitch, count: part.count) }
                        for row in inside.upperBound..<height { clear(target + row &* pitch, count: part.count) }
                        let source =
                            image + (sample &* sampleDistance &+ channel &* plane &+ firstSource &* columns.length &+ column)
                        copyRows(
                            source, distance: rows.step &* columns.length, step: columns.step,
                            into: target + inside.lowerBound &* pitch, pitch: pitch, rows: inside.count, count: part.count)
                    }
                }
            }
        }
    }
}

@inline(__always)
private func clear(_ target: UnsafeMutablePointer<Float>, count: Int) {
    for index in 0..<count { target[index] = 0 }
}

/// Copies `count` numbers, `step` apart, of each of `rows` rows.
private func copyRows(
    _ source: UnsafePointer<Float>, distance: Int, step: Int, into target: UnsafeMutablePointer<Float>, pitch: Int, rows: Int,
    count: Int
) {
    switch step {
    case 1: RowCopy<1>.run(source, distance, step, target, pitch, rows, count)
    case 2: RowCopy<2>.run(source, distance, step, target, pitch, rows, count)
    default: RowCopy<0>.run(source, distance, step, target, pitch, rows, count)
    }
}

/// The loop for a step that is known when it is compiled, or (0) isn't.
private enum RowCopy<let known: Int> {
    @inline(never)
    static func run(
        _ source: UnsafePointer<Float>, _ distance: Int, _ step: Int, _ target: UnsafeMutablePointer<Float>, _ pitch: Int,
        _ rows: Int, _ count: Int
    ) {
        var first = source
        var row = target
        for _ in 0..<rows {
            var from = first
            var to = row
            var rest = count
            if known == 1 {
                while rest >= laneCount {
                    Lanes.load(from).store(to: to)
                    from += laneCount
                    to += laneCount
                    rest &-= laneCount
                }
                if rest > 0 { Lanes.load(from, count: rest).store(to: to, count: rest) }
            } else if known == 2 {
                while rest > laneCount {
                    Lanes.loadEven(from, count: laneCount).store(to: to)
                    from += 2 &* laneCount
                    to += laneCount
                    rest &-= laneCount
                }
                if rest > 0 { Lanes.loadEven(from, count: rest).store(to: to, count: rest) }
            } else {
                while rest > 0 {
                    to.pointee = from.pointee
                    from += step
                    to += 1
                    rest &-= 1
                }
            }
            first += distance
            row += pitch
        }
    }
}
