import Storage

/// The matrix products of a dense layer.
///
/// Every element is one chain of fused multiply-adds over the summed index in ascending order; then the bias is added. So
/// its bits depend neither on the tile that it falls into, nor on rows, threads, blocks or the width of vectors. In the
/// weight gradient the chain covers the rows of one leaf (micro-batch), and the leaves are added up along the summation
/// tree while the tile is still in registers, so that exactness costs nothing. Rows of every operand may lie apart.
extension Workspace {
    /// `output` = activation(`input` · `weights`ᵀ + `bias`); shapes rows × k, columns × k, 1 × columns and rows × columns.
    package func innerProducts(
        _ input: MatrixView, _ weights: MatrixView, bias: MatrixView?,
        activation: Activation? = nil, into output: MutableMatrixView
    ) {
        precondition(
            input.columns == weights.columns && output.rows == input.rows && output.columns == weights.rows,
            "\(input.rows)×\(input.columns) times the transpose of \(weights.rows)×\(weights.columns) into "
                + "\(output.rows)×\(output.columns)")
        precondition(bias?.count ?? weights.rows == weights.rows, "\(bias?.count ?? 0) biases for \(weights.rows) units")
        if let weights = eightBits?.products[weights.base] {
            innerProducts(input, eightBits: weights, bias: bias, rectifies: activation == .relu, into: output)
            if let activation, activation != .relu { activate(activation, output.readOnly, into: output) }
            return
        }
        if let packedWeights, input.rows <= PackedWeights.mostRows {
            innerProducts(input, packed: weights, packedWeights, bias: bias, rectifies: activation == .relu, into: output)
            if let activation, activation != .relu { activate(activation, output.readOnly, into: output) }
            return
        }
        let panels = packing(count: tiles.transposedCount(rows: input.rows, depth: input.columns, width: tiles.width))
        tiles.packTransposed(input, width: tiles.width, into: panels.numbers)
        let scratch = threadRooms(count: tiles.innerProductScratch)
        parallel(weights.rows, unit: 16) { thread, units in
            tiles.innerProducts(
                UnsafePointer(panels.base), input, weights, bias: bias?.base, rectifies: activation == .relu,
                units: units, into: output, scratch: scratch[thread])
        }
        if let activation, activation != .relu { activate(activation, output.readOnly, into: output) }
    }

    /// The weight gradient: `gradient` = `outputGradient`ᵀ · `input`, summed over the tree of leaves of `leafRows` rows
    /// each (the last may be short). Shapes rows × outputs, rows × inputs, outputs × inputs.
    ///
    /// - Parameter continues: whether the rows go on with the leaf whose first rows are summed in `gradient` already, so that
    ///   a leaf may be computed in pieces with the same bits.
    package func weightGradient(
        _ outputGradient: MatrixView, _ input: MatrixView, leafRows: Int, continues: Bool = false,
        into gradient: MutableMatrixView
    ) {
        let operand = gradientOperand(outputGradient, leafRows: leafRows, largest: gradient.rows * gradient.columns)
        weightGradient(operand, input, leafRows: leafRows, continues: continues, into: gradient)
    }

    /// The same for two inputs, whose weights one behind the other would be one weight; nil where nobody asks.
    package func weightGradients(
        _ outputGradient: MatrixView, _ first: MatrixView, _ second: MatrixView, leafRows: Int,
        into firstGradient: MutableMatrixView?, _ secondGradient: MutableMatrixView?
    ) {
        let operand = gradientOperand(
            outputGradient, leafRows: leafRows, largest: outputGradient.columns * max(first.columns, second.columns))
        if let firstGradient {
            weightGradient(operand, first, leafRows: leafRows, continues: false, into: firstGradient)
        }
        if let secondGradient {
            weightGradient(operand, second, leafRows: leafRows, continues: false, into: secondGradient)
        }
    }

    /// An output gradient as weight gradients want it.
    private struct GradientOperand {
        let matrix: MatrixView
        /// Its numbers in place, or packed.
        let numbers: UnsafePointer<Float>
        /// Where leaves of many rows are summed one after the other: room for their sums, behind the packed numbers.
        let sums: UnsafeMutablePointer<Float>?
    }

    /// - Parameter largest: numbers of the largest weight gradient that is made of it.
    private func gradientOperand(_ gradient: MatrixView, leafRows: Int, largest: Int) -> GradientOperand {
        let isDeep = min(gradient.rows, leafRows) >= tiles.deepLeafRows
        guard isDeep || tiles.packsOutputGradient(gradient) else {
            return GradientOperand(matrix: gradient, numbers: gradient.base, sums: nil)
        }
        let packed = gradient.rows * gradient.columns
        let sums = isDeep ? Self.waitingSums(rows: gradient.rows, leafRows: leafRows) * largest : 0
        let room = packing(count: packed + sums)
        tiles.packColumns(gradient, into: UnsafeMutableBufferPointer(rebasing: room.numbers[..<packed]))
        return GradientOperand(matrix: gradient, numbers: UnsafePointer(room.base), sums: isDeep ? room.base + packed : nil)
    }

    /// How many sums of leaves there are at once where leaves are summed one after the other: none where one is all.
    private static func waitingSums(rows: Int, leafRows: Int) -> Int {
        rows <= leafRows ? 0 : SummationTree(rows: rows, leafRows: leafRows).stackHeight + 1
    }

