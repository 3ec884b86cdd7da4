import Storage

/// Samples of `context` tokens, and at each position of theirs the token behind it.
///
/// Where no stride is given, windows move: an epoch has ⌊tokens ÷ context⌋, one behind the other, and begins somewhere within the first
/// `context` tokens, so that their borders are others in each epoch. The last one is moved back where it would pass the end.
struct TokenWindows: Sendable {
    let store: TokenStore
    /// Which of the tokens.
    let tokens: Range<Int>
    let context: Int
    /// From the beginning of a window to that of the next one.
    let stride: Int
    let count: Int
    /// Whether they begin elsewhere in each epoch.
    let moves: Bool
    /// Whether each is followed by a token.
    let hasTargets: Bool
    /// Where the first one begins in this epoch, from the first of the tokens on.
    private var phase = 0

    /// The windows of some tokens.
    ///
    /// - Parameter stride: nil for windows that move.
    /// - Precondition: there are enough tokens for one.
    init(_ store: TokenStore, _ tokens: Range<Int>, context: Int, stride: Int?, hasTargets: Bool) {
        let needed = Self.needed(context: context, hasTargets: hasTargets)
        precondition(
            tokens.count >= needed && tokens.lowerBound >= 0 && tokens.upperBound <= store.count,
            "windows of \(needed) tokens in \(tokens) of \(store.count)")
        self.store = store
        self.tokens = tokens
        self.context = context
        self.stride = stride ?? context
        self.hasTargets = hasTargets
        moves = stride == nil
        count = moves ? tokens.count / context : (tokens.count - needed) / self.stride + 1
    }

    /// The tokens that one window takes.
    static func needed(context: Int, hasTargets: Bool) -> Int { context + (hasTargets ? 1 : 0) }

    /// The first token of a window.
    @inline(__always)
    func start(of window: Int) -> Int {
        precondition(window >= 0 && window < count, "window \(window) of \(count)")
        let last = tokens.upperBound - Self.needed(context: context, hasTargets: hasTargets)
        return min(tokens.lowerBound + phase + window * stride, last)
    }

    /// The same windows where they never move: the first begins with the first token, and none is moved back.
    var fixed: TokenWindows {
        TokenWindows(store, tokens, context: context, stride: stride, hasTargets: hasTargets)
    }

    /// Those of an epoch, from 0 on: a function of it and the seed.
    func inEpoch(_ epoch: Int, seed: UInt64) -> TokenWindows {
        guard moves else { return self }
        var windows = self
        windows.phase = RandomStream(seed: seed, purpose: .windows, layer: 1).integer(below: context, 0, ordinal: UInt64(epoch))
        return windows
    }

    /// Both parts of the tokens, cut where a window begins: the last `validationCount` windows of those that don't move are the second,
    /// which doesn't move. Where windows don't overlap, no token is foreseen in both.
    func split(validationCount: Int) -> (train: TokenWindows, validation: TokenWindows) {
        let all = fixed
        let first = all.count - validationCount
        let needed = Self.needed(context: context, hasTargets: hasTargets)
        let end = tokens.lowerBound + (first - 1) * stride + needed
        return (
            TokenWindows(
                store, tokens.lowerBound..<end, context: context, stride: moves ? nil : stride, hasTargets: hasTargets),
            TokenWindows(
                store, tokens.lowerBound + first * stride..<tokens.upperBound, context: context, stride: stride,
                hasTargets: hasTargets)
        )
    }
}

extension Dataset {
    /// The windows that the inputs are; nil for other samples.
    var tokenWindows: TokenWindows? { if case .windows(let windows) = inputs { windows } else { nil } }

    /// How many tokens the samples are cut out of; nil where they are no windows on tokens.
    package var tokenCount: Int? { tokenWindows?.tokens.count }

    /// Whether the samples are windows on tokens that begin elsewhere in each epoch, and whose order is computed.
    package var movesWindows: Bool { tokenWindows?.moves ?? false }

    /// The samples as an epoch has them, from 0 on: a function of it and the seed. The same ones in each epoch, but for windows that move.
    package func inEpoch(_ epoch: Int, seed: UInt64) -> Dataset {
        guard let windows = tokenWindows, windows.moves else { return self }
        return with(windows.inEpoch(epoch, seed: seed))
    }

    /// The same tokens in windows that never move.
    package var withFixedWindows: Dataset {
        guard let windows = tokenWindows, windows.moves else { return self }
        return with(windows.fixed)
    }

    private func with(_ windows: TokenWindows) -> Dataset {
        Dataset(
            inputs: .windows(windows), inputShape: inputShape, targets: targets, targetKind: targetKind, classNames: classNames)
    }

    /// Refuses what was gathered so far if it wasn't what it should be, which nothing but reading it could show: 65 for a token in a file
    /// that is outside of the vocabulary.
    package func checkGathered() throws { try tokenWindows?.store.check() }
}

extension DataSplits {
    /// The same with training windows that never move.
    package var withFixedWindows: DataSplits {
        var splits = self
        splits.train = train.withFixedWindows
        return splits
    }
}
