import Storage
import Testing

@Suite("Permutations without a list")
struct KeyedPermutationTests {
    private func permutation(_ count: Int, seed: UInt64 = 1, ordinal: UInt64 = 0) -> [Int] {
        let permutation = KeyedPermutation(count: count, RandomStream(seed: seed, purpose: .windows), ordinal: ordinal)
        return (0..<count).map { permutation[$0] }
    }

    @Test("every number once", arguments: [1, 2, 3, 4, 5, 7, 16, 17, 64, 65, 1000, 4096, 70_000])
    func everyNumberOnce(count: Int) {
        #expect(permutation(count).sorted() == Array(0..<count))
    }

    @Test("another one for each seed and ordinal, and the same for the same")
    func keys() {
        let all = [permutation(50), permutation(50, seed: 2), permutation(50, ordinal: 1), permutation(50, ordinal: 1 << 40)]
        #expect(Set(all).count == 4 && permutation(50) == all[0] && !all.contains(Array(0..<50)))
    }

    @Test("all orders of few numbers occur equally often")
    func uniform() {
        var counts: [[Int]: Int] = [:]
        let rounds = 12_000
        for ordinal in 0..<rounds { counts[permutation(3, ordinal: UInt64(ordinal)), default: 0] += 1 }
        // χ² with 5 degrees of freedom passes 25 once in 7,000 times.
        let expected = Double(rounds) / 6
        let statistic = counts.values.reduce(0) { $0 + (Double($1) - expected) * (Double($1) - expected) / expected }
        #expect(counts.count == 6 && statistic < 25, "\(counts)")
    }

    @Test("where a number comes to stand doesn't follow from where its neighbour does")
    func neighbours() {
        let order = permutation(70_000)
        let near = zip(order, order.dropFirst()).count { abs($0 - $1) < 700 }
        // Two of 70,000 are that near once in 50 times.
        #expect((1200...1600).contains(near), "\(near)")
    }

    @Test("as many as there can be")
    func most() {
        let permutation = KeyedPermutation(count: 1 << 32, RandomStream(seed: 1, purpose: .windows), ordinal: 0)
        #expect(Set((0..<1000).map { permutation[$0] }).count == 1000)
    }
}
