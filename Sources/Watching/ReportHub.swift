import Foundation

/// The first host's end of what watchers say to each other: it takes in the reports of the others, and tells them when to end.
package final class ReportHub {
    /// A host's watcher.
    private struct Member {
        var channel: Channel?
        var silentSeconds = 0.0
        /// Whether it was ever heard, and whether its ranks have done.
        var isKnown = false, hasLeft = false
        var signs: [RankSign]
        var networkIdleSeconds = 0.0
    }

    /// Somebody who has connected and not said yet who that is.
    private struct Stranger {
        let channel: Channel
        var seconds = 0.0
    }

    private let listener: Int32
    private let settings: WatchSettings
    private let question: [Int64], answer: [Int64]
    private var members: [Member]
    private var strangers: [Stranger] = []
    private var unheardSeconds = 0.0
    private var hasToldOfUnheard = false

    /// How long a stranger may take to say who it is, and how many there may be.
    private static let introductionSeconds = 3.0, mostStrangers = 64
    /// How long a watcher may take to come.
    private static let arrivalSeconds = 15.0

    /// - Parameter listener: a socket that listens; it is taken over.
    package init(_ settings: WatchSettings, _ link: LinkSettings, listener: Int32) {
        self.listener = listener
        self.settings = settings
        question = WatchMessage.token(link.question)
        answer = WatchMessage.token(link.answer)
        members = settings.hosts.map { Member(signs: $0.ranks.map { _ in RankSign(process: 0) }) }
        _ = fcntl(listener, F_SETFL, fcntl(listener, F_GETFL) | O_NONBLOCK)
    }

    deinit { close(listener) }

    var requests: [pollfd] {
        [pollfd(fd: listener, events: Int16(POLLIN), revents: 0)] + strangers.map(\.channel.request)
            + members.compactMap { $0.channel?.request }
    }

    /// Takes in what has come.
    package func serve() {
        accept()
        for stranger in strangers { introduce(stranger.channel) }
        strangers.removeAll { stranger in !stranger.channel.isOpen || members.contains { $0.channel === stranger.channel } }
        for host in members.indices { listen(to: host) }
    }

    private func accept() {
        while true {
            let socket = Foundation.accept(listener, nil, nil)
            guard socket >= 0 else { return }
            _ = fcntl(socket, F_SETFD, FD_CLOEXEC)
            if strangers.count == Self.mostStrangers { strangers.removeFirst() }
            strangers.append(Stranger(channel: Channel(socket)))
        }
    }

    /// Lets a stranger in that knows the question.
    private func introduce(_ channel: Channel) {
        guard let first = channel.receive(ranks: 0, rankCount: 0).first else { return }
        guard case .question(question, let host) = first, !question.isEmpty, members.indices.contains(host),
            host != settings.host
        else {
            channel.close()
            return
        }
        members[host].channel = channel
        members[host].silentSeconds = 0
        members[host].isKnown = true
        members[host].hasLeft = false
        channel.send(.answer(answer))
    }

    private func listen(to host: Int) {
        guard let channel = members[host].channel else { return }
        channel.flush()
        for message in channel.receive(ranks: members[host].signs.count, rankCount: settings.rankCount) {
            switch message {
            case .report(let signs, let idle):
                members[host].signs = signs
                members[host].networkIdleSeconds = idle
                members[host].silentSeconds = 0
            case .leave: members[host].hasLeft = true
            default: channel.close()
            }
        }
        if !channel.isOpen { members[host].channel = nil }
    }

    /// Time passes: says that this watcher is there.
    package func tick(seconds: Double) {
        for index in strangers.indices {
            strangers[index].seconds += seconds
            if strangers[index].seconds > Self.introductionSeconds { strangers[index].channel.close() }
        }
        strangers.removeAll { !$0.channel.isOpen }
        unheardSeconds += seconds
        for host in members.indices where members[host].isKnown {
            members[host].silentSeconds += seconds
            members[host].channel?.send(.presence)
        }
    }

    /// Fills in what is known of the other hosts.
    package func complete(_ table: inout JobTable) {
        for (host, member) in members.enumerated() where host != settings.host {
            table.ranks.replaceSubrange(settings.hosts[host].ranks, with: member.signs)
            table.hosts[host].silentSeconds = member.isKnown && !member.hasLeft ? member.silentSeconds : nil
            table.hosts[host].networkIdleSeconds = member.networkIdleSeconds
        }
    }

    /// Once: the hosts whose watchers haven't come in time.
    package func takeUnheard() -> [String] {
        guard !hasToldOfUnheard, unheardSeconds >= Self.arrivalSeconds else { return [] }
        hasToldOfUnheard = true
        return members.indices.filter { $0 != settings.host && !members[$0].isKnown }.map { settings.hosts[$0].name }
    }

    /// Tells all watchers to end their ranks.
    package func end() {
        for member in members { member.channel?.send(.end) }
    }
}
