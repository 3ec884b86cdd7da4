import CProcessor
import Storage

// Random changes of one sample's inputs. Whichever thread gathers them makes these, so they take no `Workspace`. All numbers
// are a function of the stream and the draw: column c has number c mod 4 of the stream's block c / 4, as in dropout's masks.

/// Adds a normal number of mean 0 and the given deviation to each of `inputs`.
///
/// Box and Muller, "A note on the generation of random normal deviates", Annals of Mathematical Statistics 29, 1958: of 16
/// columns the numbers of the first eight give radii, those of the others directions. Only additions, products, quotients and
/// roots that are rounded correctly on every processor, none of the C library's functions. 23 random bits make a radius, so
/// that no number is larger than 5.7 deviations.
@inline(never)
package func addNormalNoise(
    deviation: Float, stream: RandomStream, draw: UInt64,
    to inputs: UnsafeMutableBufferPointer<Float>
) {
    let scale = Vector(repeating: deviation)
    eachColumns(of: inputs, step: 16, stream: stream, draw: draw) { numbers, target, count in
        let (first, second) = normalPair(radii: lanes(numbers), directions: lanes(numbers + 8))
        Vector.load(target, count: count).adding(first, times: scale).store(to: target, count: count)
        guard count > 8 else { return }
        Vector.load(target + 8, count: count - 8).adding(second, times: scale).store(to: target + 8, count: count - 8)
    }
}

/// Sets each of `inputs` to 0 with probability `rate`, which is below 1.
@inline(never)
package func maskInputs(rate: Double, stream: RandomStream, draw: UInt64, in inputs: UnsafeMutableBufferPointer<Float>) {
    let threshold = UInt32(rate * 0x1p32)
    eachColumns(of: inputs, step: 8, stream: stream, draw: draw) { numbers, target, count in
        let isKept = dtrain_are_from(numbers, threshold)
        dtrain_select(isKept, .load(target, count: count), Vector()).store(to: target, count: count)
    }
}

/// Sets each of `inputs` to `minimum` with probability `rate` / 2, and likewise to `maximum`; `rate` is below 1.
@inline(never)
package func addSaltAndPepper(
    rate: Double, minimum: Float, maximum: Float, stream: RandomStream, draw: UInt64,
    to inputs: UnsafeMutableBufferPointer<Float>
) {
    let threshold = UInt32(rate * 0x1p32)
    eachColumns(of: inputs, step: 8, stream: stream, draw: draw) { numbers, target, count in
        let isKept = dtrain_are_from(numbers, threshold)
        let isHigh = dtrain_are_from(numbers, threshold / 2)
        let changed = dtrain_select(isHigh, Vector(repeating: maximum), Vector(repeating: minimum))
        dtrain_select(isKept, .load(target, count: count), changed).store(to: target, count: count)
    }
}

/// Calls `body` for every `step` columns, 8 or 16, with their random numbers and how many columns there still are. All
/// numbers of a step may be read, also where fewer columns are left.
@inline(__always)
private func eachColumns(
    of inputs: UnsafeMutableBufferPointer<Float>, step: Int, stream: RandomStream, draw: UInt64,
    _ body: (_ numbers: UnsafePointer<UInt32>, _ target: UnsafeMutablePointer<Float>, _ count: Int) -> Void
) {
    let atOnce = 8 * SIMD4<UInt32>.scalarCount
    // 128 bytes on the stack.
    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: atOnce) { numbers in
        guard let base = numbers.baseAddress, let target = inputs.baseAddress else { return }
        var column = 0
        while column < inputs.count {
            let place = column % atOnce
            if place == 0 { stream.eightBlocks(UInt32(column / 4), ordinal: draw, into: numbers) }
            body(base + place, target + column, inputs.count - column)
            column += step
        }
    }
}

@inline(__always)
private func lanes(_ numbers: UnsafePointer<UInt32>) -> SIMD8<UInt32> {
    UnsafeRawPointer(numbers).loadUnaligned(as: SIMD8<UInt32>.self)
}

/// Sixteen independent normal numbers from as many uniform ones.
@inline(__always)
private func normalPair(radii: SIMD8<UInt32>, directions: SIMD8<UInt32>) -> (Vector, Vector) {
    // The upper 23 bits behind the exponent of 1: a number from 1 to below 2, and so one above 0 and up to 1.
    let uniform = 2 - Vector(bitPattern: radii &>> 9 | 0x3f80_0000)
    let radius = (uniform.logarithm * -2).squareRoot()
    // An angle within 45° of 0, which two of the lower bits mirror into all four quarters.
    let angle = (Vector(bitPattern: directions &>> 9 | 0x3f80_0000) - 1.5) * (Float.pi / 2)
    let (cosine, sine) = angle.cosineAndSine
    let mirrored = Vector(bitPattern: SIMD8<UInt32>(bitPattern: cosine) ^ (directions & 2) &<< 30)
    // All ones where the lowest bit is.
    let isSwapped = unsafeBitCast(directions &<< 31, to: SIMD8<Int32>.self) &>> 31
    return (radius * dtrain_select(isSwapped, sine, mirrored), radius * dtrain_select(isSwapped, mirrored, sine))
}
