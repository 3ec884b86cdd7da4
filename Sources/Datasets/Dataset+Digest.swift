import Files

extension Dataset {
    /// SHA-256 over all that a network gets to see: shapes, kind of target, the stored inputs with their normalisation,
    /// or the tokens of each with their number and what they stand for, the targets, and the weights, sample by sample. Equal on every rank and machine, and for a file compressed or not.
    ///
    /// Reads all of the data (about a second per GB): ask once.
    package func digest() throws -> String {
        var hash = try SHA256()
        try hash.update("dtrain data 1 \(count) \(inputShape) \(targetKind) \(classNames ?? [])\n")
        if case .encoded(let samples, let rescaling) = inputs {
            try hash.update("\(samples.type)\n")
            try rescaling.doubles.offsets.withUnsafeBytes { try hash.update($0) }
            try rescaling.doubles.factors.withUnsafeBytes { try hash.update($0) }
        }
        // The same tokens may stand for other words.
        if case .sequences(let sequences) = inputs { try sequences.vocabulary.forEachEntry { try hash.update("\($0)\n") } }
        // Rows lie in many windows.
        if case .series(let windows) = inputs { try windows.forEachPiece(hasTargets: hasTargets) { try hash.update($0) } }
        if case .windows(let windows) = inputs, try windows.updateSum(&hash) { return try hash.finish() }
        for sample in 0..<count {
            let place = rows.map { Int($0[sample]) } ?? sample
            switch inputs {
            case .encoded(let samples, _): try hash.update(samples.bytes(ofSample: place))
            case .ready(let values, _): try Self.update(&hash, values, place, inputShape.count)
            case .sequences(let sequences):
                let tokens = sequences.tokens(of: place)
                try Self.update(&hash, [Int32(tokens.count)], 0, 1)
                try tokens.withUnsafeBytes { try hash.update($0) }
            case .series: break
            case .steps(let steps): try steps.forEachPiece(of: place) { try hash.update($0) }
            case .windows(let windows): try windows.forEachPiece(of: sample) { try hash.update($0) }
            }
            switch (targets, targetKind) {
            case (.classes(let classes), _): try Self.update(&hash, classes, place, 1)
            case (.values(let values), .values(let width)): try Self.update(&hash, values, place, width)
            default: break
            }
            if let weights { try Self.update(&hash, weights, place, 1) }
        }
        return try hash.finish()
    }

    /// Adds numbers as they lie in memory; every machine that dtrain is built for is little-endian.
    private static func update<Number: BitwiseCopyable>(
        _ hash: inout SHA256, _ numbers: [Number], _ sample: Int,
        _ width: Int
    ) throws {
        try numbers[sample * width..<(sample + 1) * width].withUnsafeBytes { try hash.update($0) }
    }
}
