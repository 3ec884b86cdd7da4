import CProcessor
import Storage

extension Workspace {
    /// Fills `mask` with 0 (probability `rate`) and 1/(1 − rate). A row's mask depends on its sample's draw alone.
    package func dropoutMask(rate: Double, stream: RandomStream, firstDraw: UInt64, into mask: MutableMatrixView) {
        let threshold = UInt32(rate * 4_294_967_296)
        let scale = Float(1 / (1 - rate))
        parallel(mask.rows) { _, rows in
            for row in rows {
                dropoutMaskRow(
                    mask.base + row * mask.stride, from: 0, count: mask.columns, stream: stream,
                    draw: firstDraw + UInt64(row), threshold: threshold, scale: scale)
            }
        }
    }
}

extension Workspace {
    /// `output` = `input`, every channel of a row times its factor; rows are as many planes as `factors` has columns.
    package func scaleChannels(_ input: MatrixView, by factors: MatrixView, into output: MutableMatrixView) {
        let area = input.columns / max(factors.columns, 1)
        precondition(
            output.readOnly.hasShape(of: input) && factors.rows == input.rows && factors.columns * area == input.columns,
            "\(input.rows)×\(input.columns) by \(factors.rows)×\(factors.columns) into \(output.rows)×\(output.columns)")
        parallel(input.rows) { _, rows in
            for row in rows {
                for channel in 0..<factors.columns {
                    let factor = Vector(repeating: factors.row(row)[channel])
                    mapVectors(
                        input.base + (row * input.stride + channel * area),
                        into: output.base + (row * output.stride + channel * area), count: area
                    ) { $0 * factor }
                }
            }
        }
    }
}

/// Numbers, and columns, that are drawn at once: eight blocks of the stream.
var numbersAtOnce: Int { 8 * SIMD4<UInt32>.scalarCount }

/// Column c of a row takes number c mod 4 of the stream's block c / 4.
///
/// - Parameter start: the first column that is wanted, the first of some that are drawn at once.
@inline(never)
func dropoutMaskRow(
    _ target: UnsafeMutablePointer<Float>, from start: Int, count: Int, stream: RandomStream, draw: UInt64,
    threshold: UInt32, scale: Float
) {
    precondition(start % numbersAtOnce == 0, "column \(start), which isn't drawn first")
    // 128 bytes on the stack.
    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: numbersAtOnce) { numbers in
        guard let base = numbers.baseAddress else { return }
        var column = 0
        while column < count {
            let place = column % numbersAtOnce
            if place == 0 { stream.eightBlocks(UInt32((start + column) / 4), ordinal: draw, into: numbers) }
            dtrain_value_from(base + place, threshold, scale).store(to: target + column, count: count - column)
            column += 8
        }
    }
}
