import Storage

/// Recurrent layers over whole sequences. A thread takes some rows through all steps, so that their states stay in its caches;
/// weights are packed once for all steps. A step's sums are chains over the numbers of x and then of h, in ascending order; what the
/// gates make of them depends on the row alone.
extension Workspace {
    /// Rows that go through the steps together.
    private static let blockRows = 96

    /// Runs rows of `steps` × `inputs` numbers forward.
    ///
    /// - Parameters:
    ///   - counts: how many steps of a row are its own. Behind them the state stays as it is, and outputs are zeros.
    ///   - initial: the state before the first step, h and behind it c (rows × states · units); nil for zeros.
    ///   - outputs: where a step's h goes: to columns `place` and following of the `width` columns of its step. Nil where nobody asks.
    ///   - last: where h behind a row's last step goes.
    ///   - final: where the state behind it goes.
    ///   - kept: rows × `keptCount`, for `recurrentBackward`.
    package func recurrentForward(
        _ recurrence: Recurrence, _ input: MatrixView, _ weights: RecurrentWeights, counts: StepCounts,
        initial: MatrixView?, outputs: RecurrentOutputs?, last: MutableMatrixView?, final: MutableMatrixView?,
        kept: MutableMatrixView?
    ) {
        let cell = recurrence.cell
        let (units, steps) = (recurrence.units, recurrence.steps)
        weights.check(recurrence)
        precondition(
            input.columns == steps * recurrence.inputs && kept.map { $0.columns == recurrence.keptCount } ?? true,
            "\(input.rows)×\(input.columns) numbers for \(steps) steps of \(recurrence.inputs)")
        let packed = PackedRecurrentWeights(forward: recurrence, tiles)
        let strips = packing(count: packed.count)
        packed.packForward(recurrence, weights, tiles, into: strips)
        let columns = recurrence.columns(tiles)
        let layout = BlockLayout(recurrence, sumsStride: columns.stride, rows: min(Self.blockRows, input.rows))
        let rooms = threadRooms(count: layout.forwardCount)
        parallel(input.rows, unit: tiles.height) { thread, range in
            guard let room = rooms[thread].baseAddress else { return }
            let (x, sums, h, c) = (room, room + layout.sums, room + layout.h, room + layout.c)
            for first in stride(from: range.lowerBound, to: range.upperBound, by: layout.rows) {
                let rows = first..<min(first + layout.rows, range.upperBound)
                for row in rows {
                    let place = row - first
                    recurrence.begin(h + place * layout.stateStride, c + place * layout.stateStride, initial?.row(row))
                }
                let longest = rows.reduce(0) { max($0, counts[$1]) }
                for turn in 0..<steps {
                    let step = recurrence.isReversed ? steps - 1 - turn : turn
                    guard step < longest else {
                        for row in rows { outputs?.clear(row, step, units) }
                        continue
                    }
                    for row in rows {
                        (x + (row - first) * layout.inputStride).update(
                            from: input.base + (row * input.stride + step * recurrence.inputs), count: recurrence.inputs)
                    }
                    func add(x part: Int, columns width: Int, at place: Int) {
                        tiles.rowProducts(
                            x, stride: layout.inputStride, rows: rows.count, depth: recurrence.inputs, strips.base + part,
                            columns: width, resumes: false, into: sums + place, resultStride: columns.stride)
                    }
                    func add(h part: Int, columns width: Int, at place: Int, resumes: Bool) {
                        tiles.rowProducts(
                            h, stride: layout.stateStride, rows: rows.count, depth: units, strips.base + part,
                            columns: width, resumes: resumes, into: sums + place, resultStride: columns.stride)
                    }
                    add(x: packed.inputShared, columns: cell.sharedGates * units, at: columns.shared)
                    add(h: packed.stateShared, columns: cell.sharedGates * units, at: columns.shared, resumes: true)
                    if cell == .gru {
                        add(x: packed.inputOwn, columns: units, at: columns.inputsOwn)
                        add(h: packed.stateOwn, columns: units, at: columns.statesOwn, resumes: false)
                    }
                    for row in rows {
                        let place = row - first
                        guard step < counts[row] else {
                            outputs?.clear(row, step, units)
                            continue
                        }
                        let state = h + place * layout.stateStride
                        let sum = sums + place * columns.stride
                        let kept = kept.map { $0.base + (row * $0.stride + step * cell.kept * units) }
                        let bias = UnsafePointer(strips.base) + packed.bias
                        switch cell {
                        case .tanh, .relu:
                            tiles.gates.advanceSimple(units, sum, bias, cell == .relu, state, kept)
                        case .lstm:
                            tiles.gates.advanceLSTM(units, sum, bias, state, c + place * layout.stateStride, kept)
                        case .gru:
                            tiles.gates.advanceGRU(
                                units, sum, sum + columns.inputsOwn, sum + columns.statesOwn, bias, state, kept)
                        }
                        outputs?.put(state, row, step, units)
                    }
                }
                for row in rows {
                    let place = row - first
                    last?.row(row).baseAddress?.update(from: h + place * layout.stateStride, count: units)
                    guard let end = final?.row(row).baseAddress else { continue }
                    end.update(from: h + place * layout.stateStride, count: units)
                    if cell == .lstm { (end + units).update(from: c + place * layout.stateStride, count: units) }
                }
            }
        }
    }

