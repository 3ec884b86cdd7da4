import CProcessor

/// Neighbouring positions of a run that lie in one row of the outputs.
struct Segment {
    /// Where the first tap reads, beside the copied images.
    var source: Int
    /// The first one, counted from the run's beginning.
    var position: Int
    var count: Int
    /// Where the first output of them goes.
    var target: Int
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
                        + pass.target_column + column * pass.target_column_step)
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

    /// Writes the sums to where they go: plus the bias, rectified if asked.
    func write() {
        switch (step, rectifies) {
        case (1, false): writeRows(step: 1, rectifies: false)
        case (1, true): writeRows(step: 1, rectifies: true)
        case (2, false): writeRows(step: 2, rectifies: false)
        case (2, true): writeRows(step: 2, rectifies: true)
        default: writeRows(step: step, rectifies: rectifies)
        }
    }

    @inline(__always)
    private func writeRows(step: Int, rectifies: Bool) {
        var row = sums
        var plane = target
        for output in 0..<outputs {
            // Without a bias −0, which changes nothing.
            let addend = Lanes(repeating: bias.map { $0[output] } ?? -0.0)
            @inline(__always) func value(_ from: UnsafePointer<Float>) -> Lanes {
                let sum = Lanes.load(from) + addend
                return rectifies ? sum.rectified : sum
            }
            var segment = segments
            let end = segments + count
            while segment < end {
                var from = row + segment.pointee.position
                var to = plane + segment.pointee.target
                var rest = segment.pointee.count
                segment += 1
                if step == 1 {
                    while rest >= laneCount {
                        value(from).store(to: to)
                        from += laneCount
                        to += laneCount
                        rest &-= laneCount
                    }
                    if rest > 0 { value(from).store(to: to, count: rest) }
                } else if step == 2 {
                    while rest > 0 {
                        value(from).storeSpread(to: to, count: min(rest, laneCount))
                        from += laneCount
                        to += 2 &* laneCount
                        rest &-= laneCount
                    }
                } else {
                    while rest > 0 {
                        let vector = value(from)
                        for lane in 0..<min(rest, laneCount) { to[lane &* step] = vector[lane] }
                        from += laneCount
                        to += step &* laneCount
                        rest &-= laneCount
                    }
                }
            }
            row += stride
            plane += self.plane
        }
    }
}
