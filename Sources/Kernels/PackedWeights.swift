import Storage

/// Weights that a few rows are multiplied with again and again, in the order in which a tile reads them when its lanes are units: a
/// network that writes a text, token by token, has one row at a time, and where rows are the lanes all others would be idle.
///
/// Another copy of them, made at a weight's first product. Every element is the chain that `Workspace.innerProducts` has always.
final class PackedWeights {
    /// Up to so many rows; above it rows fill the lanes well enough.
    static let mostRows = 8
    private var strips: [UnsafePointer<Float>: Strips] = [:]

    private final class Strips {
        let numbers: AlignedBuffer<Float>

        init(_ weights: MatrixView, _ tiles: TileLoops) {
            numbers = AlignedBuffer(
                count: tiles.transposedCount(rows: weights.rows, depth: weights.columns, width: tiles.width))
            tiles.packTransposed(weights, width: tiles.width, into: numbers.elements)
        }
    }

    /// The strips of `weights`, units × inputs.
    func strips(of weights: MatrixView, _ tiles: TileLoops) -> UnsafePointer<Float> {
        let known = strips[weights.base] ?? Strips(weights, tiles)
        strips[weights.base] = known
        return UnsafePointer(known.numbers.base)
    }
}

extension Workspace {
    /// Has `innerProducts` of a few rows remember the weights: whoever calls it promises that they don't change while this lives.
    package func rememberWeights() { packedWeights = PackedWeights() }

    /// As `innerProducts`, of a few rows.
    func innerProducts(
        _ input: MatrixView, packed weights: MatrixView, _ packedWeights: PackedWeights, bias: MatrixView?,
        rectifies: Bool, into output: MutableMatrixView
    ) {
        let strips = packedWeights.strips(of: weights, tiles)
        // Whole vectors are written.
        let stride = (weights.rows + 15) / 16 * 16
        let sums = packing(count: input.rows * stride)
        tiles.rowProducts(
            input.base, stride: input.stride, rows: input.rows, depth: input.columns, strips, columns: weights.rows,
            resumes: false, into: sums.base, resultStride: stride)
        for row in 0..<input.rows {
            let target = output.row(row), source = sums.base + row * stride
            if let bias {
                for unit in 0..<weights.rows { target[unit] = source[unit] + bias.base[unit] }
            } else {
                for unit in 0..<weights.rows { target[unit] = source[unit] }
            }
            guard rectifies else { continue }
            // NaN becomes 0, as in the other order.
            for unit in 0..<weights.rows { target[unit] = target[unit] > 0 ? target[unit] : 0 }
        }
    }
}
