import Diagnostics
import Foundation
import Kernels
import Network
import Settings
import Storage
import Testing

/// A network with its memory, run as a trainer runs it.
final class Bench {
    let network: Network
    let weights: AlignedBuffer<Float>, gradients: AlignedBuffer<Float>
    let workspace: Workspace
    private let rows: Int
    private let activations: Activations
    private let plannedLeafRows: Int
    let input: AlignedBuffer<Float>, output: AlignedBuffer<Float>
    let outputGradient: AlignedBuffer<Float>, inputGradient: AlignedBuffer<Float>
    /// Where the time of each layer goes.
    var clock: StageClock?
    /// How many steps of each row are its own; nil where samples have no lengths.
    let lengths: [Int32]?
    /// What layers sum over each leaf, up to one for each row.
    let statistics: AlignedBuffer<Double>

    /// Sums over all leaves of a pass, which are those of the step.
    private final class PassTotals: StepTotals {
        var leaves = 0
        private let totals: AlignedBuffer<Double>

        init(count: Int) { totals = AlignedBuffer(count: count, repeating: .nan) }

        func total(_ sums: LeafSums) -> UnsafeBufferPointer<Double> {
            for index in 0..<sums.count { totals[index] = SummationTree(leafCount: leaves).sum { sums.leaf($0)[index] } }
            return UnsafeBufferPointer(totals.first(sums.count))
        }
    }

    private let totals: PassTotals
    private var firstDraw: UInt64?

    /// - Parameters:
    ///   - leafRows: rows of the leaves that memory is planned for; as many as there are rows by default.
    ///   - keeps: whether forward keeps what backward needs.
    ///   - lengths: of the rows, in turn.
    init(
        _ network: Network, rows: Int, leafRows: Int? = nil, threadCount: Int = 1, keeps: Bool = true, lengths: [Int]? = nil
    ) throws {
        self.lengths = lengths.map { lengths in (0..<rows).map { Int32(lengths[$0 % lengths.count]) } }
        self.network = network
        self.rows = rows
        weights = AlignedBuffer(count: network.layout.weightCount)
        gradients = AlignedBuffer(count: network.layout.gradientCount, repeating: .nan)
        workspace = try Workspace(threadCount: threadCount)
        plannedLeafRows = leafRows ?? 1
        activations = Activations(network.layers, rows: rows, leafRows: plannedLeafRows, training: keeps)
        statistics = AlignedBuffer(count: rows * network.statisticsCount)
        totals = PassTotals(count: network.statisticsCount)
        input = AlignedBuffer(count: rows * network.inputShape.count)
        output = AlignedBuffer(count: rows * network.outputShape.count, repeating: .nan)
        outputGradient = AlignedBuffer(count: rows * network.outputShape.count)
        inputGradient = AlignedBuffer(count: rows * network.inputShape.count, repeating: .nan)
    }

    private func matrix(
        _ buffer: borrowing AlignedBuffer<Float>, _ shape: Shape,
        _ range: Range<Int>
    ) -> MutableMatrixView {
        buffer.matrix(rows: range.count, columns: shape.count, offset: range.lowerBound * shape.count)
    }

    /// Forward over a range of the rows.
    func forward(_ range: Range<Int>? = nil, firstDraw: UInt64? = nil, leafRows: Int? = nil) {
        let range = range ?? 0..<rows
        withLengths(range) { lengths in
            forward(range, firstDraw: firstDraw, leafRows: leafRows, lengths: lengths)
        }
    }

    private func withLengths(_ range: Range<Int>, _ body: (SequenceLengths?) -> Void) {
        guard let lengths else { return body(nil) }
        lengths[range].withUnsafeBufferPointer { body(SequenceLengths($0)) }
    }

    private func forward(_ range: Range<Int>, firstDraw: UInt64?, leafRows: Int?, lengths: SequenceLengths?) {
        totals.leaves = SummationTree(rows: range.count, leafRows: leafRows ?? max(range.count, 1)).leafCount
        self.firstDraw = firstDraw.map { $0 + UInt64(range.lowerBound) }
        let purpose = self.firstDraw.map { ForwardPass.Purpose.training(firstDraw: $0) }
        network.layers.forward(
            matrix(input, network.inputShape, range).readOnly,
            into: matrix(output, network.outputShape, range), using: activations,
            in: ForwardPass(
                weights: weights.weights(network.layout).readOnly, workspace: workspace,
                purpose: purpose ?? .evaluation, leafRows: leafRows ?? max(range.count, 1),
                statistics: leafSums, lengths: lengths, totals: totals, clock: clock))
    }

