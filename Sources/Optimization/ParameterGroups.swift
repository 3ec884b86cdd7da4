import Diagnostics
import Settings
import Storage

/// Parameters with a learning rate and a weight decay of their own, as PyTorch's optimizers have them: `parameter_groups` of
/// a configuration, a list of patterns of names with options.
///
///     parameter_groups:
///       - "*.bias": {weight_decay: 0}
///       - body.*: {learning_rate_factor: 0.1}
///
/// The first pattern that matches a parameter's name counts.
package struct ParameterGroups: Sendable {
    /// What a group does differently.
    package struct Group: Sendable {
        let pattern: NamePattern
        /// What the learning rate of the step is multiplied by.
        let learningRateFactor: Double
        /// In place of the optimizer's; nil: the optimizer's.
        let weightDecay: Double?
    }

    package let groups: [Group]

    /// Reads `parameter_groups` of a configuration.
    package init(_ settings: Settings) throws {
        groups =
            try settings.optionalVariants("parameter_groups")?.map { variant in
                Group(
                    pattern: NamePattern(variant.name),
                    learningRateFactor: try variant.options.double("learning_rate_factor", default: 1, in: .nonNegative),
                    weightDecay: try variant.options.optionalDouble("weight_decay", in: .nonNegative))
            } ?? []
    }

    /// The group of a parameter: its index, behind those of the list for one that is in none.
    func index(of name: String) -> Int { groups.firstIndex { $0.pattern.matches(name) } ?? groups.count }

    /// Refuses a group of `settings` that no parameter is in.
    package func check(_ layout: ParameterLayout, in settings: Settings) throws {
        let trained = layout.slots.filter { $0.region == .trained }.map(\.name)
        let used = Set(trained.map(index))
        for (index, group) in groups.enumerated() where !used.contains(index) {
            let why =
                trained.contains { group.pattern.matches($0) }
                ? "all parameters that \"\(group.pattern)\" matches are in "
                    + "groups before it; put it in front of them"
                : "no trained parameter is called \"\(group.pattern)\""
                    + suggestion(for: group.pattern.description, among: trained)
                    + "; the network's: " + trained.prefix(8).joined(separator: ", ") + (trained.count > 8 ? ", …" : "")
            throw settings.failure("parameter_groups", why)
        }
    }
}

/// An optimizer at work on some parameters: its rule with the coefficients of a step, which are worked out once for each
/// group and then used for every block.
package protocol StepRule: AnyObject {
    /// Works out the coefficients of a step. `step` counts from 1.
    func prepare(step: Int, learningRate: Double)

    /// Changes the weights and states of `range`, which lies in the flat buffer as `layout` of `init` says. The views show
    /// `range`.
    func update(_ range: Range<Int>, weights: MutableMatrixView, gradient: MatrixView, states: StateViews)
}

extension OptimizerConfiguration {
    /// The rule for the trained parameters of `layout`.
    package func stepRule(for layout: ParameterLayout) -> any StepRule {
        func make<Rule: Optimizer>(_ optimizer: Rule) -> any StepRule {
            GroupedRule(optimizer, groups: groups, decay: decay, layout: layout)
        }
        return make(optimizer)
    }
}

private final class GroupedRule<Rule: Optimizer>: StepRule {
    private let optimizer: Rule
    private let groups: ParameterGroups
    /// Which of `coefficients` each parameter has.
    private let indexOfSlots: SlotRuns<Int>
    /// Which all of them have, where that is one.
    private let onlyIndex: Int?
    /// Two for each group, and two for what is in none: with the optimizer's weight decay, and without.
    private var coefficients: [Rule.Coefficients] = []

    init(_ optimizer: Rule, groups: ParameterGroups, decay: DecayRule, layout: ParameterLayout) {
        self.optimizer = optimizer
        self.groups = groups
        func index(_ slot: ParameterSlot) -> Int { 2 * groups.index(of: slot.name) + (decay.includes(slot) ? 0 : 1) }
        indexOfSlots = SlotRuns(layout, withPadding: true, index)
        let all = Set(layout.slots.filter { $0.region == .trained }.map(index))
        onlyIndex = all.count == 1 ? all.first : nil
        prepare(step: 1, learningRate: 0)
    }

    func prepare(step: Int, learningRate: Double) {
        for index in 0..<2 * (groups.groups.count + 1) {
            let group = index / 2 < groups.groups.count ? groups.groups[index / 2] : nil
            let new = optimizer.coefficients(
                step: step, learningRate: learningRate * (group?.learningRateFactor ?? 1),
                weightDecay: group?.weightDecay ?? (index % 2 == 0 ? nil : 0))
            if index < coefficients.count { coefficients[index] = new } else { coefficients.append(new) }
        }
    }

    func update(_ range: Range<Int>, weights: MutableMatrixView, gradient: MatrixView, states: StateViews) {
        if let onlyIndex {
            return optimizer.update(coefficients[onlyIndex], weights: weights, gradient: gradient, states: states)
        }
        indexOfSlots.forEach(in: range) { part, index in
            let own = coefficients[index]
            if part == range { return optimizer.update(own, weights: weights, gradient: gradient, states: states) }
            let local = part.lowerBound - range.lowerBound..<part.upperBound - range.lowerBound
            optimizer.update(
                own, weights: weights[columns: local], gradient: gradient[columns: local], states: states[columns: local])
        }
    }
}
