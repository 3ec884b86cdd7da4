import Diagnostics
import Kernels
import Settings
import Storage

/// What recurrent layers have in common: levels one above the other, each with one direction or two, over a sequence.
///
/// Shapes: x [steps, features], y [units · directions] (`output: last`) or [steps, units · directions] (`output: all`); a sample's
/// outputs of both directions lie one behind the other. Parameters, named and laid out as PyTorch's, whose `proj_size` is 0:
/// `weight_ih_l0` gates · units × features, `weight_hh_l0` gates · units × units, `bias_ih_l0` and `bias_hh_l0`; for the other
/// direction `…_reverse`, for the next level `…_l1`. Both biases have the same gradient, as in PyTorch, but for a GRU's n.
///
/// Steps behind a sample's length carry the state through, and their outputs are zeros, as those of
/// `torch.nn.utils.rnn.pad_packed_sequence`; `last` is what is behind each sample's last own step and, of the other direction,
/// behind its first. Between levels `dropout` draws a new mask for each step. Gradients go through all steps (Werbos, 1990).
///
/// Kept: what the cell needs of each step (`RecurrentCell.kept`), and what goes into the upper levels.
struct RecurrentLevels: Sendable {
    /// One direction of a level.
    struct Direction: Sendable {
        let recurrence: Recurrence
        let inputWeight: ParameterSlot, stateWeight: ParameterSlot
        let inputBias: ParameterSlot?, stateBias: ParameterSlot?
    }

    let outputShape: Shape
    let levels: [[Direction]]
    let steps: Int
    /// Numbers of a step's output.
    let width: Int
    let givesAll: Bool
    private let dropout: Double
    /// Of the masks above each level but the last.
    private let streams: [RandomStream]
    let sequence: SequenceSteps?
    /// Where the states lie that are carried from step to step; nil where none is.
    private let stateOffset: Int?

    /// Reads options and reserves parameters.
    init(_ cell: RecurrentCell, kind: String, options: Settings, site: inout LayerSite) throws {
        let units = try options.int("units", in: 1...1 << 20)
        let count = try options.int("layers", default: 1, in: 1...64)
        let directions = try options.bool("bidirectional", default: false) ? 2 : 1
        dropout = try options.double("dropout", default: 0, in: .fraction)
        givesAll = try options.choice("output", of: ["last", "all"], default: "last") == "all"
        guard site.inputShape.dimensions.count == 2, site.inputShape.count > 0 else {
            throw options.failure(
                "\(kind) takes sequences, [steps, features], but this one gets \(site.inputShape)"
                    + (site.inputShape.dimensions.count == 1
                        ? "; put reshape: {shape: [\(site.inputShape.count), 1]} in front of it" : ""))
        }
        if let sequence = site.sequence, sequence.axis != 0 {
            throw options.failure(
                "\(kind) takes sequences, [steps, features], but the steps of \(site.inputShape) lie on its second axis; put "
                    + "permute: {dimensions: [2, 1]} in front of it")
        }
        guard dropout == 0 || count > 1 else {
            throw options.failure(
                "dropout",
                "it is applied between layers, and there is only one; set layers: 2 or more, or put dropout: {rate: …} behind")
        }
        guard !site.carriesState || directions == 1 else {
            throw options.failure(
                "bidirectional",
                "training.stateful: true carries the state forward, where nothing comes back; take one of them out")
        }
        // A sequence that is continued goes on with it too.
        stateOffset = site.carriesState || site.context != nil ? site.reserveState(count * cell.states * units) : nil
        sequence = site.sequence
        let steps = site.inputShape.dimensions[0]
        let width = units * directions
        self.steps = steps
        self.width = width
        outputShape = try site.shape(givesAll ? [steps, width] : [width]) { options.failure("units", $0) }
        streams = (1..<count).map { RandomStream(seed: site.seed, purpose: .dropout, layer: site.ordinal + $0 << 16) }
        var levels: [[Direction]] = []
        for level in 0..<count {
            let inputs = level == 0 ? site.inputShape.dimensions[1] : width
            levels.append(
                try (0..<directions).map { direction in
                    try Self.reserve(
                        Recurrence(cell: cell, steps: steps, inputs: inputs, units: units, isReversed: direction == 1),
                        suffix: "_l\(level)" + (direction == 1 ? "_reverse" : ""), options, &site)
                })
        }
        self.levels = levels
    }

