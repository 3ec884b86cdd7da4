/// Makes the columns of a matrix, or its rows where those are fewer, perpendicular to each other and of length 1.
///
/// Gram and Schmidt's method in its modified form (Björck, BIT 7, 1967), twice, since once leaves errors that grow with the
/// matrix's condition. Of numbers of the normal distribution it makes a matrix that is as likely as any other: the diagonal of the
/// triangular factor is positive.
struct Orthogonalization {
    private let rows: Int, columns: Int
    private let isTurned: Bool
    /// The vectors side by side: number v of them has its element i at i · count + v.
    private var numbers: [Double]
    private let count: Int, length: Int

    /// - Parameter number: the number at a place of the matrix, row by row.
    init(rows: Int, columns: Int, _ number: (_ index: Int) -> Double) {
        self.rows = rows
        self.columns = columns
        isTurned = rows < columns
        (length, count) = isTurned ? (columns, rows) : (rows, columns)
        numbers = [Double](repeating: 0, count: rows * columns)
        for index in 0..<rows * columns { numbers[place(index)] = number(index) }
    }

    private func place(_ index: Int) -> Int { isTurned ? index % columns * rows + index / columns : index }

    /// The number at a place of the matrix, row by row.
    subscript(index: Int) -> Double { numbers[place(index)] }

    mutating func run() {
        for _ in 0..<2 { runOnce() }
    }

    private mutating func runOnce() {
        var products = [Double](repeating: 0, count: count)
        for vector in 0..<count {
            var square = 0.0
            for element in 0..<length { square += numbers[element * count + vector] * numbers[element * count + vector] }
            let scale = square > 0 ? 1 / square.squareRoot() : 0
            for element in 0..<length { numbers[element * count + vector] *= scale }
            // All later vectors at once, whose numbers lie side by side.
            for other in vector + 1..<max(count, vector + 1) { products[other] = 0 }
            for element in 0..<length {
                let own = numbers[element * count + vector]
                for other in vector + 1..<max(count, vector + 1) { products[other] += own * numbers[element * count + other] }
            }
            for element in 0..<length {
                let own = numbers[element * count + vector]
                for other in vector + 1..<max(count, vector + 1) { numbers[element * count + other] -= own * products[other] }
            }
        }
    }
}