    /// The gradients of the sums of all steps, from which those of the weights follow, and of the input.
    ///
    /// - Parameters:
    ///   - kept: what `recurrentForward` left there; `counts` and `initial` as there.
    ///   - outputs: gradients of the outputs; `last`: of h behind a row's last step. What lies behind it is not read.
    ///   - sums: rows × `sumsCount`, zeros behind a row's last step. Those of a step lie as in the rows of the weights, but a GRU's
    ///     are n of x, r, z, n of h.
    ///   - before: rows × steps · units: h before each step.
    ///   - inputGradient: assigned, or added to with `adds`, as the next links of the chains.
    package func recurrentBackward(
        _ recurrence: Recurrence, _ weights: RecurrentWeights, kept: MatrixView, counts: StepCounts,
        initial: MatrixView?, outputs: RecurrentOutputGradients?, last: MatrixView?, sums: MutableMatrixView,
        before: MutableMatrixView, inputGradient: MutableMatrixView?, adds: Bool
    ) {
        let cell = recurrence.cell
        let (units, steps, inputs) = (recurrence.units, recurrence.steps, recurrence.inputs)
        weights.check(recurrence)
        precondition(
            kept.columns == recurrence.keptCount && sums.columns == recurrence.sumsCount && before.columns == steps * units,
            "\(kept.columns) numbers kept, \(sums.columns) sums, \(before.columns) states of a row of \(steps) steps")
        let packed = PackedRecurrentWeights(backward: recurrence, tiles)
        let strips = packing(count: packed.count)
        packed.packBackward(recurrence, weights, tiles, withInputs: inputGradient != nil, into: strips)
        let width = cell.sums * units
        let layout = BlockLayout(recurrence, sumsStride: recurrence.apart(width), rows: min(Self.blockRows, kept.rows))
        let rooms = threadRooms(count: layout.backwardCount)
        parallel(kept.rows, unit: tiles.height) { thread, range in
            guard let room = rooms[thread].baseAddress else { return }
            let (x, own, h, c) = (room, room + layout.sums, room + layout.h, room + layout.c)
            let tangent = room + layout.tangent
            for first in stride(from: range.lowerBound, to: range.upperBound, by: layout.rows) {
                let rows = first..<min(first + layout.rows, range.upperBound)
                for row in rows {
                    let place = (row - first) * layout.stateStride
                    (h + place).update(repeating: 0, count: units)
                    (c + place).update(repeating: 0, count: units)
                    if let last { (h + place).update(from: last.base + row * last.stride, count: units) }
                }
                let longest = rows.reduce(0) { max($0, counts[$1]) }
                for turn in 0..<steps {
                    let step = recurrence.isReversed ? turn : steps - 1 - turn
                    for row in rows {
                        let place = row - first
                        let length = counts[row]
                        let all = sums.base + (row * sums.stride + step * width)
                        let earlier = before.base + (row * before.stride + step * units)
                        guard step < length else {
                            all.update(repeating: 0, count: width)
                            earlier.update(repeating: 0, count: units)
                            (own + place * layout.sumsStride).update(repeating: 0, count: width)
                            continue
                        }
                        let state = h + place * layout.stateStride
                        outputs?.add(row, step, to: state, units)
                        let steps = kept.base + row * kept.stride
                        let own = own + place * layout.sumsStride
                        let now = steps + step * cell.kept * units
                        let previous = recurrence.previous(of: step, length: length).map { steps + $0 * cell.kept * units }
                        let initial = initial.map { $0.base + row * $0.stride }
                        switch cell {
                        case .tanh, .relu:
                            tiles.gates.retreatSimple(units, cell == .relu, now, previous, initial, state, own, all, earlier)
                        case .lstm:
                            tiles.gates.retreatLSTM(
                                units, step == (recurrence.isReversed ? 0 : length - 1), now, previous, initial, state,
                                c + place * layout.stateStride, tangent + place * layout.stateStride, own, all, earlier)
                        case .gru:
                            tiles.gates.retreatGRU(units, now, previous, initial, state, own, all, earlier)
                        }
                    }
                    if step < longest, turn < steps - 1 {
                        tiles.rowProducts(
                            own + (cell == .gru ? units : 0), stride: layout.sumsStride, rows: rows.count,
                            depth: cell.gates * units, strips.base + packed.stateShared, columns: units, resumes: true, into: h,
                            resultStride: layout.stateStride)
                    }
                    guard let inputGradient else { continue }
                    if adds || step >= longest {
                        for row in rows {
                            let place = x + (row - first) * layout.inputStride
                            let target = inputGradient.base + (row * inputGradient.stride + step * inputs)
                            if adds {
                                place.update(from: target, count: inputs)
                            } else {
                                place.update(repeating: 0, count: inputs)
                            }
                        }
                    }
                    if step < longest {
                        tiles.rowProducts(
                            own + (cell == .gru ? units : 0), stride: layout.sumsStride, rows: rows.count,
                            depth: cell.sharedGates * units, strips.base + packed.inputShared, columns: inputs, resumes: adds,
                            into: x, resultStride: layout.inputStride)
                        if cell == .gru {
                            tiles.rowProducts(
                                own, stride: layout.sumsStride, rows: rows.count, depth: units, strips.base + packed.inputOwn,
                                columns: inputs, resumes: true, into: x, resultStride: layout.inputStride)
                        }
                    }
                    for row in rows {
                        (inputGradient.base + (row * inputGradient.stride + step * inputs)).update(
                            from: x + (row - first) * layout.inputStride, count: inputs)
                    }
                }
            }
        }
    }

