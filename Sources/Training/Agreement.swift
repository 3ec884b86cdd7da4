import Collectives
import Diagnostics

/// What all ranks must hold before training begins: checked with a hash of each, so that one node with an old file
/// doesn't spoil a run unseen.
enum Agreement {
    /// Compares named texts (hashes, versions) with rank 0's. Collective; the failure names the first rank that differs
    /// and in what.
    static func check(_ items: [(name: String, value: String)], over communicator: any Communicator) throws {
        guard communicator.size > 1 else { return }
        let own = items.map(\.value).joined(separator: "\u{1F}")
        let all = try communicator.allGather(own).map {
            $0.split(separator: "\u{1F}", omittingEmptySubsequences: false)
        }
        for rank in 1..<communicator.size where all[rank] != all[0] {
            let index = zip(all[0], all[rank]).enumerated().first { $0.element.0 != $0.element.1 }?.offset ?? 0
            let (found, expected) = firstDifference(all[rank][index], all[0][index])
            throw AgreedFailure(rank: 0, failure: Failure(.badConfiguration, "rank \(rank) holds another "
                + "\(items[index].name) than rank 0 (\(found) against \(expected)); "
                + "all nodes need the same configuration, data and program"))
        }
    }

    /// What to show of two values: of texts the first line that differs, of hashes the beginning.
    private static func firstDifference(_ a: Substring, _ b: Substring) -> (String, String) {
        let (first, second) = (a.split(separator: "\n"), b.split(separator: "\n"))
        let pair = zip(first, second).first { $0 != $1 } ?? (first.last ?? "", second.last ?? "")
        func shown(_ line: Substring) -> String { String(line.drop { $0 == " " }.prefix(40)) }
        return (shown(pair.0), shown(pair.1))
    }
}
