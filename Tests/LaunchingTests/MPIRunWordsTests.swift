import Testing

import Launching

@Suite("What mpirun says")
struct MPIRunWordsTests {
    private static let dashes = String(repeating: "-", count: 74) + "\n"
    private static let killed =
        dashes + "Primary job  terminated normally, but 1 process returned\na non-zero exit code. Per user-direction.\n"
        + dashes
        + dashes + "mpirun noticed that process rank 1 with PID 115 on node lab2 exited on signal 9 (Killed).\n" + dashes
    private static let lost =
        dashes + "ORTE has lost communication with a remote daemon.\n\n  HNP daemon   : [[31475,0],0] on node lab1\n"
        + "  Remote daemon: [[31475,0],1] on node lab2\n\nThis is usually due to\n" + dashes

    /// Hands the text over in pieces of a size.
    private func pass(_ text: String, piece: Int) -> (passed: String, words: MPIRunWords) {
        var words = MPIRunWords()
        var passed: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            passed += words.pass(rest.prefix(piece))
            rest = rest.dropFirst(piece)
        }
        return (String(decoding: passed + words.rest(), as: UTF8.self), words)
    }

    @Test("its paragraphs are taken out of the output, however that comes in pieces", arguments: [1, 7, 74, 75, 100_000])
    func paragraphs(piece: Int) {
        let (passed, words) = pass(
            "warning: one\n\(Self.killed)mpirun: Forwarding signal 10 to job\ntwo\r- three\n---\nfour\nmpirun: no\n",
            piece: piece)
        #expect(passed == "warning: one\ntwo\r- three\n---\nfour\nmpirun: no\n")
        #expect(words.paragraphs.count == 2 && words.cause == .signal(9, rank: 1, process: 115, host: "lab2"))
    }

    @Test("a host whose connection has broken is named")
    func lostHost() { #expect(pass(Self.lost, piece: 9).words.cause == .lostHost("lab2")) }

    @Test("what says only that there was a failure is no cause, anything else is")
    func others() {
        let failed = Self.dashes + "mpirun detected that one or more processes exited with non-zero status\n" + Self.dashes
        #expect(pass(failed, piece: 50).words.cause == nil)
        #expect(
            pass(failed + Self.dashes + "no  such\nthing\n" + Self.dashes, piece: 50).words.cause == .other("no such thing"))
    }

    @Test("what only begins like a paragraph is handed on, at the end or where it grows too long", arguments: [1, 1000])
    func noParagraph(piece: Int) {
        let open = Self.dashes + "text\n"
        #expect(pass(open, piece: piece).passed == open)
        let long = Self.dashes + String(repeating: "text\n", count: 10_000)
        #expect(pass(long, piece: piece).passed == long)
        #expect(pass(String(Self.dashes.dropLast()), piece: piece).passed == String(Self.dashes.dropLast()))
    }
}
