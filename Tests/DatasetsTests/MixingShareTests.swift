import Datasets
import Foundation
import Storage
import Testing

/// The share λ ~ Beta(α, α) of mixup.
struct MixingShareTests {
    private static let draws = 40_000

    private static func shares(_ alpha: Double) throws -> [Double] {
        let mixup = try configuration("augment: [mixup: \(alpha)]").augmentations[0] as? any MixingAugmentation
        let stream = RandomStream(seed: 11, purpose: .augmentation, layer: 2)
        return (0..<draws).map { Double(mixup?.mixture(stream: stream, draw: UInt64($0)).share ?? .nan) }
    }

    @Test(
        "has the mean ½ and the variance 1 / (4·(2α + 1))",
        arguments: [0.001, 0.05, 0.2, 0.4, 0.5, 0.500001, 0.6, 1, 1.5, 2, 8, 1000])
    func moments(alpha: Double) throws {
        let shares = try Self.shares(alpha)
        #expect(shares.allSatisfy { (0...1).contains($0) })
        let count = Double(shares.count)
        let variance = 1 / (4 * (2 * alpha + 1))
        // Of (λ − ½)², whose square has the mean 3 / (16·(2α + 1)·(2α + 3)). Five deviations of means of so many draws.
        let spread = 3 / (16 * (2 * alpha + 1) * (2 * alpha + 3)) - variance * variance
        let mean = shares.reduce(0, +) / count
        let found = shares.reduce(0) { $0 + ($1 - 0.5) * ($1 - 0.5) } / count
        #expect(abs(mean - 0.5) < 5 * (variance / count).squareRoot(), "\(mean)")
        // At the ends of the range Float rounds what is near 1.
        #expect(abs(found - variance) < 5 * (spread / count).squareRoot() + 1e-7, "\(found), \(variance)")
    }

    @Test("has the distribution that is known in closed form for α of ½, 1, 1½ and 2")
    func distribution() throws {
        let known: [(alpha: Double, function: (Double) -> Double)] = [
            (0.5, { 2 / .pi * asin($0.squareRoot()) }),
            (0.5000001, { 2 / .pi * asin($0.squareRoot()) }),
            (1, { $0 }),
            (1.5, { x in (acos(1 - 2 * x) - (1 - 2 * x) * 2 * (x * (1 - x)).squareRoot()) / .pi }),
            (2, { $0 * $0 * (3 - 2 * $0) })
        ]
        for (alpha, function) in known {
            let sorted = try Self.shares(alpha).sorted()
            let count = Double(sorted.count)
            let distance =
                sorted.enumerated().map { index, share in
                    max(abs(function(share) - Double(index) / count), abs(function(share) - Double(index + 1) / count))
                }.max() ?? 1
            // Dvoretzky, Kiefer, Wolfowitz and Massart: more with a probability of 10⁻⁶.
            #expect(distance < (log(2 / 1e-6) / (2 * count)).squareRoot(), "\(alpha): \(distance)")
        }
    }
}
