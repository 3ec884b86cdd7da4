import Kernels
import Optimization
import Storage

/// The optimizer's state for a slice of the parameters, and the pass that turns averaged gradients into new weights.
final class UpdateEngine {
    let rules: GradientRules
    private let rule: any StepRule
    private let penalized: SlotRuns<Bool>
    let layout: ParameterLayout
    /// The elements of the flat buffer that this engine updates.
    let slice: Range<Int>
    private let states: AlignedBuffer<Float>
    let stateNames: [String]
    /// Whether there is a gradient that a later step applies: the last of the states.
    private let keepsGradient: Bool

    /// - Parameter keepsGradient: whether a gradient is kept among the states, `pending_gradient`, that a later step applies.
    init(
        optimizer: OptimizerConfiguration, rules: GradientRules, layout: ParameterLayout, slice: Range<Int>,
        keepsGradient: Bool = false
    ) {
        self.keepsGradient = keepsGradient
        self.rules = rules
        rule = optimizer.stepRule(for: layout)
        penalized = rules.penalizedSlots(of: layout)
        self.layout = layout
        self.slice = slice
        let declared = optimizer.optimizer.states
        precondition(declared.count <= 3, "an optimizer with \(declared.count) states")
        stateNames = declared.map(\.name) + (keepsGradient ? ["pending_gradient"] : [])
        states = AlignedBuffer(count: stateNames.count * slice.count)
        if keepsGradient { stateSlice(declared.count).fill(0) }
        for (index, state) in declared.enumerated() { stateSlice(index).fill(state.initialValue) }
    }

    /// The whole slice of a state.
    func stateSlice(_ index: Int) -> MutableMatrixView {
        states.matrix(rows: 1, columns: slice.count, offset: index * slice.count)
    }

    /// As a checkpoint has them.
    var stateParts: [StatePart] { stateNames.map { StatePart(name: $0) } }

    /// The gradient that a later step applies: of the whole slice.
    var pendingGradient: MutableMatrixView? { keepsGradient ? stateSlice(stateNames.count - 1) : nil }

    /// Works out what the step's updates have in common.
    func prepare(step: Int, learningRate: Double) { rule.prepare(step: step, learningRate: learningRate) }

    /// Whether there are penalties to add.
    var hasPenalties: Bool { !penalized.isEmpty }

    /// Adds the penalties to the part `range` of the averaged gradient.
    func addPenalties(to gradient: MutableMatrixView, range: Range<Int>, weights: ParameterView) {
        rules.addPenalties(to: gradient, range: range, weights: weights, slots: penalized)
    }

    /// Updates the weights of `range`, a part of the slice, by the averaged gradient, which elementwise clipping and the
    /// norm's factor may change.
    func update(_ range: Range<Int>, weights: MutableParameterView, gradient: MutableMatrixView, normFactor: Float?) {
        if let normFactor { Updates.scale(gradient, by: normFactor) }
        if case .value(let limit) = rules.clipping { Updates.clip(gradient, to: Float(limit)) }
        rule.update(range, weights: weights[range], gradient: gradient.readOnly, states: stateViews(range))
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
