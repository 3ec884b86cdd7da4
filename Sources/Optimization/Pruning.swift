import Diagnostics
import Kernels
import Settings
import Storage

/// Magnitude pruning while training (Zhu and Gupta, arXiv:1710.01878): at some steps the weights next to 0 become 0, and what is 0 stays
/// so. Of N weights, at step t from `startStep` to `endStep`, those are 0 that make a share of
/// s·(1 − (1 − (t − start)/(end − start))³), with s = `sparsity`: many at first, when many matter little, few at the end.
///
/// Weights are all parameters with the role of a weight and two dimensions or more, so neither biases nor scales of normalisations.
/// No mask is kept beside them: from `startStep` on a weight that is exactly 0 is one that was taken. So whatever holds the weights holds the
/// mask, and what a step does follows from its number and the weights in front of it alone, whoever owns them.
package struct Pruning: Sendable, Equatable {
    /// Among which weights those next to 0 are looked for.
    package enum Scope: String, CaseIterable, Sendable {
        /// All together.
        case global
        /// Those of each layer's matrix by themselves.
        case layer
    }

    package let sparsity: Double
    package let scope: Scope
    package let startStep: Int, endStep: Int, everySteps: Int

    /// Reads the section.
    package init(_ settings: Settings) throws {
        sparsity = try settings.double("sparsity", in: .fraction)
        scope = Scope(rawValue: try settings.choice("scope", of: Scope.allCases.map(\.rawValue), default: "global")) ?? .global
        startStep = try settings.int("start_step", default: 1, in: 1...1 << 53)
        let end = try settings.optionalInt("end_step", in: 1...1 << 53)
        everySteps = try settings.int("every_steps", default: 100, in: 1...1 << 53)
        endStep = end ?? startStep
        guard endStep >= startStep else {
            throw settings.failure("end_step", "expected start_step, \(startStep), or more, found \(endStep)")
        }
    }

    /// Whether what is 0 stays so behind a step, which counts from 1.
    package func keepsZeros(step: Int) -> Bool { step >= startStep }

    /// The share of weights that are to be 0 behind a step; nil where it takes none.
    package func share(step: Int) -> Double? {
        guard sparsity > 0, step >= startStep, step <= endStep, step == endStep || (step - startStep) % everySteps == 0 else {
            return nil
        }
        guard endStep > startStep else { return sparsity }
        let left = 1 - Double(step - startStep) / Double(endStep - startStep)
        return sparsity * (1 - left * left * left)
    }

    /// The matrices, by what is looked for together: slots of one number.
    package func groups(of layout: ParameterLayout) -> [[ParameterSlot]] {
        let slots = Self.matrices(of: layout)
        return scope == .global ? [slots] : slots.map { [$0] }
    }

    /// For each part of the flat buffer of matrices the place of its group.
    package func runs(of layout: ParameterLayout) -> SlotRuns<Int> {
        let places = Dictionary(
            uniqueKeysWithValues: groups(of: layout).enumerated().flatMap { place, slots in
                slots.map { ($0.index, place) }
            })
        return SlotRuns(layout, withPadding: false) { places[$0.index] }
    }

    /// What pruning looks at.
    package static func matrices(of layout: ParameterLayout) -> [ParameterSlot] {
        layout.slots.filter { $0.region == .trained && $0.role == .weight && $0.shape.dimensions.count > 1 }
    }

    /// Up to which magnitude the weights of a group become 0 for this share of them to be 0.
    package static func threshold(of slots: [ParameterSlot], share: Double, weights: ParameterView) -> Float {
        let count = slots.reduce(0) { $0 + $1.shape.count }
        return Magnitudes.threshold(of: slots.map { weights.matrix($0) }, rank: Int(Double(count) * share))
    }
}

/// How many weights of a network are 0.
package struct Sparsity: Sendable, Equatable {
    package let zeroCount: Int, count: Int

    /// Of the matrices that pruning would look at.
    package init(of slots: [ParameterSlot], weights: ParameterView) {
        count = slots.reduce(0) { $0 + $1.shape.count }
        zeroCount = slots.reduce(0) { $0 + Magnitudes.zeroCount(weights.matrix($1)) }
    }
}
