import Foundation

/// Thrown where nobody reads what is printed any more (`dtrain inspect | head -1`): a reason to stop, not an error.
package struct ReaderGone: Error, Equatable {
    package init() {}
}

/// Standard output or standard error, unbuffered: the only way to either.
package struct StandardStream: Sendable {
    package static let output = StandardStream(descriptor: STDOUT_FILENO, name: "standard output")
    package static let errors = StandardStream(descriptor: STDERR_FILENO, name: "standard error")

    private let descriptor: Int32
    private let name: String

    package init(descriptor: Int32, name: String) {
        self.descriptor = descriptor
        self.name = name
    }

    /// Makes sure that descriptors 0, 1 and 2 are open, before anything else is: a daemon may start a program without
    /// them, and the next file that it opens would be its standard output. What is missing leads to `/dev/null`.
    /// - Throws: `Failure(.systemRefused)`.
    package static func secure() throws {
        for wanted in STDIN_FILENO...STDERR_FILENO where fcntl(wanted, F_GETFD) < 0 && errno == EBADF {
            // The lowest free number, which is this one.
            guard open("/dev/null", O_RDWR) == wanted else {
                throw Failure(
                    .systemRefused,
                    "descriptor \(wanted) is closed, and /dev/null can't be opened in its place: "
                        + String(cString: strerror(errno)))
            }
        }
    }

    /// Writes a text as it is: output in a format of its own. A `line` is for people.
    /// - Throws: `ReaderGone`, `Failure(.inputOutput)`.
    package func write(_ text: String) throws {
        var text = text
        try text.withUTF8 { try write(UnsafeRawBufferPointer($0)) }
    }

    /// The same with bytes.
    package func write(_ bytes: UnsafeRawBufferPointer) throws {
        var rest = bytes
        while !rest.isEmpty {
            let count = Foundation.write(descriptor, rest.baseAddress, rest.count)
            if count > 0 {
                rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
            } else {
                try recover(from: count == 0 ? ENOSPC : errno)
            }
        }
    }

    /// Returns where the write may be tried again.
    private func recover(from code: Int32) throws {
        switch code {
        case EINTR: return
        case EAGAIN:
            // Whoever shares the descriptor has made it non-blocking.
            var request = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            poll(&request, 1, -1)
        case EPIPE, ECONNRESET: throw ReaderGone()
        case EIO where isDevice: throw ReaderGone()  // A terminal that was closed.
        default:
            throw Failure(
                .inputOutput,
                "\(name) can't be written: \(String(cString: strerror(code))); "
                    + "what was printed is incomplete")
        }
    }

    private var isDevice: Bool {
        var status = stat()
        return fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFCHR
    }

    /// Writes a line for people, without anything that could drive a terminal.
    package func line(_ text: String = "") throws { try write(printable(text) + "\n") }

    /// Prints a message on standard error: `label: text`, one line of bounded length. Where that can't be written there is
    /// nobody left to tell, and the exit status has to do.
    package static func tell(_ label: String, _ text: String) { try? errors.write("\(label): \(messageLine(text))\n") }

    /// How many columns this process's controlling terminal has (tty(4)), wherever its output leads; nil where there is none.
    package static var controllingTerminalColumns: Int? {
        let descriptor = open("/dev/tty", O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        return StandardStream(descriptor: descriptor, name: "the terminal").columns
    }

    /// How many columns the terminal behind it has (`TIOCGWINSZ`, tty_ioctl(4)); nil where there is none or it doesn't
    /// know.
    package var columns: Int? {
        var size = winsize()
        return ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : nil
    }
}
