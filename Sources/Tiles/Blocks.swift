// How operands are cut for caches of 32-48 KiB and 1-2 MiB. It never shows in the results, since a chain of additions that
// is stored and taken up again has the same bits.

/// Numbers of a tile that lies in memory.
var tileSize: Int { tileHeight * tileWidth }

/// The memory of one thread, handed out part by part. What a kernel takes, its function `…Scratch` asks for.
struct ThreadMemory {
    private var rest: UnsafeMutableBufferPointer<Float>

    init(_ memory: UnsafeMutableBufferPointer<Float>) { rest = memory }

    /// The next `count` numbers.
    mutating func take(_ count: Int) -> UnsafeMutablePointer<Float> {
        guard let base = rest.baseAddress, count <= rest.count else {
            preconditionFailure("\(count) numbers of a thread's memory, of which \(rest.count) are left")
        }
        rest = UnsafeMutableBufferPointer(start: base + count, count: rest.count - count)
        return base
    }

    /// The next `count` numbers for integers of the same size; each part of the memory is used for one kind only.
    mutating func takeIntegers(_ count: Int) -> UnsafeMutablePointer<Int32> {
        UnsafeMutableRawPointer(take(count)).bindMemory(to: Int32.self, capacity: count)
    }
}

/// The size of equal blocks of at most `most` elements each, a multiple of `unit`, that cover `count`.
func blockLength(_ count: Int, most: Int, unit: Int) -> Int {
    let blocks = max(1, (count + most - 1) / most) * unit
    return max(1, (count + blocks - 1) / blocks) * unit
}

/// Whether rows of so many numbers, one below the other, push each other out of the first-level cache: they lie at
/// multiples of half a kilobyte, which share few places there. Wide tiles come by seldom enough to bear it.
func crowdCache(rowsOf columns: Int) -> Bool { tileHeight < 12 && columns % 128 == 0 }
