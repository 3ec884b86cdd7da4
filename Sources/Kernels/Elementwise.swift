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
            activateElements(
                activation, input.base + range.lowerBound, into: output.base + range.lowerBound,
                count: range.count)
        }
    }

    /// `inputGradient` = `outputGradient` · activation′; `saved` is the output where `needsOutput`, else the input.
    package func activationGradient(
        _ activation: Activation, _ outputGradient: MatrixView, saved: MatrixView,
        into inputGradient: MutableMatrixView
    ) {
        precondition(
            outputGradient.count == saved.count && saved.count == inputGradient.count,
            "\(outputGradient.count) gradients for \(saved.count) elements into \(inputGradient.count)")
        parallel(saved.count, unit: 1024) { _, range in
            activationGradientOfElements(
                activation, outputGradient.base + range.lowerBound,
                saved: saved.base + range.lowerBound,
                into: inputGradient.base + range.lowerBound, count: range.count)
        }
    }

    /// `output` = `first` + `second`, element by element, with `rectifies` 0 where that isn't above 0; `output` may be either.
    package func add(_ first: MatrixView, _ second: MatrixView, rectifies: Bool = false, into output: MutableMatrixView) {
        precondition(
            first.count == second.count && second.count == output.count,
            "\(first.count) + \(second.count) elements into \(output.count)")
        @inline(__always) func rectifiedSum(_ first: Vector, _ second: Vector) -> Vector {
            let sum = first + second
            return sum.replacing(with: 0, where: sum .<= 0)
        }
        parallel(first.count, unit: 1024) { _, range in
            let (a, b) = (first.base + range.lowerBound, second.base + range.lowerBound)
            if rectifies {
                mapVectors(a, b, into: output.base + range.lowerBound, count: range.count, rectifiedSum)
            } else {
                mapVectors(a, b, into: output.base + range.lowerBound, count: range.count) { $0 + $1 }
            }
        }
    }

    /// `sum` += `gradient`, element by element, but 0 where `rectified`, if it is given, isn't above 0.
    package func add(_ gradient: MatrixView, whereAboveZero rectified: MatrixView?, to sum: MutableMatrixView) {
        guard let rectified else { return add(sum.readOnly, gradient, into: sum) }
        precondition(
            gradient.count == sum.count && rectified.count == sum.count,
            "\(gradient.count) gradients for \(rectified.count) elements to \(sum.count)")
        parallel(sum.count, unit: 1024) { _, range in
            let target = sum.base + range.lowerBound
            let (g, y) = (gradient.base + range.lowerBound, rectified.base + range.lowerBound)
            eachVector(range.count) { index, count in
                (Vector.load(UnsafePointer(target) + index, count: count) + passed(g, y, index, count))
                    .store(to: target + index, count: count)
            }
        }
    }

    /// `output` = `input`, whose rows may lie apart in either.
    package func copyRows(_ input: MatrixView, into output: MutableMatrixView) {
        precondition(
            output.readOnly.hasShape(of: input), "\(input.rows)×\(input.columns) into \(output.rows)×\(output.columns)")
        parallel(input.rows) { _, rows in
            for row in rows {
                (output.base + row * output.stride).update(from: input.base + row * input.stride, count: input.columns)
            }
        }
    }

    /// `output` = `first` · `second`, element by element.
    package func multiply(_ first: MatrixView, _ second: MatrixView, into output: MutableMatrixView) {
        precondition(
            first.count == second.count && second.count == output.count,
            "\(first.count) × \(second.count) elements into \(output.count)")
        parallel(first.count, unit: 1024) { _, range in
            mapVectors(
                first.base + range.lowerBound, second.base + range.lowerBound,
                into: output.base + range.lowerBound, count: range.count
            ) { $0 * $1 }
        }
    }
}

