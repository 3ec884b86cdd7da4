import Kernels
import Optimization
import Storage

/// A worker: weights of its own (`WorkerMeeting` has the memory), its gradient, and its optimizer.
final class Replica {
    let weights: MutableParameterView
    let engine: UpdateEngine
    private let layout: ParameterLayout
    private let gradientBuffer: AlignedBuffer<Float>

    /// Elements that are averaged before they are stepped: 32 KB, so that the gradient stays near.
    private static let elementsAtOnce = 8 * ParameterLayout.blockSize

    init(weights: MutableParameterView, optimizer: OptimizerConfiguration, rules: GradientRules, layout: ParameterLayout) {
        self.weights = weights
        self.layout = layout
        engine = UpdateEngine(optimizer: optimizer, rules: rules, layout: layout, slice: 0..<layout.trainedCount)
        gradientBuffer = AlignedBuffer(count: layout.gradientCount)
    }

    /// The sum of its samples' gradients, and after `average` their mean.
    var gradients: MutableParameterView { gradientBuffer.gradients(layout) }

    /// Makes the sum a mean with its penalties, and takes the step where it doesn't depend on anything else.
    ///
    /// - Parameters:
    ///   - steps: whether it may step at once.
    ///   - blockSquares: room for a number for each block.
    /// - Returns: the sum of the squares of the mean gradient.
    func average(
        factor: Float, steps: Bool, blockSquares: UnsafeMutableBufferPointer<Double>
    ) -> Double {
        let blockSize = ParameterLayout.blockSize
        addLaterUses()
        for first in stride(from: 0, to: layout.trainedCount, by: Self.elementsAtOnce) {
            let group = first..<min(first + Self.elementsAtOnce, layout.trainedCount)
            var isFinite = true
            for start in stride(from: group.lowerBound, to: group.upperBound, by: blockSize) {
                let range = start..<start + blockSize
                let gradient = gradients[range]
                Updates.scale(gradient, by: factor)
                engine.addPenalties(to: gradient, range: range, weights: weights.readOnly)
                let squares = sumOfSquares(gradient.readOnly)
                blockSquares[start / blockSize] = squares
                isFinite = isFinite && squares.isFinite
            }
            // A step that isn't finite ends the run, and whoever asks finds the gradient as it was.
            if steps, isFinite { engine.update(group, weights: weights, gradient: gradients[group], normFactor: nil) }
        }
        return SummationTree(leafCount: layout.blockCount).sum { blockSquares[$0] }
    }

    /// Steps along the mean gradient.
    ///
    /// - Parameter squares: what `average` returned.
    func step(squares: Double) {
        let all = 0..<layout.trainedCount
        engine.update(
            all, weights: weights, gradient: gradients[all],
            normFactor: engine.rules.normFactor(norm: squares.squareRoot()))
    }

    /// The gradient of a weight that several layers use is that of all uses.
    private func addLaterUses() {
        for use in layout.laterUses {
            let range = use.slot.range
            Updates.add(gradients[use.gradients(of: range, in: layout)].readOnly, to: gradients[range])
        }
    }
}
