import Foundation
import Testing
import Watching

/// What watchers of several hosts say to each other, over the loopback.
@Suite("Between watchers")
struct LinkTests {
    private static let ranks = [0..<2, 2..<3]

    private static func settings(host: Int, _ link: LinkSettings?) -> WatchSettings {
        WatchSettings(
            hosts: ranks.enumerated().map { .init(name: "h\($0)", ranks: $1) }, host: host, endSeconds: nil, link: link)
    }

    private static func link(_ listener: WatchListener, question: String? = nil) -> LinkSettings {
        LinkSettings(
            addresses: ["127.0.0.1"], port: listener.port, question: question ?? String(repeating: "0a", count: 16),
            answer: String(repeating: "f1", count: 16))
    }

    /// A hub, and the line of the second host to it, whose question may be another.
    private static func pair(question: String? = nil) throws -> (hub: ReportHub, line: ReportLine) {
        let listener = try WatchListener()
        let link = link(listener)
        let hub = ReportHub(settings(host: 0, link), link, listener: dup(listener.descriptor))
        return (hub, ReportLine(settings(host: 1, link), self.link(listener, question: question)))
    }

    /// A host of one rank that is at this step.
    private static func host(step: Int) throws -> HostLook {
        let board = try PulseBoard(ranks: 1)
        board.pulse(0).begin(step: step)
        var host = HostLook(board)
        host.update(seconds: 1)
        return host
    }

    private static func table(_ hub: ReportHub) -> JobTable {
        var table = JobTable.training(2, 1)
        hub.complete(&table)
        return table
    }

    /// Lets both do what they can until `condition` holds.
    private static func run(
        _ hub: ReportHub, _ line: ReportLine, host: HostLook? = nil, seconds: Double = 0.01, until condition: () -> Bool
    ) -> Bool {
        for _ in 0..<500 {
            line.tick(seconds: seconds, reporting: host)
            hub.tick(seconds: seconds)
            hub.serve()
            line.serve()
            if condition() { return true }
            usleep(2000)
        }
        return false
    }

    @Test("a host's ranks are known to the first host, and for how long it is silent")
    func report() throws {
        let (hub, line) = try Self.pair()
        #expect(Self.table(hub).hosts[1].silentSeconds == nil)
        let host = try Self.host(step: 41)
        #expect(Self.run(hub, line, host: host) { Self.table(hub).ranks[2].step == 41 })
        #expect(line.isKnown && line.silentSeconds < 1)
        #expect(Self.table(hub).ranks[2].process == getpid())
        hub.tick(seconds: 3)
        hub.tick(seconds: 2)
        #expect(abs((Self.table(hub).hosts[1].silentSeconds ?? 0) - 5) < 0.1)
        #expect(Self.run(hub, line, host: host) { (Self.table(hub).hosts[1].silentSeconds ?? 9) < 1 })
        #expect(hub.takeUnheard().isEmpty)
    }

    @Test("the first host says when ranks are to be ended; one whose ranks have done isn't missed")
    func endAndLeave() throws {
        let (hub, line) = try Self.pair()
        #expect(Self.run(hub, line) { line.isKnown })
        #expect(!line.isToldToEnd)
        hub.end()
        #expect(Self.run(hub, line) { line.isToldToEnd })
        line.leave()
        #expect(Self.run(hub, line) { Self.table(hub).hosts[1].silentSeconds == nil })
    }

    @Test("a watcher that doesn't know the question isn't let in, and the first host tells of the one that doesn't come")
    func wrongQuestion() throws {
        let (hub, line) = try Self.pair(question: String(repeating: "0b", count: 16))
        #expect(!Self.run(hub, line, host: try Self.host(step: 1), seconds: 0.001) { line.isKnown })
        #expect(Self.table(hub).hosts[1].silentSeconds == nil)
        hub.tick(seconds: 15)
        #expect(hub.takeUnheard() == ["h1"])
        #expect(hub.takeUnheard().isEmpty)
    }

    @Test("strangers who say nothing or nonsense are dropped, and keep nobody out")
    func strangers() throws {
        let listener = try WatchListener()
        let link = Self.link(listener)
        let hub = ReportHub(Self.settings(host: 0, link), link, listener: dup(listener.descriptor))
        let line = ReportLine(Self.settings(host: 1, link), link)
        // Fewer than wait to be accepted: nobody accepts yet.
        let sockets = (0..<40).map { _ in Self.connect(listener.port) }
        defer { sockets.forEach { close($0) } }
        for (index, socket) in sockets.enumerated() where index % 2 == 0 {
            let nonsense = (0..<100).map { _ in UInt8.random(in: 0...255) }
            _ = Foundation.send(socket, nonsense, nonsense.count, Int32(MSG_NOSIGNAL))
        }
        #expect(Self.run(hub, line) { line.isKnown })
        // All of them are gone after three seconds: their ends of the connections read that.
        for _ in 0..<20 {
            hub.serve()
            hub.tick(seconds: 0.5)
        }
        for socket in sockets {
            var byte: UInt8 = 0
            var request = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
            #expect(poll(&request, 1, 2000) == 1 && recv(socket, &byte, 1, Int32(MSG_DONTWAIT)) <= 0)
        }
        #expect(Self.run(hub, line, host: try Self.host(step: 5)) { Self.table(hub).ranks[2].step == 5 })
    }

