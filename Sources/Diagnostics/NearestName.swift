/// The candidate that `word` was most likely meant to be: the smallest edit distance, at most a third of the word's
/// length (at least two edits), ties broken by order.
package func nearestName(to word: String, among candidates: [String]) -> String? {
    // Nobody mistypes a text of this length; the work would grow with its square.
    guard word.utf8.count <= 64 else { return nil }
    if let other = otherWords[word.lowercased()], candidates.contains(other) { return other }
    let limit = max(2, word.count / 3)
    var best: (name: String, distance: Int)?
    for candidate in candidates.prefix(1000) where candidate.utf8.count <= 64 {
        let distance = editDistance(Array(word.lowercased().utf8), Array(candidate.lowercased().utf8))
        if distance <= limit, distance < best?.distance ?? Int.max { best = (candidate, distance) }
    }
    return best?.name
}

/// What other programs call the same thing.
private let otherWords = [
    "lr": "learning_rate", "eps": "epsilon", "batch_size": "global_batch_size", "wd": "weight_decay",
    "p": "rate", "dropout_rate": "rate", "out_features": "units", "linear": "dense",
    "fc": "dense", "swish": "silu", "num_epochs": "epochs", "bce": "binary_cross_entropy", "ce": "cross_entropy",
    "mse": "mean_squared_error", "mae": "mean_absolute_error", "max_epochs": "epochs"
]

/// Levenshtein distance: insertions, deletions and substitutions.
private func editDistance(_ a: [UInt8], _ b: [UInt8]) -> Int {
    var previous = Array(0...b.count)
    for (i, x) in a.enumerated() {
        var current = [i + 1]
        for (j, y) in b.enumerated() {
            current.append(min(previous[j] + (x == y ? 0 : 1), previous[j + 1] + 1, current[j] + 1))
        }
        previous = current
    }
    return previous[b.count]
}

/// ` (did you mean "x"?)` or nothing, to end a message about an unknown name.
package func suggestion(for word: String, among candidates: [String]) -> String {
    nearestName(to: word, among: candidates).map { " (did you mean \"\($0)\"?)" } ?? ""
}
