import Collectives

/// Program, library, environment, configuration and data must be the same on all ranks: a job refuses to begin else.
package struct EqualityCheck: Check {
    package let name = "equality"

    package init() {}

    package func findings(in job: JobFacts) -> [Finding] {
        guard let first = job.ranks.first else { return [] }
        var found: [Finding] = []
        for rank in job.ranks {
            if let failure = rank.loadFailure {
                found.append(
                    finding(
                        .error, place(rank), "configuration or data can't be read: \(failure)",
                        mend: "put what is missing there, under the same path as on rank 0"))
            }
        }
        for (index, expected) in first.identities.enumerated() {
            let others = job.ranks.filter { rank in
                guard rank.loadFailure == nil else { return false }
                return rank.identities.indices.contains(index) ? rank.identities[index] != expected : true
            }
            // One finding for all ranks that have the same other value.
            for value in ordered(others.map { value($0, index) }) {
                let ranks = others.filter { self.value($0, index) == value }
                let (other, own) = Agreement.firstDifference(value, expected.value)
                found.append(
                    finding(
                        .error, places(ranks), "not the same as on rank 0: \(expected.name); found \(other), expected \(own)",
                        mend: "start all ranks with the same program, options, configuration, data and environment"))
            }
        }
        return found
    }

    private func value(_ rank: RankFacts, _ index: Int) -> String? {
        rank.identities.indices.contains(index) ? rank.identities[index].value : nil
    }

    private func ordered(_ values: [String?]) -> [String?] {
        values.enumerated().filter { index, value in values.firstIndex(of: value) == index }.map(\.element)
    }

    private func place(_ rank: RankFacts) -> String { "rank \(rank.rank) on \(rank.host)" }

    private func places(_ ranks: [RankFacts]) -> String {
        ranks.count == 1
            ? place(ranks[0])
            : "ranks \(ranks.map { String($0.rank) }.joined(separator: ", "))"
    }
}
