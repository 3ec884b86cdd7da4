/// Turns tokens that come one by one into text: whole characters only, however tokens cut them.
package struct TokenDecoder: Sendable {
    private let bytes: @Sendable (Int32) -> ArraySlice<UInt8>
    /// The beginning of a character.
    private var pending: [UInt8] = []

    /// - Parameter bytes: what a token stands for.
    package init(_ bytes: @escaping @Sendable (Int32) -> ArraySlice<UInt8>) { self.bytes = bytes }

    package init(_ tokenizer: Tokenizer) { self.init { tokenizer.bytes(of: $0) } }

    /// The characters that are complete with this token; bytes that belong to none are U+FFFD each, as far as one could begin there.
    package mutating func add(_ token: Int32) -> String {
        pending += bytes(token)
        let whole = pending.withUnsafeBufferPointer { pending in
            var place = 0
            while true {
                place = UTF8Validation.end(of: pending, from: place)
                if place == pending.count || UTF8Validation.isBeginning(pending[place...]) { return place }
                place += 1
            }
        }
        defer { pending.removeFirst(whole) }
        return String(decoding: pending[..<whole], as: UTF8.self)
    }

    /// What is left where no token follows: the beginning of a character, as U+FFFD, or nothing.
    package mutating func finish() -> String {
        defer { pending = [] }
        return String(decoding: pending, as: UTF8.self)
    }
}