    private func weightGradient(
        _ operand: GradientOperand, _ input: MatrixView, leafRows: Int, continues: Bool, into gradient: MutableMatrixView
    ) {
        let outputGradient = operand.matrix
        precondition(!continues || input.rows <= leafRows, "\(input.rows) rows that go on with a leaf of \(leafRows)")
        precondition(
            outputGradient.rows == input.rows && gradient.rows == outputGradient.columns
                && gradient.columns == input.columns && leafRows > 0,
            "the transpose of \(outputGradient.rows)×\(outputGradient.columns) times "
                + "\(input.rows)×\(input.columns) into \(gradient.rows)×\(gradient.columns)")
        if operand.sums != nil {
            return deepWeightGradient(operand, input, leafRows: leafRows, continues: continues, into: gradient)
        }
        let levels = SummationTree(rows: input.rows, leafRows: leafRows).stackHeight
        let scratch = threadRooms(count: tiles.weightGradientScratch(rows: input.rows, levels: levels))
        parallel(gradient.columns, unit: tiles.width) { thread, columns in
            tiles.weightGradient(
                operand.numbers, stride: outputGradient.stride, input, leafRows: leafRows, levels: levels,
                continues: continues, columns: columns, into: gradient, scratch: scratch[thread])
            // For what this thread wrote past the caches nobody else can do it.
            Processor.finishStreaming()
        }
    }

    /// Leaves of many rows one after the other, each in blocks of rows; their sums wait and are added as the tree has them.
    private func deepWeightGradient(
        _ operand: GradientOperand, _ input: MatrixView, leafRows: Int, continues: Bool, into gradient: MutableMatrixView
    ) {
        let scratch = threadRooms(count: tiles.deepWeightGradientScratch)
        func sum(_ leaf: Range<Int>, into target: MutableMatrixView) {
            parallel(gradient.columns, unit: tiles.width) { thread, columns in
                tiles.deepWeightGradient(
                    operand.numbers, input, leaf: leaf, continues: continues, columns: columns, into: target,
                    scratch: scratch[thread])
            }
        }
        guard input.rows > leafRows, let sums = operand.sums else { return sum(0..<input.rows, into: gradient) }
        func place(_ level: Int) -> MutableMatrixView {
            MutableMatrixView(
                base: sums + level * gradient.rows * gradient.columns, rows: gradient.rows, columns: gradient.columns)
        }
        // A binary counter, as in the tiles: after leaf n, the set bits of n are the subtrees that wait for their right sibling.
        var level = 0
        var leaf = 0
        for first in Swift.stride(from: 0, to: input.rows, by: leafRows) {
            let end = min(first + leafRows, input.rows)
            sum(first..<end, into: place(level))
            leaf += 1
            var merged = leaf
            while level > 0, end == input.rows || merged & 1 == 0 {
                add(place(level - 1).readOnly, place(level).readOnly, into: place(level - 1))
                level -= 1
                merged >>= 1
            }
            level += 1
        }
        copyRows(place(0).readOnly, into: gradient)
    }

    /// Multiply-adds in registers, of the vectors that the products above use and on all threads at once: what no product
    /// can pass. Returns the number of operations, a multiplication and an addition being two.
    package func multiplyAdds(rounds: Int) -> Int {
        let results = threadRooms(count: 1)
        parallel(threadCount) { thread, _ in
            // Kept, so that they must be computed.
            results[thread][0] = tiles.multiplyAdds(rounds: rounds, factor: 0.5)
        }
        return rounds * tiles.multiplyAddOperations * threadCount
    }

    /// What the three products of a layer take beside their operands.
    package static func productScratch(rows: Int, inputs: Int, outputs: Int, leafRows: Int) -> KernelScratch {
        let tiles = TileLoops.of(.best)
        let levels = SummationTree(rows: rows, leafRows: leafRows).stackHeight
        let packed = [
            tiles.transposedCount(rows: rows, depth: inputs, width: tiles.width),
            rows * outputs
                + (leafRows >= tiles.deepLeafRows ? waitingSums(rows: rows, leafRows: leafRows) * outputs * inputs : 0),
            tiles.transposedCount(rows: rows, depth: outputs, width: tiles.height)
        ]
        let perThread = [
            tiles.innerProductScratch, tiles.weightGradientScratch(rows: rows, levels: levels),
            tiles.inputGradientScratch, tiles.deepWeightGradientScratch
        ]
        return KernelScratch(packed: packed.max() ?? 0, perThread: perThread.max() ?? 0)
    }

    /// The input gradient: `gradient` = `outputGradient` · `weights`. Shapes rows × outputs, outputs × inputs,
    /// rows × inputs.
    package func inputGradient(_ outputGradient: MatrixView, _ weights: MatrixView, into gradient: MutableMatrixView) {
        precondition(
            outputGradient.columns == weights.rows && gradient.rows == outputGradient.rows
                && gradient.columns == weights.columns,
            "\(outputGradient.rows)×\(outputGradient.columns) times \(weights.rows)×\(weights.columns) into "
                + "\(gradient.rows)×\(gradient.columns)")
        let panels = packing(
            count: tiles.transposedCount(
                rows: outputGradient.rows, depth: outputGradient.columns,
                width: tiles.height))
        tiles.packTransposed(outputGradient, width: tiles.height, into: panels.numbers)
        let scratch = threadRooms(count: tiles.inputGradientScratch)
        parallel(gradient.columns, unit: tiles.width) { thread, columns in
            tiles.inputGradient(
                UnsafePointer(panels.base), weights, columns: columns, into: gradient,
                scratch: scratch[thread])
        }
    }
}
