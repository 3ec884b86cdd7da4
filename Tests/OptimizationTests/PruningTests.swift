import Diagnostics
import Kernels
import Optimization
import Settings
import Storage
import Testing

@Suite("Pruning")
struct PruningTests {
    private func pruning(_ options: [String: Any]) throws -> Pruning {
        try Pruning(settings(["pruning": options]).section("pruning"))
    }

    @Test("the share of zeros grows as Zhu and Gupta have it, and ends at what was asked for")
    func schedule() throws {
        let pruning = try pruning(["sparsity": 0.8, "start_step": 10, "end_step": 50, "every_steps": 16])
        #expect((1...9).allSatisfy { pruning.share(step: $0) == nil && !pruning.keepsZeros(step: $0) })
        let steps = (1...80).filter { pruning.share(step: $0) != nil }
        #expect(steps == [10, 26, 42, 50])
        let shares = steps.compactMap { pruning.share(step: $0) }
        for (share, expected) in zip(shares, [0, 0.8 * (1 - 0.6 * 0.6 * 0.6), 0.8 * (1 - 0.2 * 0.2 * 0.2), 0.8]) {
            #expect(abs(share - expected) < 1e-12, "\(shares)")
        }
        #expect(pruning.keepsZeros(step: 10) && pruning.keepsZeros(step: 1_000_000))
        let once = try self.pruning(["sparsity": 0.5, "start_step": 7])
        #expect((1...200).filter { once.share(step: $0) != nil } == [7] && once.share(step: 7) == 0.5)
        // What only keeps zeros looks for none.
        let keeping = try self.pruning(["sparsity": 0])
        #expect((1...200).allSatisfy { keeping.share(step: $0) == nil && keeping.keepsZeros(step: $0) })
    }

    @Test("an end before the start is refused, and so is all of the weights")
    func refusals() throws {
        #expect(throws: Failure.self) { _ = try pruning(["sparsity": 0.5, "start_step": 5, "end_step": 4]) }
        #expect(throws: Failure.self) { _ = try pruning(["sparsity": 1]) }
        #expect(throws: Failure.self) { _ = try pruning(["sparsity": 0.5, "scope": "network"]) }
    }

    @Test("the threshold is the magnitude of its rank, whatever the numbers and their order")
    func threshold() {
        let stream = RandomStream(seed: 3, purpose: .gradientCheck)
        var numbers = (0..<500).map { Float(Int(stream.word(0, ordinal: UInt64($0)) % 4001) - 2000) * 0.001 }
        numbers += [0, -0.0, 2e-38, -2e-38, .infinity, 3e38, 0.5, -0.5, 0.5]
        let buffer = AlignedBuffer<Float>(count: numbers.count)
        for (index, number) in numbers.enumerated() { buffer[index] = number }
        let views = [
            buffer.matrix(rows: 1, columns: 200).readOnly,
            buffer.matrix(rows: 1, columns: numbers.count - 200, offset: 200).readOnly
        ]
        let sorted = numbers.map(\.magnitude).sorted()
        for rank in [1, 2, 3, 5, 100, 255, 256, 400, numbers.count] {
            #expect(Magnitudes.threshold(of: views, rank: rank) == sorted[rank - 1], "\(rank)")
        }
        #expect(Magnitudes.threshold(of: views, rank: 0) == 0)
        #expect(views.reduce(0) { $0 + Magnitudes.zeroCount($1) } == numbers.count { $0 == 0 })
    }
}
