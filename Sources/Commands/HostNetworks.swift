import Diagnostics
import Examination
import Foundation

/// The network interfaces of hosts, which the launcher asks for before it starts ranks there.
enum HostNetworks {
    /// Prints this host's, as one line of JSON.
    static func tell() throws {
        let data = try JSONEncoder().encode(NetworkInterface.all(SystemView()))
        try StandardStream.output.line(String(decoding: data, as: UTF8.self))
    }

    /// What Open MPI has to be kept to, and why. Hosts whose answer isn't understood, of another version, are passed over.
    @Sendable static func choice(_ others: [(name: String, text: String)]) -> (network: String, text: String)? {
        let known = others.compactMap { other in
            (try? JSONDecoder().decode([NetworkInterface].self, from: Data(other.text.utf8))).map {
                (name: messageLine(other.name), interfaces: $0)
            }
        }
        let own = (name: ProcessInfo.processInfo.hostName, interfaces: NetworkInterface.all(SystemView()))
        guard !known.isEmpty, let choice = NetworkChoice([own] + known) else { return nil }
        return (choice.network, messageLine(choice.text))
    }
}
