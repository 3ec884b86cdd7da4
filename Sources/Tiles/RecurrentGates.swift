// What a step of a recurrent layer does behind its products, unit by unit of one row, in vectors. The numbers of each gate lie one
// behind the other, `units` of them; what is kept of a step likewise.

/// Calls `body` for the units from 0 on, a vector or what is left of them at a time.
@inline(__always)
private func forEachVector(_ units: Int, _ body: (_ unit: Int, _ count: Int) -> Void) {
    var unit = 0
    while unit < units {
        body(unit, min(laneCount, units &- unit))
        unit &+= laneCount
    }
}

// MARK: - Forward: from sums and the state to the next state

/// h becomes tanh, or max(·, 0) with `rectifies`, of `sums` + `bias`; `kept`: h.
package func advanceSimple(
    units: Int, _ sums: UnsafePointer<Float>, bias: UnsafePointer<Float>, rectifies: Bool, h: UnsafeMutablePointer<Float>,
    kept: UnsafeMutablePointer<Float>?
) {
    forEachVector(units) { unit, count in
        let sum = Lanes.load(sums + unit, count: count) + .load(bias + unit, count: count)
        let next = rectifies ? sum.rectified : hyperbolicTangent(of: sum)
        next.store(to: h + unit, count: count)
        if let kept { next.store(to: kept + unit, count: count) }
    }
}

/// c becomes f⊙c + i⊙g and h o⊙tanh c; `kept`: i, f, g, o, c.
package func advanceLSTM(
    units: Int, _ sums: UnsafePointer<Float>, bias: UnsafePointer<Float>, h: UnsafeMutablePointer<Float>,
    c: UnsafeMutablePointer<Float>, kept: UnsafeMutablePointer<Float>?
) {
    forEachVector(units) { unit, count in
        @inline(__always) func sum(_ gate: Int) -> Lanes {
            let place = gate &* units &+ unit
            return Lanes.load(sums + place, count: count) + .load(bias + place, count: count)
        }
        let i = sigmoid(of: sum(0))
        let f = sigmoid(of: sum(1))
        let g = hyperbolicTangent(of: sum(2))
        let o = sigmoid(of: sum(3))
        let next = (i * g).addingProduct(f, .load(c + unit, count: count))
        next.store(to: c + unit, count: count)
        (o * hyperbolicTangent(of: next)).store(to: h + unit, count: count)
        guard let kept else { return }
        i.store(to: kept + unit, count: count)
        f.store(to: kept + (units &+ unit), count: count)
        g.store(to: kept + (2 &* units &+ unit), count: count)
        o.store(to: kept + (3 &* units &+ unit), count: count)
        next.store(to: kept + (4 &* units &+ unit), count: count)
    }
}

/// h becomes (1 − z)⊙n + z⊙h; `sums` are those of r and z, n's of x and of h come apart, biases one behind the other in that order;
/// `kept`: r, z, n, the sum of h of n with its bias, h.
package func advanceGRU(
    units: Int, _ sums: UnsafePointer<Float>, ofInputs: UnsafePointer<Float>, ofStates: UnsafePointer<Float>,
    bias: UnsafePointer<Float>, h: UnsafeMutablePointer<Float>, kept: UnsafeMutablePointer<Float>?
) {
    forEachVector(units) { unit, count in
        @inline(__always) func biases(_ sum: Int) -> Lanes { .load(bias + (sum &* units &+ unit), count: count) }
        let r = sigmoid(of: Lanes.load(sums + unit, count: count) + biases(0))
        let z = sigmoid(of: Lanes.load(sums + (units &+ unit), count: count) + biases(1))
        let state = Lanes.load(ofStates + unit, count: count) + biases(3)
        let n = hyperbolicTangent(
            of: (Lanes.load(ofInputs + unit, count: count) + biases(2)).addingProduct(r, state))
        // n + z·(h − n) is (1 − z)·n + z·h.
        let next = n.addingProduct(z, Lanes.load(h + unit, count: count) - n)
        next.store(to: h + unit, count: count)
        guard let kept else { return }
        r.store(to: kept + unit, count: count)
        z.store(to: kept + (units &+ unit), count: count)
        n.store(to: kept + (2 &* units &+ unit), count: count)
        state.store(to: kept + (3 &* units &+ unit), count: count)
        next.store(to: kept + (4 &* units &+ unit), count: count)
    }
}

// MARK: - Backward: from gradients of the next state to those of the sums

// `h` is the gradient of h behind the step and becomes the part of that before it which doesn't come through the products. The
// gradients of the sums go to `sums`, for the products of this step, and to `allSums`, for those of all steps. `before` becomes h
// before the step. `previous` is what the step before kept, nil where this one is the first, which begins with `initial` or zeros.

