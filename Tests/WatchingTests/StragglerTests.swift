import Testing

import Watching

/// Who is told of as slow.
@Suite("Stragglers")
struct StragglerTests {
    /// After a window: of so many looks each rank was at its own work, in forward and backward, and ran so many samples.
    private func table(_ ranks: [(forward: Int, backward: Int, samples: Int)], looks: Int = 240, windows: Int = 1) -> JobTable {
        var table = JobTable.training(ranks.count)
        for (rank, share) in ranks.enumerated() {
            table.ranks[rank].looks = looks * windows
            table.ranks[rank].seen[Int(Activity.forward.rawValue)] = share.forward * windows
            table.ranks[rank].seen[Int(Activity.backward.rawValue)] = share.backward * windows
            table.ranks[rank].samples = share.samples * windows
        }
        return table
    }

    private func findings(_ ranks: [(forward: Int, backward: Int, samples: Int)], looks: Int = 240) -> [Stragglers.Finding] {
        var stragglers = Stragglers()
        let start = JobTable.training(ranks.count)
        #expect(stragglers.update(start, seconds: 0).isEmpty)
        #expect(stragglers.update(table(ranks, looks: looks), seconds: 59).isEmpty)
        return stragglers.update(table(ranks, looks: looks), seconds: 1)
    }

    @Test("a rank that computes twice as long as the median is found, with the activity that is slow")
    func found() {
        let found = findings([(40, 80, 100), (40, 80, 100), (50, 180, 100), (40, 80, 100)])
        #expect(found.map(\.rank) == [2])
        #expect(found.first?.activity == .backward)
        #expect(abs((found.first?.times ?? 0) - 230.0 / 120) < 1e-9)
        #expect(findings([(230, 10, 100), (60, 60, 100), (60, 60, 100)]).first?.activity == .forward)
    }

    @Test("of two ranks the faster one is what the other is measured by")
    func two() {
        #expect(findings([(40, 80, 100), (80, 140, 100)]).map(\.rank) == [1])
        #expect(findings([(60, 100, 100), (80, 140, 100)]).isEmpty)
    }

    @Test("a rank with more samples than others isn't slow for that")
    func uneven() {
        #expect(findings([(110, 120, 200), (55, 60, 100), (55, 60, 100)]).isEmpty)
        #expect(findings([(0, 0, 0), (110, 120, 100)]).isEmpty)
        #expect(findings([(0, 0, 0), (110, 120, 100), (40, 80, 100)]).map(\.rank) == [1])
    }

    @Test("where all wait most of the time, or there are few looks, nothing is said")
    func little() {
        #expect(findings([(5, 10, 100), (20, 40, 100), (5, 10, 100)]).isEmpty)
        #expect(findings([(5, 10, 100), (20, 20, 100), (5, 10, 100)], looks: 41).isEmpty)
        #expect(findings([(200, 30, 100)]).isEmpty)
    }

    @Test("each is told of once, also when it stays slow; another one later")
    func once() {
        var stragglers = Stragglers()
        func after(_ windows: Int, slow: Int) -> [Int] {
            var ranks = Array(repeating: (forward: 40, backward: 60, samples: 100), count: 3)
            ranks[slow] = (90, 140, 100)
            return stragglers.update(table(ranks, windows: windows), seconds: 60).map(\.rank)
        }
        #expect(after(0, slow: 1) == [])
        #expect(after(1, slow: 1) == [1])
        #expect(after(2, slow: 1) == [])
        // What comes is counted from the last window's end on.
        #expect(after(2, slow: 1) == [])
    }
}
