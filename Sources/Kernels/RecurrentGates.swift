// What a step does behind its products, unit by unit of one row, in vectors. `kept` and `sums` hold the numbers of one step,
// those of each gate one behind the other.

/// A row's numbers of one step.
struct RecurrentRow {
    let units: Int
    /// What the products made: `sums` of shared gates, `own` of x, `ownState` of h, and what is added to each unit's.
    let sums: UnsafeMutablePointer<Float>
    let inputsOwn: UnsafeMutablePointer<Float>
    let statesOwn: UnsafeMutablePointer<Float>
    let bias: UnsafePointer<Float>
    /// The state, which becomes the next one.
    let h: UnsafeMutablePointer<Float>
    let c: UnsafeMutablePointer<Float>
    /// What backward needs; nil where there is none.
    let kept: UnsafeMutablePointer<Float>?
}

/// Calls `body` for the units from `first` on, eight or what is left of them at a time.
@inline(__always)
private func forEachVector(_ units: Int, _ body: (_ unit: Int, _ count: Int) -> Void) {
    var unit = 0
    while unit < units {
        body(unit, min(8, units &- unit))
        unit &+= 8
    }
}

extension RecurrentCell {
    /// From sums to the next state.
    func advance(_ row: RecurrentRow) {
        switch self {
        case .tanh: simple(row) { $0.hyperbolicTangent }
        case .relu: simple(row) { $0.replacing(with: 0, where: $0 .<= 0) }
        case .lstm: lstm(row)
        case .gru: gru(row)
        }
    }

    @inline(__always)
    private func simple(_ row: RecurrentRow, _ function: (Vector) -> Vector) {
        forEachVector(row.units) { unit, count in
            let h = function(Vector.load(row.sums + unit, count: count) + .load(row.bias + unit, count: count))
            h.store(to: row.h + unit, count: count)
            if let kept = row.kept { h.store(to: kept + unit, count: count) }
        }
    }

    @inline(__always)
    private func lstm(_ row: RecurrentRow) {
        let units = row.units
        forEachVector(units) { unit, count in
            @inline(__always) func sum(_ gate: Int) -> Vector {
                let place = gate &* units &+ unit
                return Vector.load(row.sums + place, count: count) + .load(row.bias + place, count: count)
            }
            let i = sum(0).sigmoid
            let f = sum(1).sigmoid
            let g = sum(2).hyperbolicTangent
            let o = sum(3).sigmoid
            let c = (i * g).adding(f, times: .load(row.c + unit, count: count))
            c.store(to: row.c + unit, count: count)
            (o * c.hyperbolicTangent).store(to: row.h + unit, count: count)
            guard let kept = row.kept else { return }
            i.store(to: kept + unit, count: count)
            f.store(to: kept + (units &+ unit), count: count)
            g.store(to: kept + (2 &* units &+ unit), count: count)
            o.store(to: kept + (3 &* units &+ unit), count: count)
            c.store(to: kept + (4 &* units &+ unit), count: count)
        }
    }

    @inline(__always)
    private func gru(_ row: RecurrentRow) {
        let units = row.units
        forEachVector(units) { unit, count in
            @inline(__always) func bias(_ sum: Int) -> Vector { .load(row.bias + (sum &* units &+ unit), count: count) }
            let r = (Vector.load(row.sums + unit, count: count) + bias(0)).sigmoid
            let z = (Vector.load(row.sums + (units &+ unit), count: count) + bias(1)).sigmoid
            let state = Vector.load(row.statesOwn + unit, count: count) + bias(3)
            let n = (Vector.load(row.inputsOwn + unit, count: count) + bias(2)).adding(r, times: state).hyperbolicTangent
            // n + z·(h − n), which is (1 − z)·n + z·h.
            let h = n.adding(z, times: Vector.load(row.h + unit, count: count) - n)
            h.store(to: row.h + unit, count: count)
            guard let kept = row.kept else { return }
            r.store(to: kept + unit, count: count)
            z.store(to: kept + (units &+ unit), count: count)
            n.store(to: kept + (2 &* units &+ unit), count: count)
            state.store(to: kept + (3 &* units &+ unit), count: count)
            h.store(to: kept + (4 &* units &+ unit), count: count)
        }
    }
}

