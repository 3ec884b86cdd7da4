import Foundation

/// Which network Open MPI has to be kept to where it would otherwise wait for ever: it takes any interface that two hosts have for
/// a way from one to the other, docker0 with the same address on both above all.
package struct NetworkChoice: Equatable, Sendable {
    /// As Open MPI takes it: `10.0.0.0/24`.
    package let network: String
    /// Why, in a sentence.
    package let text: String

    /// - Parameter hosts: the interfaces of every host.
    /// - Returns: nil where no interface is in doubt, or no network is common to all hosts.
    package init?(_ hosts: [(name: String, interfaces: [NetworkInterface])]) {
        let candidates = hosts.map { $0.interfaces.filter(\.isCandidate) }
        // The same address on two hosts leads to neither.
        let addresses = candidates.flatMap { Set($0.map(\.address)) }
        let doubled = Set(Dictionary(grouping: addresses) { $0 }.filter { $0.value.count > 1 }.keys)
        var doubts: [(interface: NetworkInterface, hosts: [String])] = []
        for (host, interfaces) in zip(hosts, candidates) {
            for interface in interfaces where interface.isInternal || doubled.contains(interface.address) {
                let same = doubts.firstIndex {
                    $0.interface.name == interface.name && $0.interface.address == interface.address
                }
                if let same { doubts[same].hosts.append(host.name) } else { doubts.append((interface, [host.name])) }
            }
        }
        guard !doubts.isEmpty, let first = candidates.first else { return nil }
        let networks = candidates.map { interfaces in
            interfaces.filter { !$0.isInternal && !doubled.contains($0.address) }.compactMap(\.network)
        }
        let shared = first.compactMap(\.network).first { network in networks.allSatisfy { $0.contains(network) } }
        guard let shared else { return nil }
        network = shared
        let found = doubts.map { "\($0.interface.name) (\($0.interface.address)) of \($0.hosts.joined(separator: " and "))" }
        text =
            "\(found.joined(separator: ", ")) \(doubts.count == 1 ? "leads" : "lead") to no other host; Open MPI is kept to \(shared), "
            + "as by OMPI_MCA_btl_tcp_if_include=\(shared) and OMPI_MCA_oob_tcp_if_include=\(shared)"
    }
}
