import Storage

extension Workspace {
    /// Row i of `output` = the row of `table` that `tokens[i]` names. Tokens are whole numbers, 0 ..< rows of the table.
    package func embed(_ tokens: MatrixView, _ table: MatrixView, into output: MutableMatrixView) {
        precondition(
            output.rows == tokens.count && output.columns == table.columns,
            "\(tokens.count) tokens of \(table.columns) numbers into \(output.rows)×\(output.columns)")
        parallel(tokens.count, unit: 64) { _, range in
            for index in range {
                let source = table.row(Int(tokens.base[index]))
                guard let from = source.baseAddress, let to = output.row(index).baseAddress else { continue }
                to.update(from: from, count: table.columns)
            }
        }
    }

    /// Row v of `gradient` = the sum of the rows of `outputGradient` whose token is v: within a leaf of `leafTokens` tokens in
    /// their order, beginning with 0, leaves along the tree.
    ///
    /// A leaf without the token has the gradient 0, and since no sum that began with 0 is −0, adding it changes nothing: only
    /// leaves that have the token are added.
    package func embeddingGradient(
        _ outputGradient: MatrixView, _ tokens: MatrixView, leafTokens: Int,
        into gradient: MutableMatrixView
    ) {
        let count = tokens.count
        let kinds = gradient.rows
        let width = gradient.columns
        precondition(
            outputGradient.rows == count && outputGradient.columns == width && leafTokens > 0 && count <= Int32.max,
            "\(outputGradient.rows)×\(outputGradient.columns) for \(count) tokens of \(width) numbers")
        // The places of each token, first to last, as a chain.
        let scratch = Self.embeddingScratch(tokens: count, leafTokens: leafTokens, kinds: kinds, width: width)
        let chains = packing(count: scratch.packed)
        let rooms = threadRooms(count: scratch.perThread)
        let height = scratch.perThread / max(width, 1)
        chains.base.withMemoryRebound(to: Int32.self, capacity: kinds + count) { first in
            let next = first + kinds
            first.update(repeating: -1, count: kinds)
            for place in (0..<count).reversed() {
                let token = Int(tokens.base[place])
                precondition(token >= 0 && token < kinds, "token \(token) of \(kinds)")
                next[place] = first[token]
                first[token] = Int32(truncatingIfNeeded: place)
            }
            // Each thread has tokens of its own.
            parallel(kinds) { thread, range in
                for token in range {
                    sumChain(
                        from: first[token], next: next, outputGradient, leafTokens: leafTokens, waiting: rooms[thread],
                        height: height, into: gradient[rows: token..<token + 1])
                }
            }
        }
    }
}

extension Workspace {
    /// What `embeddingGradient` takes beside its operands.
    package static func embeddingScratch(tokens: Int, leafTokens: Int, kinds: Int, width: Int) -> KernelScratch {
        let height = SummationTree(rows: tokens, leafRows: leafTokens).stackHeight + 1
        return KernelScratch(packed: kinds + tokens, perThread: height * width)
    }
}

/// The sum of the rows of `gradient` along a chain of places. Sums of leaves and subtrees wait in `sum` and then in `waiting`
/// until all between them is there; what the tree adds sooner is added sooner.
private func sumChain(
    from start: Int32, next: UnsafePointer<Int32>, _ gradient: MatrixView, leafTokens: Int,
    waiting: UnsafeMutableBufferPointer<Float>, height: Int, into sum: MutableMatrixView
) {
    let width = sum.count
    sum.fill(0)
    guard start >= 0, let base = waiting.baseAddress, width > 0 else { return }
    precondition(waiting.count >= height * width, "\(height) sums of \(width) in \(waiting.count)")
    withUnsafeTemporaryAllocation(of: Int.self, capacity: height + 1) { leaves in
        // Invariant: 0 ≤ count ≤ height + 1; leaves[k] is a leaf of what waits in place k.
        var count = 0
        @inline(__always) func place(_ index: Int) -> UnsafeMutablePointer<Float> {
            index == 0 ? sum.base : base + (index - 1) * width
        }
        /// The level of the subtree in which the tree adds what lies in two leaves.
        @inline(__always) func level(_ a: Int, _ b: Int) -> Int { Int.bitWidth - (a ^ b).leadingZeroBitCount }
        func addTopmost() {
            count -= 1
            mapVectors(place(count - 1), place(count), into: place(count - 1), count: width) { $0 + $1 }
        }
        var current = start
        while current >= 0 {
            let row = Int(current)
            let leaf = row / leafTokens
            if count == 0 || leaves[count - 1] != leaf {
                while count > 1, level(leaves[count - 2], leaves[count - 1]) < level(leaves[count - 1], leaf) { addTopmost() }
                precondition(count <= height, "\(count) sums wait where \(height) fit")
                leaves[count] = leaf
                if count > 0 { place(count).update(repeating: 0, count: width) }
                count += 1
            }
            mapVectors(place(count - 1), gradient.base + row * gradient.stride, into: place(count - 1), count: width) {
                $0 + $1
            }
            current = next[row]
        }
        while count > 1 { addTopmost() }
    }
}
