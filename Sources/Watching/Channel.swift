import Foundation

/// A connection between two watchers that never blocks: what comes is gathered, what goes waits in a bounded queue.
final class Channel {
    let descriptor: Int32
    private var inbox: [UInt8] = []
    private var outbox: [UInt8] = []
    private(set) var isOpen = true

    /// What may wait to be sent: a peer that doesn't read is no peer.
    private static let mostWaiting = 4 << 20

    /// Takes over a socket.
    init(_ descriptor: Int32) {
        self.descriptor = descriptor
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        var yes: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<Int32>.size))
    }

    deinit { Foundation.close(descriptor) }

    /// What `poll` is to look for.
    var request: pollfd { pollfd(fd: descriptor, events: Int16(outbox.isEmpty ? POLLIN : POLLIN | POLLOUT), revents: 0) }

    /// Lets it be of no use any more; the socket is closed with the last reference.
    func close() { isOpen = false }

    func send(_ message: WatchMessage) {
        outbox += message.bytes
        flush()
        if outbox.count > Self.mostWaiting { isOpen = false }
    }

    /// Sends what can be sent now.
    func flush() {
        while isOpen, !outbox.isEmpty {
            let count = Foundation.send(descriptor, outbox, outbox.count, Int32(MSG_NOSIGNAL))
            if count > 0 {
                outbox.removeFirst(count)
            } else if errno != EINTR {
                if errno != EAGAIN { isOpen = false }
                return
            }
        }
    }

    /// All messages that have come; see `WatchMessage.take` for the parameters. It is closed by the first malformed one.
    func receive(ranks: Int, rankCount: Int) -> [WatchMessage] {
        var messages: [WatchMessage] = []
        // Never more at once than two messages take, so that nobody can fill the memory.
        let most = 2 * (WatchMessage.headerBytes + WatchMessage.mostWords(ranks: ranks) * 8)
        do {
            while isOpen {
                var part = [UInt8](repeating: 0, count: most - min(inbox.count, most - 1))
                let count = recv(descriptor, &part, part.count, 0)
                if count == 0 || count < 0 && errno != EAGAIN && errno != EINTR { isOpen = false }
                guard count > 0 else { break }
                inbox += part.prefix(count)
                while let message = try WatchMessage.take(from: &inbox, ranks: ranks, rankCount: rankCount) {
                    messages.append(message)
                }
            }
        } catch {
            isOpen = false
        }
        return messages
    }
}
