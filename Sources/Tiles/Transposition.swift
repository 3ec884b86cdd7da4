/// Four columns of as many rows as a vector has lanes, turned: vector k holds element k of every row.
struct TurnedBlock {
    private var k0: Lanes, k1: Lanes, k2: Lanes, k3: Lanes

    /// Reads rows that are `stride` apart; behind `last` it reads that one again.
    @inline(__always)
    init(_ source: UnsafePointer<Float>, stride: Int, last: Int) {
        @inline(__always)
        func four(_ row: Int) -> SIMD4<Float> {
            UnsafeRawPointer(source + min(row, last) &* stride).loadUnaligned(as: SIMD4<Float>.self)
        }
        @inline(__always)
        func rows(_ first: Int) -> Lanes {
            let low = SIMD8<Float>(lowHalf: four(first), highHalf: four(first + 4))
            #if WIDE
            return Lanes(lowHalf: low, highHalf: SIMD8<Float>(lowHalf: four(first + 8), highHalf: four(first + 12)))
            #else
            return low
            #endif
        }
        // Vector i: rows i, i + 4, … of four numbers each. Every group of four lanes is turned for itself.
        let r0 = rows(0), r1 = rows(1), r2 = rows(2), r3 = rows(3)
        let a = firstPairs(r0, r1), b = secondPairs(r0, r1), c = firstPairs(r2, r3), d = secondPairs(r2, r3)
        k0 = evens(a, c)
        k1 = odds(a, c)
        k2 = evens(b, d)
        k3 = odds(b, d)
    }

    /// Adds a number per row.
    @inline(__always)
    mutating func add(_ numbers: Lanes) {
        k0 += numbers
        k1 += numbers
        k2 += numbers
        k3 += numbers
    }

    /// max(x, 0), NaN kept.
    @inline(__always)
    mutating func rectify() {
        k0 = k0.replacing(with: 0, where: k0 .<= 0)
        k1 = k1.replacing(with: 0, where: k1 .<= 0)
        k2 = k2.replacing(with: 0, where: k2 .<= 0)
        k3 = k3.replacing(with: 0, where: k3 .<= 0)
    }

    @inline(__always)
    func store(to target: UnsafeMutablePointer<Float>, stride: Int) {
        k0.store(to: target)
        k1.store(to: target + stride)
        k2.store(to: target + 2 &* stride)
        k3.store(to: target + 3 &* stride)
    }
}

// Elements of a and b, alternating, as pairs; per group of four lanes the first two or the second two of each.
#if WIDE
private typealias Pairs = SIMD8<UInt64>

@inline(__always)
private func firstPairs(_ a: Lanes, _ b: Lanes) -> Pairs {
    unsafeBitCast(Lanes(a[0], b[0], a[1], b[1], a[4], b[4], a[5], b[5], a[8], b[8], a[9], b[9], a[12], b[12], a[13],
                        b[13]), to: Pairs.self)
}

@inline(__always)
private func secondPairs(_ a: Lanes, _ b: Lanes) -> Pairs {
    unsafeBitCast(Lanes(a[2], b[2], a[3], b[3], a[6], b[6], a[7], b[7], a[10], b[10], a[11], b[11], a[14], b[14], a[15],
                        b[15]), to: Pairs.self)
}

@inline(__always)
private func evens(_ a: Pairs, _ b: Pairs) -> Lanes {
    unsafeBitCast(Pairs(a[0], b[0], a[2], b[2], a[4], b[4], a[6], b[6]), to: Lanes.self)
}

@inline(__always)
private func odds(_ a: Pairs, _ b: Pairs) -> Lanes {
    unsafeBitCast(Pairs(a[1], b[1], a[3], b[3], a[5], b[5], a[7], b[7]), to: Lanes.self)
}
#else
private typealias Pairs = SIMD4<UInt64>

@inline(__always)
private func firstPairs(_ a: Lanes, _ b: Lanes) -> Pairs {
    unsafeBitCast(Lanes(a[0], b[0], a[1], b[1], a[4], b[4], a[5], b[5]), to: Pairs.self)
}

@inline(__always)
private func secondPairs(_ a: Lanes, _ b: Lanes) -> Pairs {
    unsafeBitCast(Lanes(a[2], b[2], a[3], b[3], a[6], b[6], a[7], b[7]), to: Pairs.self)
}

@inline(__always)
private func evens(_ a: Pairs, _ b: Pairs) -> Lanes { unsafeBitCast(Pairs(a[0], b[0], a[2], b[2]), to: Lanes.self) }

@inline(__always)
private func odds(_ a: Pairs, _ b: Pairs) -> Lanes { unsafeBitCast(Pairs(a[1], b[1], a[3], b[3]), to: Lanes.self) }
#endif
