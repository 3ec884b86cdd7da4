import Storage

/// Many small products at once, each of matrices of its own: threads share the products, not their tiles. An element is the
/// chain that the product of a layer would give it (`Products.swift`).
extension Workspace {
    /// `output` = `left` · `right`ᵀ for each; shapes m × k, n × k, m × n.
    package func innerProducts(
        _ left: MatrixBatch<MatrixView>, _ right: MatrixBatch<MatrixView>, into output: MatrixBatch<MutableMatrixView>
    ) {
        let (a, b, c) = (left.first, right.first, output.first)
        precondition(
            a.columns == b.columns && c.rows == a.rows && c.columns == b.rows,
            "\(a.rows)×\(a.columns) times the transpose of \(b.rows)×\(b.columns) into \(c.rows)×\(c.columns)")
        let packed = tiles.transposedCount(rows: a.rows, depth: a.columns, width: tiles.width)
        eachProduct(left.count, right.count, output.count, packed: packed, own: tiles.innerProductScratch) {
            index, panels, own in
            tiles.packTransposed(left[index], width: tiles.width, into: panels.numbers)
            tiles.innerProducts(
                UnsafePointer(panels.base), left[index], right[index], bias: nil, rectifies: false, units: 0..<b.rows,
                into: output[index], scratch: own.numbers)
        }
    }

    /// `output` = `left` · `right` for each; shapes m × k, k × n, m × n.
    package func products(
        _ left: MatrixBatch<MatrixView>, _ right: MatrixBatch<MatrixView>, into output: MatrixBatch<MutableMatrixView>
    ) {
        let (a, b, c) = (left.first, right.first, output.first)
        precondition(
            a.columns == b.rows && c.rows == a.rows && c.columns == b.columns,
            "\(a.rows)×\(a.columns) times \(b.rows)×\(b.columns) into \(c.rows)×\(c.columns)")
        let packed = tiles.transposedCount(rows: a.rows, depth: a.columns, width: tiles.height)
        eachProduct(left.count, right.count, output.count, packed: packed, own: tiles.inputGradientScratch) {
            index, panels, own in
            tiles.packTransposed(left[index], width: tiles.height, into: panels.numbers)
            tiles.inputGradient(
                UnsafePointer(panels.base), right[index], columns: 0..<b.columns, into: output[index], scratch: own.numbers)
        }
    }

    /// `output` = `left`ᵀ · `right` for each, one chain over all rows; shapes k × m, k × n, m × n.
    package func transposedProducts(
        _ left: MatrixBatch<MatrixView>, _ right: MatrixBatch<MatrixView>, into output: MatrixBatch<MutableMatrixView>
    ) {
        let (a, b, c) = (left.first, right.first, output.first)
        precondition(
            a.rows == b.rows && c.rows == a.columns && c.columns == b.columns,
            "the transpose of \(a.rows)×\(a.columns) times \(b.rows)×\(b.columns) into \(c.rows)×\(c.columns)")
        let packs = tiles.packsOutputGradient(a)
        let packed = packs ? a.rows * a.columns : 0
        let scratch = tiles.weightGradientScratch(rows: a.rows, levels: 0)
        eachProduct(left.count, right.count, output.count, packed: packed, own: scratch) { index, panels, own in
            if packs { tiles.packColumns(left[index], into: panels.numbers) }
            tiles.weightGradient(
                packs ? UnsafePointer(panels.base) : left[index].base, stride: a.stride, right[index],
                leafRows: max(1, a.rows), levels: 0, continues: false, columns: 0..<b.columns, into: output[index],
                scratch: own.numbers)
            Processor.finishStreaming()
        }
    }

    /// Computes products on all threads, each of which has room for a packed operand and what its loops need.
    private func eachProduct(
        _ leftCount: Int, _ rightCount: Int, _ count: Int, packed: Int, own: Int,
        _ compute: (_ index: Int, _ panels: Room, _ own: Room) -> Void
    ) {
        precondition(leftCount == count && rightCount == count, "\(leftCount) times \(rightCount) into \(count) matrices")
        let rooms = threadRooms(count: packed + own)
        parallel(count) { thread, indices in
            guard let base = rooms[thread].baseAddress else { return }
            for index in indices {
                compute(index, Room(base: base, count: packed), Room(base: base + packed, count: own))
            }
        }
    }
}
