import Foundation

/// Takes what mpirun itself says out of a job's output: paragraphs between two lines of dashes, and lines of signals that it
/// forwards. It says there who died, which nobody else may know, in words that are no help to whoever trains.
package struct MPIRunWords: Sendable {
    /// What mpirun put around its paragraphs since version 1.3.
    private static let dashes = [UInt8](repeating: UInt8(ascii: "-"), count: 74) + [UInt8(ascii: "\n")]
    /// A line that it writes for each signal that the launcher sends it.
    private static let notice = Array("mpirun: Forwarding signal ".utf8)
    /// A paragraph of more bytes is none of mpirun's, and is handed on.
    private static let longest = 1 << 14

    /// Its newest paragraphs.
    package private(set) var paragraphs: [String] = []
    private var isAtLineStart = true
    /// A line that may become one of dashes, or the paragraph so far, from its first line of dashes on.
    private var held: [UInt8] = []

    package init() {}

    /// Takes the next bytes and returns those that are to be handed on.
    package mutating func pass(_ bytes: some Sequence<UInt8>) -> [UInt8] {
        var passed: [UInt8] = []
        for byte in bytes {
            if held.isEmpty, !(isAtLineStart && (byte == Self.dashes[0] || byte == Self.notice[0])) {
                passed.append(byte)
                isAtLineStart = byte == UInt8(ascii: "\n")
            } else {
                passed += hold(byte)
            }
        }
        return passed
    }

    /// What is still held at the end of the output.
    package mutating func rest() -> [UInt8] {
        defer { held = [] }
        return held
    }

    private mutating func hold(_ byte: UInt8) -> [UInt8] {
        held.append(byte)
        if held[0] == Self.notice[0] { return holdNotice(byte) }
        let mark = Self.dashes.count
        guard held.count > mark else {
            return byte == Self.dashes[held.count - 1] ? [] : release()
        }
        if held.count >= 2 * mark, byte == UInt8(ascii: "\n"), held.suffix(mark).elementsEqual(Self.dashes),
            held[held.count - mark - 1] == UInt8(ascii: "\n")
        {
            let text = String(decoding: held[mark..<held.count - mark], as: UTF8.self)
            paragraphs = paragraphs.suffix(9) + [text]
            held = []
            isAtLineStart = true
            return []
        }
        return held.count > Self.longest ? release() : []
    }

    private mutating func holdNotice(_ byte: UInt8) -> [UInt8] {
        guard held.count > Self.notice.count else {
            return byte == Self.notice[held.count - 1] ? [] : release()
        }
        if byte == UInt8(ascii: "\n") {
            held = []
            isAtLineStart = true
        }
        return held.count > Self.longest ? release() : []
    }

    private mutating func release() -> [UInt8] {
        isAtLineStart = held.last == UInt8(ascii: "\n")
        return rest()
    }
}

extension MPIRunWords {
    /// What ended the job, as far as mpirun says.
    package enum Cause: Equatable, Sendable {
        /// A rank was killed by a signal.
        case signal(Int32, rank: Int, process: Int, host: String)
        /// The connection to mpirun's helper on a host has broken.
        case lostHost(String)
        /// Something else, in mpirun's words.
        case other(String)
    }

    package var cause: Cause? {
        let texts = paragraphs.map { $0.split(whereSeparator: \.isWhitespace).joined(separator: " ") }
        for text in texts {
            // mpirun noticed that process rank 1 with PID 115 on node lab2 exited on signal 9 (Killed).
            let words = text.split(separator: " ")
            guard let start = words.firstIndex(of: "rank"), words.count > start + 11, words[start + 2] == "with",
                words[start + 9] == "on", words[start + 10] == "signal", let rank = Int(words[start + 1]),
                let process = Int(words[start + 4]), let signal = Int32(words[start + 11])
            else { continue }
            return .signal(signal, rank: rank, process: process, host: String(words[start + 7]))
        }
        for text in texts where text.contains("lost communication with a remote daemon") {
            //   Remote daemon: [[31475,0],1] on node lab2
            guard let place = text.range(of: "Remote daemon: "), let node = text[place.upperBound...].range(of: " on node ")
            else {
                continue
            }
            return .lostHost(String(text[node.upperBound...].prefix { $0 != " " }))
        }
        // That one was unsuccessful is known.
        let telling = texts.filter {
            !$0.hasPrefix("Primary job terminated") && !$0.hasPrefix("mpirun detected that one or more")
        }
        return telling.first.map { .other($0) }
    }
}
