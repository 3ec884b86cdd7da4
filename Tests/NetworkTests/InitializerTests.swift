import Network
import Storage
import Testing

@Suite("Initial weights")
struct InitializerTests {
    private let inputs = 200, outputs = 100

    private func initialized(_ initializer: Any?, seed: UInt64 = 1) throws -> (weight: [Double], bias: [Double]) {
        var options: [String: Any] = ["units": outputs]
        options["initializer"] = initializer
        let network = try makeNetwork([["dense": options]], inputShape: [inputs])
        let weights = AlignedBuffer<Float>(count: network.layout.trainedCount, repeating: .nan)
        network.initialize(weights.weights(network.layout), seed: seed)
        let used = Set(network.layout.slots.flatMap { Array($0.range) })
        #expect((0..<weights.count).allSatisfy { used.contains($0) || weights[$0] == 0 }, "padding is zero")
        return (
            network.layout.slots[0].range.map { Double(weights[$0]) },
            network.layout.slots[1].range.map { Double(weights[$0]) }
        )
    }

    private func moments(_ numbers: [Double]) -> (mean: Double, variance: Double) {
        let mean = numbers.reduce(0, +) / Double(numbers.count)
        return (mean, numbers.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(numbers.count))
    }

    @Test("uniform weights fill their bounds evenly")
    func uniform() throws {
        let cases: [(Any?, Double)] = [
            (nil, (1.0 / 200).squareRoot()), ("pytorch", (1.0 / 200).squareRoot()),
            ("glorot_uniform", (6.0 / 300).squareRoot()), ("he_uniform", (6.0 / 200).squareRoot()),
            ("lecun_uniform", (3.0 / 200).squareRoot()), ("uniform", 0.05), (["uniform": ["bound": 2]], 2)
        ]
        for (initializer, bound) in cases {
            let (weight, bias) = try initialized(initializer)
            let (mean, variance) = moments(weight)
            let count = Double(weight.count)
            let name = "\(initializer ?? "default")"
            // The largest of n is within 10/n of the bound but once in e¹⁰; five deviations of mean and variance.
            #expect(weight.allSatisfy { abs($0) <= bound * (1 + 0x1p-24) }, "\(name)")
            let nearly = bound * (1 - 20 / count)
            #expect((weight.max() ?? 0) > nearly && (weight.min() ?? 0) < -nearly, "\(name)")
            #expect(abs(mean) < 5 * bound / (3 * count).squareRoot(), "\(name)")
            #expect(abs(variance / (bound * bound / 3) - 1) < 5 * (0.8 / count).squareRoot(), "\(name)")
            if initializer == nil || initializer as? String == "pytorch" {
                #expect(bias.allSatisfy { abs($0) <= bound } && Set(bias).count == bias.count)
            } else {
                #expect(bias.allSatisfy { $0 == 0 }, "\(name)")
            }
        }
    }

    @Test("normal weights have their mean, variance and tails")
    func normal() throws {
        let cases: [(Any, Double, Double)] = [
            ("glorot_normal", 0, (2.0 / 300).squareRoot()), ("he_normal", 0, (2.0 / 200).squareRoot()),
            ("lecun_normal", 0, (1.0 / 200).squareRoot()), ("normal", 0, 0.05),
            (["normal": ["mean": 3, "standard_deviation": 2]], 3, 2)
        ]
        for (initializer, expectedMean, deviation) in cases {
            let (weight, bias) = try initialized(initializer)
            let (mean, variance) = moments(weight)
            let count = Double(weight.count)
            #expect(abs(mean - expectedMean) < 5 * deviation / count.squareRoot(), "\(initializer)")
            #expect(abs(variance / (deviation * deviation) - 1) < 5 * (2 / count).squareRoot(), "\(initializer)")
            for (distance, share) in [(1.0, 0.682_689), (2.0, 0.954_500), (3.0, 0.997_300)] {
                let within = Double(weight.filter { abs($0 - expectedMean) < distance * deviation }.count) / count
                #expect(abs(within - share) < 5 * (share * (1 - share) / count).squareRoot(), "\(initializer)")
            }
            #expect(bias.allSatisfy { $0 == 0 }, "\(initializer)")
        }
    }

    @Test("zeros are zeros, and the bias beside them")
    func zeros() throws {
        let (weight, bias) = try initialized("zeros")
        #expect((weight + bias).allSatisfy { $0 == 0 })
    }

    @Test("the same seed gives the same bits, another seed others")
    func seeds() throws {
        let first = try initialized("glorot_normal")
        let second = try initialized("glorot_normal", seed: 2)
        #expect(try initialized("glorot_normal").weight == first.weight)
        #expect(zip(first.weight, second.weight).filter { $0 == $1 }.count < 5)
    }

    @Test("a parameter's numbers don't depend on the size of others, and no two parameters share them")
    func independence() throws {
        func weights(_ units: Int) throws -> [[Float]] {
            let network = try makeNetwork(
                [
                    ["dense": ["units": units]], "relu",
                    ["residual": ["layers": [["dense": ["units": units]]]]],
                    ["dense": ["units": 3]]
                ], inputShape: [4])
            let buffer = AlignedBuffer<Float>(count: network.layout.trainedCount)
            network.initialize(buffer.weights(network.layout), seed: 9)
            return network.layout.slots.map { slot in slot.range.map { buffer[$0] * Float(units).squareRoot() } }
        }
        let small = try weights(4)
        let large = try weights(16)
        // The first layer's inputs are the same: its numbers too, times the factor that `weights` put on.
        #expect(zip(small[0], large[0]).allSatisfy { abs($0 * 2 - $1) < 1e-6 })
        // Further back the bounds follow the sizes, 1/√4 and 1/√16; the numbers within them are the same.
        #expect(zip(small[4], large[4]).allSatisfy { abs($0 - $1) < 1e-6 })
        #expect(small[0][..<3] != small[2][..<3] && small[2][..<3] != small[4][..<3])
    }
}
