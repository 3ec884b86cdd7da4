import Files

extension TokenWindows {
    /// Of files, up to so many tokens are all part of the data's SHA-256; of more, pieces of `pieceCount` tokens at equal distances and
    /// both ends: to read all of a terabyte would take longer than it is worth.
    private static let mostTokens = 1 << 25
    private static let pieceCount = 4096, pieces = 4096

    /// Adds the tokens to a sum at once, where samples aren't told apart: those of windows that move are other ones in each epoch, and those
    /// of files are many.
    /// - Returns: whether it did.
    func updateSum(_ sum: inout SHA256) throws -> Bool {
        let isInFiles: Bool
        if case .files = store.content { isInFiles = true } else { isInFiles = false }
        // The same tokens stand for other texts.
        if let tokenizer = store.tokenizer { try sum.update("tokenizer \(tokenizer)\n") }
        guard moves || isInFiles else { return false }
        try sum.update(
            "tokens \(tokens.count) of \(store.kinds), context \(context), \(moves ? "moving" : "stride \(stride)")\n")
        let isWhole = !isInFiles || tokens.count <= Self.mostTokens
        let step = isWhole ? Self.pieceCount : (tokens.count - Self.pieceCount) / (Self.pieces - 1)
        var first = 0
        while first < tokens.count {
            try piece(first..<min(first + Self.pieceCount, tokens.count)) { try sum.update($0) }
            first += step
        }
        return true
    }

    /// Hands over the tokens of a window that never moves and of its targets, as Int32.
    func forEachPiece(of window: Int, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        let start = start(of: window) - tokens.lowerBound
        try piece(start..<start + Self.needed(context: context, hasTargets: hasTargets), body)
    }

    private func piece(_ range: Range<Int>, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        var numbers = [UInt32](repeating: 0, count: range.count)
        // What stands outside of the vocabulary is told when its turn comes.
        store.forEachAsItLies(tokens.lowerBound + range.lowerBound..<tokens.lowerBound + range.upperBound) { numbers[$0] = $1 }
        try numbers.withUnsafeBytes(body)
    }
}