    private var leafSums: LeafSums? {
        network.statisticsCount == 0
            ? nil
            : LeafSums(base: statistics.base, stride: network.statisticsCount, leaves: rows, count: network.statisticsCount)
    }

    /// Makes new running averages of what the first `leaves` leaves of the last forward pass had.
    func updateBuffers(leaves: Int) {
        let sums = (0..<network.statisticsCount).map { index in
            SummationTree(leafCount: leaves).sum { statistics[$0 * network.statisticsCount + index] }
        }
        sums.withUnsafeBufferPointer { network.updateBuffers(weights.weights(network.layout), sums: $0) }
    }

    /// Backward over the rows that `forward` was run for last.
    func backward(_ range: Range<Int>? = nil, leafRows: Int? = nil, withInputGradient: Bool = true) {
        let range = range ?? 0..<rows
        withLengths(range) { lengths in
            network.layers.backward(
                matrix(outputGradient, network.outputShape, range).readOnly,
                into: withInputGradient ? matrix(inputGradient, network.inputShape, range) : nil,
                input: matrix(input, network.inputShape, range).readOnly,
                output: matrix(output, network.outputShape, range).readOnly, using: activations,
                in: BackwardPass(
                    weights: weights.weights(network.layout).readOnly, gradients: gradients.gradients(network.layout),
                    leafRows: leafRows ?? max(range.count, 1), firstDraw: firstDraw, workspace: workspace, lengths: lengths,
                    statistics: leafSums,
                    totals: totals, clock: clock))
        }
    }

    /// Slots with a gradient.
    var trainedSlots: [ParameterSlot] { network.layout.slots.filter { $0.region == .trained } }

    /// The gradients of all slots and of their later uses, each for itself, without the padding.
    var parameterGradientBits: [UInt32] {
        let layout = network.layout
        let ranges = trainedSlots.map(\.range) + layout.laterUses.map { $0.gradients(of: $0.slot.range, in: layout) }
        return ranges.flatMap { $0.map { gradients[$0].bitPattern } }
    }

    /// The gradient of an element of the flat buffer, all of its uses together.
    func gradient(_ element: Int) -> Float {
        network.layout.laterUses.filter { $0.slot.range.contains(element) }.reduce(gradients[element]) {
            $0 + gradients[$1.gradients(of: element..<element + 1, in: network.layout).lowerBound]
        }
    }

    var outputBits: [UInt32] { output.elements.map(\.bitPattern) }
    var inputGradientBits: [UInt32] { inputGradient.elements.map(\.bitPattern) }
}

func fill(_ buffer: borrowing AlignedBuffer<Float>, _ values: [Double]) {
    precondition(values.count <= buffer.count, "\(values.count) values into \(buffer.count)")
    for (index, value) in values.enumerated() { buffer[index] = Float(value) }
}

/// A loss that leaves any last layer alone.
func plainLoss() throws -> any Loss { try readLoss(settings(["loss": "mean_squared_error"])) }

/// A network of `layers`, as a configuration lists them.
func makeNetwork(
    _ layers: Any, inputShape: [Int], tokenKinds: Int? = nil, hasLengths: Bool = false, freeze: [String]? = nil,
    loss: (any Loss)? = nil,
    seed: UInt64 = 1
) throws -> Network {
    let root = try settings(["model": freeze.map { ["layers": layers, "freeze": $0] } ?? ["layers": layers]])
    let model = try root.section("model")
    let network = try Network(
        model, inputShape: Shape(inputShape), tokenKinds: tokenKinds, hasLengths: hasLengths, loss: try loss ?? plainLoss(),
        seed: seed)
    try root.finish()
    return network
}

/// Expects layers to be refused as a bad configuration, in one line that says where and all of `parts`.
func expectRefusal(
    _ layers: String, _ loss: String = "mean_squared_error", shape: [Int] = [4],
    saying parts: [String], sourceLocation: SourceLocation = #_sourceLocation
) throws {
    let root = try SettingsDocument(text: "model:\n  layers: \(layers)\n", name: "test.yaml").root
    do {
        let model = try root.section("model")
        _ = try Network(model, inputShape: Shape(shape), loss: readLoss(settings(["loss": loss])), seed: 0)
        try model.finish()
        Issue.record("accepted: \(layers)", sourceLocation: sourceLocation)
    } catch let failure as Failure {
        #expect(failure.code == .badConfiguration, sourceLocation: sourceLocation)
        for part in parts + ["test.yaml:2"] {
            #expect(failure.message.contains(part), "\(failure.message)", sourceLocation: sourceLocation)
        }
        #expect(!failure.message.contains("\n"), sourceLocation: sourceLocation)
    }
}
