import CProcessor

/// What is done to a plane of numbers: y = (x − `mean`) · `factor` + `bias`, the last two steps in one, to which a shortcut may be
/// added; with `rectifies` 0 where that isn't above 0.
struct PlaneNormalization {
    let mean: Float, factor: Float, bias: Float
    let rectifies: Bool

    /// Assigns `y`, which may be `shortcut`.
    ///
    /// - Parameter ahead: how far from `y` and from `shortcut` the plane lies that comes next.
    @inline(never)
    func apply(
        _ x: UnsafePointer<Float>, adding shortcut: UnsafePointer<Float>?, into y: UnsafeMutablePointer<Float>, count: Int,
        ahead: (y: Int, shortcut: Int)
    ) {
        let mean = Vector(repeating: mean)
        let factor = Vector(repeating: factor)
        let bias = Vector(repeating: bias)
        @inline(__always) func normal(_ index: Int, _ count: Int) -> Vector {
            bias.adding(.load(x + index, count: count) - mean, times: factor)
        }
        @inline(__always) func rectified(_ vector: Vector) -> Vector { vector.replacing(with: 0, where: vector .<= 0) }
        @inline(__always) func ask(_ index: Int) { dtrain_prefetch(y + (index &+ ahead.y)) }
        if let shortcut {
            @inline(__always) func sum(_ index: Int, _ count: Int) -> Vector {
                normal(index, count) + .load(shortcut + index, count: count)
            }
            @inline(__always) func rectifiedSum(_ index: Int, _ count: Int) -> Vector { rectified(sum(index, count)) }
            @inline(__always) func askBoth(_ index: Int) {
                ask(index)
                dtrain_prefetch(shortcut + (index &+ ahead.shortcut))
            }
            if rectifies {
                assignVectors(y, count: count, ask: askBoth, rectifiedSum)
            } else {
                assignVectors(y, count: count, ask: askBoth, sum)
            }
        } else if rectifies {
            @inline(__always) func rectifiedNormal(_ index: Int, _ count: Int) -> Vector { rectified(normal(index, count)) }
            assignVectors(y, count: count, ask: ask, rectifiedNormal)
        } else {
            assignVectors(y, count: count, ask: ask, normal)
        }
    }
}

/// The gradient of a normalisation: (g · `weight` − `meanGradient` − x̂ · `meanProduct`) · `factor` with x̂ = (x − `mean`) · `scale`.
struct PlaneNormalizationGradient {
    let mean: Float, scale: Float
    let weight: Float
    let meanGradient: Float, meanProduct: Float
    let factor: Float

    /// Assigns `target`; where `y` is given, gradients count as 0 where it isn't above 0.
    ///
    /// - Parameter ahead: how far from `target` the plane lies that comes next.
    @inline(never)
    func apply(
        _ g: UnsafePointer<Float>, _ x: UnsafePointer<Float>, y: UnsafePointer<Float>?,
        into target: UnsafeMutablePointer<Float>, count: Int, ahead: Int
    ) {
        let mean = Vector(repeating: mean)
        let scale = Vector(repeating: scale)
        let weight = Vector(repeating: weight)
        let meanGradient = Vector(repeating: meanGradient)
        let meanProduct = Vector(repeating: meanProduct)
        let factor = Vector(repeating: factor)
        @inline(__always) func gradient(_ g: Vector, _ index: Int, _ count: Int) -> Vector {
            let normal = (Vector.load(x + index, count: count) - mean) * scale
            return (g * weight - meanGradient - normal * meanProduct) * factor
        }
        @inline(__always) func ask(_ index: Int) { dtrain_prefetch(target + (index &+ ahead)) }
        if let y {
            @inline(__always) func masked(_ index: Int, _ count: Int) -> Vector {
                gradient(passed(g, y, index, count), index, count)
            }
            assignVectors(target, count: count, ask: ask, masked)
        } else {
            @inline(__always) func plain(_ index: Int, _ count: Int) -> Vector {
                gradient(.load(g + index, count: count), index, count)
            }
            assignVectors(target, count: count, ask: ask, plain)
        }
    }
}

/// Assigns each eight numbers what `body` makes for their index, and those that are left; before every sixteen it calls `ask`.
@inline(__always)
private func assignVectors(
    _ target: UnsafeMutablePointer<Float>, count: Int, ask: (_ index: Int) -> Void,
    _ body: (_ index: Int, _ count: Int) -> Vector
) {
    var index = 0
    while index &+ 16 <= count {
        ask(index)
        let first = body(index, 8)
        let second = body(index &+ 8, 8)
        first.store(to: target + index)
        second.store(to: target + index + 8)
        index &+= 16
    }
    if index < count { ask(index) }
    while index < count {
        let rest = count &- index
        body(index, rest).store(to: target + index, count: rest)
        index &+= 8
    }
}
