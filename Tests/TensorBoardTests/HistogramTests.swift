import TensorBoard
import Testing

@Suite("Histograms")
struct HistogramTests {
    private func histogram(_ numbers: [Float]) -> Histogram { numbers.withUnsafeBufferPointer { Histogram($0) } }

    @Test("have thirty parts from the least to the largest number, and count each number once")
    func parts() {
        let numbers = (0...300).map { Float($0) }
        let found = histogram(numbers)
        #expect(found.least == 0 && found.largest == 300 && found.count == 301)
        #expect(found.limits.first == 10 && found.limits.last == 300)
        // 0 to 9, 10 to 19, …; the largest belongs to the last part.
        #expect(found.counts == [Double](repeating: 10, count: 29) + [11])
        #expect(found.sum == 45150 && found.sumOfSquares == 9_045_050)
    }

    @Test("of equal numbers there is one part, of none no part, and what isn't finite isn't counted")
    func edges() {
        #expect(histogram([2, 2, 2]).counts == [3] && histogram([2, 2, 2]).limits == [2])
        #expect(histogram([]).counts.isEmpty && histogram([.nan, .infinity]).counts.isEmpty)
        #expect(histogram([.nan, .infinity]).least == 0)
        #expect(histogram([1, .nan, 3, -.infinity]).count == 2)
    }
}
