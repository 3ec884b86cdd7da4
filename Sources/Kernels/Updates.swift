import Storage

/// One vectorised pass of an optimizer over a range of parameters: gradient in, state and weights changed in place.
/// Elements are independent, so how the flat buffer is cut doesn't show.
package enum Updates {
    /// Coefficients of SGD for one step.
    package struct SGD: Sendable {
        package var learningRate: Float, momentum: Float, dampening: Float, weightDecay: Float
        package var isNesterov: Bool, isFirstStep: Bool

        package init(
            learningRate: Float, momentum: Float, dampening: Float, weightDecay: Float, isNesterov: Bool,
            isFirstStep: Bool
        ) {
            self.learningRate = learningRate
            self.momentum = momentum
            self.dampening = dampening
            self.weightDecay = weightDecay
            self.isNesterov = isNesterov
            self.isFirstStep = isFirstStep
        }
    }

    /// w ← w − η·g′ with g′ = g + λ·w.
    package static func sgd(_ c: SGD, weights: MutableMatrixView, gradient: MatrixView) {
        require(weights, gradient)
        @inline(__always) func update(_ part: Part) {
            let w = part.load(weights)
            part.store(w - (part.load(gradient) + w * c.weightDecay) * c.learningRate, toWeights: weights)
        }
        eachVector(weights, update)
    }

    /// b ← μ·b + (1 − τ)·g′ (g′ at the first step), w ← w − η·b, or with Nesterov w − η·(g′ + μ·b).
    package static func sgd(_ c: SGD, weights: MutableMatrixView, gradient: MatrixView, momentum: MutableMatrixView) {
        require(weights, gradient, momentum)
        let fresh: Float = c.isFirstStep ? 1 : 1 - c.dampening
        @inline(__always) func update(_ part: Part) {
            let w = part.load(weights)
            let g = part.load(gradient) + w * c.weightDecay
            let b = part.load(momentum) * c.momentum + g * fresh
            part.store(b, to: momentum)
            part.store(w - (c.isNesterov ? g + b * c.momentum : b) * c.learningRate, toWeights: weights)
        }
        eachVector(weights, update)
    }

    /// Coefficients of Adam and AdamW for one step.
    package struct Adam: Sendable {
        /// η / (1 − β₁ᵗ).
        package var stepSize: Float
        package var beta1: Float, beta2: Float
        /// 1 − β₁ and 1 − β₂, each rounded once from the exact numbers.
        package var oneMinusBeta1: Float, oneMinusBeta2: Float
        /// √(1 − β₂ᵗ).
        package var correction: Float
        package var epsilon: Float
        /// λ added to the gradient as λ·w; 0 for AdamW.
        package var coupledDecay: Float
        /// The factor 1 − η·λ on the weights; 1 for Adam.
        package var decoupledDecay: Float

        package init(
            stepSize: Float, beta1: Float, beta2: Float, oneMinusBeta1: Float, oneMinusBeta2: Float,
            correction: Float, epsilon: Float, coupledDecay: Float, decoupledDecay: Float
        ) {
            self.stepSize = stepSize
            self.beta1 = beta1
            self.beta2 = beta2
            self.oneMinusBeta1 = oneMinusBeta1
            self.oneMinusBeta2 = oneMinusBeta2
            self.correction = correction
            self.epsilon = epsilon
            self.coupledDecay = coupledDecay
            self.decoupledDecay = decoupledDecay
        }
    }

    /// m ← β₁·m + (1 − β₁)·g, v ← β₂·v + (1 − β₂)·g², w ← w − stepSize·m / (√v / correction + ε); with `largest`
    /// (AMSGrad) the running maximum of v in its place.
    package static func adam(
        _ c: Adam, weights: MutableMatrixView, gradient: MatrixView, first: MutableMatrixView,
        second: MutableMatrixView, largest: MutableMatrixView?
    ) {
        require(weights, gradient, first, second, largest)
        let inverse = 1 / c.correction
        @inline(__always) func update(_ part: Part) {
            let w = part.load(weights)
            let g = part.load(gradient) + w * c.coupledDecay
            let m = part.load(first) * c.beta1 + g * c.oneMinusBeta1
            var v = part.load(second) * c.beta2 + g * g * c.oneMinusBeta2
            part.store(m, to: first)
            part.store(v, to: second)
            if let largest {
                let before = part.load(largest)
                v = v.replacing(with: before, where: before .> v)
                part.store(v, to: largest)
            }
            let denominator = v.squareRoot() * inverse + c.epsilon
            part.store(w * c.decoupledDecay - m * c.stepSize / denominator, toWeights: weights)
        }
        eachVector(weights, update)
    }

    /// Coefficients of RMSprop.
    package struct RMSprop: Sendable {
        package var learningRate: Float, alpha: Float, oneMinusAlpha: Float, epsilon: Float, momentum: Float
        package var weightDecay: Float

        package init(
            learningRate: Float, alpha: Float, oneMinusAlpha: Float, epsilon: Float, momentum: Float,
            weightDecay: Float
        ) {
            self.learningRate = learningRate
            self.alpha = alpha
            self.oneMinusAlpha = oneMinusAlpha
            self.epsilon = epsilon
            self.momentum = momentum
            self.weightDecay = weightDecay
        }
    }

    /// v ← α·v + (1 − α)·g², d = √(v − ḡ²) + ε with ḡ ← α·ḡ + (1 − α)·g where centred, w ← w − η·g/d, or through the
    /// momentum b ← μ·b + g/d.
    package static func rmsprop(
        _ c: RMSprop, weights: MutableMatrixView, gradient: MatrixView, square: MutableMatrixView,
        mean: MutableMatrixView?, momentum: MutableMatrixView?
    ) {
        require(weights, gradient, square, mean, momentum)
        @inline(__always) func update(_ part: Part) {
            let w = part.load(weights)
            let g = part.load(gradient) + w * c.weightDecay
            let v = part.load(square) * c.alpha + g * g * c.oneMinusAlpha
            part.store(v, to: square)
            var spread = v
            if let mean {
                let average = part.load(mean) * c.alpha + g * c.oneMinusAlpha
                part.store(average, to: mean)
                spread = v - average * average
                spread = spread.replacing(with: 0, where: spread .< 0)
            }
            var direction = g / (spread.squareRoot() + c.epsilon)
            if let momentum {
                direction = part.load(momentum) * c.momentum + direction
                part.store(direction, to: momentum)
            }
            part.store(w - direction * c.learningRate, toWeights: weights)
        }
        eachVector(weights, update)
    }

    /// Coefficients of Adagrad for one step.
    package struct Adagrad: Sendable {
        package var learningRate: Float, epsilon: Float, weightDecay: Float

        package init(learningRate: Float, epsilon: Float, weightDecay: Float) {
            self.learningRate = learningRate
            self.epsilon = epsilon
            self.weightDecay = weightDecay
        }
    }

    /// s ← s + g², w ← w − η·g / (√s + ε), with g + λ·w for g.
    package static func adagrad(_ c: Adagrad, weights: MutableMatrixView, gradient: MatrixView, sum: MutableMatrixView) {
        require(weights, gradient, sum)
        @inline(__always) func update(_ part: Part) {
            let w = part.load(weights)
            let g = part.load(gradient) + w * c.weightDecay
            let s = part.load(sum) + g * g
            part.store(s, to: sum)
            part.store(w - g * c.learningRate / (s.squareRoot() + c.epsilon), toWeights: weights)
        }
        eachVector(weights, update)
    }

    /// Coefficients of Lion for one step.
    package struct Lion: Sendable {
        package var learningRate: Float
        package var beta1: Float, beta2: Float
        /// 1 − β₁ and 1 − β₂, each rounded once from the exact numbers.
        package var oneMinusBeta1: Float, oneMinusBeta2: Float
        /// The factor 1 − η·λ on the weights.
        package var decoupledDecay: Float

        package init(
            learningRate: Float, beta1: Float, beta2: Float, oneMinusBeta1: Float, oneMinusBeta2: Float, decoupledDecay: Float
        ) {
            self.learningRate = learningRate
            self.beta1 = beta1
            self.beta2 = beta2
            self.oneMinusBeta1 = oneMinusBeta1
            self.oneMinusBeta2 = oneMinusBeta2
            self.decoupledDecay = decoupledDecay
        }
    }

    /// w ← (1 − η·λ)·w − η·sign(β₁·m + (1 − β₁)·g), then m ← β₂·m + (1 − β₂)·g. The sign of 0 is 0, that of NaN is NaN.
    package static func lion(_ c: Lion, weights: MutableMatrixView, gradient: MatrixView, momentum: MutableMatrixView) {
        require(weights, gradient, momentum)
        @inline(__always) func update(_ part: Part) {
            let g = part.load(gradient)
            let m = part.load(momentum)
            let direction = m * c.beta1 + g * c.oneMinusBeta1
            let sign = direction.replacing(with: 1, where: direction .> 0).replacing(with: -1, where: direction .< 0)
            part.store(m * c.beta2 + g * c.oneMinusBeta2, to: momentum)
            part.store(part.load(weights) * c.decoupledDecay - sign * c.learningRate, toWeights: weights)
        }
        eachVector(weights, update)
    }

    // MARK: - Averages

    /// a ← a + (w − a)·share.
    package static func average(_ weights: MatrixView, into average: MutableMatrixView, share: Float) {
        require(average, weights)
        mapVectors(average.base, weights.base, into: average.base, count: average.count) { $0 + ($1 - $0) * share }
    }

    // MARK: - Gradients

    /// g ← g·factor.
    package static func scale(_ gradient: MutableMatrixView, by factor: Float) {
        mapVectors(gradient.base, into: gradient.base, count: gradient.count) { $0 * factor }
    }

    /// sum ← sum + gradient.
    package static func add(_ gradient: MatrixView, to sum: MutableMatrixView) {
        precondition(gradient.count == sum.count, "\(gradient.count) elements to \(sum.count)")
        mapVectors(sum.base, gradient.base, into: sum.base, count: sum.count) { $0 + $1 }
    }

    /// gradient ← value − gradient.
    package static func subtract(_ gradient: MutableMatrixView, from value: MatrixView) {
        precondition(gradient.count == value.count, "\(gradient.count) elements from \(value.count)")
        mapVectors(value.base, gradient.base, into: gradient.base, count: gradient.count) { $0 - $1 }
    }

    /// g ← min(max(g, −limit), limit); NaN stays NaN.
    package static func clip(_ gradient: MutableMatrixView, to limit: Float) {
        @inline(__always) func update(_ part: Part) {
            let g = part.load(gradient)
            part.store(g.replacing(with: limit, where: g .> limit).replacing(with: -limit, where: g .< -limit), to: gradient)
        }
        eachVector(gradient, update)
    }

    /// g ← g + l1·sign(w) + 2·l2·w: the gradient of l1·Σ|w| + l2·Σw².
    package static func addPenalties(l1: Float, l2: Float, weights: MatrixView, to gradient: MutableMatrixView) {
        require(gradient, weights)
        @inline(__always) func update(_ part: Part) {
            let w = part.load(weights)
            let sign = Vector(repeating: 0).replacing(with: 1, where: w .> 0).replacing(with: -1, where: w .< 0)
            part.store(part.load(gradient) + sign * l1 + w * (2 * l2), to: gradient)
        }
        eachVector(gradient, update)
    }

    // MARK: -

    /// Eight elements, or the last few.
    private struct Part {
        let index: Int, count: Int
        /// Whether new weights are written past the caches.
        let streams: Bool

        @inline(__always)
        func load(_ view: MatrixView) -> Vector { .load(view.base + index, count: count) }

        @inline(__always)
        func load(_ view: MutableMatrixView) -> Vector { .load(view.base + index, count: count) }

        @inline(__always)
        func store(_ vector: Vector, to view: MutableMatrixView) { vector.store(to: view.base + index, count: count) }

        /// New weights, which other cores read next where ranks share them.
        @inline(__always)
        func store(_ vector: Vector, toWeights view: MutableMatrixView) {
            if streams { vector.stream(to: view.base + index) } else { store(vector, to: view) }
        }
    }

    /// `body` is marked @inline(__always), as for `mapVectors`.
    ///
    /// - Parameter changed: what it writes.
    @inline(__always)
    private static func eachVector(_ changed: MutableMatrixView, _ body: (Part) -> Void) {
        let count = changed.count
        let whole = count & ~7
        let streams = changed.streams(0..<whole, by: MemoryLayout<Vector>.size)
        var index = 0
        while index < whole {
            body(Part(index: index, count: 8, streams: streams))
            index &+= 8
        }
        if index < count { body(Part(index: index, count: count &- index, streams: false)) }
    }

    /// Fixed parameters, not a list: nothing is allocated in a step.
    @inline(__always)
    private static func require(
        _ weights: MutableMatrixView, _ gradient: MatrixView, _ first: MutableMatrixView? = nil,
        _ second: MutableMatrixView? = nil, _ third: MutableMatrixView? = nil
    ) {
        let count = weights.count
        precondition(
            gradient.count == count && first?.count ?? count == count && second?.count ?? count == count
                && third?.count ?? count == count,
            "\(count) weights, but \(gradient.count) gradients and states of \(first?.count ?? count), "
                + "\(second?.count ?? count) and \(third?.count ?? count)")
    }
}
