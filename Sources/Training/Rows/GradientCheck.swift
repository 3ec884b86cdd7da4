import Collectives
import Datasets
import Diagnostics
import Foundation
import Kernels
import Network
import Storage

/// Compares the analytic gradients of a network with central differences, parameter by parameter: the test that finds a
/// wrong formula on one's own network and data.
///
/// The numeric derivative along a parameter is (L(w + h) − L(w − h)) / 2h with the loss L summed over the first samples.
/// L is computed in Float32, so its error is about ε·Σ|terms|/h from rounding and h²·L‴/6 from truncation: of three steps
/// the best counts, since a wrong formula differs at all of them by the size of the gradient itself. Where the two
/// one-sided slopes disagree at the best, a kink (relu at 0) lies between, and the element says nothing. Nor does a difference
/// that rounding may leave of sums of Float32: some parameters, such as a bias in front of a normalisation, have no gradient at
/// all, and what is computed of it is the rest of terms as large as the network's other gradients.
package final class GradientCheck {
    /// How one parameter of a layer came out.
    package struct Row: Sendable {
        package let parameter: String
        package let layer: String
        /// Elements looked at, and how many of them were left out for a kink nearby.
        package let checked: Int, skipped: Int
        /// The largest |analytic − numeric| relative to the largest gradient of the parameter.
        package let worst: Double
        /// The element with the largest difference.
        package let index: Int
        package let analytic: Double, numeric: Double
        package let passed: Bool
    }

    /// What the relative difference may be: the rounding of a Float32 loss at the best step is of the order of the cube
    /// root of its precision (2⁻²⁴)^(1/3) ≈ 0.4 %; five times that.
    package static let tolerance = 0.02

    /// What rounding may leave of a gradient of 0, of the network's largest one: 64 roundings by half a unit in the last place.
    static let rounding = Double(sign: .plus, exponent: -18, significand: 1)

    private let runner: RowRunner
    private let network: Network
    private let dataset: Dataset
    private let samples: [Int32]
    private let weights: AlignedBuffer<Float>
    private let gradients: AlignedBuffer<Float>
    private let seed: UInt64

    /// - Parameters:
    ///   - rows: samples of the training split to sum the loss over.
    package init(_ experiment: Experiment, rows: Int) {
        network = experiment.network
        dataset = experiment.splits.train
        let count = min(rows, dataset.count)
        samples = (0..<Int32(count)).map { $0 }
        let totals = RankTotals(experiment.network, communicator: SoloCommunicator(), subtrees: 1)
        totals?.begin(SummationTree(leafCount: 1).program(rankCount: 1))
        runner = RowRunner(
            experiment.judgedInTraining, workspace: Workspace(), rows: count, microBatchSize: count,
            training: true, totals: totals)
        weights = AlignedBuffer(count: network.layout.weightCount)
        gradients = AlignedBuffer(count: network.layout.gradientCount)
        seed = experiment.configuration.training.seed
        network.initialize(weights.weights(network.layout), seed: seed)
    }

    /// Checks up to `elements` randomly chosen elements of each parameter and reports each as it is done.
    package func run(elements: Int, _ report: (Row) -> Void) {
        let pass = RowRunner.GradientPass(gradients: gradients.gradients(network.layout), summedRows: samples.count)
        _ = loss(for: pass)
        runner.backward(rows: samples.count, weights: weights.weights(network.layout).readOnly, for: pass)
        for use in network.layout.laterUses {
            let all = gradients.gradients(network.layout)
            Updates.add(all[use.gradients(of: use.slot.range, in: network.layout)].readOnly, to: all[use.slot.range])
        }
        let trained = network.layout.slots.filter { $0.region == .trained }
        let largest = trained.map(analytic).joined().reduce(0) { max($0, abs($1)) }
        for slot in trained { report(check(slot, elements: elements, unseen: Self.rounding * Double(largest))) }
    }

    private func analytic(_ slot: ParameterSlot) -> UnsafeBufferPointer<Float> {
        gradients.parameters.readOnly.matrix(slot).row(0)
    }

    /// - Parameter unseen: a difference that says nothing.
    private func check(_ slot: ParameterSlot, elements: Int, unseen: Double) -> Row {
        let analytic = Array(analytic(slot))
        let scale = max(Double(analytic.map(abs).max() ?? 0), unseen / Self.tolerance)
        let values = weights.weights(network.layout).matrix(slot).elements
        let stream = RandomStream(seed: seed, purpose: .gradientCheck, layer: slot.index)
        let count = slot.shape.count
        let chosen =
            count <= elements
            ? Array(0..<count)
            : (0..<elements).map { stream.integer(below: count, UInt32($0), ordinal: 0) }
        var worst = 0.0
        var skipped = 0
        var place = (index: 0, numeric: 0.0)
        for index in chosen {
            let original = values[index]
            let center = loss()
            var best = (difference: Double.infinity, numeric: 0.0, bend: 0.0)
            for exponent in [-6, -8, -10] {
                let step = Float(sign: .plus, exponent: exponent, significand: 1) * max(1, abs(original))
                let above = original + step
                let below = original - step
                values[index] = above
                let right = (loss() - center) / Double(above - original)
                values[index] = below
                let left = (center - loss()) / Double(original - below)
                let numeric = (right + left) / 2
                let difference = abs(Double(analytic[index]) - numeric) / scale
                if difference < best.difference { best = (difference, numeric, abs(right - left) / scale) }
            }
            values[index] = original
            if best.difference > Self.tolerance, best.bend > Self.tolerance {
                skipped += 1
                continue
            }
            let (difference, numeric) = (best.difference, best.numeric)
            if difference > worst {
                worst = difference
                place = (index, numeric)
            }
        }
        return Row(
            parameter: slot.name, layer: network.layerDescription(ofSlot: slot.index), checked: chosen.count,
            skipped: skipped, worst: worst, index: place.index, analytic: Double(analytic[place.index]),
            numeric: place.numeric, passed: worst <= Self.tolerance && skipped < chosen.count)
    }

    /// The loss summed over the samples; dropout draws the same masks every time.
    private func loss(for pass: RowRunner.GradientPass? = nil) -> Double {
        let all = samples[0..<samples.count]
        let weights = weights.weights(network.layout).readOnly
        let batch = DrawnBatch(samples: all, firstDraw: 0, step: 0)
        runner.forward(dataset, all, in: batch, weights: weights)
        runner.judge(dataset, all, in: batch, weights: weights, for: pass)
        return leafTreeSum(runner.losses(rows: all.count), leafRows: all.count * runner.positions)
    }
}
