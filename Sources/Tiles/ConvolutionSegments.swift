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
            var done = 0
            repeat {
                Lanes.load(from + done).store(to: to + done)
                done &+= laneCount
            } while done < segment.count
        }
        target += stride
    }
}

/// Writes the sums of a run for `outputs` outputs to where they go, `plane` numbers apart: plus the bias, rectified if asked.
@inline(never)
func finish(
    _ sums: UnsafePointer<Float>, stride: Int, outputs: Int, _ segments: UnsafePointer<Segment>, count: Int,
    bias: UnsafePointer<Float>?, rectifies: Bool, into target: UnsafeMutablePointer<Float>, plane: Int, step: Int
) {
    for output in 0..<outputs {
        let row = sums + output &* stride
        let plane = target + output &* plane
        let addend = bias.map { Lanes(repeating: $0[output]) }
        for index in 0..<count {
            let segment = segments[index]
            let from = row + segment.position
            let to = plane + segment.target
            var done = 0
            while done < segment.count {
                var vector = Lanes.load(from + done)
                if let addend { vector += addend }
                if rectifies { vector = vector.rectified }
                let rest = segment.count &- done
                if step != 1 {
                    for lane in 0..<min(rest, laneCount) { to[(done &+ lane) &* step] = vector[lane] }
                } else if rest >= laneCount {
                    vector.store(to: to + done)
                } else {
                    vector.store(to: to + done, count: rest)
                }
                done &+= laneCount
            }
        }
    }
}
