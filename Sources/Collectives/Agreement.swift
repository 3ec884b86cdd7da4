import Diagnostics

/// What all ranks must hold before anything is done together that depends on it: ranks that disagree about it would wait
/// for each other for ever, or spoil a run unseen.
package enum Agreement {
    /// Something that may differ between ranks, by the name that a message gives it.
    package struct Item: Equatable, Sendable {
        package let name: String
        /// A setting, a version or a hash; nil where the rank has none.
        package let value: String?

        package init(_ name: String, _ value: String?) {
            self.name = name
            self.value = value
        }
    }

    /// Compares every rank's items with those of rank 0. Collective; all ranks pass the same names in the same order.
    /// - Throws: `AgreedFailure` (78) that names the first rank that differs, its host where there are several, and in what.
    package static func check(_ items: [Item], over communicator: any Communicator) throws {
        guard communicator.size > 1 else { return }
        let all = try communicator.allGather(encoded(items))
        for rank in 1..<communicator.size where all[rank] != all[0] {
            let hosts = try communicator.hostNames()
            func named(_ rank: Int) -> String {
                hosts.contains { $0 != hosts[0] } ? "rank \(rank) on \(hosts[rank])" : "rank \(rank)"
            }
            let own = decoded(all[rank])
            let first = decoded(all[0])
            // Ranks that run different programs may not even compare the same things.
            let pair = zip(own, first).first { $0 != $1 } ?? (Item("program", nil), Item("program", nil))
            let (found, expected) = firstDifference(pair.0.value, pair.1.value)
            throw AgreedFailure(
                rank: 0,
                failure: Failure(
                    .badConfiguration,
                    "\(named(rank)) differs from \(named(0)) in "
                        + "\(pair.0.name): found \(found), expected \(expected); start all ranks with the same program, options, "
                        + "configuration, data and environment"))
        }
    }

    /// Each item as its name, a mark that tells a missing value from an empty one, and the value; separated by bytes that
    /// don't occur in UTF-8, so that no value can pass for two.
    private static func encoded(_ items: [Item]) -> [UInt8] {
        var bytes: [UInt8] = []
        for item in items {
            bytes += Array(item.name.utf8)
            bytes.append(fieldEnd)
            if let value = item.value {
                bytes.append(present)
                bytes += Array(value.utf8)
            }
            bytes.append(itemEnd)
        }
        return bytes
    }

    private static func decoded(_ bytes: [UInt8]) -> [Item] {
        bytes.split(separator: itemEnd).map { item in
            let parts = item.split(separator: fieldEnd, maxSplits: 1, omittingEmptySubsequences: false)
            let value = parts.count == 2 ? parts[1] : []
            return Item(
                String(decoding: parts[0], as: UTF8.self),
                value.first == present ? String(decoding: value.dropFirst(), as: UTF8.self) : nil)
        }
    }

    private static let fieldEnd: UInt8 = 0xFF, itemEnd: UInt8 = 0xFE, present: UInt8 = 0xFD

    /// What to show of two values: of texts the first line that differs, of hashes the beginning.
    package static func firstDifference(_ a: String?, _ b: String?) -> (String, String) {
        guard let a, let b else { return (a.map(shown) ?? "none", b.map(shown) ?? "none") }
        let first = a.split(separator: "\n")
        let second = b.split(separator: "\n")
        for index in 0..<max(first.count, second.count) {
            let lines = (index < first.count ? first[index] : "", index < second.count ? second[index] : "")
            if lines.0 != lines.1 { return (shown(lines.0), shown(lines.1)) }
        }
        return (shown(a), shown(b))
    }

    private static func shown(_ text: some StringProtocol) -> String {
        let text = String(text.drop { $0 == " " }.prefix(40))
        return text.isEmpty ? "\"\"" : text
    }
}
