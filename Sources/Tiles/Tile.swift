/// Sums in registers: `height` rows of one or two vectors. Every element is one chain of fused multiply-adds.
///
/// Height and number of vectors are known when it is compiled, so that the rows it doesn't have vanish. Registers can't
/// be indexed; hence one variable per vector, and no loops over rows.
struct Tile<let height: Int, let vectors: Int> {
    private var a0 = Lanes(), b0 = Lanes(), a1 = Lanes(), b1 = Lanes()
    private var a2 = Lanes(), b2 = Lanes(), a3 = Lanes(), b3 = Lanes()
    private var a4 = Lanes(), b4 = Lanes(), a5 = Lanes(), b5 = Lanes()
    private var a6 = Lanes(), b6 = Lanes(), a7 = Lanes(), b7 = Lanes()
    private var a8 = Lanes(), b8 = Lanes(), a9 = Lanes(), b9 = Lanes()
    private var a10 = Lanes(), b10 = Lanes(), a11 = Lanes(), b11 = Lanes()

    @inline(__always)
    init() {}

    /// Adds the outer products of `depth` columns of the left operand, each `height` numbers side by side and
    /// `leftStride` behind the one before, with as many rows of the right one.
    @inline(__always)
    mutating func accumulate(
        columns left: UnsafePointer<Float>, leftStride: Int, _ right: UnsafePointer<Float>,
        stride: Int, depth: Int
    ) {
        var p = left
        var x = right
        var rest = depth
        while rest >= 4 {
            add(p, 1, x)
            add(p + leftStride, 1, x + stride)
            add(p + 2 &* leftStride, 1, x + 2 &* stride)
            add(p + 3 &* leftStride, 1, x + 3 &* stride)
            p += 4 &* leftStride
            x += 4 &* stride
            rest &-= 4
        }
        while rest > 0 {
            add(p, 1, x)
            p += leftStride
            x += stride
            rest &-= 1
        }
    }

    /// Likewise with the left operand's rows in place, `leftStride` apart.
    @inline(__always)
    mutating func accumulate(
        rows left: UnsafePointer<Float>, leftStride: Int, _ right: UnsafePointer<Float>,
        stride: Int, depth: Int
    ) {
        var p = left
        var x = right
        var rest = depth
        while rest > 0 {
            add(p, leftStride, x)
            p += 1
            x += stride
            rest &-= 1
        }
    }

    /// Adds the outer products of `depth` neighbouring numbers at each of `height` places with as many rows of the right
    /// operand.
    @inline(__always)
    mutating func accumulate(places p: Places, first: Int, _ right: UnsafePointer<Float>, stride: Int, depth: Int) {
        var x = right
        var k = first
        let end = first &+ depth
        while k < end {
            let u = Lanes.load(x)
            let v = vectors > 1 ? Lanes.load(x + laneCount) : Lanes()
            if height > 0 { add(p.p0 + k, u, v, &a0, &b0) }
            if height > 1 { add(p.p1 + k, u, v, &a1, &b1) }
            if height > 2 { add(p.p2 + k, u, v, &a2, &b2) }
            if height > 3 { add(p.p3 + k, u, v, &a3, &b3) }
            if height > 4 { add(p.p4 + k, u, v, &a4, &b4) }
            if height > 5 { add(p.p5 + k, u, v, &a5, &b5) }
            if height > 6 { add(p.p6 + k, u, v, &a6, &b6) }
            if height > 7 { add(p.p7 + k, u, v, &a7, &b7) }
            if height > 8 { add(p.p8 + k, u, v, &a8, &b8) }
            if height > 9 { add(p.p9 + k, u, v, &a9, &b9) }
            if height > 10 { add(p.p10 + k, u, v, &a10, &b10) }
            if height > 11 { add(p.p11 + k, u, v, &a11, &b11) }
            x += stride
            k &+= 1
        }
    }

