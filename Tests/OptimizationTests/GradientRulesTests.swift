import Diagnostics
import Kernels
import Optimization
import Storage
import Testing

@Suite("Penalties and clipping")
struct GradientRulesTests {
    private func slots() -> ParameterLayout {
        var layout = ParameterLayout()
        _ = layout.reserve(name: "0.weight", shape: Shape([3, 7]), role: .weight)
        _ = layout.reserve(name: "0.bias", shape: Shape([3]), role: .bias)
        _ = layout.reserve(name: "1.weight", shape: Shape([45, 45]), role: .weight)
        return layout
    }

    private func filled(_ count: Int, seed: UInt64) -> AlignedBuffer<Float> {
        let buffer = AlignedBuffer<Float>(count: count)
        let stream = RandomStream(seed: seed, purpose: .gradientCheck)
        for index in 0..<count {
            buffer[index] = Float(Double(stream.word(0, ordinal: UInt64(index)) >> 11) * 0x1p-52 - 1)
        }
        return buffer
    }

    @Test("L1 and L2 are the gradients of l1·Σ|w| + l2·Σw² over weights, not biases")
    func penalties() throws {
        let rules = try GradientRules(settings(["regularization": ["l1": 0.03, "l2": 0.2]]))
        let layout = slots()
        let weights = filled(layout.trainedCount, seed: 1)
        let gradient = filled(layout.trainedCount, seed: 2)
        let before = Array(gradient.elements)
        weights[2] = 0
        rules.addPenalties(
            to: gradient.matrix(rows: 1, columns: gradient.count), range: 0..<gradient.count,
            weights: weights.parameters.readOnly, slots: rules.penalizedSlots(of: layout))
        func penalty(_ w: Double) -> Double { 0.03 * abs(w) + 0.2 * w * w }
        for slot in layout.slots {
            for index in slot.range {
                let w = Double(weights[index])
                let h = 1e-6
                let numeric = slot.role == .weight ? (penalty(w + h) - penalty(w - h)) / (2 * h) : 0
                #expect(abs(Double(gradient[index]) - Double(before[index]) - numeric) < 1e-6, "\(slot.name), \(index)")
            }
        }
        let used = Set(layout.slots.flatMap { Array($0.range) })
        for index in 0..<gradient.count where !used.contains(index) { #expect(gradient[index] == before[index]) }
    }

    @Test("penalties of slices give the bits of the whole")
    func penaltiesOfSlices() throws {
        let rules = try GradientRules(settings(["regularization": ["l1": 0.03, "l2": 0.2]]))
        let layout = slots()
        let weights = filled(layout.trainedCount, seed: 1)
        let whole = filled(layout.trainedCount, seed: 2)
        rules.addPenalties(
            to: whole.matrix(rows: 1, columns: whole.count), range: 0..<whole.count,
            weights: weights.parameters.readOnly, slots: rules.penalizedSlots(of: layout))
        for ownerCount in 1...4 {
            let parts = filled(layout.trainedCount, seed: 2)
            for owner in 0..<ownerCount {
                let range = layout.slice(of: owner, ownerCount: ownerCount)
                rules.addPenalties(
                    to: parts.matrix(rows: 1, columns: range.count, offset: range.lowerBound),
                    range: range, weights: weights.parameters.readOnly, slots: rules.penalizedSlots(of: layout))
            }
            #expect(Array(parts.elements) == Array(whole.elements))
        }
        let odd = filled(layout.trainedCount, seed: 2)
        for (first, end) in [(0, 5), (5, 33), (33, 100), (100, odd.count)] {
            rules.addPenalties(
                to: odd.matrix(rows: 1, columns: end - first, offset: first), range: first..<end,
                weights: weights.parameters.readOnly, slots: rules.penalizedSlots(of: layout))
        }
        #expect(Array(odd.elements) == Array(whole.elements))
    }

    @Test("clipping by norm scales only what is above the limit, as clip_grad_norm_ does")
    func normFactor() throws {
        let rules = try GradientRules(settings(["gradient_clipping": ["norm": 2]]))
        #expect(rules.clipping == .norm(2))
        #expect(rules.normFactor(norm: 1.9) == nil)
        #expect(rules.normFactor(norm: 0) == nil)
        #expect(rules.normFactor(norm: 8) == Float(2 / (8 + 1e-6)))
        #expect(rules.normFactor(norm: .infinity) == 0)
        #expect(rules.normFactor(norm: .nan) == nil)
        #expect(try GradientRules(settings(["none": 0])).normFactor(norm: 8) == nil)
    }

    @Test("clipping by value holds elements within the limit and lets NaN through")
    func clippingByValue() {
        let values: [Float] = [-3, -0.5, -0.2, 0, 0.5, 0.50001, .infinity, -.infinity, .nan, 1, -1]
        let buffer = AlignedBuffer<Float>(count: values.count)
        for (index, value) in values.enumerated() { buffer[index] = value }
        Updates.clip(buffer.matrix(rows: 1, columns: values.count), to: 0.5)
        for (index, value) in values.enumerated() {
            if value.isNaN { #expect(buffer[index].isNaN) } else { #expect(buffer[index] == min(max(value, -0.5), 0.5)) }
        }
    }

    /// The order of DESIGN: multiply once by 1/weight, add the penalties, clip, step. Penalties are clipped with the
    /// gradient; the optimizer's own weight decay is not.
    @Test("scale, penalties, clip, optimizer: in this order")
    func order() throws {
        let root = try settings([
            "optimizer": ["sgd": ["learning_rate": 1, "weight_decay": 0.5]],
            "gradient_clipping": ["value": 0.5], "regularization": ["l2": 1]
        ])
        let rules = try GradientRules(root)
        let configuration = try OptimizerConfiguration(root)
        var layout = ParameterLayout()
        _ = layout.reserve(name: "0.weight", shape: Shape([2]), role: .weight)
        let run = OptimizerTests.Run(configuration, initial: [0.25, 0])
        run.take([8, 0.5]) { gradient in
            Updates.scale(gradient, by: 1.0 / 16)
            rules.addPenalties(
                to: gradient, range: 0..<2, weights: run.weights.parameters.readOnly, slots: rules.penalizedSlots(of: layout))
            rules.clip(gradient)
        }
        // 8/16 + 2·0.25 = 1, clipped to 0.5, and the decay 0.5·0.25 on top: 0.25 − 0.625.
        #expect(run.weights[0] == -0.375)
        #expect(run.weights[1] == -0.031_25)
    }

    @Test("norm and value together, or neither, are refused", arguments: ["{norm: 1, value: 1}", "{}", "{norm: 0}"])
    func wrongClipping(text: String) throws {
        let root = try settingsFromText("gradient_clipping: \(text)")
        #expect(throws: Failure.self) { try GradientRules(root) }
    }
}
