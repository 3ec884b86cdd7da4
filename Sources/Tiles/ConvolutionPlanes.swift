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
        let height = bandRows + rows.reach
        for rowPhase in 0..<rows.phases {
            let inside = rows.inside(phase: rowPhase, first: firstRow, places: height)
            let firstSource = (firstRow + inside.lowerBound) * rows.step + rows.residue(ofPhase: rowPhase) - rows.before
            let source = image + firstSource * columns.length
            var isPair = false
            if columns.step == 2, columns.phases == 2 {
                let (first, second) = (parts(rowPhase, 0), parts(rowPhase, 1))
                isPair = first.count > 0 && second.count > 0
                if isPair {
                    fill(
                        copies, RowParts(pair: first, second), source, sampleDistance, samples: samples, channels: channels,
                        height: height, inside: inside)
                }
            }
            for columnPhase in 0..<(isPair ? 0 : columns.phases) {
                let parts = parts(rowPhase, columnPhase)
                if parts.count == 0 { continue }
                fill(
                    copies, parts, source, sampleDistance, samples: samples, channels: channels, height: height,
                    inside: inside)
            }
        }
    }

    /// Copies the rows of a phase, of which those `inside` are in the image and begin at `source` in the first one.
    private func fill(
        _ copies: UnsafeMutablePointer<Float>, _ parts: RowParts, _ source: UnsafePointer<Float>, _ sampleDistance: Int,
        samples: Int, channels: Int, height: Int, inside: Range<Int>
    ) {
        let plane = rows.length * columns.length
        for channel in 0..<channels {
            for sample in 0..<samples {
                let target = copies + (channel &* channelStride &+ sample &* sampleStride &+ parts.first)
                for row in 0..<inside.lowerBound { clear(target + row &* pitch, parts) }
                for row in inside.upperBound..<height { clear(target + row &* pitch, parts) }
                copyRows(
                    source + (sample &* sampleDistance &+ channel &* plane &+ parts.column),
                    distance: rows.step &* columns.length, parts, into: target + inside.lowerBound &* pitch, pitch: pitch,
                    rows: inside.count)
            }
        }
    }

    /// What rows of a phase copy.
    private func parts(_ rowPhase: Int, _ columnPhase: Int) -> RowParts {
        let part = columns.inside(phase: columnPhase, first: 0, places: pitch)
        return RowParts(
            column: part.lowerBound * columns.step + columns.residue(ofPhase: columnPhase) - columns.before, step: columns.step,
            first: (rowPhase * columns.phases + columnPhase) * planeStride + part.lowerBound, count: part.count)
    }
}

/// Zeros for a row outside the image.
@inline(__always)
private func clear(_ target: UnsafeMutablePointer<Float>, _ parts: RowParts) {
    for index in 0..<parts.count { target[index] = 0 }
    for index in 0..<parts.betweenCount { target[parts.between &+ index] = 0 }
}

/// Which columns of an image are copied to which places of a row.
private struct RowParts {
    /// The first column, how far the next one is, to which place it goes, and how many there are.
    var column: Int
    let step: Int
    var first: Int, count: Int
    /// Where they are every other one: how far from those places the columns behind each of them go, and how many of these.
    var between = 0, betweenCount = 0

    init(column: Int, step: Int, first: Int, count: Int) {
        self.column = column
        self.step = step
        self.first = first
        self.count = count
    }

    /// Both phases of columns that are two apart; one begins a column behind the other.
    init(pair a: RowParts, _ b: RowParts) {
        self = a.column < b.column ? a : b
        let other = a.column < b.column ? b : a
        between = other.first - first
        betweenCount = other.count
    }
}

/// Copies the parts of `rows` rows, which are `distance` and `pitch` apart.
private func copyRows(
    _ source: UnsafePointer<Float>, distance: Int, _ parts: RowParts, into target: UnsafeMutablePointer<Float>, pitch: Int,
    rows: Int
) {
    switch (parts.step, parts.betweenCount) {
    case (1, _): RowCopy<1>.run(source, distance, parts, target, pitch, rows)
    case (2, 0): RowCopy<2>.run(source, distance, parts, target, pitch, rows)
    case (2, _): copyPairs(source, distance, parts, target, pitch, rows)
    default: RowCopy<0>.run(source, distance, parts, target, pitch, rows)
    }
}

/// Copies neighbouring columns to two places in turn.
@inline(never)
private func copyPairs(
    _ source: UnsafePointer<Float>, _ distance: Int, _ parts: RowParts, _ target: UnsafeMutablePointer<Float>, _ pitch: Int,
    _ rows: Int
) {
    // The last column that is read is one of the first kind or the one behind it.
    let columns = max(2 &* parts.count &- 1, 2 &* parts.betweenCount)
    let whole = min(parts.count, parts.betweenCount) / laneCount &* laneCount
    var first = source
    var row = target
    for _ in 0..<rows {
        var place = 0
        while place < whole {
            let from = first + 2 &* place
            let (even, odd) = Lanes.unzip(.load(from), .load(from + laneCount))
            even.store(to: row + place)
            odd.store(to: row + (parts.between &+ place))
            place &+= laneCount
        }
        while 2 &* place < columns {
            let from = first + 2 &* place
            let rest = columns &- 2 &* place
            let (even, odd) = Lanes.unzip(
                .load(from, count: min(laneCount, rest)),
                .load(from + laneCount, count: max(0, min(laneCount, rest &- laneCount))))
            even.store(to: row + place, count: max(0, min(laneCount, parts.count &- place)))
            odd.store(to: row + (parts.between &+ place), count: max(0, min(laneCount, parts.betweenCount &- place)))
            place &+= laneCount
        }
        first += distance
        row += pitch
    }
}

/// The loop for a step that is known when it is compiled, or (0) isn't.
private enum RowCopy<let known: Int> {
    @inline(never)
    static func run(
        _ source: UnsafePointer<Float>, _ distance: Int, _ parts: RowParts, _ target: UnsafeMutablePointer<Float>, _ pitch: Int,
        _ rows: Int
    ) {
        var first = source
        var row = target
        for _ in 0..<rows {
            var from = first
            var to = row
            var rest = parts.count
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
                    from += parts.step
                    to += 1
                    rest &-= 1
                }
            }
            first += distance
            row += pitch
        }
    }
}
