import Foundation

extension NetworkInterface {
    /// The network's first address as a number, and the number of addresses in it that differ in their bits; nil where the
    /// address isn't four bytes.
    private var number: UInt32? {
        let bytes = address.split(separator: ".").compactMap { UInt8($0) }
        return bytes.count == 4 ? bytes.reduce(0) { $0 << 8 | UInt32($1) } : nil
    }

    /// The network that the address lies in, as Open MPI takes it: `10.0.0.0/24`; nil where it can't be told.
    package var network: String? {
        guard let number, (0...32).contains(prefixLength) else { return nil }
        let first = prefixLength == 0 ? 0 : number & (UInt32.max << UInt32(32 - prefixLength))
        return [24, 16, 8, 0].map { String(first >> UInt32($0) & 0xff) }.joined(separator: ".") + "/\(prefixLength)"
    }

    /// Whether it is one that containers or virtual machines of this machine use, and leads to no other machine.
    package var isInternal: Bool {
        let beginnings = ["docker", "br-", "virbr", "veth", "cni", "flannel", "cali", "lxc", "lxdbr", "podman", "vmnet"]
        return beginnings.contains { name.hasPrefix($0) } || isBridge && address.hasPrefix("172.")
    }

    /// Whether Open MPI may take it for messages between hosts, unless told otherwise.
    package var isCandidate: Bool { isUp && !isLoopback }

    /// What may help where ranks don't find each other, told from the interfaces of a host.
    package static func advice(_ interfaces: [NetworkInterface]) -> String {
        let candidates = interfaces.filter(\.isCandidate)
        let names = candidates.map { "\($0.name) (\($0.address))" }.joined(separator: ", ")
        let network = candidates.first { !$0.isInternal }?.network ?? "NETWORK"
        return "see whether all ranks are there and none is stopped (ps), and whether all interfaces of this host, "
            + "\(names.isEmpty ? "none" : names), lead to the others; to name one that does: mpirun --mca btl_tcp_if_include "
            + "\(network) --mca oob_tcp_if_include \(network)"
    }

    /// The addresses at which other hosts may reach this one, the likeliest first; the loopback last, for those that are this host.
    package static func reachable(_ view: SystemView) -> [String] {
        let up = all(view).filter(\.isUp)
        let outer = up.filter { !$0.isLoopback && !$0.isInternal }
        return (outer + up.filter { !$0.isLoopback && $0.isInternal } + up.filter(\.isLoopback)).map(\.address)
    }

    /// Those of this host that have an address.
    package static func all(_ view: SystemView) -> [NetworkInterface] {
        var first: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&first) == 0 else { return [] }
        defer { freeifaddrs(first) }
        var found: [NetworkInterface] = []
        var next = first
        // A linked list, which lives until freeifaddrs.
        while let entry = next?.pointee {
            next = entry.ifa_next
            guard let address = dotted(entry.ifa_addr), let mask = dotted(entry.ifa_netmask) else { continue }
            let name = String(cString: entry.ifa_name)
            let bits = mask.split(separator: ".").compactMap { UInt8($0) }.reduce(0) { $0 + $1.nonzeroBitCount }
            found.append(
                NetworkInterface(
                    name: name, address: address, prefixLength: bits,
                    isUp: entry.ifa_flags & UInt32(IFF_UP) != 0,
                    isLoopback: entry.ifa_flags & UInt32(IFF_LOOPBACK) != 0, isBridge: view.isBridge(name)))
        }
        return found
    }

    /// An address of IPv4 with dots; nil for one of another kind.
    private static func dotted(_ address: UnsafeMutablePointer<sockaddr>?) -> String? {
        guard let address, address.pointee.sa_family == sa_family_t(AF_INET) else { return nil }
        // The family says which structure it is.
        let bytes = address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
            UInt32(bigEndian: $0.pointee.sin_addr.s_addr)
        }
        return [24, 16, 8, 0].map { String(bytes >> UInt32($0) & 0xff) }.joined(separator: ".")
    }
}
