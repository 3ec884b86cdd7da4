/// Networks that Open MPI may choose between hosts although they lead nowhere: docker0 is the best known.
package struct InterfaceCheck: Check {
    package let name = "interfaces"

    package init() {}

    package func findings(in job: JobFacts) -> [Finding] {
        let speakers = job.hostSpeakers.map(\.facts)
        guard speakers.count > 1 else {
            guard let host = speakers.first, isOpen(host) else { return [] }
            let inner = host.interfaces.filter { $0.isCandidate && $0.isInternal }
            guard !inner.isEmpty else { return [] }
            return [
                finding(
                    .note, "host \(host.host)", "\(named(inner)): a network of this machine alone",
                    mend: "harmless on one host; with several, keep Open MPI off it: OMPI_MCA_btl_tcp_if_exclude=lo,"
                        + inner.map(\.name).joined(separator: ","))
            ]
        }
        return speakers.flatMap { included($0) + excludable($0, among: speakers) } + [common(speakers)].compactMap { $0 }
    }

    /// Whether Open MPI is left to choose.
    private func isOpen(_ host: RankFacts) -> Bool { (host.includedInterfaces ?? "").isEmpty }

    /// Those that are named and aren't there.
    private func included(_ host: RankFacts) -> [Finding] {
        let names = (host.includedInterfaces ?? "").split(separator: ",").map(String.init)
        // One with a slash is a network, not a name.
        let missing = names.filter { name in !name.contains("/") && !host.interfaces.contains { $0.name == name && $0.isUp } }
        guard !missing.isEmpty else { return [] }
        return [
            finding(
                .error, "host \(host.host)",
                "btl_tcp_if_include names \(missing.joined(separator: ", ")), which has no address here",
                mend: "name a network instead, which may have other names on other hosts: 10.0.0.0/24, say")
        ]
    }

    private func excludable(_ host: RankFacts, among all: [RankFacts]) -> [Finding] {
        guard isOpen(host) else { return [] }
        let excluded = Set((host.excludedInterfaces ?? "").split(separator: ",").map(String.init))
        let candidates = host.interfaces.filter { $0.isCandidate && !excluded.contains($0.name) }
        let inner = candidates.filter { interface in
            // The same address on two hosts leads to neither.
            interface.isInternal
                || all.contains {
                    isElsewhere($0, than: host) && $0.interfaces.contains { $0.address == interface.address && $0.isCandidate }
                }
        }
        guard !inner.isEmpty else { return [] }
        return [
            finding(
                .warning, "host \(host.host)",
                "Open MPI may choose \(named(inner)), which leads to no other host, and wait for ever",
                mend: advice(all) ?? "OMPI_MCA_btl_tcp_if_exclude=lo,\(inner.map(\.name).joined(separator: ","))")
        ]
    }

    /// Tests cut one machine into hosts, which have name and addresses in common.
    private func isElsewhere(_ other: RankFacts, than host: RankFacts) -> Bool {
        other.host != host.host || other.machine != host.machine
    }

    /// Networks that all hosts have a part in.
    private func shared(_ hosts: [RankFacts]) -> [String] {
        let networks = hosts.map { host in
            host.interfaces.filter { $0.isCandidate && !$0.isInternal }.compactMap(\.network)
        }
        guard let first = networks.first else { return [] }
        return first.filter { network in networks.allSatisfy { $0.contains(network) } }
    }

    /// The option that helps where all hosts have a network in common.
    private func advice(_ hosts: [RankFacts]) -> String? {
        shared(hosts).first.map { "mpirun --mca btl_tcp_if_include \($0) --mca oob_tcp_if_include \($0)" }
    }

    private func common(_ hosts: [RankFacts]) -> Finding? {
        guard hosts.allSatisfy(isOpen) else { return nil }
        let networks = shared(hosts)
        if networks.count > 1 {
            return finding(
                .note, "all hosts", "they have several networks in common: \(networks.joined(separator: ", "))",
                mend: "Open MPI uses all of them; to choose the fastest: mpirun --mca btl_tcp_if_include NETWORK")
        }
        guard networks.isEmpty, hosts.allSatisfy({ !$0.interfaces.isEmpty }) else { return nil }
        return finding(
            .note, "all hosts", "no network is common to all of them, so that messages are routed",
            mend: "see the latencies above; mpirun --mca btl_tcp_if_include names networks by hand")
    }

    private func named(_ interfaces: [NetworkInterface]) -> String {
        interfaces.map { "\($0.name) (\($0.address))" }.joined(separator: ", ")
    }
}