    /// Likewise where each place stands for three neighbouring ones: rows 3i, 3i + 1 and 3i + 2 read what begins at place i, one
    /// and two numbers on. Three columns at a time need five factors of a place instead of nine. One vector only.
    @inline(__always)
    mutating func accumulateTriples(places p: Places, first: Int, _ right: UnsafePointer<Float>, stride: Int, depth: Int) {
        var x = right
        var k = first
        var rest = depth
        while rest >= 3 {
            let u0 = Lanes.load(x)
            let u1 = Lanes.load(x + stride)
            let u2 = Lanes.load(x + 2 &* stride)
            if height > 0 { addTriple(p.p0 + k, u0, u1, u2, &a0, &a1, &a2) }
            if height > 3 { addTriple(p.p1 + k, u0, u1, u2, &a3, &a4, &a5) }
            if height > 6 { addTriple(p.p2 + k, u0, u1, u2, &a6, &a7, &a8) }
            if height > 9 { addTriple(p.p3 + k, u0, u1, u2, &a9, &a10, &a11) }
            x += 3 &* stride
            k &+= 3
            rest &-= 3
        }
        while rest > 0 {
            let u = Lanes.load(x)
            if height > 0 { addTriple(p.p0 + k, u, &a0, &a1, &a2) }
            if height > 3 { addTriple(p.p1 + k, u, &a3, &a4, &a5) }
            if height > 6 { addTriple(p.p2 + k, u, &a6, &a7, &a8) }
            if height > 9 { addTriple(p.p3 + k, u, &a9, &a10, &a11) }
            x += stride
            k &+= 1
            rest &-= 1
        }
    }

    @inline(__always)
    private func addTriple(
        _ factors: UnsafePointer<Float>, _ u0: Lanes, _ u1: Lanes, _ u2: Lanes, _ a: inout Lanes, _ b: inout Lanes,
        _ c: inout Lanes
    ) {
        let f0 = Lanes(repeating: factors[0])
        let f1 = Lanes(repeating: factors[1])
        let f2 = Lanes(repeating: factors[2])
        let f3 = Lanes(repeating: factors[3])
        let f4 = Lanes(repeating: factors[4])
        a = a.addingProduct(f0, u0).addingProduct(f1, u1).addingProduct(f2, u2)
        b = b.addingProduct(f1, u0).addingProduct(f2, u1).addingProduct(f3, u2)
        c = c.addingProduct(f2, u0).addingProduct(f3, u1).addingProduct(f4, u2)
    }

    @inline(__always)
    private func addTriple(
        _ factors: UnsafePointer<Float>, _ u: Lanes, _ a: inout Lanes, _ b: inout Lanes, _ c: inout Lanes
    ) {
        a = a.addingProduct(Lanes(repeating: factors[0]), u)
        b = b.addingProduct(Lanes(repeating: factors[1]), u)
        c = c.addingProduct(Lanes(repeating: factors[2]), u)
    }

    /// Adds the products, lane by lane, of vectors at each of `height` places with those of the right operand; there are
    /// `depth`, and how far the next ones are `step` and `stride` say. With `isSingle` the right operand is one number for all
    /// lanes.
    @inline(__always)
    mutating func accumulateLanes(
        places p: Places, first: Int, step: Int, _ right: UnsafePointer<Float>, stride: Int, depth: Int,
        isSingle: Bool = false
    ) {
        var x = right
        var k = first
        var rest = depth
        while rest > 0 {
            let u = isSingle ? Lanes(repeating: x.pointee) : Lanes.load(x)
            if height > 0 { a0 = a0.addingProduct(u, .load(p.p0 + k)) }
            if height > 1 { a1 = a1.addingProduct(u, .load(p.p1 + k)) }
            if height > 2 { a2 = a2.addingProduct(u, .load(p.p2 + k)) }
            if height > 3 { a3 = a3.addingProduct(u, .load(p.p3 + k)) }
            if height > 4 { a4 = a4.addingProduct(u, .load(p.p4 + k)) }
            if height > 5 { a5 = a5.addingProduct(u, .load(p.p5 + k)) }
            if height > 6 { a6 = a6.addingProduct(u, .load(p.p6 + k)) }
            if height > 7 { a7 = a7.addingProduct(u, .load(p.p7 + k)) }
            if height > 8 { a8 = a8.addingProduct(u, .load(p.p8 + k)) }
            if height > 9 { a9 = a9.addingProduct(u, .load(p.p9 + k)) }
            if height > 10 { a10 = a10.addingProduct(u, .load(p.p10 + k)) }
            if height > 11 { a11 = a11.addingProduct(u, .load(p.p11 + k)) }
            x += stride
            k &+= step
            rest &-= 1
        }
    }

