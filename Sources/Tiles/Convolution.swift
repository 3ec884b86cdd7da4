import CProcessor

// One thread's share of a convolution.

/// Units that threads share.
package func convolutionUnits(_ pass: ConvolutionPass, rows: Int) -> Int {
    pass.isWinograd ? WinogradPlan(pass, rows: rows).units : ConvolutionPlan(pass, rows: rows).units
}

/// Numbers that a thread needs for itself.
package func convolutionScratch(_ pass: ConvolutionPass, rows: Int) -> Int {
    pass.isWinograd ? WinogradPlan(pass, rows: rows).scratch : ConvolutionPlan(pass, rows: rows).scratch
}

/// The units `units` of the pass over `rows` samples, which are `sourceStride` apart; the weights packed.
package func convolutionTiles(
    _ pass: ConvolutionPass, _ source: UnsafePointer<Float>, sourceStride: Int, rows: Int, _ weights: UnsafePointer<Float>,
    bias: UnsafePointer<Float>?, rectifies: Bool, units: Range<Int>, into target: UnsafeMutablePointer<Float>,
    targetStride: Int, scratch: UnsafeMutableBufferPointer<Float>
) {
    if pass.isWinograd {
        let worker = WinogradWorker(pass, rows: rows, scratch)
        for unit in units {
            worker.compute(
                unit, source, sourceStride: sourceStride, weights, bias: bias, rectifies: rectifies, into: target,
                targetStride: targetStride)
        }
        return
    }
    var worker = ConvolutionWorker(pass, rows: rows, scratch)
    worker.source = source
    worker.sourceStride = sourceStride
    worker.weights = weights
    worker.bias = bias
    worker.rectifies = rectifies
    worker.target = target
    worker.targetStride = targetStride
    for unit in units { worker.compute(unit) }
    worker.finish()
}

/// What a thread knows during a pass.
private struct ConvolutionWorker {
    let pass: ConvolutionPass
    /// Taps of a channel in the first window, and in the one that makes the columns between.
    let taps: Int, tapsBetween: Int
    let rows: Int
    let plan: ConvolutionPlan
    /// Of all k of the first window, then of the second one's.
    let offsets: UnsafeMutablePointer<Int32>
    let panelOffsets: UnsafeMutablePointer<Int32>
    let copies: UnsafeMutablePointer<Float>
    /// Two rooms each, of which one waits to be written.
    let sums: UnsafeMutablePointer<Float>
    let segments: UnsafeMutablePointer<Segment>
    private var sumRoom = 0, segmentRoom = 0
    private var waiting: FinishedRun?
    /// Which positions the current segments are of.
    private var segmentsFound = 0
    private var segmentKey = (first: -1, count: 0, firstRow: 0, bandRows: 0)
    let panel: UnsafeMutablePointer<Float>
    var source: UnsafePointer<Float>
    var sourceStride = 0
    var weights: UnsafePointer<Float>
    var bias: UnsafePointer<Float>?
    var rectifies = false
    var target: UnsafeMutablePointer<Float>
    var targetStride = 0

    init(_ pass: ConvolutionPass, rows: Int, _ scratch: UnsafeMutableBufferPointer<Float>) {
        self.pass = pass
        taps = pass.taps
        tapsBetween = pass.allTaps - pass.taps
        self.rows = rows
        plan = ConvolutionPlan(pass, rows: rows)
        var memory = ThreadMemory(scratch)
        offsets = memory.takeIntegers(plan.offsetCount)
        panelOffsets = memory.takeIntegers(plan.offsetCount)
        segments = UnsafeMutableRawPointer(memory.take(2 * plan.segmentRoom))
            .bindMemory(to: Segment.self, capacity: 2 * plan.segmentCount)
        copies = memory.take(wholeLines(plan.planes.count))
        sums = memory.take(2 * plan.sumCount)
        panel = memory.take(plan.panelCount)
        copies.update(repeating: 0, count: plan.planes.count)
        plan.planes.writeOffsets(to: offsets)
        if pass.hasBetween {
            plan.planes.writeOffsets(of: pass.between.columnAxis, to: offsets + plan.channelBlock * pass.taps)
        }
        for k in 0..<plan.channelBlock * plan.taps { panelOffsets[k] = Int32(truncatingIfNeeded: k * plan.panelStride) }
        source = UnsafePointer(copies)
        weights = source
        target = copies
    }

    /// Writes what waits.
    mutating func finish() {
        waiting?.write()
        waiting = nil
    }

