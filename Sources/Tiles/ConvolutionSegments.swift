import CProcessor

/// Neighbouring positions of a run that lie in one row of the outputs.
struct Segment {
    /// Where the first tap reads, beside the copied images.
    var source: Int
    /// The first one, counted from the run's beginning.
    var position: Int
    var count: Int
    /// Where the first output of them goes, and how many numbers of that row are written.
    var target: Int, written: Int
}

extension ConvolutionPlan {
    /// Finds the segments of the run of `count` positions from `first` on in a unit of `samples` samples and `bandRows` rows
    /// from `firstRow` on; returns how many there are.
    func findSegments(
        _ pass: ConvolutionPass, first: Int, count: Int, firstRow: Int, bandRows: Int, sampleDistance: Int,
        into segments: UnsafeMutablePointer<Segment>
    ) -> Int {
        let columns = pass.output_columns
        // In place, a row of positions goes on behind the row of outputs.
        let pitch = usesPanel ? columns : planes.pitch
        var line = first / pitch
        var column = first % pitch
        var position = 0
        var found = 0
        while position < count {
            let length = min(columns - column, count - position)
            if length > 0 {
                let sample = usesPanel ? line / bandRows : 0
                let row = line - sample * bandRows
                segments[found] = Segment(
                    source: sample * planes.sampleStride + row * planes.pitch + column, position: position, count: length,
                    target: sample * sampleDistance
                        + (pass.target_row + (firstRow + row) * pass.target_row_step) * pass.target_width
                        + pass.target_column + column * pass.target_column_step,
                    written: pass.hasBetween ? min(2 * length, columns + pass.between_columns - 2 * column) : length)
                found += 1
            }
            position += pitch - column
            line += 1
            column = 0
        }
        return found
    }
}

/// Copies what the segments read for each of `depth` channels and taps side by side. Vectors reach beyond a segment: what is
/// behind it is written later.
@inline(never)
func fillPanel(
    _ copies: UnsafePointer<Float>, _ offsets: UnsafePointer<Int32>, depth: Int, _ segments: UnsafePointer<Segment>,
    count: Int, into panel: UnsafeMutablePointer<Float>, stride: Int
) {
    var target = panel
    for k in 0..<depth {
        let source = copies + Int(offsets[k])
        for index in 0..<count {
            let segment = segments[index]
            let from = source + segment.source
            let to = target + segment.position
            if segment.count <= 8 {
                // A short row crosses fewer cache lines so.
                let part = UnsafeRawPointer(from).loadUnaligned(as: SIMD8<Float>.self)
                UnsafeMutableRawPointer(to).storeBytes(of: part, as: SIMD8<Float>.self)
                continue
            }
            var done = 0
            repeat {
                Lanes.load(from + done).store(to: to + done)
                done &+= laneCount
            } while done < segment.count
        }
        target += stride
    }
}

/// Sums of a run that wait until they are written: just computed, they can't be read yet without a stop.
struct FinishedRun {
    var sums: UnsafePointer<Float>
    /// How far the next output's are.
    var stride: Int
    var outputs: Int
    var segments: UnsafePointer<Segment>
    var count: Int
    var bias: UnsafePointer<Float>?
    let rectifies: Bool
    var target: UnsafeMutablePointer<Float>
    /// From an output's plane to the next one's, and from a position to the next.
    let plane: Int, step: Int
    /// How far the sums of the columns between are, where there are such.
    let between: Int?

    /// Writes the sums to where they go: plus the bias, rectified if asked.
    func write() {
        switch (between != nil ? 2 : step == 1 ? 1 : 0, rectifies) {
        case (1, false): RowWriter<1, 0>.run(self)
        case (1, true): RowWriter<1, 1>.run(self)
        case (2, false): RowWriter<2, 0>.run(self)
        case (2, true): RowWriter<2, 1>.run(self)
        case (_, false): RowWriter<0, 0>.run(self)
        case (_, true): RowWriter<0, 1>.run(self)
        }
    }
}

/// The loop for numbers that go side by side (1), for two windows' in turn (2), and for numbers any distance apart (0).
private enum RowWriter<let form: Int, let rectifies: Int> {
    @inline(never)
    static func run(_ run: FinishedRun) {
        var row = run.sums
        var plane = run.target
        let end = run.segments + run.count
        let between = run.between ?? 0
        for output in 0..<run.outputs {
            // Without a bias −0, which changes nothing.
            let addend = Lanes(repeating: run.bias.map { $0[output] } ?? -0.0)
            var segment = run.segments
            while segment < end {
                var from = row + segment.pointee.position
                var to = plane + segment.pointee.target
                var rest = segment.pointee.written
                segment += 1
                let most = laneCount &* (form == 2 ? 2 : 1)
                while rest >= most {
                    write(from, between, addend, to, most, run.step)
                    from += laneCount
                    to += laneCount &* (form == 0 ? run.step : form)
                    rest &-= most
                }
                if rest > 0 { write(from, between, addend, to, rest, run.step) }
            }
            row += run.stride
            plane += run.plane
        }
    }

    @inline(__always)
    private static func value(_ from: UnsafePointer<Float>, _ addend: Lanes) -> Lanes {
        let sum = Lanes.load(from) + addend
        return rectifies == 1 ? sum.rectified : sum
    }

    /// Writes `count` numbers of the vector, with form 2 of two vectors.
    @inline(__always)
    private static func write(
        _ from: UnsafePointer<Float>, _ between: Int, _ addend: Lanes, _ to: UnsafeMutablePointer<Float>, _ count: Int,
        _ step: Int
    ) {
        let sums = value(from, addend)
        if form == 1 {
            if count == laneCount { sums.store(to: to) } else { sums.store(to: to, count: count) }
        } else if form == 2 {
            let pairs = Lanes.zip(sums, value(from + between, addend))
            if count == 2 &* laneCount {
                pairs.first.store(to: to)
                pairs.second.store(to: to + laneCount)
            } else {
                pairs.first.store(to: to, count: min(laneCount, count))
                pairs.second.store(to: to + laneCount, count: max(0, count &- laneCount))
            }
        } else {
            for lane in 0..<count { to[lane &* step] = sums[lane] }
        }
    }
}
