import Storage
import Timing

/// How long each layer's passes take, for `bench`. Composites count what is inside them too.
package final class StageClock {
    /// Nanoseconds by the layers' places in building order.
    private var forward: [UInt64]
    private var backward: [UInt64]
    /// How many samples were run.
    package var samples = 0

    package init(_ network: Network) {
        forward = Array(repeating: 0, count: network.layerCount)
        backward = forward
    }

    /// What of a pass a stage took since `start`.
    func add(_ ordinal: Int, since start: UInt64, isBackward: Bool) {
        let time = MonotonicClock.nanoseconds &- start
        if isBackward { backward[ordinal] &+= time } else { forward[ordinal] &+= time }
    }

    /// A layer, or several that are computed as one; of one with layers inside it what it does itself, such as additions that no
    /// layer inside does for it.
    package struct Row {
        /// `1 conv2d + 2 relu`.
        package let layers: String
        package let outputShape: Shape
        package let forwardSeconds: Double, backwardSeconds: Double
        /// Of the products of one sample, in both directions.
        package let operations: Int
    }

    /// What was counted, in the order of the layers, those inside others in front of them.
    package func rows(_ layers: Sequential, withInputGradient: Bool = false) -> [Row] {
        var isBehindTrained = withInputGradient
        return layers.fused.flatMap { stage in
            defer { isBehindTrained = isBehindTrained || stage.isTrained }
            let branches = stage.layer.branches.map(\.layers)
            let inside = branches.flatMap { rows($0, withInputGradient: isBehindTrained) }
            guard stage.layer.computesBesideBranches else { return inside }
            func own(_ times: [UInt64]) -> Double {
                let inner = branches.reduce(0) { $0 + $1.fused.reduce(0) { $0 + times[$1.ordinal] } }
                // The inner layers were measured within, and so took no longer.
                return Double(times[stage.ordinal] - inner) * 1e-9
            }
            let row = Row(
                layers: stage.parts.joined(separator: " + "), outputShape: stage.layer.outputShape,
                forwardSeconds: own(forward), backwardSeconds: own(backward),
                operations: branches.isEmpty ? stage.layer.productOperations(withInputGradient: isBehindTrained) : 0)
            return inside + [row]
        }
    }
}
