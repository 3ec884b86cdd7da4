import Diagnostics
import Foundation
import Testing

@Suite("Standard streams")
struct StandardStreamTests {
    /// Runs `body` with a stream on `descriptor`, which is closed afterwards.
    private func withStream(_ descriptor: Int32, _ body: (StandardStream) throws -> Void) rethrows {
        defer { close(descriptor) }
        try body(StandardStream(descriptor: descriptor, name: "standard output"))
    }

    /// SIGPIPE is ignored, as the program does.
    init() { signal(SIGPIPE, SIG_IGN) }

    /// Both ends of a new terminal (pts(4)); ioctls, because posix_openpt and its like can't be called from Swift.
    private func terminal() -> (master: Int32, slave: Int32) {
        let unlock: UInt = 0x4004_5431
        let number: UInt = 0x8004_5430  // TIOCSPTLCK and TIOCGPTN
        let master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
        var isLocked: Int32 = 0
        var index: Int32 = -1
        guard ioctl(master, unlock, &isLocked) == 0, ioctl(master, number, &index) == 0 else { return (master, -1) }
        return (master, open("/dev/pts/\(index)", O_RDWR | O_NOCTTY | O_CLOEXEC))
    }

    @Test("a full disk is an error that says so")
    func full() {
        withStream(open("/dev/full", O_WRONLY | O_CLOEXEC)) { stream in
            #expect(
                throws: Failure(
                    .inputOutput,
                    "standard output can't be written: No space left on device; what was "
                        + "printed is incomplete")
            ) { try stream.write("text") }
        }
    }

    @Test("a descriptor that can't be written to is an error")
    func readOnly() {
        withStream(open("/dev/null", O_RDONLY | O_CLOEXEC)) { stream in
            #expect(throws: Failure.self) { try stream.write("text") }
        }
    }

    @Test("a pipe or socket whose reader has gone is no error", arguments: [true, false])
    func readerGone(isPipe: Bool) {
        var ends: [Int32] = [-1, -1]
        #expect((isPipe ? pipe(&ends) : socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends)) == 0)
        close(ends[0])
        withStream(ends[1]) { stream in
            #expect(throws: ReaderGone()) { try stream.write("text") }
        }
    }

    @Test("a terminal that was closed is a reader that has gone")
    func terminalGone() throws {
        let (master, slave) = terminal()
        try #require(slave >= 0)
        close(master)
        withStream(slave) { stream in
            #expect(throws: ReaderGone()) { try stream.write("text") }
        }
    }

    @Test("a slow reader of a descriptor that doesn't block gets everything, in order")
    func nonBlocking() throws {
        var ends: [Int32] = [-1, -1]
        try #require(pipe(&ends) == 0)
        let reader = ends[0]
        _ = fcntl(ends[1], F_SETFL, O_NONBLOCK)
        // Much more than a pipe holds.
        let text = (0..<60_000).map { "\($0)\n" }.joined()
        let isDone = DispatchSemaphore(value: 0)
        nonisolated(unsafe) var received = Data()
        Thread.detachNewThread {
            var piece = [UInt8](repeating: 0, count: 5000)
            while true {
                let count = read(reader, &piece, piece.count)
                guard count > 0 else { break }
                received.append(contentsOf: piece[..<count])
            }
            isDone.signal()
        }
        try withStream(ends[1]) { try $0.write(text) }
        isDone.wait()
        close(reader)
        #expect(received == Data(text.utf8))
    }

    @Test("a line is shown, never obeyed")
    func line() throws {
        var ends: [Int32] = [-1, -1]
        try #require(pipe(&ends) == 0)
        try withStream(ends[1]) { try $0.line("a\u{1b}b\n") }
        var bytes = [UInt8](repeating: 0, count: 100)
        let count = read(ends[0], &bytes, 100)
        close(ends[0])
        #expect(String(decoding: bytes[..<count], as: UTF8.self) == "a\\x1bb\\n\n")
    }

    @Test("only a terminal has columns")
    func columns() throws {
        let (master, slave) = terminal()
        defer { close(slave) }
        try #require(slave >= 0)
        var size = winsize(ws_row: 24, ws_col: 97, ws_xpixel: 0, ws_ypixel: 0)
        try #require(ioctl(master, UInt(TIOCSWINSZ), &size) == 0)
        withStream(master) { #expect($0.columns == 97) }
        withStream(open("/dev/null", O_WRONLY | O_CLOEXEC)) { #expect($0.columns == nil) }
    }
}
