import Foundation
import Timing

/// Another host's end of what watchers say to each other: it connects to the first host's watcher, again if need be, and
/// reports.
package final class ReportLine {
    private enum State {
        /// Not connected; the address that is tried next, after a pause.
        case apart(next: Int, pause: Double)
        case connecting(Channel, address: Int, seconds: Double)
        /// Connected, but it isn't known yet with whom.
        case asking(Channel, address: Int, seconds: Double)
        case joined(Channel)
    }

    private let settings: WatchSettings
    private let link: LinkSettings
    private let question: [Int64], answer: [Int64]
    private var state = State.apart(next: 0, pause: 0)
    /// Seconds since the first host's watcher was heard.
    package private(set) var silentSeconds = 0.0
    /// Whether it ever was.
    package private(set) var isKnown = false
    /// Whether it said that the ranks are to be ended.
    package private(set) var isToldToEnd = false

    /// How long one address may take to answer, and how long a pause is when all were tried.
    private static let attemptSeconds = 1.5, pauseSeconds = 0.5

    package init(_ settings: WatchSettings, _ link: LinkSettings) {
        self.settings = settings
        self.link = link
        question = WatchMessage.token(link.question)
        answer = WatchMessage.token(link.answer)
    }

    var requests: [pollfd] {
        switch state {
        case .apart: []
        case .connecting(let channel, _, _): [pollfd(fd: channel.descriptor, events: Int16(POLLOUT), revents: 0)]
        case .asking(let channel, _, _), .joined(let channel): [channel.request]
        }
    }

    /// Takes in what has come.
    package func serve() {
        switch state {
        case .apart: break
        case .connecting(let channel, let address, _):
            var request = pollfd(fd: channel.descriptor, events: Int16(POLLOUT), revents: 0)
            guard poll(&request, 1, 0) > 0 else { return }
            var code: Int32 = 0
            var size = socklen_t(MemoryLayout<Int32>.size)
            guard getsockopt(channel.descriptor, SOL_SOCKET, SO_ERROR, &code, &size) == 0, code == 0 else {
                return giveUp(address)
            }
            channel.send(.question(question, host: settings.host))
            state = .asking(channel, address: address, seconds: 0)
        case .asking(let channel, let address, _):
            channel.flush()
            let messages = channel.receive(ranks: 0, rankCount: 0)
            guard let first = messages.first else {
                if !channel.isOpen { giveUp(address) }
                return
            }
            guard case .answer(answer) = first, !answer.isEmpty else { return giveUp(address) }
            isKnown = true
            silentSeconds = 0
            state = .joined(channel)
            hear(Array(messages.dropFirst()), channel)
        case .joined(let channel):
            channel.flush()
            hear(channel.receive(ranks: 0, rankCount: 0), channel)
        }
    }

    private func hear(_ messages: [WatchMessage], _ channel: Channel) {
        for message in messages {
            switch message {
            case .presence: silentSeconds = 0
            case .end: isToldToEnd = true
            default: channel.close()
            }
        }
        if !channel.isOpen { state = .apart(next: 0, pause: Self.pauseSeconds) }
    }

    /// Time passes: connects where there is no connection, reports where there is one.
    ///
    /// - Parameter reporting: what to report; nil: nothing this time.
    package func tick(seconds: Double, reporting host: HostLook?) {
        silentSeconds += seconds
        switch state {
        case .apart(let next, let pause):
            if pause > 0 { state = .apart(next: next, pause: pause - seconds) } else { connect(next) }
        case .connecting(let channel, let address, let waited):
            state = .connecting(channel, address: address, seconds: waited + seconds)
            if waited + seconds > Self.attemptSeconds { giveUp(address) }
        case .asking(let channel, let address, let waited):
            state = .asking(channel, address: address, seconds: waited + seconds)
            if waited + seconds > Self.attemptSeconds { giveUp(address) }
        case .joined(let channel):
            if let host { channel.send(.report(host.signs, networkIdleSeconds: host.networkIdleSeconds)) }
            // A connection over a link that was down may stay dead long after the link is back.
            if !channel.isOpen || silentSeconds > Self.deadSeconds { state = .apart(next: 0, pause: 0) }
        }
    }

    private static let deadSeconds = 6.0

    /// The ranks have done.
    package func leave() {
        if case .joined(let channel) = state { channel.send(.leave) }
    }

    private func giveUp(_ address: Int) {
        let next = address + 1
        state = next < link.addresses.count ? .apart(next: next, pause: 0) : .apart(next: 0, pause: Self.pauseSeconds)
    }

    private func connect(_ index: Int) {
        guard link.addresses.indices.contains(index) else { return }
        var place = sockaddr_in()
        place.sin_family = sa_family_t(AF_INET)
        place.sin_port = link.port.bigEndian
        guard inet_pton(AF_INET, link.addresses[index], &place.sin_addr) == 1 else { return giveUp(index) }
        let socket = Foundation.socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { return giveUp(index) }
        let channel = Channel(socket)
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let code = withUnsafePointer(to: &place) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { Foundation.connect(socket, $0, size) }
        }
        guard code == 0 || errno == EINPROGRESS else { return giveUp(index) }
        state = .connecting(channel, address: index, seconds: 0)
    }
}
