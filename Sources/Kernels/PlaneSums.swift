// Loops over the numbers of one or more neighbouring image planes, which normalisation has in common. Sums are in Double, in
// sixteen lanes: number i of a run goes to lane i mod 16; the lanes are added up in one fixed order.

/// What the mean and variance of some numbers follow from: sums of their distances from one of them and of the squares.
///
/// The distances are rounded, their squares are not; near a number of theirs neither loses what matters.
struct PlaneMoments {
    private let origin: Float
    private var count = 0
    private var sums = (DoubleLanes(), DoubleLanes())
    private var squares = (DoubleLanes(), DoubleLanes())

    init(origin: Float) { self.origin = origin }

    /// Takes a run of numbers.
    @inline(__always)
    mutating func add(_ x: UnsafePointer<Float>, count: Int) {
        let origin = Vector(repeating: origin)
        var sums = sums
        var squares = squares
        eachTwoVectors(count) { index, first, second in
            let a = (Vector.load(x + index, count: first) - origin).first(first)
            sums.0.add(a)
            squares.0.addSquares(a)
            guard second > 0 else { return }
            let b = (Vector.load(x + index + 8, count: second) - origin).first(second)
            sums.1.add(b)
            squares.1.addSquares(b)
        }
        self.sums = sums
        self.squares = squares
        self.count += count
    }

    private var distance: Double { sums.0.total + sums.1.total }
    var mean: Double { Double(origin) + distance / Double(count) }
    /// The sum of the squared distances from the mean.
    var deviation: Double {
        let sum = distance
        let result = (squares.0.total + squares.1.total) - sum * sum / Double(count)
        // Rounding may make it negative where all numbers are equal; NaN stays.
        return result < 0 ? 0 : result
    }
}

/// Sums that the gradient of a normalisation needs: of the gradients g, and of their products with the normalised numbers.
struct PlaneGradientSums {
    private var sums = (DoubleLanes(), DoubleLanes())
    private var products = (DoubleLanes(), DoubleLanes())

    /// Takes a run; where `y` is given, gradients count as 0 where it isn't above 0.
    @inline(__always)
    mutating func add(
        _ g: UnsafePointer<Float>, _ x: UnsafePointer<Float>, y: UnsafePointer<Float>?, mean: Float, scale: Float, count: Int
    ) {
        var sums = sums
        var products = products
        @inline(__always) func add(_ index: Int, _ count: Int, _ sum: inout DoubleLanes, _ product: inout DoubleLanes) {
            let gradient = passed(g, y, index, count)
            sum.add(gradient)
            // Behind the end the gradient is 0, but its product with what lies there might not be.
            product.add((gradient * ((Vector.load(x + index, count: count) - mean) * scale)).first(count))
        }
        eachTwoVectors(count) { index, first, second in
            add(index, first, &sums.0, &products.0)
            if second > 0 { add(index &+ 8, second, &sums.1, &products.1) }
        }
        self.sums = sums
        self.products = products
    }

    var gradient: Double { sums.0.total + sums.1.total }
    var product: Double { products.0.total + products.1.total }
}

/// Gradients, 0 where `y` isn't above 0.
@inline(__always)
private func passed(_ g: UnsafePointer<Float>, _ y: UnsafePointer<Float>?, _ index: Int, _ count: Int) -> Vector {
    let gradient = Vector.load(g + index, count: count)
    guard let y else { return gradient }
    return gradient.replacing(with: 0, where: Vector.load(y + index, count: count) .<= 0)
}

/// `y` = (`x` − `mean`) · `factor` + `bias`, the last two steps in one; with `rectifies` 0 where that isn't above 0.
@inline(never)
func normalizePlane(
    _ x: UnsafePointer<Float>, mean: Float, factor: Float, bias: Float, rectifies: Bool, into y: UnsafeMutablePointer<Float>,
    count: Int
) {
    let factors = Vector(repeating: factor)
    let biases = Vector(repeating: bias)
    if rectifies {
        @inline(__always) func apply(_ x: Vector) -> Vector {
            let result = biases.adding(x - mean, times: factors)
            return result.replacing(with: 0, where: result .<= 0)
        }
        mapVectors(x, into: y, count: count, apply)
    } else {
        @inline(__always) func apply(_ x: Vector) -> Vector { biases.adding(x - mean, times: factors) }
        mapVectors(x, into: y, count: count, apply)
    }
}

/// The gradient of a normalisation: (g − `meanGradient` − x̂ · `meanProduct`) · `factor`, where g is first multiplied by `weight`.
@inline(never)
func normalizePlaneGradient(
    _ g: UnsafePointer<Float>, _ x: UnsafePointer<Float>, y: UnsafePointer<Float>?, mean: Float, scale: Float, weight: Float,
    meanGradient: Float, meanProduct: Float, factor: Float, into target: UnsafeMutablePointer<Float>, count: Int
) {
    eachVector(count) { index, count in
        let gradient = passed(g, y, index, count)
        let normal = (Vector.load(x + index, count: count) - mean) * scale
        ((gradient * weight - meanGradient - normal * meanProduct) * factor).store(to: target + index, count: count)
    }
}

/// Calls `body` for each sixteen elements with their index, 8 and 8, and for those that are left with as many as there are.
@inline(__always)
private func eachTwoVectors(_ count: Int, _ body: (_ index: Int, _ first: Int, _ second: Int) -> Void) {
    let whole = count & ~15
    var index = 0
    while index < whole {
        body(index, 8, 8)
        index &+= 16
    }
    if index < count { body(index, min(8, count &- index), max(0, count &- index &- 8)) }
}
