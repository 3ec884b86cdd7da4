import Diagnostics
import Foundation

/// What a host's first rank tells its watcher when it starts it.
package struct WatchSettings: Codable, Equatable, Sendable {
    /// A host of the job.
    package struct Host: Codable, Equatable, Sendable {
        package var name: String
        package var firstRank: Int, endRank: Int

        package init(name: String, ranks: Range<Int>) {
            self.name = name
            firstRank = ranks.lowerBound
            endRank = ranks.upperBound
        }

        var ranks: Range<Int> { firstRank..<max(firstRank, endRank) }
    }

    /// In the order of their ranks.
    package var hosts: [Host]
    /// Which of them this is.
    package var host: Int
    /// Seconds; see `StallLimits`.
    package var idleSeconds: Double
    /// `--stall-timeout`, seconds.
    package var endSeconds: Double?
    /// How watchers of several hosts reach that of the first, and know each other; nil on one host.
    package var link: LinkSettings?

    package init(
        hosts: [Host], host: Int, idleSeconds: Double = StallLimits().idle, endSeconds: Double?, link: LinkSettings? = nil
    ) {
        self.hosts = hosts
        self.host = host
        self.idleSeconds = idleSeconds
        self.endSeconds = endSeconds
        self.link = link
    }

    var limits: StallLimits { StallLimits(idle: idleSeconds, end: endSeconds) }
    var ranks: Range<Int> { hosts[host].ranks }
    var rankCount: Int { hosts.last?.endRank ?? 0 }

    /// Writes them to a watcher's pipe: their length, 4 bytes, and JSON.
    package func write(to descriptor: Int32) throws {
        let text = try JSONEncoder().encode(self)
        var bytes = withUnsafeBytes(of: UInt32(text.count).littleEndian) { Array($0) } + text
        while !bytes.isEmpty {
            let count = Foundation.write(descriptor, bytes, bytes.count)
            if count > 0 {
                bytes.removeFirst(count)
            } else if errno != EINTR {
                throw Failure(
                    .systemRefused, "the watcher ended as soon as it was started: \(String(cString: strerror(errno)))")
            }
        }
    }

    /// Reads what `write` wrote; nil where there is nothing of the kind.
    static func read(from descriptor: Int32) -> WatchSettings? {
        func bytes(_ wanted: Int) -> [UInt8]? {
            var all: [UInt8] = []
            while all.count < wanted {
                var part = [UInt8](repeating: 0, count: min(wanted - all.count, 65_536))
                let count = Foundation.read(descriptor, &part, part.count)
                if count > 0 { all += part.prefix(count) } else if count == 0 || errno != EINTR { return nil }
            }
            return all
        }
        guard let header = bytes(4) else { return nil }
        let count = header.reversed().reduce(0) { $0 << 8 | Int($1) }
        guard count <= mostBytes, let text = bytes(count),
            let settings = try? JSONDecoder().decode(WatchSettings.self, from: Data(text)), settings.isConsistent
        else { return nil }
        return settings
    }

    private static let mostBytes = 16 << 20

    private var isConsistent: Bool {
        var next = 0
        for host in hosts {
            guard host.firstRank == next, host.endRank > next else { return false }
            next = host.endRank
        }
        return hosts.indices.contains(host) && idleSeconds > 0 && (endSeconds ?? 1) > 0
    }
}

/// How the watchers of several hosts find and know each other.
package struct LinkSettings: Codable, Equatable, Sendable {
    /// Addresses of the first host, IPv4, in the order in which to try them.
    package var addresses: [String]
    package var port: UInt16
    /// What those that belong together know and strangers don't: said by who connects, and answered. 32 hexadecimal digits each.
    package var question: String, answer: String

    package init(addresses: [String], port: UInt16, question: String, answer: String) {
        self.addresses = addresses
        self.port = port
        self.question = question
        self.answer = answer
    }

    /// As the first rank tells the others; nil where `text` isn't that.
    package init?(text: String) {
        guard let settings = try? JSONDecoder().decode(Self.self, from: Data(text.utf8)) else { return nil }
        self = settings
    }

    /// For `init(text:)`.
    package var text: String { (try? JSONEncoder().encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? "" }
}
