import Storage

/// Activation functions, forward and backward, over all elements of a matrix. An element's result depends on that
/// element alone.
package enum Activation: Sendable, Equatable {
    /// max(x, 0); the derivative at 0 is 0, as in PyTorch.
    case relu
    /// x for x > 0, else slope·x.
    case leakyReLU(slope: Float)
    /// x for x > 0, else alpha·(eˣ − 1).
    case elu(alpha: Float)
    /// 1 / (1 + e⁻ˣ).
    case sigmoid
    /// tanh x.
    case tanh
    /// x·Φ(x) with the standard normal distribution Φ.
    case gelu
    /// ½·x·(1 + tanh(√(2/π)·(x + 0.044715·x³))).
    case geluTanh
    /// x·sigmoid(x).
    case silu

    /// Whether backward reads the output instead of the input.
    package var needsOutput: Bool {
        switch self {
        case .relu, .sigmoid, .tanh: true
        case .leakyReLU, .elu, .gelu, .geluTanh, .silu: false
        }
    }
}

extension Workspace {
    /// `output` = activation(`input`), element by element.
    package func activate(_ activation: Activation, _ input: MatrixView, into output: MutableMatrixView) {
        precondition(input.count == output.count, "\(input.count) elements into \(output.count)")
        parallel(input.count, unit: 1024) { _, range in
            activateElements(activation, input.base + range.lowerBound, into: output.base + range.lowerBound,
                             count: range.count)
        }
    }

    /// `inputGradient` = `outputGradient` · activation′; `saved` is the output where `needsOutput`, else the input.
    package func activationGradient(_ activation: Activation, _ outputGradient: MatrixView, saved: MatrixView,
                                    into inputGradient: MutableMatrixView) {
        precondition(outputGradient.count == saved.count && saved.count == inputGradient.count,
                     "\(outputGradient.count) gradients for \(saved.count) elements into \(inputGradient.count)")
        parallel(saved.count, unit: 1024) { _, range in
            activationGradientOfElements(activation, outputGradient.base + range.lowerBound,
                                         saved: saved.base + range.lowerBound,
                                         into: inputGradient.base + range.lowerBound, count: range.count)
        }
    }

    /// `output` = `first` + `second`, element by element.
    package func add(_ first: MatrixView, _ second: MatrixView, into output: MutableMatrixView) {
        precondition(first.count == second.count && second.count == output.count,
                     "\(first.count) + \(second.count) elements into \(output.count)")
        parallel(first.count, unit: 1024) { _, range in
            mapVectors(first.base + range.lowerBound, second.base + range.lowerBound,
                       into: output.base + range.lowerBound, count: range.count) { $0 + $1 }
        }
    }

    /// `output` = `first` · `second`, element by element.
    package func multiply(_ first: MatrixView, _ second: MatrixView, into output: MutableMatrixView) {
        precondition(first.count == second.count && second.count == output.count,
                     "\(first.count) × \(second.count) elements into \(output.count)")
        parallel(first.count, unit: 1024) { _, range in
            mapVectors(first.base + range.lowerBound, second.base + range.lowerBound,
                       into: output.base + range.lowerBound, count: range.count) { $0 * $1 }
        }
    }
}

/// One thread's part. A function of its own, so that each loop is compiled once, with the function inside.
@inline(never)
private func activateElements(_ activation: Activation, _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>,
                              count: Int) {
    switch activation {
    case .relu: mapVectors(x, into: y, count: count) { $0.replacing(with: 0, where: $0 .<= 0) }
    case .leakyReLU(let slope):
        mapVectors(x, into: y, count: count) { $0.replacing(with: $0 * slope, where: $0 .<= 0) }
    case .elu(let alpha):
        mapVectors(x, into: y, count: count) { $0.replacing(with: $0.exponentialMinusOne * alpha, where: $0 .<= 0) }
    case .sigmoid: mapVectors(x, into: y, count: count) { $0.sigmoid }
    case .tanh: mapVectors(x, into: y, count: count) { $0.hyperbolicTangent }
    // Where the factor has become 0, so has the product, also at −∞.
    case .gelu:
        mapVectors(x, into: y, count: count) { x in
            (x * x.normalDistribution.cumulative).replacing(with: 0, where: x .< -14)
        }
    case .geluTanh:
        mapVectors(x, into: y, count: count) { x in (x * geluArgument(x).sigmoid).replacing(with: 0, where: x .< -14) }
    case .silu:
        mapVectors(x, into: y, count: count) { x in (x * x.sigmoid).replacing(with: 0, where: x .< -90) }
    }
}

/// Likewise backward.
@inline(never)
private func activationGradientOfElements(_ activation: Activation, _ d: UnsafePointer<Float>,
                                          saved s: UnsafePointer<Float>, into target: UnsafeMutablePointer<Float>,
                                          count: Int) {
    switch activation {
    case .relu:
        mapVectors(d, s, into: target, count: count) { d, y in d.replacing(with: 0, where: y .<= 0) }
    case .leakyReLU(let slope):
        mapVectors(d, s, into: target, count: count) { d, x in d.replacing(with: d * slope, where: x .<= 0) }
    case .elu(let alpha):
        mapVectors(d, s, into: target, count: count) { d, x in
            d.replacing(with: d * (x.exponential * alpha), where: x .<= 0)
        }
    case .sigmoid: mapVectors(d, s, into: target, count: count) { d, y in d * (y * (1 - y)) }
    case .tanh: mapVectors(d, s, into: target, count: count) { d, y in d * (1 - y * y) }
    case .gelu:
        mapVectors(d, s, into: target, count: count) { d, x in
            let (cumulative, density) = x.normalDistribution
            return d * (cumulative + (x * density).replacing(with: 0, where: x.magnitude .> 14))
        }
    case .geluTanh:
        mapVectors(d, s, into: target, count: count) { d, x in
            let (gate, gateSlope) = geluArgument(x).sigmoidAndSlope
            let slope = (1 + x * x * 0.134_145) * 1.595_769_122
            return d * (gate + (x * gateSlope * slope).replacing(with: 0, where: x.magnitude .> 14))
        }
    case .silu:
        mapVectors(d, s, into: target, count: count) { d, x in
            let (gate, slope) = x.sigmoidAndSlope
            return d * (gate + (x * slope).replacing(with: 0, where: x.magnitude .> 90))
        }
    }
}

/// 2u with u = √(2/π)·(x + 0.044715·x³): ½·(1 + tanh u) is the sigmoid of it.
@inline(__always)
private func geluArgument(_ x: Vector) -> Vector { x * (1 + x * x * 0.044_715) * 1.595_769_122 }
