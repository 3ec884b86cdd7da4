/// Ranks as a person writes them: `rank 3`, `ranks 1-3`, `ranks 0, 2 and 5-7`.
package func rankList(_ ranks: some Sequence<Int>) -> String {
    var runs: [ClosedRange<Int>] = []
    for rank in Set(ranks).sorted() {
        if let last = runs.last, last.upperBound + 1 == rank {
            runs[runs.count - 1] = last.lowerBound...rank
        } else {
            runs.append(rank...rank)
        }
    }
    let parts = runs.flatMap { run in
        // Two neighbours are a list, not a range.
        run.count < 3 ? run.map(String.init) : ["\(run.lowerBound)-\(run.upperBound)"]
    }
    let isOne = runs.count == 1 && runs[0].count == 1
    let list = parts.count < 2 ? parts.joined() : parts.dropLast().joined(separator: ", ") + " and " + parts[parts.count - 1]
    return "rank\(isOne ? "" : "s") \(list)"
}