/// One thread's part. A function of its own, so that each loop is compiled once, with the function inside.
@inline(never)
private func activateElements(
    _ activation: Activation, _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>,
    count: Int
) {
    switch activation {
    case .relu:
        @inline(__always) func relu(_ x: Vector) -> Vector { x.replacing(with: 0, where: x .<= 0) }
        mapVectors(x, into: y, count: count, relu)
    case .leakyReLU(let slope):
        @inline(__always) func leaky(_ x: Vector) -> Vector { x.replacing(with: x * slope, where: x .<= 0) }
        mapVectors(x, into: y, count: count, leaky)
    case .elu(let alpha):
        @inline(__always) func elu(_ x: Vector) -> Vector {
            x.replacing(with: x.exponentialMinusOne * alpha, where: x .<= 0)
        }
        mapVectors(x, into: y, count: count, elu)
    case .sigmoid:
        @inline(__always) func sigmoid(_ x: Vector) -> Vector { x.sigmoid }
        mapVectors(x, into: y, count: count, sigmoid)
    case .tanh:
        @inline(__always) func tanh(_ x: Vector) -> Vector { x.hyperbolicTangent }
        mapVectors(x, into: y, count: count, tanh)
    // Where the factor has become 0, so has the product, also at −∞.
    case .gelu:
        @inline(__always) func gelu(_ x: Vector) -> Vector {
            (x * x.normalDistribution.cumulative).replacing(with: 0, where: x .< -14)
        }
        mapVectors(x, into: y, count: count, gelu)
    case .geluTanh:
        @inline(__always) func gelu(_ x: Vector) -> Vector {
            (x * geluArgument(x).sigmoid).replacing(with: 0, where: x .< -14)
        }
        mapVectors(x, into: y, count: count, gelu)
    case .silu:
        @inline(__always) func silu(_ x: Vector) -> Vector { (x * x.sigmoid).replacing(with: 0, where: x .< -90) }
        mapVectors(x, into: y, count: count, silu)
    }
}

/// Likewise backward.
@inline(never)
private func activationGradientOfElements(
    _ activation: Activation, _ d: UnsafePointer<Float>,
    saved s: UnsafePointer<Float>, into target: UnsafeMutablePointer<Float>,
    count: Int
) {
    switch activation {
    case .relu:
        @inline(__always) func relu(_ d: Vector, _ y: Vector) -> Vector { d.replacing(with: 0, where: y .<= 0) }
        mapVectors(d, s, into: target, count: count, relu)
    case .leakyReLU(let slope):
        @inline(__always) func leaky(_ d: Vector, _ x: Vector) -> Vector {
            d.replacing(with: d * slope, where: x .<= 0)
        }
        mapVectors(d, s, into: target, count: count, leaky)
    case .elu(let alpha):
        @inline(__always) func elu(_ d: Vector, _ x: Vector) -> Vector {
            d.replacing(with: d * (x.exponential * alpha), where: x .<= 0)
        }
        mapVectors(d, s, into: target, count: count, elu)
    case .sigmoid:
        @inline(__always) func sigmoid(_ d: Vector, _ y: Vector) -> Vector { d * (y * (1 - y)) }
        mapVectors(d, s, into: target, count: count, sigmoid)
    case .tanh:
        @inline(__always) func tanh(_ d: Vector, _ y: Vector) -> Vector { d * (1 - y * y) }
        mapVectors(d, s, into: target, count: count, tanh)
    case .gelu:
        @inline(__always) func gelu(_ d: Vector, _ x: Vector) -> Vector {
            let (cumulative, density) = x.normalDistribution
            return d * (cumulative + (x * density).replacing(with: 0, where: x.magnitude .> 14))
        }
        mapVectors(d, s, into: target, count: count, gelu)
    case .geluTanh:
        @inline(__always) func gelu(_ d: Vector, _ x: Vector) -> Vector {
            let (gate, gateSlope) = geluArgument(x).sigmoidAndSlope
            let slope = (1 + x * x * 0.134_145) * 1.595_769_122
            return d * (gate + (x * gateSlope * slope).replacing(with: 0, where: x.magnitude .> 14))
        }
        mapVectors(d, s, into: target, count: count, gelu)
    case .silu:
        @inline(__always) func silu(_ d: Vector, _ x: Vector) -> Vector {
            let (gate, slope) = x.sigmoidAndSlope
            return d * (gate + (x * slope).replacing(with: 0, where: x.magnitude .> 90))
        }
        mapVectors(d, s, into: target, count: count, silu)
    }
}

/// 2u with u = √(2/π)·(x + 0.044715·x³): ½·(1 + tanh u) is the sigmoid of it.
@inline(__always)
private func geluArgument(_ x: Vector) -> Vector { x * (1 + x * x * 0.044_715) * 1.595_769_122 }
