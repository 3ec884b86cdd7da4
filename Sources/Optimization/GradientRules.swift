import Diagnostics
import Kernels
import Settings
import Storage

/// What happens to the averaged gradient before the optimizer sees it: penalties are added, then it is clipped.
package struct GradientRules: Sendable {
    /// Clipping of the gradient: of its global L2 norm, as `torch.nn.utils.clip_grad_norm_`, or of each element.
    package enum Clipping: Sendable, Equatable {
        case none
        case norm(Double)
        case value(Double)
    }

    package let clipping: Clipping
    /// Factors of the penalties l1·Σ|w| + l2·Σw² over weights (not biases); part of the gradient, not of the logged loss.
    package let l1: Double, l2: Double

    /// Reads `gradient_clipping:` and `regularization:` of a configuration.
    package init(_ settings: Settings) throws {
        if let section = try settings.optionalSection("gradient_clipping") {
            let norm = try section.optionalDouble("norm", in: .positive)
            let value = try section.optionalDouble("value", in: .positive)
            switch (norm, value) {
            case (let norm?, nil): clipping = .norm(norm)
            case (nil, let value?): clipping = .value(value)
            default: throw section.failure("expected either \"norm\" or \"value\"")
            }
        } else {
            clipping = .none
        }
        let penalties = try settings.section("regularization")
        l1 = try penalties.double("l1", default: 0, in: .nonNegative)
        l2 = try penalties.double("l2", default: 0, in: .nonNegative)
    }

    /// Whether there are penalties to add.
    package var hasPenalties: Bool { l1 > 0 || l2 > 0 }

    /// The factor on the gradient that clipping by norm asks for.
    package func normFactor(norm: Double) -> Float? {
        guard case .norm(let limit) = clipping else { return nil }
        let factor = limit / (norm + 1e-6)
        return factor < 1 ? Float(factor) : nil
    }

    /// Which parts of the flat gradient get penalties: weights.
    package func penalizedSlots(of layout: ParameterLayout) -> SlotRuns<Bool> {
        SlotRuns(layout, withPadding: false) { hasPenalties && $0.role == .weight ? true : nil }
    }

    /// Adds the penalties to the part `range` of the flat gradient, which `gradient` shows.
    package func addPenalties(
        to gradient: MutableMatrixView, range: Range<Int>, weights: ParameterView,
        slots: SlotRuns<Bool>
    ) {
        slots.forEach(in: range) { part, _ in
            let local = part.lowerBound - range.lowerBound..<part.upperBound - range.lowerBound
            Updates.addPenalties(l1: Float(l1), l2: Float(l2), weights: weights[part], to: gradient[columns: local])
        }
    }
}
