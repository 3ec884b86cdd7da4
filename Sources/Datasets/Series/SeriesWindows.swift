import Storage

/// Windows on the rows of series: a sample is `window` rows, its targets are taken from the `horizon` rows behind them. Rows are stored
/// once, whatever number of windows they are in; the splits of a file share them.
struct SeriesWindows: Sendable {
    /// The rows of a series that are a split's own: those that its targets may lie in, and of training all that it sees.
    struct Part: Sendable {
        let key: String?
        let rows: Range<Int>
        /// Where the series itself begins.
        let seriesStart: Int
        /// The times of its first and its last row; nil without a column of times.
        let span: (first: SeriesTime, last: SeriesTime)?
        /// The day of the month that calendar months come back to.
        let anchor: Int
    }

    let window: Int
    let horizon: Int
    /// Rows between the beginnings of two samples of a series.
    private let stride: Int
    /// Normalised, one row behind the other: the inputs, and behind them the targets that are no inputs.
    private let values: [Float]
    private let width: Int
    private let inputCount: Int
    /// Places in a row.
    private let targets: [Int]
    /// The first row of each sample, ascending. Invariant: all rows of a sample, and of its targets where there are any, lie in
    /// `values`.
    let starts: [Int32]
    let parts: [Part]
    /// Rows of a season, for comparison with what a season says; nil where nobody has named one.
    let season: Int?

    var count: Int { starts.count }
    var rowCount: Int { values.count / max(width, 1) }

    /// - Parameter hasTargets: whether the rows behind a sample are there.
    init(
        _ schema: SeriesSchema, values: [Float], width: Int, starts: [Int32], parts: [Part], season: Int? = nil,
        hasTargets: Bool
    ) {
        let needed = schema.window + (hasTargets ? schema.horizon : 0)
        precondition(
            width >= schema.inputCount && (!hasTargets || width == schema.columns.count) && values.count % width == 0
                && starts.allSatisfy { $0 >= 0 && Int($0) + needed <= values.count / width },
            "windows of \(needed) rows in \(values.count) numbers, \(width) a row")
        window = schema.window
        horizon = schema.horizon
        stride = schema.stride
        self.values = values
        self.width = width
        inputCount = schema.inputCount
        targets = schema.targets
        self.starts = starts
        self.parts = parts
        self.season = season
    }

    /// A number of a row, as it is stored.
    @inline(__always)
    func value(row: Int, column: Int) -> Float { values[row * width + column] }

    /// Writes the inputs of a sample.
    @inline(__always)
    func copyInputs(of sample: Int, into destination: UnsafeMutableBufferPointer<Float>) {
        let start = Int(starts[sample]) * width
        if inputCount == width {
            for place in 0..<window * width { destination[place] = values[start + place] }
            return
        }
        var place = 0
        for row in 0..<window {
            for column in 0..<inputCount {
                destination[place] = values[start + row * width + column]
                place += 1
            }
        }
    }

    /// Writes the targets of a sample: those of the first row behind it, of the second, and so on.
    @inline(__always)
    func copyTargets(of sample: Int, into destination: UnsafeMutableBufferPointer<Float>) {
        let start = (Int(starts[sample]) + window) * width
        var place = 0
        for row in 0..<horizon {
            for column in targets {
                destination[place] = values[start + row * width + column]
                place += 1
            }
        }
    }

    /// Whether the samples in their order, cut into as many streams of equal length, are windows that follow each other within each
    /// stream.
    func areStreams(_ count: Int) -> Bool {
        guard stride == window else { return false }
        let length = starts.count / max(count, 1)
        // A series never begins where the last window of the one before ends: its targets lie between.
        return (0..<count).allSatisfy { stream in
            (stream * length..<(stream + 1) * length).dropFirst().allSatisfy { Int(starts[$0]) == Int(starts[$0 - 1]) + window }
        }
    }

    /// Calls `body` with the bytes of where each sample begins and of all rows that the samples have, each row once.
    func forEachPiece(hasTargets: Bool, _ body: (UnsafeRawBufferPointer) throws -> Void) rethrows {
        try [Int64(window), Int64(horizon), Int64(inputCount), Int64(width)].withUnsafeBytes(body)
        try targets.map(Int64.init).withUnsafeBytes(body)
        let first = starts.first ?? 0
        try starts.map { $0 - first }.withUnsafeBytes(body)
        var end = 0
        for start in starts {
            let next = Int(start) + window + (hasTargets ? horizon : 0)
            let begin = max(Int(start), end)
            try values[begin * width..<next * width].withUnsafeBytes(body)
            end = next
        }
    }

    /// The memory that it takes, each part with what tells it from the same memory elsewhere.
    func forEachAllocation(_ body: (_ base: UnsafeRawPointer?, _ byteCount: Int) -> Void) {
        values.withUnsafeBytes { body($0.baseAddress, $0.count) }
        starts.withUnsafeBytes { body($0.baseAddress, $0.count) }
    }
}
