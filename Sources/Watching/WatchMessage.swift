import Foundation

/// What watchers of several hosts say to each other. A frame is two numbers of 4 bytes, how many words follow and what kind it
/// is, and the words, 8 bytes each, all little-endian. What isn't exactly as it should be ends the connection.
package enum WatchMessage: Equatable {
    /// From a host's watcher, first of all: that it belongs to the job, and which host it watches.
    case question([Int64], host: Int)
    /// From the first host's watcher: that it belongs to the job too.
    case answer([Int64])
    /// A host's ranks, and for how long its network has been quiet.
    case report([RankSign], networkIdleSeconds: Double)
    /// From the first host's watcher: that it is there.
    case presence
    /// From the first host's watcher: the ranks are to be ended.
    case end
    /// From a host's watcher: its ranks have done.
    case leave

    private enum Kind: UInt32 { case question = 1, answer, report, presence, end, leave }

    static let headerBytes = 8
    /// Of a token, `LinkSettings.question` or `answer`.
    static let tokenWords = 2

    /// The most words of a message, where reports are of so many ranks.
    static func mostWords(ranks: Int) -> Int { max(tokenWords + 1, 1 + ranks * RankSign.wordCount) }

    /// The words of a token: 32 hexadecimal digits; none where it isn't one.
    package static func token(_ text: String) -> [Int64] {
        guard text.utf8.count == 32, let first = UInt64(text.prefix(16), radix: 16),
            let second = UInt64(text.suffix(16), radix: 16)
        else { return [] }
        return [first, second].map { Int64(bitPattern: $0) }
    }

    /// Its frame.
    package var bytes: [UInt8] {
        let (kind, words): (Kind, [Int64]) =
            switch self {
            case .question(let token, let host): (.question, token + [Int64(host)])
            case .answer(let token): (.answer, token)
            case .report(let signs, let idle): (.report, [milliseconds(idle)] + signs.flatMap(\.words))
            case .presence: (.presence, [])
            case .end: (.end, [])
            case .leave: (.leave, [])
            }
        return little(UInt32(words.count)) + little(kind.rawValue) + words.flatMap { little($0) }
    }

    /// Takes the first whole message off `inbox`; nil where there is none yet.
    ///
    /// - Parameters:
    ///   - ranks: how many ranks a report is of; 0 where none is expected.
    ///   - rankCount: how many ranks the job has.
    /// - Throws: `Malformed`.
    package static func take(from inbox: inout [UInt8], ranks: Int, rankCount: Int) throws -> WatchMessage? {
        guard inbox.count >= headerBytes else { return nil }
        let count = Int(number(inbox[0..<4]))
        guard count <= mostWords(ranks: ranks), let kind = Kind(rawValue: UInt32(number(inbox[4..<8]))) else {
            throw Malformed()
        }
        let end = headerBytes + count * 8
        guard inbox.count >= end else { return nil }
        let words = stride(from: headerBytes, to: end, by: 8).map { Int64(bitPattern: number(inbox[$0..<$0 + 8])) }
        inbox.removeFirst(end)
        switch kind {
        case .question where count == tokenWords + 1: return .question(Array(words.dropLast()), host: Int(words[tokenWords]))
        case .answer where count == tokenWords: return .answer(words)
        case .report where ranks > 0 && count == 1 + ranks * RankSign.wordCount:
            let signs = try (0..<ranks).map { rank in
                let start = 1 + rank * RankSign.wordCount
                guard let sign = RankSign(words: words[start..<start + RankSign.wordCount], rankCount: rankCount) else {
                    throw Malformed()
                }
                return sign
            }
            return .report(signs, networkIdleSeconds: Double(max(0, words[0])) / 1000)
        case .presence where count == 0: return .presence
        case .end where count == 0: return .end
        case .leave where count == 0: return .leave
        default: throw Malformed()
        }
    }

    /// What no watcher sends.
    package struct Malformed: Error {
        package init() {}
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) } }
}

private func little<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
    withUnsafeBytes(of: number.littleEndian) { Array($0) }
}

private func milliseconds(_ seconds: Double) -> Int64 { Int64(min(max(0, seconds), 1e9) * 1000) }

extension RankSign {
    /// Numbers of a sign in a report.
    static let wordCount = 10 + Activity.allCases.count + placeWords
    private static let placeWords = ProcessLook.placeLength / 8

    fileprivate var words: [Int64] {
        var place = Array(self.place.utf8.prefix(ProcessLook.placeLength))
        place += Array(repeating: 0, count: ProcessLook.placeLength - place.count)
        let placeWords = stride(from: 0, to: place.count, by: 8).map { start in
            place[start..<start + 8].reversed().reduce(Int64(0)) { $0 << 8 | Int64($1) }
        }
        return [
            Int64(process), Int64(step), Int64(activity.rawValue) | Int64(wait?.rawValue ?? 0) << 8, Int64(awaited ?? -1),
            Int64(meetings), Int64(condition.rawValue), milliseconds(stillSeconds), milliseconds(idleSeconds), Int64(samples),
            Int64(looks)
        ] + seen.map(Int64.init) + placeWords
    }

    /// From the numbers of a report; nil where they can't be those of a rank of a job of `rankCount`.
    fileprivate init?(words: ArraySlice<Int64>, rankCount: Int) {
        let words = Array(words)
        guard words.count == Self.wordCount, words[0] >= 0, let process = pid_t(exactly: words[0]),
            let activity = Activity(rawValue: UInt8(truncatingIfNeeded: words[2])),
            (0...Int64(UInt16.max)).contains(words[2]), (-1..<Int64(rankCount)).contains(words[3]),
            let condition = UInt8(exactly: words[5]).flatMap({ ProcessLook.Condition(rawValue: $0) })
        else { return nil }
        let wait = Wait(rawValue: UInt8(words[2] >> 8))
        guard wait != nil || words[2] >> 8 == 0 else { return nil }
        // Counts: as large as they may be, sums of them must not overflow.
        let counts = [1, 4, 6, 7, 8, 9].map { words[$0] } + words[10..<10 + Activity.allCases.count]
        guard counts.allSatisfy({ (0...Int64(1) << 53).contains($0) }) else { return nil }
        self.init(process: process)
        step = Int(words[1])
        self.activity = activity
        self.wait = wait
        awaited = wait == nil || words[3] < 0 ? nil : Int(words[3])
        meetings = Int(words[4])
        self.condition = condition
        stillSeconds = Double(words[6]) / 1000
        idleSeconds = Double(words[7]) / 1000
        samples = Int(words[8])
        looks = Int(words[9])
        seen = words[10..<10 + Activity.allCases.count].map(Int.init)
        let bytes = words.suffix(Self.placeWords).flatMap { little($0) }.prefix { $0 != 0 }
        guard bytes.allSatisfy({ $0 < 0x80 && (isalnum(Int32($0)) != 0 || $0 == 0x5f) }) else { return nil }
        place = String(decoding: bytes, as: UTF8.self)
    }
}
