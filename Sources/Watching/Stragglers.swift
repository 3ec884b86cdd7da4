/// Finds ranks that compute longer than others, from how often each was seen at what. A watcher that looks at random moments
/// sees a rank at its own work for that share of the time that it takes: no rank has to read a clock for it.
package struct Stragglers {
    /// How many times as long as the median rank.
    package static let factor = 1.5
    /// For how long, in seconds, before it is told of.
    package var windowSeconds = 60.0
    /// The fewest looks that say anything.
    package static let fewestLooks = 60
    /// A rank that makes others wait is hardly ever seen waiting itself.
    package static let leastShare = 0.6

    private var start: [RankSign] = []
    private var elapsed = 0.0
    private var told = Set<Int>()

    /// A rank that is slower than the others.
    package struct Finding: Equatable {
        package let rank: Int
        /// How many times as long as the median rank it computed.
        package let times: Double
        /// Where most of the difference lies.
        package let activity: Activity
    }

    package init(windowSeconds: Double = 60) { self.windowSeconds = windowSeconds }

    /// Takes in the table; at the end of a window returns who was slow all through it and wasn't told of before.
    package mutating func update(_ table: JobTable, seconds: Double) -> [Finding] {
        // Not all the time in training steps: a window of its own begins later.
        guard !start.isEmpty, table.ranks.allSatisfy({ $0.step > 0 }), table.ranks.count == start.count else {
            start = table.ranks.allSatisfy { $0.step > 0 } ? table.ranks : []
            elapsed = 0
            return []
        }
        elapsed += seconds
        guard elapsed >= windowSeconds else { return [] }
        let found = Self.findings(zip(start, table.ranks).map { Share(from: $0, to: $1) }).filter { !told.contains($0.rank) }
        told.formUnion(found.map(\.rank))
        start = table.ranks
        elapsed = 0
        return found
    }

    /// What a rank did in a window.
    struct Share {
        let looks: Int
        /// Of them at its own work, by `Activity.rawValue`.
        let work: [Int]
        let samples: Int

        /// The share of the time that it was at its own work.
        var busy: Double { looks > 0 ? Double(work.reduce(0, +)) / Double(looks) : 0 }

        func share(_ activity: Activity) -> Double { looks > 0 ? Double(work[Int(activity.rawValue)]) / Double(looks) : 0 }

        init(from: RankSign, to: RankSign) {
            looks = to.looks - from.looks
            work = Activity.allCases.map { $0.isStepWork ? to.seen[Int($0.rawValue)] - from.seen[Int($0.rawValue)] : 0 }
            samples = to.samples - from.samples
        }
    }

    /// All ranks take as many steps, so shares of time compare as times per step do. A rank that has more samples than
    /// others must also take longer for each of them.
    static func findings(_ shares: [Share]) -> [Finding] {
        let working = shares.indices.filter { shares[$0].samples > 0 && shares[$0].looks >= fewestLooks }
        guard working.count > 1 else { return [] }
        let middle = median(working.map { shares[$0].busy })
        func pace(_ rank: Int) -> Double { shares[rank].busy / Double(shares[rank].samples) }
        let middlePace = median(working.map(pace))
        return working.compactMap { rank in
            let share = shares[rank]
            guard middle > 0, share.busy >= leastShare, share.busy >= factor * middle, pace(rank) >= factor * middlePace
            else { return nil }
            let slowest = Activity.allCases.filter(\.isStepWork).max { excess($0, rank) < excess($1, rank) }
            return Finding(rank: rank, times: share.busy / middle, activity: slowest ?? .backward)
        }
        /// By how much more of the time than the median rank it was at this.
        func excess(_ activity: Activity, _ rank: Int) -> Double {
            shares[rank].share(activity) - median(working.map { shares[$0].share(activity) })
        }
    }

    /// The lower one of the two in the middle: of two ranks the faster one is what the other is measured by.
    private static func median(_ values: [Double]) -> Double { values.sorted()[(values.count - 1) / 2] }
}
