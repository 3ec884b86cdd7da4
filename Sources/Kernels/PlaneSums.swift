import CProcessor

// Loops over the numbers of one or more neighbouring image planes, which normalisation has in common. They wait for memory
// more than for anything else, and planes that follow each other lie too far apart for the processor to foresee: so each loop
// asks for the lines of the plane that comes next, `ahead` numbers away. Asking never faults, whatever lies there.

/// Sums of numbers, and of their products with others.
///
/// Number i of a plane goes to lane i mod 16. A lane adds up to eight numbers in Float, and these sums in Double; the lanes are
/// added in one fixed order. So a sum of n numbers a is within 8·2⁻²⁴·Σ|a| of the exact one, whatever n is.
struct PlaneSums: BitwiseCopyable {
    private var sums = (DoubleLanes(), DoubleLanes())
    private var products = (DoubleLanes(), DoubleLanes())

    /// Numbers of a plane that sixteen lanes add in Float.
    static let run = 128

    /// Takes a plane.
    ///
    /// - Parameters:
    ///   - ask: asks for what is 16 numbers from an index on in the plane that comes next.
    ///   - pair: the numbers and their factors from an index on, of which so many count; the others must be 0.
    @inline(__always)
    mutating func add(
        count: Int, ask: (_ index: Int) -> Void, _ pair: (_ index: Int, _ count: Int) -> (number: Vector, factor: Vector)
    ) {
        var start = 0
        while start < count {
            let end = min(count, start &+ Self.run)
            var first = Vector(), second = Vector(), firstProducts = Vector(), secondProducts = Vector()
            var index = start
            while index &+ 16 <= end {
                ask(index)
                let a = pair(index, 8)
                first += a.number
                firstProducts = firstProducts.adding(a.number, times: a.factor)
                let b = pair(index &+ 8, 8)
                second += b.number
                secondProducts = secondProducts.adding(b.number, times: b.factor)
                index &+= 16
            }
            if index < end {
                ask(index)
                let a = pair(index, min(8, end &- index))
                first += a.number
                firstProducts = firstProducts.adding(a.number, times: a.factor)
                if index &+ 8 < end {
                    let b = pair(index &+ 8, end &- index &- 8)
                    second += b.number
                    secondProducts = secondProducts.adding(b.number, times: b.factor)
                }
            }
            sums.0.add(first)
            sums.1.add(second)
            products.0.add(firstProducts)
            products.1.add(secondProducts)
            start = end
        }
    }

    var sum: Double { sums.0.total + sums.1.total }
    var productSum: Double { products.0.total + products.1.total }
}

/// What the mean and variance of some numbers follow from: sums of their distances from an origin among them, and of the squares.
///
/// With δ the distance of the mean from the origin, the variance σ² is within 10·2⁻²⁴·(σ² + δ²) of the exact one: a distance is
/// rounded once, its square adds that twice, and eight of them are added in Float.
struct PlaneMoments: BitwiseCopyable {
    private let origin: Float
    private var sums = PlaneSums()

    /// - Parameter first: the first plane; the mean of the numbers that it begins with is the origin, which is therefore not far
    ///   from the mean of all, however far that is from 0.
    init(first: UnsafePointer<Float>, count: Int) {
        let some = min(count, PlaneSums.run)
        origin = Float(planeTotal(first, count: some) / Double(some))
    }

    /// Takes a run of numbers.
    @inline(never)
    mutating func add(_ x: UnsafePointer<Float>, count: Int, ahead: Int) {
        let origin = Vector(repeating: origin)
        var sums = sums
        @inline(__always) func ask(_ index: Int) { dtrain_prefetch(x + (index &+ ahead)) }
        @inline(__always) func pair(_ index: Int, _ count: Int) -> (number: Vector, factor: Vector) {
            let all = Vector.load(x + index, count: count) - origin
            let distance = count >= 8 ? all : all.first(count)
            return (distance, distance)
        }
        sums.add(count: count, ask: ask, pair)
        self.sums = sums
    }

