import Kernels
import Optimization
import Storage

/// The optimizer's state for a slice of the parameters, the average of its weights, and the pass that turns averaged gradients into
/// new weights.
final class UpdateEngine {
    let rules: GradientRules
    private let rule: any StepRule
    private let penalized: SlotRuns<Bool>
    let layout: ParameterLayout
    /// The elements of the flat buffer that this engine updates.
    let slice: Range<Int>
    private let states: AlignedBuffer<Float>
    /// The names of the states; behind them lies the average of the weights, where one is kept.
    let stateNames: [String]
    private let average: WeightAverage?
    private var averageChange = WeightAverage.Change.none
    private let pruning: Pruning?
    /// What pruning looks at, by its group, and up to which magnitude the step makes 0 of each.
    private let pruned: SlotRuns<Int>
    private let prunedGroups: [[ParameterSlot]]
    private var thresholds: [Float]
    private var prunes = false
    /// The weights of some blocks as they were in front of the step.
    private let former: AlignedBuffer<Float>
    /// Whether there is a gradient that a later step applies: the last of the states.
    private let keepsGradient: Bool

    /// Where the averaged gradient of the slice is copied to by a step in which `watchesGradient` is true; empty where nobody asks.
    private var watched = AlignedBuffer<Float>(count: 0)
    private var canWatch = false
    /// Whether the step that is being taken is watched.
    var watchesGradient = false

    /// - Parameters:
    ///   - average: the average of the weights that is kept, if one is.
    ///   - pruning: which weights become 0, and stay so.
    ///   - keepsGradient: whether a gradient is kept among the states, `pending_gradient`, that a later step applies.
    init(
        optimizer: OptimizerConfiguration, rules: GradientRules, layout: ParameterLayout, slice: Range<Int>,
        average: WeightAverage? = nil, pruning: Pruning? = nil, keepsGradient: Bool = false
    ) {
        self.pruning = pruning
        pruned = pruning?.runs(of: layout) ?? SlotRuns(layout, withPadding: false) { _ in nil }
        prunedGroups = pruning?.groups(of: layout) ?? []
        thresholds = prunedGroups.map { _ in 0 }
        former = AlignedBuffer(count: pruning == nil ? 0 : Self.prunedAtOnce)
        self.average = average
        self.keepsGradient = keepsGradient
        self.rules = rules
        rule = optimizer.stepRule(for: layout)
        penalized = rules.penalizedSlots(of: layout)
        self.layout = layout
        self.slice = slice
        let declared = optimizer.optimizer.states
        precondition(declared.count <= 3, "an optimizer with \(declared.count) states")
        stateNames = declared.map(\.name) + (keepsGradient ? ["pending_gradient"] : [])
        states = AlignedBuffer(count: (stateNames.count + (average == nil ? 0 : 1)) * slice.count)
        if keepsGradient { stateSlice(declared.count).fill(0) }
        for (index, state) in declared.enumerated() { stateSlice(index).fill(state.initialValue) }
        averageSlice?.fill(0)
    }

    /// How many numbers are kept for each weight.
    var stateCount: Int { stateNames.count + (average == nil ? 0 : 1) }

    /// The average of the slice's weights, where one is kept.
    var averageSlice: MutableMatrixView? { average == nil ? nil : stateSlice(stateNames.count) }

    /// Lets the average begin with these weights.
    func beginAverage(with weights: ParameterView) { averageSlice?.copy(from: weights[slice]) }

    /// The whole slice of a state, or behind the states of the average.
    func stateSlice(_ index: Int) -> MutableMatrixView {
        states.matrix(rows: 1, columns: slice.count, offset: index * slice.count)
    }

    /// As a checkpoint has them.
    var stateParts: [StatePart] { stateNames.map { StatePart(name: $0) } }

    /// The gradient that a later step applies: of the whole slice.
    var pendingGradient: MutableMatrixView? { keepsGradient ? stateSlice(stateNames.count - 1) : nil }

    /// Takes memory for a copy of the slice's gradient.
    func prepareToWatch() {
        watched = AlignedBuffer(count: slice.count, repeating: 0)
        canWatch = true
    }

    /// The gradient that the newest watched step has applied, with its penalties, before clipping; nil where none can be watched.
    var watchedGradient: MatrixView? { canWatch ? watched.matrix(rows: 1, columns: slice.count).readOnly : nil }

