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

    /// A layer without layers inside it, or several that are computed as one.
    package struct Row {
        /// `1 conv2d + 2 relu`.
        package let layers: String
        package let outputShape: Shape
        package let forwardSeconds: Double, backwardSeconds: Double
        /// Of the products of one sample, in both directions.
        package let operations: Int
    }

    /// What was counted, in the order of the layers.
    package func rows(_ layers: Sequential, withInputGradient: Bool = false) -> [Row] {
        var isBehindTrained = withInputGradient
        return layers.fused.flatMap { stage in
            defer { isBehindTrained = isBehindTrained || stage.isTrained }
            guard stage.layer.branches.isEmpty else {
                return stage.layer.branches.flatMap { rows($0.layers, withInputGradient: isBehindTrained) }
            }
            return [
                Row(
                    layers: stage.parts.joined(separator: " + "), outputShape: stage.layer.outputShape,
                    forwardSeconds: Double(forward[stage.ordinal]) * 1e-9,
                    backwardSeconds: Double(backward[stage.ordinal]) * 1e-9,
                    operations: stage.layer.productOperations(withInputGradient: isBehindTrained))
            ]
        }
    }
}
