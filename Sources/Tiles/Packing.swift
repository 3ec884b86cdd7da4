import CProcessor

/// How far apart panels lie: not by a power of two, at which they would push each other out of the caches.
func panelStride(depth: Int, width: Int) -> Int { width * depth + 80 }

/// Numbers that `packTransposed` writes at most.
package func transposedCount(rows: Int, depth: Int, width: Int) -> Int {
    (rows + width - 1) / width * panelStride(depth: depth, width: width) + laneCount
}

/// Panels of `width` rows each, element k of the rows of a panel side by side; rows of the source are `stride` apart. Lanes of rows that don't exist hold
/// anything that was there or another row's.
package func packTransposed(
    _ source: UnsafePointer<Float>, rows: Int, depth: Int, stride: Int, width: Int,
    into panels: UnsafeMutableBufferPointer<Float>
) {
    guard var panel = panels.baseAddress,
        transposedCount(rows: rows, depth: depth, width: width) <= panels.count
    else {
        preconditionFailure("panels of \(rows)×\(depth) numbers into \(panels.count)")
    }
    var row = 0
    while row < rows {
        let count = min(width, rows - row)
        var lane = 0
        // A vector that reaches beyond its panel is written before what follows it: columns go up.
        while lane < count {
            turn(
                source + (row + lane) * stride, stride: stride, rows: rows - row - lane, columns: depth, into: panel + lane,
                targetStride: width, lanes: laneCount)
            lane += laneCount
        }
        panel += panelStride(depth: depth, width: width)
        row += width
    }
}

/// Rows that are packed at a time: their cache lines are read once, though each holds parts of several panels.
private let packedRows = 16

/// Panels of `tileHeight` columns each, the rows of a panel one behind the other; the last panel is as narrow as it is.
package func packColumns(
    _ source: UnsafePointer<Float>, rows: Int, columns: Int, stride: Int,
    into panels: UnsafeMutableBufferPointer<Float>
) {
    guard let base = panels.baseAddress, rows * columns <= panels.count else {
        preconditionFailure("panels of \(rows)×\(columns) numbers into \(panels.count)")
    }
    var first = 0
    while first < rows {
        let count = min(packedRows, rows &- first)
        var column = 0
        while column < columns {
            let width = min(tileHeight, columns &- column)
            var from = source + (first &* stride &+ column)
            var target = base + (column &* rows &+ first &* width)
            var rest = count
            while rest > 0 {
                Lanes.load(from, count: width).store(to: target, count: width)
                from += stride
                target += width
                rest &-= 1
            }
            column &+= tileHeight
        }
        first &+= packedRows
    }
}

/// Strips of `tileWidth` columns each, the rows of a strip one behind the other, zeros beyond the last column.
func packStrips(
    _ source: UnsafePointer<Float>, rows: Int, stride: Int, columns: Int,
    into strips: UnsafeMutablePointer<Float>
) {
    let whole = columns / tileWidth
    for row in 0..<rows {
        var from = source + row &* stride
        var target = strips + row &* tileWidth
        // The rows of a large matrix are pages apart, which no processor foresees.
        if row &+ 8 < rows {
            var ahead = 0
            while ahead < columns {
                dtrain_prefetch(from + (8 &* stride &+ ahead))
                ahead &+= 16
            }
        }
        for _ in 0..<whole {
            Lanes.load(from).store(to: target)
            Lanes.load(from + laneCount).store(to: target + laneCount)
            from += tileWidth
            target += rows &* tileWidth
        }
        let rest = columns &- whole &* tileWidth
        if rest > 0 {
            for lane in 0..<tileWidth { target[lane] = lane < rest ? from[lane] : 0 }
        }
    }
}