    private static func reserve(_ recurrence: Recurrence, suffix: String, _ options: Settings, _ site: inout LayerSite) throws
        -> Direction
    {
        let units = recurrence.units
        let rows = recurrence.cell.gates * units
        guard rows.multipliedReportingOverflow(by: max(recurrence.inputs, units)).partialValue <= Dense.largestParameterCount
        else {
            throw options.failure("units", "\(units) units for \(recurrence.inputs) features are too many parameters")
        }
        // PyTorch draws all of them from ±1/√units.
        let bound = 1 / Double(units).squareRoot()
        let pytorch: (Initializer, Initializer) = (.uniform(bound: bound), .uniform(bound: bound))
        let ofInputs = try Initializer.read(options, inputs: recurrence.inputs, outputs: units, pytorch: pytorch)
        let ofStates = try Initializer.read(
            options, "recurrent_initializer", inputs: units, outputs: units, pytorch: (pytorch.0, ofInputs.bias))
        let hasBias = try options.bool("bias", default: true)
        var inputBias = ofInputs.bias
        var stateBias = ofInputs.bias
        if recurrence.cell == .lstm, let forget = try options.optionalDouble("forget_bias") {
            let range = units..<2 * units
            inputBias = .parted(inputBias, range, value: Float(forget))
            stateBias = .parted(stateBias, range, value: 0)
        }
        func bias(_ name: String, _ initializer: Initializer) -> ParameterSlot? {
            hasBias ? site.reserve(name + suffix, shape: Shape([rows]), role: .bias, initializer: initializer) : nil
        }
        return Direction(
            recurrence: recurrence,
            inputWeight: site.reserve(
                "weight_ih" + suffix, shape: Shape([rows, recurrence.inputs]), role: .weight, initializer: ofInputs.weight),
            stateWeight: site.reserve(
                "weight_hh" + suffix, shape: Shape([rows, units]), role: .weight, initializer: ofStates.weight),
            inputBias: bias("bias_ih", inputBias), stateBias: bias("bias_hh", stateBias))
    }

    // MARK: - What the passes take

    func sequence(behind input: SequenceSteps) -> SequenceSteps? { givesAll ? input : nil }

    /// Sums and, trained, weight gradients of both products; gradients of h in all steps, of x where they are wanted.
    func productOperations(withInputGradient: Bool) -> Int {
        levels.enumerated().reduce(0) { sum, level in
            level.element.reduce(sum) { sum, direction in
                let recurrence = direction.recurrence
                let ofInputs = 2 * steps * recurrence.cell.gates * recurrence.units * recurrence.inputs
                let ofStates = 2 * steps * recurrence.cell.gates * recurrence.units * recurrence.units
                let inputTimes =
                    1 + (direction.inputWeight.region == .trained ? 1 : 0) + (withInputGradient || level.offset > 0 ? 1 : 0)
                return sum + inputTimes * ofInputs + (2 + (direction.stateWeight.region == .trained ? 1 : 0)) * ofStates
            }
        }
    }

    /// Numbers of a sample's output of a level in all steps.
    private var between: Int { steps * width }

    /// Numbers of a sample's state, of all levels.
    private var stateCount: Int { levels.count * levels[0][0].recurrence.cell.states * levels[0][0].recurrence.units }

    /// Where in what is kept the states before the first step lie.
    private var statePlace: Int {
        place(of: levels.count - 1) + levels[levels.count - 1].reduce(0) { $0 + $1.recurrence.keptCount }
    }

