// Everything in this folder is compiled twice: as `Tiles` for the processor of the package's flags, and, on x86-64, as
// `TilesWide` for AVX-512 with the flag WIDE. The bits of the results are the same.

import CProcessor

#if WIDE
    /// One vector register.
    typealias Lanes = SIMD16<Float>
    /// Rows of a tile: with two vectors a row, as many sums as registers hold beside the operands.
    package let tileHeight = 12
#else
    /// One vector register, two on NEON.
    typealias Lanes = SIMD8<Float>
    /// Rows of a tile: with two vectors a row, as many sums as registers hold beside the operands.
    package let tileHeight = 6
#endif

/// Numbers in a vector.
let laneCount = Lanes.scalarCount
/// Columns of a tile: two vectors.
package let tileWidth = 2 * laneCount

extension Lanes {
    /// self + a · b, rounded once. Swift's own operation is written lane by lane, and between other ones the compiler puts the lanes
    /// together again in halves of a vector.
    @inline(__always)
    func addingProduct(_ a: Lanes, _ b: Lanes) -> Lanes {
        #if WIDE
            dtrain_adding_product16(self, a, b)
        #else
            dtrain_adding_product(self, a, b)
        #endif
    }

    /// The elements from `pointer` on, at any alignment.
    @inline(__always)
    static func load(_ pointer: UnsafePointer<Float>) -> Lanes {
        UnsafeRawPointer(pointer).loadUnaligned(as: Lanes.self)
    }

    /// Writes all lanes.
    @inline(__always)
    func store(to pointer: UnsafeMutablePointer<Float>) {
        UnsafeMutableRawPointer(pointer).storeBytes(of: self, as: Lanes.self)
    }

    /// Writes all lanes past the caches; `pointer` is a multiple of the vector's size.
    @inline(__always)
    func stream(to pointer: UnsafeMutablePointer<Float>) {
        #if WIDE
            dtrain_stream16(pointer, self)
        #else
            dtrain_stream8(pointer, self)
        #endif
    }

    /// The first `count` (0 … `laneCount`) elements from `pointer` on, zeros behind them. Nothing beyond is read.
    @inline(__always)
    static func load(_ pointer: UnsafePointer<Float>, count: Int) -> Lanes {
        #if WIDE
            dtrain_load_first16(pointer, count)
        #else
            dtrain_load_first(pointer, count)
        #endif
    }

    /// Writes the first `count` (0 … `laneCount`) lanes, nothing beyond.
    @inline(__always)
    func store(to pointer: UnsafeMutablePointer<Float>, count: Int) {
        #if WIDE
            dtrain_store_first16(pointer, count, self)
        #else
            dtrain_store_first(pointer, count, self)
        #endif
    }

    /// Every other one of the elements from `pointer` on, `count` (1 … `laneCount`) of them. Nothing behind the last one is read.
    @inline(__always)
    static func loadEven(_ pointer: UnsafePointer<Float>, count: Int) -> Lanes {
        let length = 2 &* count &- 1
        let first = Lanes.load(pointer, count: Swift.min(length, laneCount))
        let second = length > laneCount ? Lanes.load(pointer + laneCount, count: length &- laneCount) : Lanes()
        #if WIDE
            return dtrain_even16(first, second)
        #else
            return dtrain_even8(first, second)
        #endif
    }

    /// Two vectors one behind the other, taken apart: elements 0, 2, 4 … and 1, 3, 5 ….
    @inline(__always)
    static func unzip(_ first: Lanes, _ second: Lanes) -> (even: Lanes, odd: Lanes) {
        #if WIDE
            (dtrain_even16(first, second), dtrain_odd16(first, second))
        #else
            (dtrain_even8(first, second), dtrain_odd8(first, second))
        #endif
    }

    /// The reverse: elements of `even` and `odd` in turn, as two vectors one behind the other.
    @inline(__always)
    static func zip(_ even: Lanes, _ odd: Lanes) -> (first: Lanes, second: Lanes) {
        #if WIDE
            (dtrain_first_pairs16(even, odd), dtrain_second_pairs16(even, odd))
        #else
            (dtrain_first_pairs8(even, odd), dtrain_second_pairs8(even, odd))
        #endif
    }

    /// 0 where a lane isn't above 0; NaN stays.
    @inline(__always)
    var rectified: Lanes {
        #if WIDE
            dtrain_rectify16(self)
        #else
            dtrain_rectify8(self)
        #endif
    }
}