    /// Of `count` numbers.
    func mean(_ count: Int) -> Double { Double(origin) + sums.sum / Double(count) }
    /// The sum of the squared distances of `count` numbers from their mean.
    func deviation(_ count: Int) -> Double {
        let sum = sums.sum
        let result = sums.productSum - sum * sum / Double(count)
        // Rounding may make it negative where all numbers are equal; NaN stays.
        return result < 0 ? 0 : result
    }
}

/// Sums that the gradient of a normalisation needs: of the gradients g, and of their products with the normalised numbers.
struct PlaneGradientSums: BitwiseCopyable {
    private var sums = PlaneSums()
    /// Means that `finish` makes of them.
    private(set) var meanGradient: Float = 0, meanProduct: Float = 0

    /// Takes a run; where `y` is given, gradients count as 0 where it isn't above 0.
    @inline(never)
    mutating func add(
        _ g: UnsafePointer<Float>, _ x: UnsafePointer<Float>, y: UnsafePointer<Float>?, mean: Float, count: Int,
        ahead: (g: Int, x: Int, y: Int)
    ) {
        let mean = Vector(repeating: mean)
        var sums = sums
        // Behind the end the gradient is 0, and so is its product with what lies there.
        if let y {
            @inline(__always) func ask(_ index: Int) {
                dtrain_prefetch(g + (index &+ ahead.g))
                dtrain_prefetch(x + (index &+ ahead.x))
                dtrain_prefetch(y + (index &+ ahead.y))
            }
            @inline(__always) func pair(_ index: Int, _ count: Int) -> (number: Vector, factor: Vector) {
                (passed(g, y, index, count), .load(x + index, count: count) - mean)
            }
            sums.add(count: count, ask: ask, pair)
        } else {
            @inline(__always) func ask(_ index: Int) {
                dtrain_prefetch(g + (index &+ ahead.g))
                dtrain_prefetch(x + (index &+ ahead.x))
            }
            @inline(__always) func pair(_ index: Int, _ count: Int) -> (number: Vector, factor: Vector) {
                (.load(g + index, count: count), .load(x + index, count: count) - mean)
            }
            sums.add(count: count, ask: ask, pair)
        }
        self.sums = sums
    }

    var gradient: Double { sums.sum }
    /// - Parameter scale: what makes distances from the mean normalised numbers.
    func product(scale: Float) -> Double { sums.productSum * Double(scale) }

    /// Makes the means over `count` numbers.
    mutating func finish(_ count: Int, scale: Float) {
        meanGradient = Float(gradient / Double(count))
        meanProduct = Float(product(scale: scale) / Double(count))
    }
}

/// Sums of several channels that wait in memory of the workspace.
struct SumsRoom<Sums: BitwiseCopyable> {
    /// Invariant: room for the channels' sums from here on, `MemoryLayout<Sums>.stride` bytes each, aligned to cache lines.
    private let base: UnsafeMutableRawPointer

    init?(_ room: UnsafeMutableBufferPointer<Float>, channels: Int) {
        precondition(room.count >= channels * Self.floats, "\(room.count) numbers for the sums of \(channels) channels")
        guard let base = room.baseAddress else { return nil }
        self.base = UnsafeMutableRawPointer(base)
    }

    /// Float32 for each channel.
    static var floats: Int { MemoryLayout<Sums>.stride / MemoryLayout<Float>.stride }

    @inline(__always)
    subscript(channel: Int) -> Sums {
        get { base.load(fromByteOffset: channel &* MemoryLayout<Sums>.stride, as: Sums.self) }
        nonmutating set { base.storeBytes(of: newValue, toByteOffset: channel &* MemoryLayout<Sums>.stride, as: Sums.self) }
    }

    @inline(__always)
    func update(_ channel: Int, _ body: (inout Sums) -> Void) {
        var sums = self[channel]
        body(&sums)
        self[channel] = sums
    }
}

/// Gradients, 0 where `y` isn't above 0.
@inline(__always)
func passed(_ g: UnsafePointer<Float>, _ y: UnsafePointer<Float>, _ index: Int, _ count: Int) -> Vector {
    Vector.load(g + index, count: count).replacing(with: 0, where: Vector.load(y + index, count: count) .<= 0)
}