    /// The columns of a level in the states.
    private func stateColumns(_ level: Int) -> Range<Int> {
        let each = stateCount / levels.count
        return level * each..<(level + 1) * each
    }

    private var hasMasks: Bool { dropout > 0 }

    /// Where in what is kept a level begins: what its directions keep, then, unless it is the last, its output and the mask.
    private func place(of level: Int) -> Int {
        levels[..<level].reduce(0) { $0 + $1.reduce(0) { $0 + $1.recurrence.keptCount } + between * (hasMasks ? 2 : 1) }
    }

    private func place(ofOutput level: Int) -> Int {
        place(of: level) + levels[level].reduce(0) { $0 + $1.recurrence.keptCount }
    }

    /// What backward takes for itself: gradients of the sums and states of one direction, and of what went into a level, in two
    /// places where there are more than two levels.
    private var sumsCount: Int { levels[0][0].recurrence.sumsCount }
    private var gradientPlaces: Int { min(2, levels.count - 1) }

    var memory: LayerMemory {
        let top = levels.count - 1
        return LayerMemory(
            kept: MemoryNeed(perSample: statePlace + (stateOffset == nil ? 0 : stateCount)),
            evaluation: MemoryNeed(perSample: min(2, top) * between),
            backward: MemoryNeed(perSample: sumsCount + steps * levels[0][0].recurrence.units + gradientPlaces * between))
    }

    func kernelScratch(rows: Int, leafRows: Int, threads: Int) -> KernelScratch {
        levels.joined().reduce(.none) { scratch, direction in
            let recurrence = direction.recurrence
            let outputs = recurrence.cell.gates * recurrence.units
            let all = KernelScratch.larger(
                Workspace.recurrentScratch(recurrence, rows: rows),
                .larger(
                    Workspace.productScratch(
                        rows: rows * steps, inputs: recurrence.inputs, outputs: outputs, leafRows: leafRows * steps),
                    Workspace.productScratch(
                        rows: rows * steps, inputs: recurrence.units, outputs: outputs, leafRows: leafRows * steps)))
            return .larger(scratch, all)
        }
    }

    // MARK: - Passes

    private func weights(_ direction: Direction, _ weights: ParameterView) -> RecurrentWeights {
        RecurrentWeights(
            inputs: weights.matrix(direction.inputWeight, columns: direction.recurrence.inputs),
            states: weights.matrix(direction.stateWeight, columns: direction.recurrence.units),
            inputBias: direction.inputBias.map { weights.matrix($0) }, stateBias: direction.stateBias.map { weights.matrix($0) }
        )
    }

    /// Whether a step depends on those before it alone, and every step has an output.
    var isStepwise: Bool { givesAll && levels[0].count == 1 }

    private func counts(_ lengths: SequenceLengths?) -> StepCounts {
        StepCounts(most: steps, lengths: lengths, sequence: sequence)
    }

    /// What goes into a level above the first, while something is kept, or while nothing is.
    private func levelInput(_ level: Int, rows: Int, _ memory: PassMemory) -> MutableMatrixView {
        guard let kept = memory.kept else {
            return memory.work.matrix(rows: rows, columns: between, offset: (level - 1) % 2 * between)
        }
        return kept.matrix(rows: rows, columns: between, offset: place(ofOutput: level - 1))
    }