    /// What the two take beside their operands, for so many rows.
    package static func recurrentScratch(_ recurrence: Recurrence, rows: Int) -> KernelScratch {
        let tiles = TileLoops.of(.best)
        let rows = min(blockRows, rows)
        let forward = BlockLayout(recurrence, sumsStride: recurrence.columns(tiles).stride, rows: rows)
        let backward = BlockLayout(
            recurrence, sumsStride: recurrence.apart(recurrence.cell.sums * recurrence.units), rows: rows)
        return KernelScratch(
            packed: max(
                PackedRecurrentWeights(forward: recurrence, tiles).count,
                PackedRecurrentWeights(backward: recurrence, tiles).count),
            perThread: max(forward.forwardCount, backward.backwardCount))
    }
}

/// Where the outputs of all steps go: to columns of a matrix whose rows hold the steps one behind the other.
package struct RecurrentOutputs {
    private let matrix: MutableMatrixView
    private let place: Int, width: Int

    /// - Parameters:
    ///   - width: the columns of a step, of which those from `place` on are written.
    package init(_ matrix: MutableMatrixView, place: Int, width: Int) {
        self.matrix = matrix
        self.place = place
        self.width = width
    }

    private func target(_ row: Int, _ step: Int, _ units: Int) -> UnsafeMutablePointer<Float> {
        precondition((step + 1) * width <= matrix.columns && place + units <= width && row < matrix.rows)
        return matrix.base + (row * matrix.stride + step * width + place)
    }

    func put(_ state: UnsafePointer<Float>, _ row: Int, _ step: Int, _ units: Int) {
        target(row, step, units).update(from: state, count: units)
    }

    func clear(_ row: Int, _ step: Int, _ units: Int) { target(row, step, units).update(repeating: 0, count: units) }
}

/// Gradients of the outputs of all steps, laid out as they are.
package struct RecurrentOutputGradients {
    private let matrix: MatrixView
    private let place: Int, width: Int

    package init(_ matrix: MatrixView, place: Int, width: Int) {
        self.matrix = matrix
        self.place = place
        self.width = width
    }

    func add(_ row: Int, _ step: Int, to gradient: UnsafeMutablePointer<Float>, _ units: Int) {
        precondition((step + 1) * width <= matrix.columns && place + units <= width && row < matrix.rows)
        mapVectors(gradient, matrix.base + (row * matrix.stride + step * width + place), into: gradient, count: units) {
            $0 + $1
        }
    }
}

extension RecurrentWeights {
    func check(_ recurrence: Recurrence) {
        let rows = recurrence.cell.gates * recurrence.units
        precondition(
            inputs.rows == rows && inputs.columns == recurrence.inputs && states.rows == rows
                && states.columns == recurrence.units && (inputBias?.count ?? rows) == rows
                && (stateBias?.count ?? rows) == rows && (inputBias == nil) == (stateBias == nil),
            "weights of \(inputs.rows)×\(inputs.columns) and \(states.rows)×\(states.columns) for \(recurrence.units) units")
    }
}

extension Recurrence {
    /// The state before the first step of a row.
    func begin(_ h: UnsafeMutablePointer<Float>, _ c: UnsafeMutablePointer<Float>, _ initial: UnsafeBufferPointer<Float>?) {
        guard let initial = initial?.baseAddress else {
            h.update(repeating: 0, count: units)
            return c.update(repeating: 0, count: units)
        }
        h.update(from: initial, count: units)
        if cell == .lstm { c.update(from: initial + units, count: units) }
    }
}