    /// One outer product; the factors of the rows are `stride` apart.
    @inline(__always)
    private mutating func add(_ p: UnsafePointer<Float>, _ stride: Int, _ x: UnsafePointer<Float>) {
        let u = Lanes.load(x)
        let v = vectors > 1 ? Lanes.load(x + laneCount) : Lanes()
        if height > 0 { add(p + 0 &* stride, u, v, &a0, &b0) }
        if height > 1 { add(p + 1 &* stride, u, v, &a1, &b1) }
        if height > 2 { add(p + 2 &* stride, u, v, &a2, &b2) }
        if height > 3 { add(p + 3 &* stride, u, v, &a3, &b3) }
        if height > 4 { add(p + 4 &* stride, u, v, &a4, &b4) }
        if height > 5 { add(p + 5 &* stride, u, v, &a5, &b5) }
        if height > 6 { add(p + 6 &* stride, u, v, &a6, &b6) }
        if height > 7 { add(p + 7 &* stride, u, v, &a7, &b7) }
        if height > 8 { add(p + 8 &* stride, u, v, &a8, &b8) }
        if height > 9 { add(p + 9 &* stride, u, v, &a9, &b9) }
        if height > 10 { add(p + 10 &* stride, u, v, &a10, &b10) }
        if height > 11 { add(p + 11 &* stride, u, v, &a11, &b11) }
    }

    @inline(__always)
    private func add(_ factor: UnsafePointer<Float>, _ u: Lanes, _ v: Lanes, _ a: inout Lanes, _ b: inout Lanes) {
        let all = Lanes(repeating: factor.pointee)
        a = a.addingProduct(all, u)
        if vectors > 1 { b = b.addingProduct(all, v) }
    }

    /// Takes the sums so far from rows that are `stride` apart.
    @inline(__always)
    mutating func load(_ s: UnsafePointer<Float>, stride: Int) {
        if height > 0 { load(s + 0 &* stride, &a0, &b0) }
        if height > 1 { load(s + 1 &* stride, &a1, &b1) }
        if height > 2 { load(s + 2 &* stride, &a2, &b2) }
        if height > 3 { load(s + 3 &* stride, &a3, &b3) }
        if height > 4 { load(s + 4 &* stride, &a4, &b4) }
        if height > 5 { load(s + 5 &* stride, &a5, &b5) }
        if height > 6 { load(s + 6 &* stride, &a6, &b6) }
        if height > 7 { load(s + 7 &* stride, &a7, &b7) }
        if height > 8 { load(s + 8 &* stride, &a8, &b8) }
        if height > 9 { load(s + 9 &* stride, &a9, &b9) }
        if height > 10 { load(s + 10 &* stride, &a10, &b10) }
        if height > 11 { load(s + 11 &* stride, &a11, &b11) }
    }

    @inline(__always)
    private func load(_ s: UnsafePointer<Float>, _ a: inout Lanes, _ b: inout Lanes) {
        a = .load(s)
        if vectors > 1 { b = .load(s + laneCount) }
    }

    /// left + self, the left node of the tree being at `s`.
    @inline(__always)
    mutating func addLeft(_ s: UnsafePointer<Float>, stride: Int) {
        if height > 0 { addLeft(s + 0 &* stride, &a0, &b0) }
        if height > 1 { addLeft(s + 1 &* stride, &a1, &b1) }
        if height > 2 { addLeft(s + 2 &* stride, &a2, &b2) }
        if height > 3 { addLeft(s + 3 &* stride, &a3, &b3) }
        if height > 4 { addLeft(s + 4 &* stride, &a4, &b4) }
        if height > 5 { addLeft(s + 5 &* stride, &a5, &b5) }
        if height > 6 { addLeft(s + 6 &* stride, &a6, &b6) }
        if height > 7 { addLeft(s + 7 &* stride, &a7, &b7) }
        if height > 8 { addLeft(s + 8 &* stride, &a8, &b8) }
        if height > 9 { addLeft(s + 9 &* stride, &a9, &b9) }
        if height > 10 { addLeft(s + 10 &* stride, &a10, &b10) }
        if height > 11 { addLeft(s + 11 &* stride, &a11, &b11) }
    }