    func forward(_ input: MatrixView, into output: MutableMatrixView, memory: PassMemory, in pass: ForwardPass) {
        let rows = input.rows
        let states = stateOffset.flatMap { offset in pass.states?[columns: offset..<offset + stateCount] }
        if stateOffset != nil, let before = memory.kept?.matrix(rows: rows, columns: stateCount, offset: statePlace) {
            if let states { pass.workspace.copyRows(states.readOnly, into: before) } else { before.fill(0) }
        }
        for (level, directions) in levels.enumerated() {
            let own = states?[columns: stateColumns(level)]
            let isTop = level == levels.count - 1
            let from = level == 0 ? input : levelInput(level, rows: rows, memory).readOnly
            let to = isTop ? output : levelInput(level + 1, rows: rows, memory)
            var keptPlace = place(of: level)
            for (index, direction) in directions.enumerated() {
                let recurrence = direction.recurrence
                let place = index * recurrence.units
                let kept = memory.kept?.matrix(rows: rows, columns: recurrence.keptCount, offset: keptPlace)
                keptPlace += recurrence.keptCount
                let givesAll = !isTop || givesAll
                pass.workspace.recurrentForward(
                    recurrence, from, weights(direction, pass.weights), counts: counts(pass.lengths), initial: own?.readOnly,
                    outputs: givesAll ? RecurrentOutputs(to, place: place, width: width) : nil,
                    last: givesAll ? nil : to[columns: place..<place + recurrence.units], final: own, kept: kept)
            }
            if !isTop, hasMasks { drop(to, level: level, memory, pass) }
        }
    }

    /// Applies the mask above a level.
    private func drop(_ output: MutableMatrixView, level: Int, _ memory: PassMemory, _ pass: ForwardPass) {
        let mask = memory.kept?.matrix(rows: output.rows, columns: between, offset: place(ofOutput: level) + between)
        guard case .training(let firstDraw) = pass.purpose else {
            mask?.fill(1)
            return
        }
        guard let mask else { preconditionFailure("dropout that keeps no mask while training") }
        pass.workspace.dropoutMask(rate: dropout, stream: streams[level], firstDraw: firstDraw, into: mask)
        pass.workspace.multiply(output.readOnly, mask.readOnly, into: output)
    }

    func backward(
        _ outputGradient: MatrixView, into inputGradient: MutableMatrixView?, input: MatrixView, memory: PassMemory,
        in pass: BackwardPass
    ) {
        let rows = input.rows
        let units = levels[0][0].recurrence.units
        let states =
            stateOffset == nil ? nil : memory.left.matrix(rows: rows, columns: stateCount, offset: statePlace).readOnly
        let sums = memory.work.matrix(rows: rows, columns: sumsCount)
        let before = memory.work.matrix(rows: rows, columns: steps * units, offset: sumsCount)
        func gradient(behind level: Int) -> MutableMatrixView {
            memory.work.matrix(
                rows: rows, columns: between, offset: sumsCount + steps * units + level % gradientPlaces * between)
        }
        for level in levels.indices.reversed() {
            let isTop = level == levels.count - 1
            let from = level == 0 ? input : levelInput(level, rows: rows, memory).readOnly
            let through = level == 0 ? inputGradient : gradient(behind: level - 1)
            let behind = isTop ? outputGradient : gradient(behind: level).readOnly
            let givesAll = !isTop || givesAll
            var keptPlace = place(of: level)
            for (index, direction) in levels[level].enumerated() {
                let recurrence = direction.recurrence
                let place = index * units
                let kept = memory.left.matrix(rows: rows, columns: recurrence.keptCount, offset: keptPlace)
                keptPlace += recurrence.keptCount
                pass.workspace.recurrentBackward(
                    recurrence, weights(direction, pass.weights), kept: kept.readOnly, counts: counts(pass.lengths),
                    initial: states?[columns: stateColumns(level)],
                    outputs: givesAll ? RecurrentOutputGradients(behind, place: place, width: width) : nil,
                    last: givesAll ? nil : behind[columns: place..<place + units], sums: sums, before: before,
                    inputGradient: through, adds: index > 0)
                parameterGradients(direction, from, sums.readOnly, before.readOnly, in: pass)
            }
            if level > 0, hasMasks, let through {
                let mask = memory.left.matrix(rows: rows, columns: between, offset: place(ofOutput: level - 1) + between)
                pass.workspace.multiply(through.readOnly, mask.readOnly, into: through)
            }
        }
    }

