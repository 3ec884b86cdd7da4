import Testing

import Pages

@Suite("Axes")
struct ScaleTests {
    @Test(
        "ticks are round, within the axis, ascending, and neither too few nor too many",
        arguments: [
            (0.0, 1.0), (0.1, 0.3), (-5, 5), (1e-9, 2e-9), (1e9, 3e9), (0, 1e300), (99.97, 99.98), (-1e-300, 1e-300), (7, 7),
            (0, 0)
        ])
    func linear(_ low: Double, _ high: Double) {
        let scale = Scale(around: [low, high])
        let ticks = scale.ticks()
        #expect((2...12).contains(ticks.count), "\(ticks)")
        #expect(ticks.allSatisfy { $0 >= scale.low && $0 <= scale.high * (1 + 1e-9) + 1e-300 }, "\(scale): \(ticks)")
        #expect(zip(ticks, ticks.dropFirst()).allSatisfy(<))
        #expect(Set(ticks.map(Scale.label)).count == ticks.count || high - low < 1e-3, "\(ticks.map(Scale.label))")
        #expect(ticks.allSatisfy { scale.place($0).map { $0 > -1e-6 && $0 < 1 + 1e-6 } ?? false })
    }

    @Test("numbers far apart have a logarithmic axis where that is asked for, and only those above 0")
    func logarithmic() {
        let scale = Scale(around: [1e-4, 0.5, 20], prefersLogarithm: true)
        #expect(scale.isLogarithmic && scale.ticks().contains(0.01))
        #expect(scale.place(0) == nil && scale.place(-1) == nil && scale.place(.nan) == nil)
        #expect(
            abs((scale.place(0.01) ?? 0) - (scale.place(0.001) ?? 0) - (scale.place(1) ?? 0) + (scale.place(0.1) ?? 0)) < 1e-9)
        #expect(!Scale(around: [0, 20], prefersLogarithm: true).isLogarithmic)
        #expect(!Scale(around: [1, 40], prefersLogarithm: true).isLogarithmic)
    }

    @Test("numbers that aren't finite, or none at all, make an axis all the same")
    func odd() {
        #expect(Scale(around: []).ticks().count >= 2)
        #expect(Scale(around: [.nan, .infinity, -.infinity]) == Scale(around: []))
        let huge = Scale(around: [-Double.greatestFiniteMagnitude, .greatestFiniteMagnitude])
        #expect(huge.place(0).map { abs($0 - 0.5) < 1e-9 } ?? false)
        _ = huge.ticks()
        _ = Scale(around: [5e-324, .greatestFiniteMagnitude], prefersLogarithm: true).ticks()
    }

    @Test(
        "labels are short",
        arguments: [
            (0.25, "0.25"), (0, "0"), (1500, "1500"), (20_000, "20k"), (2_500_000, "2.5M"), (0.00001, "1e-05"), (-0.5, "-0.5"),
            (3e9, "3G")
        ])
    func label(_ number: Double, _ text: String) { #expect(Scale.label(number) == text) }

    @Test("numbers that a processor may take for zeros get no logarithmic axis, and the least ones beside them ticks")
    func denormal() {
        #expect(!Scale(around: [5e-324, 1], prefersLogarithm: true).isLogarithmic)
        let least = Scale(around: [.leastNormalMagnitude, .greatestFiniteMagnitude], prefersLogarithm: true)
        #expect(least.isLogarithmic && least.low >= .leastNormalMagnitude && least.ticks().count > 3)
    }
}
