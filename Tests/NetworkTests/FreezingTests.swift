import Diagnostics
import Network
import Storage
import Testing

@Suite("Frozen parameters")
struct FreezingTests {
    private static var body: [Any] {
        [["dense": ["units": 20]], "relu", ["dense": ["units": 7]], "layer_norm", "tanh", ["dense": ["units": 3]]]
    }

    @Test(
        "frozen parameters get no gradient, the others get the bits that they would have got",
        arguments: [
            ["2.weight"], ["0"], ["0", "2"], ["*.bias", "3"], ["5.weight", "0.weight"], ["0.bias", "2", "3", "5.bias"]
        ])
    func freezing(patterns: [String]) throws {
        let free = try makeNetwork(Self.body, inputShape: [9])
        let frozen = try makeNetwork(Self.body, inputShape: [9], freeze: patterns)
        let benches = [try Bench(free, rows: 21), try Bench(frozen, rows: 21)]
        for bench in benches {
            bench.network.initialize(bench.weights.weights(bench.network.layout), seed: 3)
            for index in 0..<bench.input.count { bench.input[index] = Float((index * 53) % 97 - 48) / 16 }
            for index in 0..<bench.outputGradient.count { bench.outputGradient[index] = Float((index * 29) % 83 - 41) / 32 }
            bench.forward()
            bench.backward(leafRows: 8, withInputGradient: false)
        }
        #expect(benches[0].outputBits == benches[1].outputBits, "the same weights at the start, wherever they lie")
        let known = Set(frozen.layout.slots.filter { $0.region == .trained }.map(\.name))
        #expect(!known.isEmpty && known.count < free.layout.slots.count)
        for (slot, other) in zip(free.layout.slots, frozen.layout.slots) {
            #expect(slot.name == other.name)
            guard other.region == .trained else { continue }
            let expected = slot.range.map { benches[0].gradients[$0].bitPattern }
            #expect(other.range.map { benches[1].gradients[$0].bitPattern } == expected, "\(slot.name)")
        }
    }

    @Test("what is frozen below the first trained layer costs no backward")
    func frozenBottom() throws {
        // 9 inputs, 20, 7 and 3 units: forward 2 operations for each weight, the gradients of weights and inputs likewise.
        let all = 9 * 20 + 20 * 7 + 7 * 3
        #expect(try makeNetwork(Self.body, inputShape: [9]).productOperations == 2 * all + 2 * all + 2 * (20 * 7 + 7 * 3))
        #expect(
            try makeNetwork(Self.body, inputShape: [9], freeze: ["0", "2"]).productOperations
                == 2 * all + 2 * (7 * 3) + 2 * (7 * 3), "the last layer's input gradient goes to layer_norm")
        #expect(try makeNetwork(Self.body, inputShape: [9], freeze: ["0", "2", "3"]).productOperations == 2 * all + 2 * (7 * 3))
    }

    @Test("frozen slots lie behind the trained ones, outside of gradients")
    func frozenRegion() throws {
        let network = try makeNetwork(Self.body, inputShape: [9], freeze: ["2"])
        let layout = network.layout
        #expect(layout.count(of: .frozen) == 20 * 7 + 7 && layout.parameterCount == 9 * 20 + 20 + 147 + 14 + 21 + 3)
        #expect(layout.trainedCount == ParameterLayout.blockSize && layout.weightCount == 2 * ParameterLayout.blockSize)
        let used = layout.slots.flatMap { Array(layout.range(of: $0)) }
        #expect(Set(used).count == used.count && used.allSatisfy { $0 < layout.weightCount })
        for slot in layout.slots {
            #expect((layout.range(of: slot).lowerBound >= layout.trainedCount) == (slot.region == .frozen), "\(slot.name)")
        }
    }

    @Test("a pattern that freezes nothing, or patterns that freeze everything, are refused")
    func uselessFreezing() throws {
        #expect(
            try refusal { try makeNetwork(Self.body, inputShape: [9], freeze: ["1.weight"]) }?
                .contains("model.freeze: no parameter is called \"1.weight\" (did you mean \"0.weight\"?)") == true)
        #expect(
            try refusal { try makeNetwork(Self.body, inputShape: [9], freeze: ["*"]) }?
                .contains("model.freeze: all parameters are frozen, so that there is nothing to train") == true)
    }

    private func refusal(_ body: () throws -> Network) throws -> String? {
        do {
            _ = try body()
            return nil
        } catch let failure as Failure {
            #expect(failure.code == .badConfiguration)
            return failure.message
        }
    }
}