/// A row's numbers of one step, backward.
struct RecurrentGradientRow {
    let units: Int
    /// Whether it is the sample's last step, the first one backward.
    let isLast: Bool
    /// What the step kept, and what the one before it did; nil where the step is the first.
    let kept: UnsafePointer<Float>
    let previous: UnsafePointer<Float>?
    /// The state before the first step; nil for zeros.
    let initial: UnsafePointer<Float>?
    /// Gradients of h and c behind the step; c's becomes that before it, h's the part of it that doesn't come through the products,
    /// which are added then.
    let h: UnsafeMutablePointer<Float>
    let c: UnsafeMutablePointer<Float>
    /// tanh c of the step, which becomes that of the one before; of an LSTM only.
    let tangent: UnsafeMutablePointer<Float>
    /// Gradients of the sums: twice, once for the products of the step and once for those of all steps. A GRU's are those of n of x,
    /// r, z, n of h: what both weight matrices want lies side by side.
    let sums: UnsafeMutablePointer<Float>
    let allSums: UnsafeMutablePointer<Float>
    /// Becomes h before the step.
    let before: UnsafeMutablePointer<Float>
}

extension RecurrentCell {
    /// From the gradients of the state behind a step to those of its sums.
    func retreat(_ row: RecurrentGradientRow) {
        switch self {
        case .tanh: simple(row) { gradient, h in gradient * (1 - h * h) }
        case .relu: simple(row) { gradient, h in gradient.replacing(with: 0, where: h .<= 0) }
        case .lstm: lstm(row)
        case .gru: gru(row)
        }
    }

    @inline(__always)
    private func simple(_ row: RecurrentGradientRow, _ slope: (Vector, Vector) -> Vector) {
        forEachVector(row.units) { unit, count in
            let sum = slope(.load(row.h + unit, count: count), .load(row.kept + unit, count: count))
            sum.store(to: row.sums + unit, count: count)
            sum.store(to: row.allSums + unit, count: count)
            Vector().store(to: row.h + unit, count: count)
            row.state(unit, count, keptAt: 0).store(to: row.before + unit, count: count)
        }
    }

    @inline(__always)
    private func lstm(_ row: RecurrentGradientRow) {
        let units = row.units
        forEachVector(units) { unit, count in
            @inline(__always) func kept(_ gate: Int) -> Vector { .load(row.kept + (gate &* units &+ unit), count: count) }
            @inline(__always) func put(_ gate: Int, _ sum: Vector) {
                sum.store(to: row.sums + (gate &* units &+ unit), count: count)
                sum.store(to: row.allSums + (gate &* units &+ unit), count: count)
            }
            let (i, f, g, o) = (kept(0), kept(1), kept(2), kept(3))
            let tangent = row.isLast ? kept(4).hyperbolicTangent : Vector.load(row.tangent + unit, count: count)
            let dh = Vector.load(row.h + unit, count: count)
            let dc = Vector.load(row.c + unit, count: count).adding(dh * o, times: 1 - tangent * tangent)
            let before: Vector
            var h = Vector()
            if let previous = row.previous {
                before = .load(previous + (4 &* units &+ unit), count: count)
                let earlier = before.hyperbolicTangent
                earlier.store(to: row.tangent + unit, count: count)
                h = Vector.load(previous + (3 &* units &+ unit), count: count) * earlier
            } else if let initial = row.initial {
                h = .load(initial + unit, count: count)
                before = .load(initial + (units &+ unit), count: count)
            } else {
                before = Vector()
            }
            h.store(to: row.before + unit, count: count)
            Vector().store(to: row.h + unit, count: count)
            (dc * f).store(to: row.c + unit, count: count)
            put(0, dc * g * (i * (1 - i)))
            put(1, dc * before * (f * (1 - f)))
            put(2, dc * i * (1 - g * g))
            put(3, dh * tangent * (o * (1 - o)))
        }
    }

    @inline(__always)
    private func gru(_ row: RecurrentGradientRow) {
        let units = row.units
        forEachVector(units) { unit, count in
            @inline(__always) func kept(_ gate: Int) -> Vector { .load(row.kept + (gate &* units &+ unit), count: count) }
            @inline(__always) func put(_ place: Int, _ sum: Vector) {
                sum.store(to: row.sums + (place &* units &+ unit), count: count)
                sum.store(to: row.allSums + (place &* units &+ unit), count: count)
            }
            let (r, z, n, state) = (kept(0), kept(1), kept(2), kept(3))
            let before = row.state(unit, count, keptAt: 4)
            before.store(to: row.before + unit, count: count)
            let dh = Vector.load(row.h + unit, count: count)
            let dn = dh * (1 - z) * (1 - n * n)
            put(0, dn)
            put(1, dn * state * (r * (1 - r)))
            put(2, dh * (before - n) * (z * (1 - z)))
            put(3, dn * r)
            (dh * z).store(to: row.h + unit, count: count)
        }
    }
}

extension RecurrentGradientRow {
    /// h before the step; the step before kept it as its number `keptAt` of each unit.
    @inline(__always)
    func state(_ unit: Int, _ count: Int, keptAt place: Int) -> Vector {
        if let previous { return .load(previous + (place &* units &+ unit), count: count) }
        if let initial { return .load(initial + unit, count: count) }
        return Vector()
    }
}
