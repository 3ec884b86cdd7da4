import CProcessor

/// Eight Float32, one AVX register. Every kernel of this room computes in these.
package typealias Vector = SIMD8<Float>

/// What the files that this room shares with `Tiles` call a vector.
typealias Lanes = Vector

/// The mask that goes with a `Vector`.
typealias VectorMask = SIMDMask<SIMD8<Int32>>

// Some of these replace operations of the standard library that are written lane by lane and come out as eight scalar
// instructions or two half registers.
extension Vector {
    /// The eight elements from `pointer` on, at any alignment.
    @inline(__always)
    static func load(_ pointer: UnsafePointer<Float>) -> Vector {
        UnsafeRawPointer(pointer).loadUnaligned(as: Vector.self)
    }

    /// The eight elements from `pointer` on, at any alignment.
    @inline(__always)
    static func load(_ pointer: UnsafeMutablePointer<Float>) -> Vector {
        UnsafeRawPointer(pointer).loadUnaligned(as: Vector.self)
    }

    /// The first `count` elements from `pointer` on, zeros behind them; all eight where `count` is more. Nothing beyond
    /// is read.
    @inline(__always)
    static func load(_ pointer: UnsafePointer<Float>, count: Int) -> Vector {
        count >= 8 ? .load(pointer) : dtrain_load_first(pointer, count)
    }

    /// Writes all eight lanes.
    @inline(__always)
    func store(to pointer: UnsafeMutablePointer<Float>) {
        UnsafeMutableRawPointer(pointer).storeBytes(of: self, as: Vector.self)
    }

    /// Writes the first `count` lanes; all eight where `count` is more.
    @inline(__always)
    func store(to pointer: UnsafeMutablePointer<Float>, count: Int) {
        if count >= 8 { store(to: pointer) } else { dtrain_store_first(pointer, count, self) }
    }

    /// Writes all eight lanes past the caches; `pointer` is a multiple of 32 bytes.
    @inline(__always)
    func stream(to pointer: UnsafeMutablePointer<Float>) { dtrain_stream8(pointer, self) }

    /// `self + a·b`, rounded once.
    @inline(__always)
    func adding(_ a: Vector, times b: Vector) -> Vector { dtrain_adding_product(self, a, b) }

    /// The square roots, correctly rounded.
    @inline(__always)
    func squareRoot() -> Vector { dtrain_square_root(self) }

    /// `other` in the lanes of `mask`, `self` elsewhere.
    @inline(__always)
    func replacing(with other: Vector, where mask: VectorMask) -> Vector {
        dtrain_select(unsafeBitCast(mask, to: SIMD8<Int32>.self), other, self)
    }

    /// `number` in the lanes of `mask`, `self` elsewhere.
    @inline(__always)
    func replacing(with number: Float, where mask: VectorMask) -> Vector {
        replacing(with: Vector(repeating: number), where: mask)
    }

    /// The first `count` lanes, zeros behind them.
    @inline(__always)
    func first(_ count: Int) -> Vector {
        Vector(bitPattern: SIMD8<Int32>(bitPattern: self) & dtrain_first_lanes(count))
    }

    /// The sum of the lanes in one fixed order: 0+4, 1+5, 2+6, 3+7, then likewise halves of halves.
    @inline(__always)
    var horizontalSum: Float {
        let four = lowHalf + highHalf
        let two = four.lowHalf + four.highHalf
        return two.x + two.y
    }
}

// What these loops apply is handed over as a function marked @inline(__always): a closure of more than a few
// instructions would be called once per vector. An element of the tail is computed by the same instructions as any
// other, in a padded vector.

/// Runs `body` over `count` elements in steps of eight. `source` may be `destination`.
@inline(__always)
func mapVectors(
    _ source: UnsafePointer<Float>, into destination: UnsafeMutablePointer<Float>, count: Int,
    _ body: (Vector) -> Vector
) {
    let whole = count & ~7
    var index = 0
    while index < whole {
        body(.load(source + index)).store(to: destination + index)
        index &+= 8
    }
    if index < count {
        let rest = count &- index
        body(.load(source + index, count: rest)).store(to: destination + index, count: rest)
    }
}

/// Like the above with two sources.
@inline(__always)
func mapVectors(
    _ first: UnsafePointer<Float>, _ second: UnsafePointer<Float>,
    into destination: UnsafeMutablePointer<Float>, count: Int, _ body: (Vector, Vector) -> Vector
) {
    let whole = count & ~7
    var index = 0
    while index < whole {
        body(.load(first + index), .load(second + index)).store(to: destination + index)
        index &+= 8
    }
    if index < count {
        let rest = count &- index
        body(.load(first + index, count: rest), .load(second + index, count: rest))
            .store(to: destination + index, count: rest)
    }
}
