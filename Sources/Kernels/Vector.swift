/// Eight Float32, one AVX register. Every kernel of this room computes in these.
package typealias Vector = SIMD8<Float>

/// The mask that goes with a `Vector`.
typealias VectorMask = SIMDMask<SIMD8<Int32>>

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

    /// The first `count` (1 … 7) elements from `pointer` on, zeros behind them. Nothing beyond is read.
    @inline(never)
    static func load(_ pointer: UnsafePointer<Float>, count: Int) -> Vector {
        var result = Vector()
        for lane in 0..<count { result[lane] = pointer[lane] }
        return result
    }

    /// Writes all eight lanes.
    @inline(__always)
    func store(to pointer: UnsafeMutablePointer<Float>) {
        UnsafeMutableRawPointer(pointer).storeBytes(of: self, as: Vector.self)
    }

    /// Writes the first `count` (1 … 7) lanes.
    @inline(never)
    func store(to pointer: UnsafeMutablePointer<Float>, count: Int) {
        for lane in 0..<count { pointer[lane] = self[lane] }
    }

    /// `self + a·b`, rounded once.
    @inline(__always)
    func adding(_ a: Vector, times b: Vector) -> Vector { addingProduct(a, b) }

    /// The sum of the lanes in one fixed order: 0+4, 1+5, 2+6, 3+7, then likewise halves of halves.
    @inline(__always)
    var horizontalSum: Float {
        let four = lowHalf + highHalf
        let two = four.lowHalf + four.highHalf
        return two.x + two.y
    }
}

/// Runs `body` over `count` elements in steps of eight: whole vectors by pointer, the tail through padded copies, so
/// that an element is computed by the same instructions wherever it stands.
@inline(__always)
func mapVectors(_ source: UnsafePointer<Float>, into destination: UnsafeMutablePointer<Float>, count: Int,
                _ body: (Vector) -> Vector) {
    let whole = count & ~7
    var index = 0
    while index < whole {
        body(.load(source + index)).store(to: destination + index)
        index &+= 8
    }
    if index < count {
        body(.load(source + index, count: count - index)).store(to: destination + index, count: count - index)
    }
}

/// Like the above with two sources.
@inline(__always)
func mapVectors(_ first: UnsafePointer<Float>, _ second: UnsafePointer<Float>,
                into destination: UnsafeMutablePointer<Float>, count: Int, _ body: (Vector, Vector) -> Vector) {
    let whole = count & ~7
    var index = 0
    while index < whole {
        body(.load(first + index), .load(second + index)).store(to: destination + index)
        index &+= 8
    }
    if index < count {
        let rest = count - index
        body(.load(first + index, count: rest), .load(second + index, count: rest))
            .store(to: destination + index, count: rest)
    }
}
