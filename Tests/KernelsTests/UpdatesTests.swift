import Foundation
import Kernels
import Storage
import Testing

/// One step of each rule against a plain Double loop, at odd sizes and misaligned. Twelve steps against PyTorch are in
/// OptimizationTests.
@Suite("Updates of weights")
struct UpdatesTests {
    private struct Operands {
        let w: Guarded, g: Guarded, states: [Guarded]
        let before: [[Float]]

        init(_ count: Int, states: Int) {
            let values = (0..<states).map { numbers(count, seed: UInt64(32 + $0)).map { abs($0) + 0.01 } }
            w = Guarded(numbers(count, seed: 30), rows: 1, columns: count, misalignment: 1)
            g = Guarded(numbers(count, seed: 31), rows: 1, columns: count, misalignment: 3)
            self.states = values.enumerated().map {
                Guarded($0.element, rows: 1, columns: count, misalignment: 4 + $0.offset)
            }
            before = [w.values, g.values] + values
        }

        /// Weights and states after the step are what `rule` makes of weight, gradient and states, to `roundings`.
        func check(
            _ name: String, sourceLocation: SourceLocation = #_sourceLocation,
            _ rule: (_ w: Double, _ g: Double, _ s: [Double]) -> [Double]
        ) {
            let after = [w.values] + states.map(\.values)
            expectAll(before[0].count, name, sourceLocation: sourceLocation) { index in
                let old = before.map { Double($0[index]) }
                let new = rule(old[0], old[1], Array(old[2...]))
                return zip(after, new).allSatisfy { agrees($0[index], $1, within: 12 * unit * max(1, abs($1))) }
            }
            #expect(
                w.guardsHold && g.guardsHold && states.allSatisfy(\.guardsHold), "\(name)",
                sourceLocation: sourceLocation)
        }
    }

    @Test("weights written past the caches have the same bits", arguments: oddSizes)
    func streaming(count: Int) {
        let w = numbers(count, seed: 50)
        let gradient = Guarded(numbers(count, seed: 51), rows: 1, columns: count)
        func bits(_ cached: Range<Int>, offset: Int) -> [UInt32] {
            let buffer = AlignedBuffer<Float>(count: count + 32, repeating: 7)
            let weights = MutableMatrixView(base: buffer.base + offset, rows: 1, columns: count, cached: cached)
            for index in 0..<count { weights.elements[index] = w[index] }
            Updates.sgd(
                Updates.SGD(
                    learningRate: 0.25, momentum: 0, dampening: 0, weightDecay: 0.125, isNesterov: false,
                    isFirstStep: false), weights: weights, gradient: gradient.readOnly)
            Processor.finishStreaming()
            #expect((0..<buffer.count).allSatisfy { (offset..<offset + count).contains($0) || buffer[$0] == 7 })
            return weights.elements.map(\.bitPattern)
        }
        let expected = bits(0..<Int.max, offset: 0)
        for offset in [0, 8, 5] { #expect(bits(0..<0, offset: offset) == expected, "offset \(offset)") }
    }

    /// The mean of squares is never below the square of the mean, but what is kept of them is rounded.
    @Test("a spread that rounding makes negative counts as zero", arguments: oddSizes)
    func negativeSpread(count: Int) {
        let w = Guarded(numbers(count, seed: 60), rows: 1, columns: count)
        let gradient = Guarded([Float](repeating: 0.5, count: count), rows: 1, columns: count)
        let square = Guarded([Float](repeating: 0, count: count), rows: 1, columns: count)
        let mean = Guarded([Float](repeating: 2, count: count), rows: 1, columns: count)
        let before = w.values
        Updates.rmsprop(
            Updates.RMSprop(
                learningRate: 0.25, alpha: 0.5, oneMinusAlpha: 0.5, epsilon: 0.125, momentum: 0,
                weightDecay: 0),
            weights: w.view, gradient: gradient.readOnly, square: square.view, mean: mean.view, momentum: nil)
        // 0.125 − 1.25² counts as 0, so that epsilon alone is left to divide by.
        expectAll(count, "rmsprop") { w.values[$0] == before[$0] - 1 }
    }

    @Test("equal the plain loop and stay inside", arguments: oddSizes)
    func plainLoop(count: Int) {
        var o = Operands(count, states: 0)
        var sgd = Updates.SGD(
            learningRate: 0.25, momentum: 0.5, dampening: 0.25, weightDecay: 0.125, isNesterov: false,
            isFirstStep: false)
        Updates.sgd(sgd, weights: o.w.view, gradient: o.g.readOnly)
        o.check("sgd") { w, g, _ in [w - 0.25 * (g + 0.125 * w)] }
        for (isNesterov, isFirst) in [(false, false), (true, false), (false, true), (true, true)] {
            o = Operands(count, states: 1)
            sgd.isNesterov = isNesterov
            sgd.isFirstStep = isFirst
            Updates.sgd(sgd, weights: o.w.view, gradient: o.g.readOnly, momentum: o.states[0].view)
            o.check("sgd with momentum, Nesterov \(isNesterov), first \(isFirst)") { w, g, s in
                let g = g + 0.125 * w
                let b = 0.5 * s[0] + (isFirst ? 1 : 0.75) * g
                return [w - 0.25 * (isNesterov ? g + 0.5 * b : b), b]
            }
        }
        for isAMSGrad in [false, true] {
            o = Operands(count, states: isAMSGrad ? 3 : 2)
            Updates.adam(
                Updates.Adam(
                    stepSize: 0.25, beta1: 0.75, beta2: 0.5, oneMinusBeta1: 0.25, oneMinusBeta2: 0.5,
                    correction: 0.5, epsilon: 0.125, coupledDecay: 0.25, decoupledDecay: 0.875),
                weights: o.w.view, gradient: o.g.readOnly, first: o.states[0].view, second: o.states[1].view,
                largest: isAMSGrad ? o.states[2].view : nil)
            o.check("adam, AMSGrad \(isAMSGrad)") { w, g, s in
                let g = g + 0.25 * w
                let m = 0.75 * s[0] + 0.25 * g
                let v = 0.5 * s[1] + 0.5 * g * g
                let u = isAMSGrad ? max(v, s[2]) : v
                return [0.875 * w - 0.25 * m / (u.squareRoot() / 0.5 + 0.125), m, v] + (isAMSGrad ? [u] : [])
            }
        }
        o = Operands(count, states: 3)
        Updates.rmsprop(
            Updates.RMSprop(
                learningRate: 0.25, alpha: 0.75, oneMinusAlpha: 0.25, epsilon: 0.125,
                momentum: 0.5, weightDecay: 0.25),
            weights: o.w.view, gradient: o.g.readOnly, square: o.states[0].view, mean: o.states[1].view,
            momentum: o.states[2].view)
        o.check("rmsprop") { w, g, s in
            let g = g + 0.25 * w
            let v = 0.75 * s[0] + 0.25 * g * g
            let mean = 0.75 * s[1] + 0.25 * g
            // Where the spread cancels, its root is compared as the kernel computes it, in Float32.
            let spread = Float(v) - Float(mean) * Float(mean)
            guard spread > 0.01 else { return [] }
            let b = 0.5 * s[2] + g / ((v - mean * mean).squareRoot() + 0.125)
            return [w - 0.25 * b, v, mean, b]
        }
        o = Operands(count, states: 1)
        Updates.adagrad(
            Updates.Adagrad(learningRate: 0.25, epsilon: 0.125, weightDecay: 0.5), weights: o.w.view, gradient: o.g.readOnly,
            sum: o.states[0].view)
        o.check("adagrad") { w, g, s in
            let g = g + 0.5 * w
            let sum = s[0] + g * g
            return [w - 0.25 * g / (sum.squareRoot() + 0.125), sum]
        }
        o = Operands(count, states: 1)
        Updates.lion(
            Updates.Lion(
                learningRate: 0.25, beta1: 0.75, beta2: 0.5, oneMinusBeta1: 0.25, oneMinusBeta2: 0.5, decoupledDecay: 0.875),
            weights: o.w.view, gradient: o.g.readOnly, momentum: o.states[0].view)
        o.check("lion") { w, g, s in
            // Where the two terms cancel, rounding decides on the sign as in Float32.
            let direction = Float(s[0]) * 0.75 + Float(g) * 0.25
            return [0.875 * w - (direction > 0 ? 0.25 : direction < 0 ? -0.25 : 0), 0.5 * s[0] + 0.5 * g]
        }
        o = Operands(count, states: 1)
        Updates.average(o.g.readOnly, into: o.w.view, share: 0.125)
        #expect(o.w.guardsHold)
        expectAll(count, "average") { o.w.values[$0] == o.before[0][$0] + (o.before[1][$0] - o.before[0][$0]) * 0.125 }
        let scaled = Guarded(numbers(count, seed: 31), rows: 1, columns: count, misalignment: 5)
        let before = scaled.values
        Updates.scale(scaled.view, by: 0.3)
        #expect(scaled.values == before.map { $0 * 0.3 })
        Updates.clip(scaled.view, to: 0.1)
        #expect(scaled.values == before.map { min(max($0 * 0.3, -0.1), 0.1) })
        Updates.addPenalties(l1: 0.5, l2: 0.25, weights: o.g.readOnly, to: scaled.view)
        expectAll(count, "penalties") { index in
            let w = Double(o.before[1][index])
            let expected = Double(min(max(before[index] * 0.3, -0.1), 0.1)) + (w > 0 ? 0.5 : w < 0 ? -0.5 : 0) + 0.5 * w
            return agrees(scaled.values[index], expected, within: 4 * unit)
        }
        #expect(scaled.guardsHold)
    }
}
