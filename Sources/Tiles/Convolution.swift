import CProcessor

// One thread's share of a convolution.

/// Units that threads share.
package func convolutionUnits(_ pass: ConvolutionPass, rows: Int) -> Int { ConvolutionPlan(pass, rows: rows).units }

/// Numbers that a thread needs for itself.
package func convolutionScratch(_ pass: ConvolutionPass, rows: Int) -> Int { ConvolutionPlan(pass, rows: rows).scratch }

/// The units `units` of the pass over `rows` samples, which are `sourceStride` apart; the weights packed.
package func convolutionTiles(
    _ pass: ConvolutionPass, _ source: UnsafePointer<Float>, sourceStride: Int, rows: Int, _ weights: UnsafePointer<Float>,
    bias: UnsafePointer<Float>?, rectifies: Bool, units: Range<Int>, into target: UnsafeMutablePointer<Float>,
    targetStride: Int, scratch: UnsafeMutableBufferPointer<Float>
) {
    var worker = ConvolutionWorker(pass, rows: rows, scratch)
    worker.source = source
    worker.sourceStride = sourceStride
    worker.weights = weights
    worker.bias = bias
    worker.rectifies = rectifies
    worker.target = target
    worker.targetStride = targetStride
    for unit in units { worker.compute(unit) }
}

/// What a thread knows during a pass.
private struct ConvolutionWorker {
    let pass: ConvolutionPass
    let rows: Int
    let plan: ConvolutionPlan
    let offsets: UnsafeMutablePointer<Int32>
    let panelOffsets: UnsafeMutablePointer<Int32>
    let copies: UnsafeMutablePointer<Float>
    let sums: UnsafeMutablePointer<Float>
    let panel: UnsafeMutablePointer<Float>
    let segments: UnsafeMutablePointer<Segment>
    var source: UnsafePointer<Float>
    var sourceStride = 0
    var weights: UnsafePointer<Float>
    var bias: UnsafePointer<Float>?
    var rectifies = false
    var target: UnsafeMutablePointer<Float>
    var targetStride = 0

    init(_ pass: ConvolutionPass, rows: Int, _ scratch: UnsafeMutableBufferPointer<Float>) {
        self.pass = pass
        self.rows = rows
        plan = ConvolutionPlan(pass, rows: rows)
        var memory = ThreadMemory(scratch)
        // Numbers and offsets are of one size; each part of the memory is used for one kind only.
        offsets = UnsafeMutableRawPointer(memory.take(plan.offsetCount)).bindMemory(to: Int32.self, capacity: plan.offsetCount)
        panelOffsets =
            UnsafeMutableRawPointer(memory.take(plan.offsetCount)).bindMemory(to: Int32.self, capacity: plan.offsetCount)
        let segmentSize = MemoryLayout<Segment>.stride / MemoryLayout<Float>.stride
        segments = UnsafeMutableRawPointer(memory.take(wholeLines(plan.segmentCount * segmentSize)))
            .bindMemory(to: Segment.self, capacity: plan.segmentCount)
        copies = memory.take(wholeLines(plan.planes.count))
        sums = memory.take(wholeLines(plan.sumCount))
        panel = memory.take(plan.panelCount)
        copies.update(repeating: 0, count: plan.planes.count)
        plan.planes.writeOffsets(to: offsets)
        for k in 0..<plan.channelBlock * pass.taps { panelOffsets[k] = Int32(truncatingIfNeeded: k * plan.panelStride) }
        source = UnsafePointer(copies)
        weights = source
        target = copies
    }

    func compute(_ unit: Int) {
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
        for block in 0..<plan.channelBlocks {
            let channels = plan.channels(ofBlock: block, pass)
            if channels.isEmpty { continue }
            let isLast = channels.upperBound == pass.channels
            plan.planes.fill(
                copies,
                from: source + (sample * sourceStride + (group * pass.channels + channels.lowerBound) * imagePlane),
                sampleDistance: sourceStride, samples: samples, channels: channels.count, firstRow: firstRow,
                bandRows: bandRows)
            let depth = channels.count * pass.taps
            for first in stride(from: 0, to: positions, by: plan.runPositions) {
                let count = min(plan.runPositions, positions - first)
                let found =
                    plan.usesPanel || isLast
                    ? plan.findSegments(
                        pass, first: first, count: count, firstRow: firstRow, bandRows: bandRows,
                        sampleDistance: targetStride, into: segments) : 0
                if plan.usesPanel {
                    fillPanel(
                        copies, offsets, depth: depth, segments, count: found, into: panel, stride: plan.panelStride)
                }
                for tile in 0..<tiles {
                    let range = tileOutputs(tile, of: tiles, in: outputs)
                    let place =
                        plan.channelBlocks > 1
                        ? sums + ((range.lowerBound - outputs.lowerBound) * plan.sumStride + first) : sums
                    let run = ConvolutionRun(
                        source: plan.usesPanel ? UnsafePointer(panel) : UnsafePointer(copies) + first,
                        offsets: plan.usesPanel ? panelOffsets : offsets, depth: depth,
                        weights: weights
                            + packedOffset(pass, group: group, channels: channels, output: range.lowerBound),
                        sums: place, sumStride: plan.sumStride, resumes: block > 0)
                    run.run(height: range.count, vectors: (count + laneCount - 1) / laneCount)
                    guard isLast else { continue }
                    finish(
                        place, stride: plan.sumStride, outputs: range.count, segments, count: found,
                        bias: bias.map { $0 + (group * pass.outputs + range.lowerBound) }, rectifies: rectifies,
                        into: firstTarget + (range.lowerBound - outputs.lowerBound) * targetPlane, plane: targetPlane,
                        step: pass.target_column_step)
                }
            }
        }
    }
}
