import CProcessor

// One thread's share of a convolution's weight gradient.

/// Units that threads share.
package func convolutionGradientUnits(_ pass: ConvolutionPass, leafRows: Int, threads: Int) -> Int {
    ConvolutionGradientPlan(pass, leafRows: leafRows, threads: threads).units
}

/// Numbers that a thread needs for itself, where at most `levels` sums of leaves wait at once.
package func convolutionGradientScratch(_ pass: ConvolutionPass, leafRows: Int, levels: Int, threads: Int) -> Int {
    ConvolutionGradientPlan(pass, leafRows: leafRows, threads: threads).scratch(levels: levels)
}

/// The units `units` of the weight gradient, summed along the tree of leaves; `pass` is the forward direction. Elements of the
/// result outside `cached` are written past the caches.
package func convolutionGradientTiles(
    _ pass: ConvolutionPass, _ outputGradient: UnsafePointer<Float>, gradientStride: Int, _ input: UnsafePointer<Float>,
    inputStride: Int, rows: Int, leafRows: Int, levels: Int, threads: Int, units: Range<Int>,
    into result: UnsafeMutablePointer<Float>, cached: Range<Int>, scratch: UnsafeMutableBufferPointer<Float>
) {
    let worker = GradientWorker(
        ConvolutionGradientPlan(pass, leafRows: leafRows, threads: threads), levels: levels, scratch, outputGradient,
        gradientStride, input, inputStride, rows: rows)
    for index in units {
        let unit = GradientUnit(index, worker.plan)
        var waiting = 0
        var level = 0
        var first = 0
        repeat {
            let end = min(first + leafRows, rows)
            worker.sums.update(repeating: 0, count: worker.plan.sumCount)
            worker.add(unit, rows: first..<end)
            first = end
            waiting += 1
            var merged = waiting
            let isLast = first >= rows
            while level > 0, isLast || merged & 1 == 0 {
                level -= 1
                addLeft(worker.stack + level * worker.plan.sumCount, to: worker.sums, count: worker.plan.sumCount)
                merged >>= 1
            }
            if !isLast {
                precondition(level < levels, "more sums wait than the stack has room for")
                (worker.stack + level * worker.plan.sumCount).update(from: worker.sums, count: worker.plan.sumCount)
                level += 1
            }
        } while first < rows
        worker.write(unit, into: result, cached: cached)
    }
}

/// left + sums; the left node of the tree being at `left`.
private func addLeft(_ left: UnsafePointer<Float>, to sums: UnsafeMutablePointer<Float>, count: Int) {
    var index = 0
    while index < count {
        (Lanes.load(left + index) + Lanes.load(sums + index)).store(to: sums + index)
        index &+= laneCount
    }
}

/// Which part of the weights a unit is.
private struct GradientUnit {
    let group: Int
    /// Filters of the group; lane by lane, groups.
    let filters: Range<Int>
    let channels: Range<Int>

    init(_ index: Int, _ plan: ConvolutionGradientPlan) {
        let channel = index % plan.channelBlocks * plan.channelBlock
        let rest = index / plan.channelBlocks
        let filter = rest % plan.filterBlocks * plan.filterBlock
        group = rest / plan.filterBlocks
        let count = plan.isLanewise ? plan.pass.groups : plan.pass.outputs
        filters = min(filter, count)..<min(filter + plan.filterBlock, count)
        channels = min(channel, plan.pass.channels)..<min(channel + plan.channelBlock, plan.pass.channels)
    }
}

/// What a thread knows during the call.
private struct GradientWorker {
    let plan: ConvolutionGradientPlan
    let offsets: UnsafeMutablePointer<Int32>
    let copies: UnsafeMutablePointer<Float>
    let turned: UnsafeMutablePointer<Float>
    let gradient: UnsafeMutablePointer<Float>
    let rowOfResult: UnsafeMutablePointer<Float>
    let sums: UnsafeMutablePointer<Float>
    let stack: UnsafeMutablePointer<Float>
    let outputGradient: UnsafePointer<Float>
    let gradientStride: Int
    /// Numbers that can be read from the first output gradient on.
    let gradientCount: Int
    let input: UnsafePointer<Float>
    let inputStride: Int
    let winograd: WinogradGradient?

