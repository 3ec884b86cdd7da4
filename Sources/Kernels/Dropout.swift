import Storage

extension Workspace {
    /// Fills `mask` with 0 (probability `rate`) and 1/(1 − rate). A row's mask depends on its sample's draw alone.
    package func dropoutMask(rate: Double, stream: RandomStream, firstDraw: UInt64, into mask: MutableMatrixView) {
        let threshold = UInt32(rate * 4_294_967_296)
        let scale = Float(1 / (1 - rate))
        parallel(mask.rows) { _, rows in
            for row in rows {
                let target = mask.base + row * mask.columns
                let draw = firstDraw + UInt64(row)
                var column = 0
                while column + 4 <= mask.columns {
                    let random = stream.block(UInt32(column / 4), ordinal: draw)
                    for lane in 0..<4 { target[column + lane] = random[lane] < threshold ? 0 : scale }
                    column += 4
                }
                if column < mask.columns {
                    let random = stream.block(UInt32(column / 4), ordinal: draw)
                    for lane in 0..<mask.columns - column { target[column + lane] = random[lane] < threshold ? 0 : scale }
                }
            }
        }
    }
}
