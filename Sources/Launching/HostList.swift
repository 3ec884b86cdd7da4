import Diagnostics

/// The argument of `--hosts`: hosts and how many ranks each may get, `a,b:4`, as of mpirun's `--host`.
package struct HostList: Equatable, Sendable {
    package struct Host: Equatable, Sendable {
        /// A name or an address, as ssh takes it.
        package let name: String
        /// The most ranks there; 1 where the list says nothing.
        package let slots: Int
    }

    /// In the order given; a host that is listed twice once, with the sum of its slots.
    package let hosts: [Host]

    /// The most ranks on all hosts together.
    package var slots: Int { hosts.reduce(0) { $0 + $1.slots } }

    /// What mpirun's `--host` takes.
    var argument: String { hosts.map { "\($0.name):\($0.slots)" }.joined(separator: ",") }

    /// - Throws: `Failure` (64) that names the part of `text` that is no host.
    package init(_ text: String) throws {
        var hosts: [Host] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let fields = part.split(separator: ":", omittingEmptySubsequences: false)
            guard fields.count <= 2, Self.isName(fields[0]) else {
                throw Failure(
                    .usage,
                    "--hosts \(messageLine(text)): \"\(messageLine(String(part)))\" is no host; expected names or addresses of "
                        + "letters, digits, dots and hyphens, each with the number of its ranks unless that is 1, such as a,b:4"
                )
            }
            let slots = fields.count == 1 ? 1 : Int(fields[1]) ?? 0
            guard (1...RankCount.largest).contains(slots) else {
                throw Failure(
                    .usage,
                    "--hosts \(messageLine(text)): \"\(messageLine(String(part)))\": expected a number of ranks from 1 to "
                        + "\(RankCount.largest) behind the colon")
            }
            let name = String(fields[0])
            if let index = hosts.firstIndex(where: { $0.name == name }) {
                hosts[index] = Host(name: name, slots: hosts[index].slots + slots)
            } else {
                hosts.append(Host(name: name, slots: slots))
            }
        }
        self.hosts = hosts
    }

    private init(hosts: [Host]) { self.hosts = hosts }

    /// The list without hosts of these names; nil where none is left.
    func without(_ names: [String]) -> HostList? {
        let rest = hosts.filter { !names.contains($0.name) }
        return rest.isEmpty ? nil : HostList(hosts: rest)
    }

    /// One that can be neither an option nor another word of a command.
    private static func isName(_ text: Substring) -> Bool {
        (1...253).contains(text.utf8.count) && text.first != "-" && text.first != "."
            && text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "." || $0 == "-" || $0 == "_") }
    }

    /// The number of ranks that `--ranks` asks for, or one for each slot.
    /// - Throws: `Failure` (64) where there are fewer slots.
    package func ranks(_ count: RankCount) throws -> Int {
        guard case .count(let ranks) = count else { return slots }
        guard ranks <= slots else {
            throw Failure(
                .usage,
                "--ranks \(ranks): the hosts of --hosts \(argument) have room for \(slots); say how many ranks each may get, "
                    + "such as \(hosts[0].name):\((ranks + hosts.count - 1) / hosts.count), or use fewer ranks")
        }
        return ranks
    }
}
