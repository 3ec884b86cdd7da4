// How operands are cut for caches of 32-48 KiB and 1-2 MiB. It never shows in the results, since a chain of additions that
// is stored and taken up again has the same bits.

/// Room that a thread needs: a tile per level of the tree, one for edges, and behind them a block.
package let stackSize = (TileRun.levels + 1) * tileHeight * tileWidth
/// Numbers of an operand that are copied at a time.
let blockSize = 1 << 17
/// Numbers that a thread needs for itself, for products over `rows` rows.
package func threadScratch(rows: Int) -> Int { stackSize + max(blockSize, rows * tileWidth) }

/// The size of equal blocks of at most `most` elements each, a multiple of `unit`, that cover `count`.
func blockLength(_ count: Int, most: Int, unit: Int) -> Int {
    let blocks = max(1, (count + most - 1) / most) * unit
    return max(1, (count + blocks - 1) / blocks) * unit
}

/// Whether rows of so many numbers, one below the other, push each other out of the first-level cache: they lie at
/// multiples of half a kilobyte, which share few places there. Wide tiles come by seldom enough to bear it.
func crowdCache(rowsOf columns: Int) -> Bool { tileHeight < 12 && columns % 128 == 0 }