    /// Works out what the step's updates have in common.
    func prepare(step: Int, learningRate: Double) {
        rule.prepare(step: step, learningRate: learningRate)
        averageChange = average?.change(step: step) ?? .none
        prunes = pruning?.keepsZeros(step: step) ?? false
        // Only what is 0, unless `findThresholds` says otherwise.
        for index in thresholds.indices { thresholds[index] = 0 }
    }

    /// Whether the step of this number makes 0 of more weights, for which `findThresholds` looks at all of them.
    func takesWeights(step: Int) -> Bool { pruning?.share(step: step) != nil }

    /// Finds out which weights the step makes 0, from all weights as they are in front of it: behind `prepare`.
    func findThresholds(step: Int, weights: ParameterView) {
        guard let share = pruning?.share(step: step) else { return }
        for (index, slots) in prunedGroups.enumerated() {
            thresholds[index] = Pruning.threshold(of: slots, share: share, weights: weights)
        }
    }

    /// Whether there is anything for `addPenalties` to do.
    var changesGradients: Bool { !penalized.isEmpty || prunes }

    /// Adds the penalties to the part `range` of the averaged gradient; weights that are or become 0 have none.
    func addPenalties(to gradient: MutableMatrixView, range: Range<Int>, weights: ParameterView) {
        rules.addPenalties(to: gradient, range: range, weights: weights, slots: penalized)
        guard prunes else { return }
        clear(gradient, range, where: weights[range])
    }

    /// Makes 0 of the part `range` of a flat buffer wherever pruning takes the weight that was there in front of the step.
    private func clear(_ numbers: MutableMatrixView, _ range: Range<Int>, where former: MatrixView) {
        pruned.forEach(in: range) { part, group in
            let local = part.lowerBound - range.lowerBound..<part.upperBound - range.lowerBound
            Magnitudes.clear(numbers[columns: local], where: former[columns: local], upTo: thresholds[group])
        }
    }

    /// Weights that are remembered at once: some blocks, so that they stay near.
    private static let prunedAtOnce = 8 * ParameterLayout.blockSize

    /// Updates the weights of `range`, a part of the slice, and their average, by the averaged gradient, which elementwise clipping
    /// and the norm's factor may change.
    func update(_ range: Range<Int>, weights: MutableParameterView, gradient: MutableMatrixView, normFactor: Float?) {
        if watchesGradient, canWatch {
            watched.matrix(rows: 1, columns: range.count, offset: range.lowerBound - slice.lowerBound).copy(
                from: gradient.readOnly)
        }
        if let normFactor { Updates.scale(gradient, by: normFactor) }
        if case .value(let limit) = rules.clipping { Updates.clip(gradient, to: Float(limit)) }
        guard prunes else { return step(range, weights: weights[range], gradient: gradient.readOnly) }
        for first in stride(from: range.lowerBound, to: range.upperBound, by: Self.prunedAtOnce) {
            let part = first..<min(first + Self.prunedAtOnce, range.upperBound)
            let new = weights[part]
            let old = former.matrix(rows: 1, columns: part.count)
            old.copy(from: new.readOnly)
            let local = part.lowerBound - range.lowerBound..<part.upperBound - range.lowerBound
            step(part, weights: new, gradient: gradient[columns: local].readOnly, former: old.readOnly)
        }
    }

    /// - Parameter former: the weights as they were, where some of them are pruned.
    private func step(
        _ range: Range<Int>, weights: MutableMatrixView, gradient: MatrixView, former: MatrixView? = nil
    ) {
        rule.update(range, weights: weights, gradient: gradient, states: stateViews(range))
        if let former { clear(weights, range, where: former) }
        guard average != nil else { return }
        let kept = stateView(stateNames.count, range)
        averageChange.apply(to: kept, weights: weights.readOnly)
        if let former { clear(kept, range, where: former) }
    }

    private func stateViews(_ range: Range<Int>) -> StateViews {
        let count = stateNames.count - (keepsGradient ? 1 : 0)
        return StateViews(
            first: count > 0 ? stateView(0, range) : nil, second: count > 1 ? stateView(1, range) : nil,
            third: count > 2 ? stateView(2, range) : nil)
    }

    private func stateView(_ index: Int, _ range: Range<Int>) -> MutableMatrixView {
        states.matrix(rows: 1, columns: range.count, offset: index * slice.count + range.lowerBound - slice.lowerBound)
    }
}
