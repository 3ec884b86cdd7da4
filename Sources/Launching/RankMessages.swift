import Diagnostics

/// Folds what several ranks say alike into one line: `dtrain: error: ranks 1-3: …`. Errors of ranks are held for a moment, until
/// the others have had time to say theirs; everything else is handed on as it comes.
package struct RankMessages: Sendable {
    /// How long an error is held, seconds.
    package static let patience = 0.3

    private static let label = Array("dtrain: error: rank ".utf8)
    private static let longest = 8 * longestMessage

    /// An error that is held.
    private struct Message: Sendable {
        var ranks: [Int]
        var hosts: [String]
        let text: String
    }

    private var messages: [Message] = []
    /// The beginning of a line that may be an error of a rank.
    private var line: [UInt8] = []
    private var isAtLineStart = true
    /// When what is held must be said; nil where nothing is.
    package private(set) var due: Double?

    package init() {}

    /// Takes the next bytes, at a time in seconds, and returns those that are to be handed on.
    package mutating func pass(_ bytes: some Sequence<UInt8>, at time: Double) -> [UInt8] {
        var passed: [UInt8] = []
        for byte in bytes {
            let isCandidate = line.isEmpty ? isAtLineStart && byte == Self.label[0] : true
            guard isCandidate else {
                passed.append(byte)
                isAtLineStart = byte == UInt8(ascii: "\n")
                continue
            }
            line.append(byte)
            let place = line.count - 1
            if place < Self.label.count ? byte != Self.label[place] : line.count > Self.longest {
                isAtLineStart = byte == UInt8(ascii: "\n")
                passed += take()
            } else if byte == UInt8(ascii: "\n") {
                isAtLineStart = true
                let whole = take()
                if keep(whole) { due = due ?? time + Self.patience } else { passed += whole }
            }
        }
        return passed
    }

    /// Everything that is held, folded.
    package mutating func rest() -> [UInt8] {
        defer {
            messages = []
            due = nil
        }
        return messages.flatMap { message in
            let host = message.hosts.count == 1 && !message.hosts[0].isEmpty ? " on \(message.hosts[0])" : ""
            return Array("dtrain: error: \(rankList(message.ranks))\(host): \(message.text)\n".utf8)
        } + take()
    }

    private mutating func take() -> [UInt8] {
        defer { line = [] }
        return line
    }

    /// Whether a line is an error of a rank: `dtrain: error: rank 3 on lab2: TEXT`.
    private mutating func keep(_ line: [UInt8]) -> Bool {
        guard let all = String(validating: line.dropFirst(Self.label.count).dropLast(), as: UTF8.self),
            let colon = all.range(of: ": ")
        else { return false }
        let place = all[..<colon.lowerBound].split(separator: " ")
        guard let rank = place.first.flatMap({ Int($0) }), place.count == 1 || place.count == 3 && place[1] == "on" else {
            return false
        }
        let host = place.count == 3 ? String(place[2]) : ""
        let text = String(all[colon.upperBound...])
        // What MPI says names the rank again.
        let key = Self.withoutRank(text, rank)
        guard let index = messages.firstIndex(where: { $0.text == key }) else {
            messages.append(Message(ranks: [rank], hosts: [host], text: key))
            return true
        }
        messages[index].ranks.append(rank)
        if !messages[index].hosts.contains(host) { messages[index].hosts.append(host) }
        return true
    }

    private static func withoutRank(_ text: String, _ rank: Int) -> String {
        guard let range = text.range(of: " on rank \(rank):") else { return text }
        return text.replacingCharacters(in: range, with: ":")
    }
}
