import CProcessor

/// Rows (at most `laneCount` count) become columns: `columns` rows of `lanes` numbers each, `targetStride` apart.
///
/// Lanes of rows that don't exist hold anything. With `addends`, one for each row, they are added; with `rectifies` what
/// is not above 0 becomes 0.
@inline(__always)
func turn(
    _ source: UnsafePointer<Float>, stride: Int, rows: Int, columns: Int, into target: UnsafeMutablePointer<Float>,
    targetStride: Int, lanes: Int, addends: UnsafePointer<Float>? = nil, rectifies: Bool = false
) {
    var column = 0
    if rows >= laneCount, lanes == laneCount {
        while column &+ laneCount <= columns {
            dtrain_turn_block(
                source + column, stride, target + column &* targetStride, targetStride, addends,
                rectifies ? 1 : 0)
            column &+= laneCount
        }
    }
    while column < columns {
        dtrain_turn_part(
            source + column, stride, min(rows, laneCount), min(laneCount, columns &- column),
            target + column &* targetStride, targetStride, lanes, addends, rectifies ? 1 : 0)
        column &+= laneCount
    }
}