/// The numbers from `place` on, of whichever there is.
@inline(__always)
private func load(
    _ previous: UnsafePointer<Float>?, _ previousPlace: Int, orElse initial: UnsafePointer<Float>?, _ place: Int, count: Int
) -> Lanes {
    if let previous { return .load(previous + previousPlace, count: count) }
    if let initial { return .load(initial + place, count: count) }
    return Lanes()
}

package func retreatSimple(
    units: Int, rectifies: Bool, kept: UnsafePointer<Float>, previous: UnsafePointer<Float>?, initial: UnsafePointer<Float>?,
    h: UnsafeMutablePointer<Float>, sums: UnsafeMutablePointer<Float>, allSums: UnsafeMutablePointer<Float>,
    before: UnsafeMutablePointer<Float>
) {
    forEachVector(units) { unit, count in
        let gradient = Lanes.load(h + unit, count: count)
        let state = Lanes.load(kept + unit, count: count)
        // The slope of max(·, 0) is 1 where it is above 0.
        let sum = rectifies ? gradient.zeroed(where: state) : gradient * (1 - state * state)
        sum.store(to: sums + unit, count: count)
        sum.store(to: allSums + unit, count: count)
        Lanes().store(to: h + unit, count: count)
        load(previous, unit, orElse: initial, unit, count: count).store(to: before + unit, count: count)
    }
}

/// `c` is the gradient of c, and becomes that before the step; `tangent` tanh c, and becomes that of the step before. With `isLast`
/// it isn't there yet.
package func retreatLSTM(
    units: Int, isLast: Bool, kept: UnsafePointer<Float>, previous: UnsafePointer<Float>?, initial: UnsafePointer<Float>?,
    h: UnsafeMutablePointer<Float>, c: UnsafeMutablePointer<Float>, tangent: UnsafeMutablePointer<Float>,
    sums: UnsafeMutablePointer<Float>, allSums: UnsafeMutablePointer<Float>, before: UnsafeMutablePointer<Float>
) {
    forEachVector(units) { unit, count in
        @inline(__always) func gate(_ number: Int) -> Lanes { .load(kept + (number &* units &+ unit), count: count) }
        @inline(__always) func put(_ number: Int, _ sum: Lanes) {
            sum.store(to: sums + (number &* units &+ unit), count: count)
            sum.store(to: allSums + (number &* units &+ unit), count: count)
        }
        let (i, f, g, o) = (gate(0), gate(1), gate(2), gate(3))
        let bent = isLast ? hyperbolicTangent(of: gate(4)) : Lanes.load(tangent + unit, count: count)
        let dh = Lanes.load(h + unit, count: count)
        let dc = Lanes.load(c + unit, count: count).addingProduct(dh * o, 1 - bent * bent)
        let cell = load(previous, 4 &* units &+ unit, orElse: initial, units &+ unit, count: count)
        var state = Lanes()
        if let previous {
            let earlier = hyperbolicTangent(of: cell)
            earlier.store(to: tangent + unit, count: count)
            state = Lanes.load(previous + (3 &* units &+ unit), count: count) * earlier
        } else if let initial {
            state = .load(initial + unit, count: count)
        }
        state.store(to: before + unit, count: count)
        Lanes().store(to: h + unit, count: count)
        (dc * f).store(to: c + unit, count: count)
        put(0, dc * g * (i * (1 - i)))
        put(1, dc * cell * (f * (1 - f)))
        put(2, dc * i * (1 - g * g))
        put(3, dh * bent * (o * (1 - o)))
    }
}

/// Sums are those of n of x, r, z, n of h: what each of the two weight matrices wants lies side by side.
package func retreatGRU(
    units: Int, kept: UnsafePointer<Float>, previous: UnsafePointer<Float>?, initial: UnsafePointer<Float>?,
    h: UnsafeMutablePointer<Float>, sums: UnsafeMutablePointer<Float>, allSums: UnsafeMutablePointer<Float>,
    before: UnsafeMutablePointer<Float>
) {
    forEachVector(units) { unit, count in
        @inline(__always) func gate(_ number: Int) -> Lanes { .load(kept + (number &* units &+ unit), count: count) }
        @inline(__always) func put(_ number: Int, _ sum: Lanes) {
            sum.store(to: sums + (number &* units &+ unit), count: count)
            sum.store(to: allSums + (number &* units &+ unit), count: count)
        }
        let (r, z, n, state) = (gate(0), gate(1), gate(2), gate(3))
        let earlier = load(previous, 4 &* units &+ unit, orElse: initial, unit, count: count)
        earlier.store(to: before + unit, count: count)
        let dh = Lanes.load(h + unit, count: count)
        let dn = dh * (1 - z) * (1 - n * n)
        put(0, dn)
        put(1, dn * state * (r * (1 - r)))
        put(2, dh * (earlier - n) * (z * (1 - z)))
        put(3, dn * r)
        (dh * z).store(to: h + unit, count: count)
    }
}
