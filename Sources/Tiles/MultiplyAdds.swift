// What the processor can do at best.

/// Operations of `multiplyAdds` in a round: a multiplication and an addition in every lane of twelve vectors.
package var multiplyAddOperations: Int { 12 * 2 * laneCount }

/// Chains of fused multiply-adds that don't wait for each other, in registers alone: twelve, since a processor has two or
/// more such instructions in each of up to five stages. Returns something that depends on all of them.
@inline(never)
package func multiplyAdds(rounds: Int, factor: Float) -> Float {
    let x = Lanes(repeating: factor)
    let y = Lanes(repeating: 1)
    // Different starts: equal chains would be computed once.
    var a0 = Lanes(repeating: 0)
    var a1 = Lanes(repeating: 1)
    var a2 = Lanes(repeating: 2)
    var a3 = Lanes(repeating: 3)
    var a4 = Lanes(repeating: 4)
    var a5 = Lanes(repeating: 5)
    var a6 = Lanes(repeating: 6)
    var a7 = Lanes(repeating: 7)
    var a8 = Lanes(repeating: 8)
    var a9 = Lanes(repeating: 9)
    var a10 = Lanes(repeating: 10)
    var a11 = Lanes(repeating: 11)
    var rest = rounds
    while rest > 0 {
        a0 = y.addingProduct(a0, x)
        a1 = y.addingProduct(a1, x)
        a2 = y.addingProduct(a2, x)
        a3 = y.addingProduct(a3, x)
        a4 = y.addingProduct(a4, x)
        a5 = y.addingProduct(a5, x)
        a6 = y.addingProduct(a6, x)
        a7 = y.addingProduct(a7, x)
        a8 = y.addingProduct(a8, x)
        a9 = y.addingProduct(a9, x)
        a10 = y.addingProduct(a10, x)
        a11 = y.addingProduct(a11, x)
        rest &-= 1
    }
    let sum = (a0 + a1) + (a2 + a3) + (a4 + a5) + (a6 + a7) + (a8 + a9) + (a10 + a11)
    return sum[0] + sum[laneCount - 1]
}
