/// Series of numbers, one behind the other and each as long as it is; a sample is filled up with zeros when it is gathered.
struct StepSequences: Sendable {
    /// How many steps a sample has room for; those of a longer series behind are never seen.
    let length: Int
    /// Numbers of a step.
    let dimensions: Int
    /// Whether samples have lengths: else all of them are `length` steps long.
    let hasLengths: Bool
    private let values: [Float]
    /// Where each series begins, and where the last one ends, in steps. Invariant: ascending, from 0 to the number of steps.
    private let starts: [Int]

    var count: Int { starts.count - 1 }

    init(length: Int, dimensions: Int, hasLengths: Bool, values: [Float], starts: [Int]) {
        precondition(
            dimensions > 0 && starts.first == 0 && starts.last.map { $0 * dimensions } == values.count,
            "\(starts.count) places in \(values.count) numbers of \(dimensions) dimensions")
        self.length = length
        self.dimensions = dimensions
        self.hasLengths = hasLengths
        self.values = values
        self.starts = starts
    }

    /// How many steps of a series a sample has.
    @inline(__always)
    func length(of series: Int) -> Int { min(starts[series + 1] - starts[series], length) }

    /// How many steps a series has, those included that no sample has room for.
    func fullLength(of series: Int) -> Int { starts[series + 1] - starts[series] }

    /// Writes a sample, step by step.
    @inline(__always)
    func copy(_ series: Int, into destination: UnsafeMutableBufferPointer<Float>) {
        let start = starts[series] * dimensions
        let filled = length(of: series) * dimensions
        for place in 0..<filled { destination[place] = values[start + place] }
        for place in filled..<length * dimensions { destination[place] = 0 }
    }

    /// Calls `body` with the bytes of a sample: its length, and its numbers.
    func forEachPiece(of series: Int, _ body: (UnsafeRawBufferPointer) throws -> Void) rethrows {
        let (start, steps) = (starts[series] * dimensions, length(of: series))
        try withUnsafeBytes(of: Int64(steps).littleEndian, body)
        try values[start..<start + steps * dimensions].withUnsafeBytes(body)
    }

    /// The memory that it takes, each part with what tells it from the same memory elsewhere.
    func forEachAllocation(_ body: (_ base: UnsafeRawPointer?, _ byteCount: Int) -> Void) {
        values.withUnsafeBytes { body($0.baseAddress, $0.count) }
        starts.withUnsafeBytes { body($0.baseAddress, $0.count) }
    }
}

/// How long the series of a split are.
package struct StepStatistics: Sendable {
    /// Steps of the shortest, the middle and the longest series; of two middle ones the longer.
    package let shortest: Int, median: Int, longest: Int
    /// How many are longer than a sample.
    package let cutCount: Int
    /// The numbers of the file, dimension by dimension.
    package let dimensions: [RunningStatistics]
}

extension Dataset {
    /// Looks at all samples; nil where they are no classified series.
    package func stepStatistics(_ preprocessing: Preprocessing) -> StepStatistics? {
        guard case .steps(let steps) = inputs, let schema = preprocessing.ucr, count > 0 else { return nil }
        let lengths = (0..<Int32(count)).map { steps.fullLength(of: stored($0)) }.sorted()
        var numbers = [RunningStatistics](repeating: RunningStatistics(), count: steps.dimensions)
        for sample in 0..<Int32(count) {
            steps.forEachStep(of: stored(sample)) { numbers[$0].add(schema.undone(Double($1), dimension: $0)) }
        }
        return StepStatistics(
            shortest: lengths[0], median: lengths[count / 2], longest: lengths[count - 1],
            cutCount: lengths.count { $0 > steps.length }, dimensions: numbers)
    }
}

extension StepSequences {
    /// Calls `body` with each number of a sample and its dimension.
    fileprivate func forEachStep(of series: Int, _ body: (_ dimension: Int, _ value: Float) -> Void) {
        let start = starts[series] * dimensions
        for place in 0..<length(of: series) * dimensions { body(place % dimensions, values[start + place]) }
    }
}