    init(
        _ plan: ConvolutionGradientPlan, levels: Int, _ scratch: UnsafeMutableBufferPointer<Float>,
        _ outputGradient: UnsafePointer<Float>, _ gradientStride: Int, _ input: UnsafePointer<Float>, _ inputStride: Int,
        rows: Int
    ) {
        self.plan = plan
        self.outputGradient = outputGradient
        self.gradientStride = gradientStride
        gradientCount =
            (rows - 1) * gradientStride
            + plan.pass.groups * plan.pass.outputs * plan.pass.output_rows * plan.pass.output_columns
        self.input = input
        self.inputStride = inputStride
        var memory = ThreadMemory(scratch)
        offsets = memory.takeIntegers(plan.offsetCount)
        copies = memory.take(wholeLines(plan.copyCount))
        gradient = memory.take(wholeLines(plan.gradientCount))
        turned = memory.take(plan.turnedCount)
        rowOfResult = memory.take(plan.resultCount)
        sums = memory.take(plan.sumCount)
        stack = memory.take(levels * plan.sumCount)
        winograd = plan.winograd.map { WinogradGradient($0, &memory) }
        copies.update(repeating: 0, count: plan.copyCount)
        for k in 0..<plan.offsetCount { offsets[k] = 0 }
        if let winograd {
            for k in 0..<plan.channelBlock { offsets[k] = Int32(truncatingIfNeeded: k * winograd.plan.tileStride) }
            return
        }
        if plan.turnsCopies {
            for tap in 0..<plan.pass.taps {
                let place = plan.planes.offset(row: tap / plan.pass.tap_columns, column: tap % plan.pass.tap_columns)
                offsets[tap] = Int32(truncatingIfNeeded: place * laneCount)
            }
        } else {
            plan.planes.writeOffsets(to: offsets)
            if plan.form == .triples {
                for k in 0..<plan.depth / 3 { offsets[k] = offsets[3 * k] }
            }
        }
    }

    /// Adds the products of some rows of a leaf, piece by piece.
    func add(_ unit: GradientUnit, rows: Range<Int>) {
        if let winograd { return add(unit, rows: rows, winograd) }
        let pass = plan.pass
        for sample in stride(from: rows.lowerBound, to: rows.upperBound, by: plan.samples) {
            let samples = min(plan.samples, rows.upperBound - sample)
            for row in stride(from: 0, to: pass.output_rows, by: plan.bandRows) {
                add(unit, sample: sample, samples: samples, firstRow: row, bandRows: min(plan.bandRows, pass.output_rows - row))
            }
        }
    }

    /// The same by tiles.
    private func add(_ unit: GradientUnit, rows: Range<Int>, _ winograd: WinogradGradient) {
        let pass = plan.pass
        let band = winograd.plan.band
        winograd.clear()
        for sample in stride(from: rows.lowerBound, to: rows.upperBound, by: band.samples) {
            for row in stride(from: 0, to: winograd.plan.tiles.rows, by: band.tileRows) {
                let part = WinogradPart(
                    sample: sample, samples: min(band.samples, rows.upperBound - sample), firstRow: row,
                    tileRows: min(band.tileRows, winograd.plan.tiles.rows - row))
                winograd.takeInput(
                    input + unit.channels.lowerBound * pass.height * pass.width, sampleStride: inputStride,
                    channels: unit.channels.count, part)
                for index in 0..<part.samples {
                    winograd.takeGradients(height: pass.output_rows, width: pass.output_columns, part, index: index) {
                        turnGradients(
                            unit, (sample + index) * gradientStride + $0 * pass.output_columns,
                            positions: $1 * pass.output_columns, into: $2)
                    }
                }
                winograd.add(part, offsets: offsets, channels: unit.channels.count, filters: unit.filters.count)
            }
        }
        winograd.finish(channels: unit.channels.count, into: sums)
    }

    private func add(_ unit: GradientUnit, sample: Int, samples: Int, firstRow: Int, bandRows: Int) {
        let pass = plan.pass
        let area = pass.output_rows * pass.output_columns
        let positions = bandRows * pass.output_columns
        if plan.form != .channels {
            for index in 0..<samples {
                turnGradients(
                    unit, (sample + index) * gradientStride + firstRow * pass.output_columns, positions: positions,
                    into: gradient + index * positions * plan.filterStride)
            }
        }
        let firstChannel = plan.isLanewise ? unit.filters.lowerBound : unit.group * pass.channels + unit.channels.lowerBound
        let channels = plan.isLanewise ? unit.filters.count : unit.channels.count
        plan.planes.fill(
            copies, from: input + (sample * inputStride + firstChannel * pass.height * pass.width),
            sampleDistance: inputStride, samples: samples, channels: channels, firstRow: firstRow, bandRows: bandRows)
        if plan.turnsCopies {
            turn(
                copies, stride: plan.planes.channelStride, rows: laneCount, columns: samples * plan.planes.sampleStride,
                into: turned, targetStride: laneCount, lanes: laneCount)
        }
        let width = plan.turnsCopies ? laneCount : 1
        var run = ConvolutionGradientRun(
            copies: plan.turnsCopies ? turned : copies, offsets: offsets, gradient: gradient,
            gradientStride: plan.filterStride, samples: samples, rows: bandRows, columns: pass.output_columns,
            sampleStride: plan.planes.sampleStride * width, pitch: plan.planes.pitch * width, sums: sums,
            sumStride: plan.filterStride, gradientSampleStride: positions * plan.filterStride, form: plan.form)
        if plan.form == .channels {
            run.gradientStride = 1
            run.sumStride = laneCount
            run.gradientSampleStride = gradientStride
            for filter in unit.filters {
                run.gradient =
                    outputGradient
                    + (sample * gradientStride + (unit.group * pass.outputs + filter) * area + firstRow * pass.output_columns)
                run.sums = sums + (filter - unit.filters.lowerBound) * pass.taps * laneCount
                compute(run, depth: pass.taps, isHalf: true)
            }
            return
        }
        for filter in stride(from: 0, to: unit.filters.count, by: tileWidth) {
            run.gradient = UnsafePointer(gradient) + filter
            run.sums = sums + filter
            compute(run, depth: unit.channels.count * pass.taps, isHalf: unit.filters.count - filter <= laneCount)
        }
    }

