import Storage

// What attention does to a row of scores between its products.

/// e^((s − max s)·scale) in place over `count` scores, zeros up to `padded`; the maximum, and the sum of the exponentials.
@inline(never)
func exponentials(_ s: UnsafeMutablePointer<Float>, count: Int, padded: Int, scale: Float) -> (
    maximum: Float, sum: Float
) {
    let maximum = highest(s, count: count)
    let shift = Vector(repeating: maximum)
    let factor = Vector(repeating: scale)
    var sum = (Vector(), Vector())
    var index = 0
    while index &+ 16 <= count {
        let first = ((Vector.load(s + index) - shift) * factor).exponential
        let second = ((Vector.load(s + (index &+ 8)) - shift) * factor).exponential
        first.store(to: s + index)
        second.store(to: s + (index &+ 8))
        sum.0 += first
        sum.1 += second
        index &+= 16
    }
    while index < count {
        let rest = min(8, count &- index)
        let e = ((Vector.load(UnsafePointer(s) + index, count: rest) - shift) * factor).exponential.first(rest)
        e.store(to: s + index, count: rest)
        sum.0 += e
        index &+= 8
    }
    if padded > count { (s + count).update(repeating: 0, count: padded - count) }
    return (maximum, (sum.0 + sum.1).horizontalSum)
}

/// Of a row of scores s and gradients g of its probabilities p = e^((s − max)·scale)·inverse: `s` becomes p, by the mask where there
/// is one, and `g` the scores' gradient, p·(g − mean)·scale; zeros from `count` up to `padded`.
@inline(never)
func scoreGradients(
    _ s: UnsafeMutablePointer<Float>, _ g: UnsafeMutablePointer<Float>, mask: UnsafePointer<Float>?, count: Int, padded: Int,
    maximum: Float, inverse: Float, scale: Float, mean: Float
) {
    let shift = Vector(repeating: maximum)
    let factor = Vector(repeating: scale)
    let inverse = Vector(repeating: inverse)
    let mean = Vector(repeating: mean)
    if let mask {
        eachVector(count) { index, rest in
            let drop = Vector.load(mask + index, count: rest)
            let p = ((Vector.load(UnsafePointer(s) + index, count: rest) - shift) * factor).exponential * inverse
            let gradient = Vector.load(UnsafePointer(g) + index, count: rest) * drop
            (p * drop).store(to: s + index, count: rest)
            (p * (gradient - mean) * factor).store(to: g + index, count: rest)
        }
    } else {
        eachVector(count) { index, rest in
            let p = ((Vector.load(UnsafePointer(s) + index, count: rest) - shift) * factor).exponential * inverse
            let gradient = Vector.load(UnsafePointer(g) + index, count: rest)
            p.store(to: s + index, count: rest)
            (p * (gradient - mean) * factor).store(to: g + index, count: rest)
        }
    }
    if padded > count {
        (s + count).update(repeating: 0, count: padded - count)
        (g + count).update(repeating: 0, count: padded - count)
    }
}

@inline(never)
func dropScores(_ s: UnsafeMutablePointer<Float>, by mask: UnsafePointer<Float>, count: Int) {
    eachVector(count) { index, rest in
        (Vector.load(UnsafePointer(s) + index, count: rest) * Vector.load(mask + index, count: rest))
            .store(to: s + index, count: rest)
    }
}

@inline(never)
func scaleRow(_ x: UnsafePointer<Float>, by factor: Float, into y: UnsafeMutablePointer<Float>, count: Int) {
    let factor = Vector(repeating: factor)
    eachVector(count) { index, rest in
        (Vector.load(x + index, count: rest) * factor).store(to: y + index, count: rest)
    }
}

@inline(never)
func dot(_ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, count: Int) -> Float {
    var sum = Vector()
    eachVector(count) { index, rest in
        sum = sum.adding(.load(x + index, count: rest), times: .load(y + index, count: rest))
    }
    return sum.horizontalSum
}