    /// The segments of a run, found anew where it isn't the last one's again.
    private mutating func findSegments(first: Int, count: Int, firstRow: Int, bandRows: Int) -> UnsafePointer<Segment> {
        if segmentKey != (first, count, firstRow, bandRows) {
            // What waits is not to be overwritten.
            segmentRoom = plan.segmentCount - segmentRoom
            segmentKey = (first, count, firstRow, bandRows)
            segmentsFound = plan.findSegments(
                pass, first: first, count: count, firstRow: firstRow, bandRows: bandRows, sampleDistance: targetStride,
                into: segments + segmentRoom)
        }
        return UnsafePointer(segments + segmentRoom)
    }

    mutating func compute(_ unit: Int) {
        var rest = unit
        let outputs = plan.outputs(ofBlock: rest % plan.outputBlocks, pass)
        rest /= plan.outputBlocks
        let group = rest % pass.groups
        rest /= pass.groups
        let firstRow = min(rest % plan.bands * plan.bandRows, pass.output_rows)
        let bandRows = min(plan.bandRows, pass.output_rows - firstRow)
        let sample = min(rest / plan.bands * plan.samples, rows)
        let samples = min(plan.samples, rows - sample)
        guard samples > 0, bandRows > 0, !outputs.isEmpty else { return }
        let imagePlane = pass.height * pass.width
        let targetPlane = pass.target_height * pass.target_width
        let positions =
            plan.usesPanel
            ? samples * bandRows * pass.output_columns : (bandRows - 1) * plan.planes.pitch + pass.output_columns
        let firstTarget =
            target + (sample * targetStride + (group * pass.outputs + outputs.lowerBound) * targetPlane)
        let tiles = outputTiles(outputs.count)
        // Kept sums are about to be overwritten.
        if plan.channelBlocks > 1 { finish() }
        for block in 0..<plan.channelBlocks {
            let channels = plan.channels(ofBlock: block, pass)
            if channels.isEmpty { continue }
            let isLast = channels.upperBound == pass.channels
            plan.planes.fill(
                copies,
                from: source + (sample * sourceStride + (group * pass.channels + channels.lowerBound) * imagePlane),
                sampleDistance: sourceStride, samples: samples, channels: channels.count, firstRow: firstRow,
                bandRows: bandRows)
            for first in stride(from: 0, to: positions, by: plan.runPositions) {
                let count = min(plan.runPositions, positions - first)
                let segments = findSegments(first: first, count: count, firstRow: firstRow, bandRows: bandRows)
                if plan.usesPanel {
                    fillPanel(
                        copies, offsets, depth: channels.count * taps, segments, count: segmentsFound, into: panel,
                        stride: plan.panelStride)
                    if plan.windows > 1 {
                        let first = plan.channelBlock * taps
                        fillPanel(
                            copies, offsets + first, depth: channels.count * tapsBetween, segments, count: segmentsFound,
                            into: panel + first * plan.panelStride, stride: plan.panelStride)
                    }
                }
                for tile in 0..<tiles {
                    let range = tileOutputs(tile, of: tiles, in: outputs)
                    var place = sums + sumRoom
                    if plan.channelBlocks > 1 {
                        place += (range.lowerBound - outputs.lowerBound) * plan.sumStride + first
                    } else {
                        sumRoom = plan.sumCount - sumRoom
                    }
                    var run = ConvolutionRun(
                        source: plan.usesPanel ? UnsafePointer(panel) : UnsafePointer(copies) + first,
                        offsets: plan.usesPanel ? panelOffsets : offsets, depth: channels.count * taps,
                        weights: weights
                            + packedOffset(pass, taps: taps, group: group, channels: channels, output: range.lowerBound),
                        sums: place, sumStride: plan.sumStride, resumes: block > 0)
                    run.run(height: range.count, vectors: (count + laneCount - 1) / laneCount)
                    if plan.windows > 1 {
                        let firstOffset = plan.channelBlock * taps
                        if plan.usesPanel { run.source += firstOffset * plan.panelStride } else { run.offsets += firstOffset }
                        run.depth = channels.count * tapsBetween
                        run.weights =
                            weights + betweenOffset(pass)
                            + packedOffset(
                                pass, taps: tapsBetween, group: group, channels: channels, output: range.lowerBound)
                        run.sums += plan.windowStride
                        run.run(height: range.count, vectors: (count + laneCount - 1) / laneCount)
                    }
                    guard isLast else { continue }
                    waiting?.write()
                    waiting = FinishedRun(
                        sums: place, stride: plan.sumStride, outputs: range.count, segments: segments,
                        count: segmentsFound, bias: bias.map { $0 + (group * pass.outputs + range.lowerBound) },
                        rectifies: rectifies, target: firstTarget + (range.lowerBound - outputs.lowerBound) * targetPlane,
                        plane: targetPlane, step: pass.target_column_step,
                        between: plan.windows > 1 ? plan.windowStride : nil)
                }
            }
        }
    }
}