    private static func connect(_ port: UInt16) -> Int32 {
        let socket = Foundation.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var place = sockaddr_in()
        place.sin_family = sa_family_t(AF_INET)
        place.sin_port = port.bigEndian
        inet_pton(AF_INET, "127.0.0.1", &place.sin_addr)
        _ = withUnsafePointer(to: &place) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Foundation.connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        return socket
    }

    /// A sign with something in every place.
    private static func sign() -> RankSign {
        var sign = RankSign(process: 4_000_000)
        sign.step = 512
        sign.activity = .backward
        sign.wait = .gradients
        sign.awaited = 2
        sign.meetings = 9
        sign.condition = .uninterruptible
        sign.place = "nfs_wait_on_request_0123456789_x"
        sign.stillSeconds = 1.5
        sign.idleSeconds = 0.25
        sign.samples = 1 << 40
        sign.seen = (0..<Activity.allCases.count).map { $0 * 3 }
        sign.looks = 100
        return sign
    }

    static let messages: [WatchMessage] = [
        .question([1, -1], host: 1), .answer([.min, .max]), .presence, .end, .leave,
        .report([sign(), RankSign(process: 1)], networkIdleSeconds: 2.5)
    ]

    @Test("messages come as they were sent, whole or in pieces", arguments: messages)
    func roundTrip(message: WatchMessage) throws {
        let bytes = message.bytes
        var inbox: [UInt8] = []
        for (index, byte) in bytes.enumerated() {
            inbox.append(byte)
            let taken = try WatchMessage.take(from: &inbox, ranks: 2, rankCount: 3)
            #expect(taken == (index == bytes.count - 1 ? message : nil))
        }
        #expect(inbox.isEmpty)
        inbox = bytes + [7, 7]
        #expect(try WatchMessage.take(from: &inbox, ranks: 2, rankCount: 3) == message)
        #expect(inbox == [7, 7])
    }

    @Test("a report of another number of ranks, or that no rank can have made, is refused")
    func malformed() throws {
        let report = WatchMessage.report([Self.sign()], networkIdleSeconds: 0).bytes
        for ranks in [0, 2] {
            var inbox = report
            #expect(throws: WatchMessage.Malformed.self) { try WatchMessage.take(from: &inbox, ranks: ranks, rankCount: 3) }
        }
        // A rank that the job doesn't have is waited for.
        var inbox = report
        #expect(throws: WatchMessage.Malformed.self) { try WatchMessage.take(from: &inbox, ranks: 1, rankCount: 2) }
        // No byte, set to anything, does harm: either it is refused or something like a report comes out.
        for index in report.indices.dropFirst(8) {
            for value in [UInt8(0), 0x7f, 0xff] {
                inbox = report
                inbox[index] = value
                if let message = try? WatchMessage.take(from: &inbox, ranks: 1, rankCount: 3),
                    case .report(let signs, _) = message
                {
                    #expect(signs[0].step >= 0 && signs[0].seen.allSatisfy { (0...1 << 53).contains($0) })
                    var table = JobTable.training(3)
                    table.ranks[0] = signs[0]
                    for incident in judge(table, StallLimits()) {
                        #expect(!IncidentText(table: table, now: Date()).describe(incident).isEmpty)
                    }
                }
            }
        }
        for header in [[255, 255, 255, 255, 3, 0, 0, 0], [0, 0, 0, 0, 9, 0, 0, 0], [1, 0, 0, 0, 4, 0, 0, 0]] as [[UInt8]] {
            var inbox = header + [0, 0, 0, 0, 0, 0, 0, 0]
            #expect(throws: WatchMessage.Malformed.self) { try WatchMessage.take(from: &inbox, ranks: 1, rankCount: 3) }
        }
    }

    @Test("a token is 32 hexadecimal digits, each time others")
    func tokens() {
        #expect(WatchMessage.token(WatchListener.token()).count == 2)
        #expect(WatchListener.token() != WatchListener.token())
        for text in ["", "0", String(repeating: "g", count: 32), String(repeating: "0", count: 33)] {
            #expect(WatchMessage.token(text).isEmpty)
        }
    }
}
