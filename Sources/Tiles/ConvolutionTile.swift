/// Neighbouring vectors in registers. How many is known when it is compiled, so that those it doesn't have vanish.
struct Strip<let vectors: Int> {
    private var a = Lanes(), b = Lanes(), c = Lanes(), d = Lanes(), e = Lanes(), f = Lanes(), g = Lanes(), h = Lanes()

    @inline(__always)
    init() {}

    /// The numbers from `pointer` on, at any alignment.
    @inline(__always)
    init(_ pointer: UnsafePointer<Float>) {
        a = .load(pointer)
        if vectors > 1 { b = .load(pointer + laneCount) }
        if vectors > 2 { c = .load(pointer + 2 &* laneCount) }
        if vectors > 3 { d = .load(pointer + 3 &* laneCount) }
        if vectors > 4 { e = .load(pointer + 4 &* laneCount) }
        if vectors > 5 { f = .load(pointer + 5 &* laneCount) }
        if vectors > 6 { g = .load(pointer + 6 &* laneCount) }
        if vectors > 7 { h = .load(pointer + 7 &* laneCount) }
    }

    /// Adds `factor` times other vectors.
    @inline(__always)
    mutating func add(_ factor: Lanes, _ x: Strip) {
        a = a.addingProduct(factor, x.a)
        if vectors > 1 { b = b.addingProduct(factor, x.b) }
        if vectors > 2 { c = c.addingProduct(factor, x.c) }
        if vectors > 3 { d = d.addingProduct(factor, x.d) }
        if vectors > 4 { e = e.addingProduct(factor, x.e) }
        if vectors > 5 { f = f.addingProduct(factor, x.f) }
        if vectors > 6 { g = g.addingProduct(factor, x.g) }
        if vectors > 7 { h = h.addingProduct(factor, x.h) }
    }

    @inline(__always)
    func store(to pointer: UnsafeMutablePointer<Float>) {
        a.store(to: pointer)
        if vectors > 1 { b.store(to: pointer + laneCount) }
        if vectors > 2 { c.store(to: pointer + 2 &* laneCount) }
        if vectors > 3 { d.store(to: pointer + 3 &* laneCount) }
        if vectors > 4 { e.store(to: pointer + 4 &* laneCount) }
        if vectors > 5 { f.store(to: pointer + 5 &* laneCount) }
        if vectors > 6 { g.store(to: pointer + 6 &* laneCount) }
        if vectors > 7 { h.store(to: pointer + 7 &* laneCount) }
    }
}

/// Sums of a convolution in registers: `height` outputs, each at some vectors of neighbouring positions. Every sum is one
/// chain of fused multiply-adds.
struct ConvolutionTile<let height: Int, let vectors: Int> {
    private var s0 = Strip<vectors>(), s1 = Strip<vectors>(), s2 = Strip<vectors>(), s3 = Strip<vectors>(),
        s4 = Strip<vectors>(), s5 = Strip<vectors>(), s6 = Strip<vectors>(), s7 = Strip<vectors>()

    @inline(__always)
    init() {}

    /// Takes the sums so far from rows that are `stride` apart.
    @inline(__always)
    mutating func load(_ sums: UnsafePointer<Float>, stride: Int) {
        s0 = Strip(sums)
        if height > 1 { s1 = Strip(sums + stride) }
        if height > 2 { s2 = Strip(sums + 2 &* stride) }
        if height > 3 { s3 = Strip(sums + 3 &* stride) }
        if height > 4 { s4 = Strip(sums + 4 &* stride) }
        if height > 5 { s5 = Strip(sums + 5 &* stride) }
        if height > 6 { s6 = Strip(sums + 6 &* stride) }
        if height > 7 { s7 = Strip(sums + 7 &* stride) }
    }

    /// Adds what lies at `source` times one weight for each output.
    @inline(__always)
    mutating func add(_ source: UnsafePointer<Float>, _ weights: UnsafePointer<Float>) {
        let x = Strip<vectors>(source)
        s0.add(Lanes(repeating: weights.pointee), x)
        if height > 1 { s1.add(Lanes(repeating: (weights + 1).pointee), x) }
        if height > 2 { s2.add(Lanes(repeating: (weights + 2).pointee), x) }
        if height > 3 { s3.add(Lanes(repeating: (weights + 3).pointee), x) }
        if height > 4 { s4.add(Lanes(repeating: (weights + 4).pointee), x) }
        if height > 5 { s5.add(Lanes(repeating: (weights + 5).pointee), x) }
        if height > 6 { s6.add(Lanes(repeating: (weights + 6).pointee), x) }
        if height > 7 { s7.add(Lanes(repeating: (weights + 7).pointee), x) }
    }

    /// Writes rows that are `stride` apart.
    @inline(__always)
    func store(to sums: UnsafeMutablePointer<Float>, stride: Int) {
        s0.store(to: sums)
        if height > 1 { s1.store(to: sums + stride) }
        if height > 2 { s2.store(to: sums + 2 &* stride) }
        if height > 3 { s3.store(to: sums + 3 &* stride) }
        if height > 4 { s4.store(to: sums + 4 &* stride) }
        if height > 5 { s5.store(to: sums + 5 &* stride) }
        if height > 6 { s6.store(to: sums + 6 &* stride) }
        if height > 7 { s7.store(to: sums + 7 &* stride) }
    }
}
