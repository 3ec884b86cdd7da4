import CProcessor

/// One thread's share of a convolution by tiles.
struct WinogradWorker {
    let pass: ConvolutionPass
    let rows: Int
    let plan: WinogradPlan
    let input: WinogradInput
    let offsets: UnsafeMutablePointer<Int32>
    /// For each frequency what the channels' tiles read, and sums over channels for some outputs.
    let inputs: UnsafeMutablePointer<Float>
    let sums: UnsafeMutablePointer<Float>
    /// An output's tiles: for each of their four rows, the numbers side by side.
    let outputRows: UnsafeMutablePointer<Float>

    init(_ pass: ConvolutionPass, rows: Int, _ scratch: UnsafeMutableBufferPointer<Float>) {
        self.pass = pass
        self.rows = rows
        plan = WinogradPlan(pass, rows: rows)
        var memory = ThreadMemory(scratch)
        offsets = memory.takeIntegers(plan.offsetCount)
        inputs = memory.take(plan.inputCount)
        sums = memory.take(plan.sumCount)
        outputRows = memory.take(plan.rowCount)
        input = WinogradInput(plan.tiles, plan.band, &memory)
        for channel in 0..<pass.channels { offsets[channel] = Int32(truncatingIfNeeded: channel * plan.tileStride) }
    }

    /// Computes a unit; `weights` are transformed.
    func compute(
        _ unit: Int, _ source: UnsafePointer<Float>, sourceStride: Int, _ weights: UnsafePointer<Float>,
        bias: UnsafePointer<Float>?, rectifies: Bool, into target: UnsafeMutablePointer<Float>, targetStride: Int
    ) {
        let part = plan.part(unit, rows: rows)
        guard part.samples > 0, part.tileRows > 0 else { return }
        let each = part.tileRows * plan.tiles.columns
        input.transform(
            source, sampleStride: sourceStride, channels: pass.channels, part, into: inputs, channelStride: plan.tileStride,
            frequencyStride: plan.inputStride)
        let targetPlane = pass.output_rows * pass.output_columns
        let tiles = outputTiles(pass.outputs)
        for first in stride(from: 0, to: tiles, by: plan.tileBlock) {
            let block = first..<min(first + plan.tileBlock, tiles)
            let outputs =
                tileOutputs(block.lowerBound, of: tiles, in: 0..<pass.outputs)
                .lowerBound..<tileOutputs(
                    block.upperBound - 1, of: tiles, in: 0..<pass.outputs
                ).upperBound
            multiply(weights, block, of: tiles, tiles: part.samples &* each)
            for output in outputs {
                combine(sums + (output &- outputs.lowerBound) &* plan.tileStride, tiles: part.samples &* each)
                for sample in 0..<part.samples {
                    write(
                        UnsafePointer(outputRows) + tileSide &* sample &* each, part, addend: bias.map { $0[output] } ?? -0.0,
                        rectifies: rectifies,
                        to: target + ((part.sample &+ sample) &* targetStride &+ output &* targetPlane))
                }
            }
        }
    }

    /// The matrix products, one for each frequency, for some tiles of outputs.
    private func multiply(_ weights: UnsafePointer<Float>, _ block: Range<Int>, of tiles: Int, tiles count: Int) {
        let vectors = (count + laneCount - 1) / laneCount
        let first = tileOutputs(block.lowerBound, of: tiles, in: 0..<pass.outputs).lowerBound
        for tile in block {
            let outputs = tileOutputs(tile, of: tiles, in: 0..<pass.outputs)
            for channel in stride(from: 0, to: pass.channels, by: plan.channelBlock) {
                var run = ConvolutionRun(
                    source: inputs, offsets: offsets + channel, depth: min(plan.channelBlock, pass.channels - channel),
                    weights: weights
                        + winogradWeightOffset(
                            pass, frequency: 0, output: outputs.lowerBound, height: outputs.count, channel: channel),
                    sums: sums + (outputs.lowerBound - first) * plan.tileStride, sumStride: plan.tileStride,
                    resumes: channel > 0)
                for _ in 0..<frequencyCount {
                    run.run(height: outputs.count, vectors: vectors)
                    run.source += plan.inputStride
                    run.weights += pass.outputs &* pass.channels
                    run.sums += plan.sumStride
                }
            }
        }
    }

    /// Aᵀ m A for an output's tiles.
    @inline(never)
    private func combine(_ sums: UnsafePointer<Float>, tiles count: Int) {
        let distance = plan.sumStride
        var tile = 0
        while tile < count {
            let from = sums + tile
            @inline(__always) func row(_ row: Int) -> (Lanes, Lanes, Lanes, Lanes) {
                timesA(loadSix(from + row &* 6 &* distance, stride: distance))
            }
            let (r0, r1, r2, r3, r4, r5) = (row(0), row(1), row(2), row(3), row(4), row(5))
            let c0 = timesA((r0.0, r1.0, r2.0, r3.0, r4.0, r5.0))
            let c1 = timesA((r0.1, r1.1, r2.1, r3.1, r4.1, r5.1))
            let c2 = timesA((r0.2, r1.2, r2.2, r3.2, r4.2, r5.2))
            let c3 = timesA((r0.3, r1.3, r2.3, r3.3, r4.3, r5.3))
            let to = outputRows + tileSide &* tile
            storeRow((c0.0, c1.0, c2.0, c3.0), to: to)
            storeRow((c0.1, c1.1, c2.1, c3.1), to: to + plan.rowStride)
            storeRow((c0.2, c1.2, c2.2, c3.2), to: to + 2 &* plan.rowStride)
            storeRow((c0.3, c1.3, c2.3, c3.3), to: to + 3 &* plan.rowStride)
            tile &+= laneCount
        }
    }

    /// Four numbers of each tile side by side.
    @inline(__always)
    private func storeRow(_ all: (Lanes, Lanes, Lanes, Lanes), to target: UnsafeMutablePointer<Float>) {
        let even = Lanes.zip(all.0, all.2)
        let odd = Lanes.zip(all.1, all.3)
        let first = Lanes.zip(even.first, odd.first)
        let second = Lanes.zip(even.second, odd.second)
        first.first.store(to: target)
        first.second.store(to: target + laneCount)
        second.first.store(to: target + 2 &* laneCount)
        second.second.store(to: target + 3 &* laneCount)
    }

    /// Writes the outputs of a sample: plus the bias, rectified if asked.
    private func write(
        _ source: UnsafePointer<Float>, _ part: WinogradPart, addend: Float, rectifies: Bool,
        to target: UnsafeMutablePointer<Float>
    ) {
        let addends = Lanes(repeating: addend)
        let width = pass.output_columns
        for row in 0..<part.tileRows {
            let first = tileSide &* (part.firstRow &+ row)
            let rows = min(tileSide, pass.output_rows &- first)
            for index in 0..<rows {
                var from = source + (index &* plan.rowStride &+ row &* tileSide &* plan.tiles.columns)
                var to = target + (first &+ index) &* width
                var rest = width
                while rest > 0 {
                    var sum = Lanes.load(from) + addends
                    if rectifies { sum = sum.rectified }
                    if rest >= laneCount { sum.store(to: to) } else { sum.store(to: to, count: rest) }
                    from += laneCount
                    to += laneCount
                    rest &-= laneCount
                }
            }
        }
    }
}
