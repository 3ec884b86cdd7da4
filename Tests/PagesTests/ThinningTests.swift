import Testing

import Pages

@Suite("Thinned curves")
struct ThinningTests {
    @Test("of a million points a few are left, in order, with ends, peaks and gaps among them")
    func long() {
        var points = (0..<1_000_000).map { CurvePoint(Double($0), Double(($0 &* 7919) % 1000)) }
        points[123_457] = CurvePoint(123_457, 5000)
        points[777_777] = CurvePoint(777_777, -5000)
        points[500_001] = CurvePoint(500_001, nil)
        let thin = thinned(points, most: 1000)
        #expect(thin.count <= 1000 && thin.count > 300)
        #expect(thin.first == points.first && thin.last == points.last)
        for place in [123_457, 777_777, 500_001] { #expect(thin.contains(points[place])) }
        #expect(zip(thin, thin.dropFirst()).allSatisfy { $0.x < $1.x })
    }

    @Test("few points stay as they are")
    func short() {
        let points = (0..<100).map { CurvePoint(Double($0), nil) }
        #expect(thinned(points, most: 100) == points)
    }
}