    /// Every gradient is one chain over the steps of a leaf's rows.
    private func parameterGradients(
        _ direction: Direction, _ input: MatrixView, _ sums: MatrixView, _ before: MatrixView, in pass: BackwardPass
    ) {
        let recurrence = direction.recurrence
        let units = recurrence.units
        let rows = input.rows * steps
        let leafRows = pass.summedRows * steps
        let sums = sums.reshaped(rows: rows, columns: recurrence.cell.sums * units)
        let input = input.reshaped(rows: rows, columns: recurrence.inputs)
        let before = before.reshaped(rows: rows, columns: units)
        let ofInputs = pass.gradient(of: direction.inputWeight, columns: recurrence.inputs)
        let ofStates = pass.gradient(of: direction.stateWeight, columns: units)
        let ofInputBias = direction.inputBias.flatMap { pass.gradient(of: $0) }
        let ofStateBias = direction.stateBias.flatMap { pass.gradient(of: $0) }
        guard recurrence.cell == .gru else {
            pass.workspace.weightGradients(sums, input, before, leafRows: leafRows, into: ofInputs, ofStates)
            if let target = ofInputBias ?? ofStateBias { pass.workspace.columnSums(sums, leafRows: leafRows, into: target) }
            if let ofInputBias, let ofStateBias { ofStateBias.copy(from: ofInputBias.readOnly) }
            return
        }
        // Sums are n of x, r, z, n of h; rows of the weights r, z, n.
        let own = 2 * units..<3 * units
        if let ofInputs {
            pass.workspace.weightGradient(
                sums[columns: units..<3 * units], input, leafRows: leafRows, into: ofInputs[rows: 0..<2 * units])
            pass.workspace.weightGradient(sums[columns: 0..<units], input, leafRows: leafRows, into: ofInputs[rows: own])
        }
        if let ofStates {
            pass.workspace.weightGradient(sums[columns: units..<4 * units], before, leafRows: leafRows, into: ofStates)
        }
        if let ofInputBias {
            pass.workspace.columnSums(
                sums[columns: units..<3 * units], leafRows: leafRows, into: ofInputBias[columns: 0..<2 * units])
            pass.workspace.columnSums(sums[columns: 0..<units], leafRows: leafRows, into: ofInputBias[columns: own])
        }
        if let ofStateBias {
            pass.workspace.columnSums(sums[columns: units..<4 * units], leafRows: leafRows, into: ofStateBias)
        }
    }
}

/// A recurrent layer: what its kind of cell is, and `RecurrentLevels` do the rest.
protocol RecurrentLayer: Layer {
    var levels: RecurrentLevels { get }
}

extension RecurrentLayer {
    package var outputShape: Shape { levels.outputShape }
    package var memory: LayerMemory { levels.memory }
    package var backwardOperands: BackwardOperands { .input }
    package var isStepwise: Bool { levels.isStepwise }

    package func sequence(behind input: SequenceSteps, of shape: Shape) -> SequenceSteps? { levels.sequence(behind: input) }

    package func productOperations(withInputGradient: Bool) -> Int {
        levels.productOperations(withInputGradient: withInputGradient)
    }

    package func kernelScratch(rows: Int, leafRows: Int, threads: Int) -> KernelScratch {
        levels.kernelScratch(rows: rows, leafRows: leafRows, threads: threads)
    }

    package func forward(_ input: MatrixView, into output: MutableMatrixView, memory: PassMemory, in pass: ForwardPass) {
        levels.forward(input, into: output, memory: memory, in: pass)
    }

    package func backward(
        _ outputGradient: MatrixView, into inputGradient: MutableMatrixView?, input: MatrixView,
        output: MatrixView, memory: PassMemory, in pass: BackwardPass
    ) {
        levels.backward(outputGradient, into: inputGradient, input: input, memory: memory, in: pass)
    }
}