    /// Turns the unit's filters' output gradients of some positions, which begin at `place` in the first filter's plane.
    private func turnGradients(
        _ unit: GradientUnit, _ place: Int, positions: Int, into target: UnsafeMutablePointer<Float>
    ) {
        let area = plan.pass.output_rows * plan.pass.output_columns
        for filter in stride(from: 0, to: unit.filters.count, by: laneCount) {
            let first = place + (unit.group * plan.pass.outputs + unit.filters.lowerBound + filter) * area
            // Lanes behind the last filter may be anything that can be read.
            let isReadable = first + (laneCount - 1) * area + positions <= gradientCount
            let rows = isReadable ? laneCount : unit.filters.count - filter
            turn(
                outputGradient + first, stride: area, rows: rows, columns: positions, into: target + filter,
                targetStride: plan.filterStride, lanes: laneCount)
        }
    }

    /// Computes all k of a run in tiles of nearly equal height.
    private func compute(_ all: ConvolutionGradientRun, depth: Int, isHalf: Bool) {
        // Three k may be one place.
        let each = all.form == .triples ? 3 : 1
        let places = depth / each
        let tiles = (depth + tileHeight - 1) / tileHeight
        for tile in 0..<tiles {
            let part = tile * places / tiles..<(tile + 1) * places / tiles
            var run = all
            run.offsets += part.lowerBound
            run.sums += part.lowerBound * each * all.sumStride
            run.run(height: part.count * each, isHalf: isHalf)
        }
    }

    /// Where the unit's elements of one of its filters begin, and how far the next filter's are.
    private func place(_ unit: GradientUnit) -> (first: Int, stride: Int) {
        let pass = plan.pass
        let stride = pass.channels * pass.taps
        return (
            (unit.group * pass.outputs + unit.filters.lowerBound) * stride + unit.channels.lowerBound * pass.taps, stride
        )
    }

    /// Writes the sums, with a filter's elements side by side.
    func write(_ unit: GradientUnit, into result: UnsafeMutablePointer<Float>, cached: Range<Int>) {
        let (first, stride) = place(unit)
        let depth = unit.channels.count * plan.pass.taps
        if plan.form == .channels {
            let taps = plan.pass.taps
            for filter in 0..<unit.filters.count {
                for tap in Swift.stride(from: 0, to: taps, by: laneCount) {
                    turn(
                        sums + (filter * taps + tap) * laneCount, stride: laneCount, rows: taps - tap,
                        columns: unit.channels.count, into: result + (first + filter * stride + tap), targetStride: taps,
                        lanes: min(laneCount, taps - tap))
                }
            }
            return
        }
        let rowStride = plan.depth + laneCount
        for filter in Swift.stride(from: 0, to: unit.filters.count, by: laneCount) {
            let filters = min(laneCount, unit.filters.count - filter)
            for k in Swift.stride(from: 0, to: depth, by: laneCount) {
                turn(
                    sums + (k * plan.filterStride + filter), stride: plan.filterStride, rows: depth - k, columns: filters,
                    into: rowOfResult + k, targetStride: rowStride, lanes: laneCount)
            }
            for index in 0..<filters {
                let place = first + (filter + index) * stride
                copy(
                    rowOfResult + index * rowStride, count: depth, to: result + place,
                    isStreamed: !cached.overlaps(place..<place + depth))
            }
        }
    }
}

/// Copies numbers, with `isStreamed` those that fill vectors on their boundaries past the caches.
private func copy(
    _ source: UnsafePointer<Float>, count: Int, to target: UnsafeMutablePointer<Float>, isStreamed: Bool
) {
    let bytes = laneCount * MemoryLayout<Float>.stride
    let misalignment = Int(bitPattern: target) % bytes / MemoryLayout<Float>.stride
    let head = isStreamed ? min(count, misalignment == 0 ? 0 : laneCount - misalignment) : count
    target.update(from: source, count: head)
    var index = head
    while index &+ laneCount <= count {
        Lanes.load(source + index).stream(to: target + index)
        index &+= laneCount
    }
    (target + index).update(from: source + index, count: count - index)
}