    @inline(__always)
    private func addLeft(_ s: UnsafePointer<Float>, _ a: inout Lanes, _ b: inout Lanes) {
        a = .load(s) + a
        if vectors > 1 { b = .load(s + laneCount) + b }
    }

    /// Writes rows that are `stride` apart.
    ///
    /// - Parameter isStreamed: past the caches; every row then begins at a multiple of a vector's size.
    @inline(__always)
    func store(to t: UnsafeMutablePointer<Float>, stride: Int, isStreamed: Bool = false) {
        if height > 0 { store(a0, b0, to: t + 0 &* stride, isStreamed) }
        if height > 1 { store(a1, b1, to: t + 1 &* stride, isStreamed) }
        if height > 2 { store(a2, b2, to: t + 2 &* stride, isStreamed) }
        if height > 3 { store(a3, b3, to: t + 3 &* stride, isStreamed) }
        if height > 4 { store(a4, b4, to: t + 4 &* stride, isStreamed) }
        if height > 5 { store(a5, b5, to: t + 5 &* stride, isStreamed) }
        if height > 6 { store(a6, b6, to: t + 6 &* stride, isStreamed) }
        if height > 7 { store(a7, b7, to: t + 7 &* stride, isStreamed) }
        if height > 8 { store(a8, b8, to: t + 8 &* stride, isStreamed) }
        if height > 9 { store(a9, b9, to: t + 9 &* stride, isStreamed) }
        if height > 10 { store(a10, b10, to: t + 10 &* stride, isStreamed) }
        if height > 11 { store(a11, b11, to: t + 11 &* stride, isStreamed) }
    }

    @inline(__always)
    private func store(_ a: Lanes, _ b: Lanes, to t: UnsafeMutablePointer<Float>, _ isStreamed: Bool) {
        if isStreamed {
            a.stream(to: t)
            if vectors > 1 { b.stream(to: t + laneCount) }
        } else {
            a.store(to: t)
            if vectors > 1 { b.store(to: t + laneCount) }
        }
    }
}

/// Where the rows of a tile find their factors when these lie anywhere.
struct Places {
    let p0: UnsafePointer<Float>
    let p1: UnsafePointer<Float>
    let p2: UnsafePointer<Float>
    let p3: UnsafePointer<Float>
    let p4: UnsafePointer<Float>
    let p5: UnsafePointer<Float>
    let p6: UnsafePointer<Float>
    let p7: UnsafePointer<Float>
    let p8: UnsafePointer<Float>
    let p9: UnsafePointer<Float>
    let p10: UnsafePointer<Float>
    let p11: UnsafePointer<Float>

    /// The first `count` places, `offsets` from `base`.
    @inline(__always)
    init(_ base: UnsafePointer<Float>, _ offsets: UnsafePointer<Int32>, count: Int) {
        p0 = base + Int(offsets[0])
        p1 = count > 1 ? base + Int(offsets[1]) : base
        p2 = count > 2 ? base + Int(offsets[2]) : base
        p3 = count > 3 ? base + Int(offsets[3]) : base
        p4 = count > 4 ? base + Int(offsets[4]) : base
        p5 = count > 5 ? base + Int(offsets[5]) : base
        p6 = count > 6 ? base + Int(offsets[6]) : base
        p7 = count > 7 ? base + Int(offsets[7]) : base
        p8 = count > 8 ? base + Int(offsets[8]) : base
        p9 = count > 9 ? base + Int(offsets[9]) : base
        p10 = count > 10 ? base + Int(offsets[10]) : base
        p11 = count > 11 ? base + Int(offsets[11]) : base
    }
}