/// Where in a thread's memory the numbers of a block of rows lie.
private struct BlockLayout {
    let rows: Int
    let inputStride: Int, sumsStride: Int, stateStride: Int
    let sums: Int, h: Int, c: Int, tangent: Int
    let forwardCount: Int, backwardCount: Int

    init(_ recurrence: Recurrence, sumsStride: Int, rows: Int) {
        self.rows = rows
        self.sumsStride = sumsStride
        inputStride = recurrence.apart(recurrence.inputs)
        stateStride = recurrence.apart(recurrence.units)
        sums = rows * inputStride
        h = sums + rows * sumsStride
        c = h + rows * stateStride
        tangent = c + rows * stateStride
        forwardCount = tangent
        backwardCount = tangent + rows * stateStride
    }
}

/// Where the packed weights of a direction lie: those of gates that both products add to, those of a GRU's n apart, and forward
/// what is added to the sums.
private struct PackedRecurrentWeights {
    let inputShared: Int, inputOwn: Int, stateShared: Int, stateOwn: Int, bias: Int
    let count: Int

    init(forward recurrence: Recurrence, _ tiles: TileLoops) {
        let shared = recurrence.cell.sharedGates * recurrence.units
        let own = recurrence.cell == .gru ? recurrence.units : 0
        func strips(_ depth: Int, _ columns: Int) -> Int {
            columns == 0 ? 0 : tiles.transposedCount(rows: columns, depth: depth, width: tiles.width)
        }
        inputShared = 0
        inputOwn = inputShared + strips(recurrence.inputs, shared)
        stateShared = inputOwn + strips(recurrence.inputs, own)
        stateOwn = stateShared + strips(recurrence.units, shared)
        bias = stateOwn + strips(recurrence.units, own)
        count = bias + recurrence.cell.sums * recurrence.units
    }

    func packForward(_ recurrence: Recurrence, _ weights: RecurrentWeights, _ tiles: TileLoops, into room: Workspace.Room) {
        let units = recurrence.units
        let shared = recurrence.cell.sharedGates * units
        let all = recurrence.cell.gates * units
        func pack(_ matrix: MatrixView, _ range: Range<Int>, at place: Int, _ end: Int) {
            guard !range.isEmpty else { return }
            tiles.packStrips(
                transposed: matrix[rows: range], into: UnsafeMutableBufferPointer(rebasing: room.numbers[place..<end]))
        }
        pack(weights.inputs, 0..<shared, at: inputShared, inputOwn)
        pack(weights.inputs, shared..<all, at: inputOwn, stateShared)
        pack(weights.states, 0..<shared, at: stateShared, stateOwn)
        pack(weights.states, shared..<all, at: stateOwn, bias)
        let target = room.base + bias
        guard let inputBias = weights.inputBias, let stateBias = weights.stateBias else {
            return target.update(repeating: 0, count: recurrence.cell.sums * units)
        }
        for index in 0..<shared { target[index] = inputBias.base[index] + stateBias.base[index] }
        for index in shared..<all {
            target[index] = inputBias.base[index]
            target[index + units] = stateBias.base[index]
        }
    }

    init(backward recurrence: Recurrence, _ tiles: TileLoops) {
        let units = recurrence.units
        func strips(_ depth: Int, _ columns: Int) -> Int { depth == 0 ? 0 : tiles.stripCount(depth: depth, columns: columns) }
        inputShared = 0
        inputOwn = inputShared + strips(recurrence.cell.sharedGates * units, recurrence.inputs)
        stateShared = inputOwn + strips(recurrence.cell == .gru ? units : 0, recurrence.inputs)
        stateOwn = stateShared + strips(recurrence.cell.gates * units, units)
        bias = stateOwn
        count = stateOwn
    }

    func packBackward(
        _ recurrence: Recurrence, _ weights: RecurrentWeights, _ tiles: TileLoops, withInputs: Bool, into room: Workspace.Room
    ) {
        let shared = recurrence.cell.sharedGates * recurrence.units
        func pack(_ matrix: MatrixView, _ place: Int, _ end: Int) {
            guard matrix.rows > 0 else { return }
            tiles.packStrips(matrix, into: UnsafeMutableBufferPointer(rebasing: room.numbers[place..<end]))
        }
        pack(weights.states, stateShared, stateOwn)
        guard withInputs else { return }
        pack(weights.inputs[rows: 0..<shared], inputShared, inputOwn)
        pack(weights.inputs[rows: shared..<weights.inputs.rows], inputOwn, stateShared)
    }
}
