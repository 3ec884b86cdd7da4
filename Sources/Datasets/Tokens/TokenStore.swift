import Diagnostics
import Synchronization
import Tokenization

/// Tokens one behind the other, in memory or in files that are mapped: nothing of these is read before it is wanted.
final class TokenStore: Sendable {
    /// Where they lie.
    enum Content: Sendable {
        case bytes([UInt8])
        case narrow([UInt16])
        case wide([Int32])
        /// One or more, and at least one token in each.
        case files([TokenShard])
    }

    let content: Content
    /// How many there are.
    let count: Int
    /// How many different ones there may be: in files a larger one can stand.
    let kinds: Int
    /// The SHA-256 of the tokenizer that made them; nil where none did, or it isn't known.
    let tokenizer: String?
    /// The first place where one was met that may not be; −1 where none was.
    private let fault = Atomic<Int>(-1)

    /// - Precondition: in memory all of them are below `kinds`.
    init(_ content: Content, kinds: Int, tokenizer: String? = nil) {
        self.content = content
        self.kinds = kinds
        self.tokenizer = tokenizer
        count =
            switch content {
            case .bytes(let tokens): tokens.count
            case .narrow(let tokens): tokens.count
            case .wide(let tokens): tokens.count
            case .files(let shards): shards.reduce(0) { $0 + $1.count }
            }
    }

    /// Calls `body` with each of some tokens and its place among them. Allocates nothing. One that may not be is handed over as 0, and
    /// remembered for `check`.
    @inline(__always)
    func forEach(_ range: Range<Int>, _ body: (_ place: Int, _ token: Int32) -> Void) {
        forEachAsItLies(range) { place, token in
            if token < UInt32(kinds) { return body(place, Int32(token)) }
            remember(range.lowerBound + place)
            body(place, 0)
        }
    }

    /// The same, whatever the tokens are.
    @inline(__always)
    func forEachAsItLies(_ range: Range<Int>, _ body: (_ place: Int, _ token: UInt32) -> Void) {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "tokens \(range) of \(count)")
        let first = range.lowerBound
        switch content {
        case .bytes(let tokens): for place in 0..<range.count { body(place, UInt32(tokens[first + place])) }
        case .narrow(let tokens): for place in 0..<range.count { body(place, UInt32(tokens[first + place])) }
        case .wide(let tokens): for place in 0..<range.count { body(place, UInt32(bitPattern: tokens[first + place])) }
        case .files(let shards):
            var next = first
            var index = Self.shard(of: next, in: shards)
            while next < range.upperBound {
                let start = next
                let end = min(range.upperBound, shards[index].first + shards[index].count)
                shards[index].forEach(start - shards[index].first..<end - shards[index].first) { place, token in
                    body(start - first + place, token)
                }
                next = end
                index += 1
            }
        }
    }

    /// Which of the files a token lies in.
    private static func shard(of token: Int, in shards: [TokenShard]) -> Int {
        var (low, high) = (0, shards.count - 1)
        while low < high {
            let middle = (low + high + 1) / 2
            if shards[middle].first <= token { low = middle } else { high = middle - 1 }
        }
        return low
    }

    private func remember(_ place: Int) {
        _ = fault.compareExchange(expected: -1, desired: place, ordering: .relaxed)
    }

    /// Refuses what was handed over so far, if a token among it was beyond the vocabulary: 65 with its file and offset.
    func check() throws {
        let place = fault.load(ordering: .relaxed)
        guard place >= 0, case .files(let shards) = content else { return }
        let shard = shards[Self.shard(of: place, in: shards)]
        var found: UInt32 = 0
        shard.forEach(place - shard.first..<place - shard.first + 1) { found = $1 }
        throw Failure(
            .badData,
            "\(shard.path): byte \(shard.offset + (place - shard.first) * shard.width.rawValue): token \(found) is outside of the "
                + "vocabulary of \(kinds) (0 to \(kinds - 1)); check data.dtype and data.vocabulary, or write the file again")
    }

    /// The memory that it takes, without files: what is read of them can be given back at any time.
    func forEachAllocation(_ body: (_ base: UnsafeRawPointer?, _ byteCount: Int) -> Void) {
        switch content {
        case .bytes(let tokens): tokens.withUnsafeBytes { body($0.baseAddress, $0.count) }
        case .narrow(let tokens): tokens.withUnsafeBytes { body($0.baseAddress, $0.count) }
        case .wide(let tokens): tokens.withUnsafeBytes { body($0.baseAddress, $0.count) }
        case .files: break
        }
    }
}

/// The tokens of a file.
struct TokenShard: Sendable {
    let path: String
    let region: ByteRegion
    /// Where in the file they begin. Invariant: `count` tokens from there lie in the region.
    let offset: Int
    let width: TokenWidth
    let count: Int
    /// The tokens in the files before.
    var first = 0

    @inline(__always)
    func forEach(_ range: Range<Int>, _ body: (_ place: Int, _ token: UInt32) -> Void) {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "tokens \(range) of \(count) in a file")
        let base = region.base + offset + range.lowerBound * width.rawValue
        switch width {
        case .two:
            for place in 0..<range.count {
                body(place, UInt32(UInt16(littleEndian: base.loadUnaligned(fromByteOffset: 2 * place, as: UInt16.self))))
            }
        case .four:
            for place in 0..<range.count {
                body(place, UInt32(littleEndian: base.loadUnaligned(fromByteOffset: 4 * place, as: UInt32.self)))
            }
        }
    }
}
