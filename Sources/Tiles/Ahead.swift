import CProcessor

/// The next rows of memory to be read, too far apart for the processor to foresee. They are asked for a few cache lines at
/// a time: a burst would fill the queue of misses, and whatever else is read would wait behind it.
struct Ahead {
    private var row: UnsafePointer<Float>
    private var column = 0
    private let columns: Int, stride: Int
    private var rest: Int

    /// `count` rows of `columns` numbers each, `stride` apart.
    init(rows: UnsafePointer<Float>, count: Int, columns: Int, stride: Int) {
        row = rows
        rest = count * columns
        self.columns = columns
        self.stride = stride
    }

    /// Cache lines that haven't been asked for, about.
    var lines: Int { (rest + 15) / 16 }

    @inline(__always)
    mutating func ask(_ lines: Int) {
        var lines = lines
        while lines > 0, rest > 0 {
            dtrain_prefetch_behind(row + column)
            column &+= 16
            if column >= columns {
                column = 0
                row += stride
                rest &-= columns
            }
            lines &-= 1
        }
    }
}
