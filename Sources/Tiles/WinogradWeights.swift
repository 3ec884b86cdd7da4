import CProcessor

/// Numbers that transformed filters, G g Gᵀ, take.
func winogradWeightCount(_ pass: ConvolutionPass) -> Int { frequencyCount * pass.outputs * pass.channels + laneCount }

/// Where for a frequency the weights begin of the tile of outputs that begins with `output`, from channel `channel` on.
///
/// - Parameter height: outputs of the tile.
func winogradWeightOffset(_ pass: ConvolutionPass, frequency: Int, output: Int, height: Int, channel: Int) -> Int {
    (frequency * pass.outputs + output) * pass.channels + channel * height
}

/// Transforms the filters of the tiles of outputs `blocks`: for each frequency and tile, channel by channel one weight per output.
func transformWinogradWeights(
    _ pass: ConvolutionPass, _ weights: UnsafePointer<Float>, blocks: Range<Int>, into target: UnsafeMutablePointer<Float>
) {
    let tiles = outputTiles(pass.outputs)
    let distance = pass.outputs * pass.channels
    for tile in blocks {
        let range = tileOutputs(tile, of: tiles, in: 0..<pass.outputs)
        let height = range.count
        for channel in 0..<pass.channels {
            let filters =
                weights
                + (pass.first_weight + range.lowerBound * pass.weight_output_step + channel * pass.weight_channel_step)
            // Rows of filters times Gᵀ, then G times those.
            let upper = filterRow(pass, filters, 0, height)
            let middle = filterRow(pass, filters, 1, height)
            let lower = filterRow(pass, filters, 2, height)
            let first =
                target
                + winogradWeightOffset(pass, frequency: 0, output: range.lowerBound, height: height, channel: channel)
            @inline(__always) func store(_ column: Int, _ all: Six) {
                let to = first + column &* distance
                all.0.store(to: to, count: height)
                all.1.store(to: to + 6 &* distance, count: height)
                all.2.store(to: to + 12 &* distance, count: height)
                all.3.store(to: to + 18 &* distance, count: height)
                all.4.store(to: to + 24 &* distance, count: height)
                all.5.store(to: to + 30 &* distance, count: height)
            }
            store(0, timesG(upper.0, middle.0, lower.0))
            store(1, timesG(upper.1, middle.1, lower.1))
            store(2, timesG(upper.2, middle.2, lower.2))
            store(3, timesG(upper.3, middle.3, lower.3))
            store(4, timesG(upper.4, middle.4, lower.4))
            store(5, timesG(upper.5, middle.5, lower.5))
        }
    }
}

/// Row `place` of the window for some filters, times Gᵀ. A window's place is a tap that may be counted from either end.
@inline(__always)
private func filterRow(_ pass: ConvolutionPass, _ filters: UnsafePointer<Float>, _ place: Int, _ height: Int) -> Six {
    let row = pass.tap_row_step > 0 ? place : 2 - place
    let from = filters + row &* pass.weight_row_step
    let isForward = pass.tap_column_step > 0
    let step = pass.weight_column_step
    return timesG(
        gather(from + (isForward ? 0 : 2 &* step), pass.weight_output_step, height),
        gather(from + step, pass.weight_output_step, height),
        gather(from + (isForward ? 2 &* step : 0), pass.weight_output_step, height))
}

/// `count` numbers that are `stride` apart.
@inline(__always)
private func gather(_ source: UnsafePointer<Float>, _ stride: Int, _ count: Int) -> Lanes {
    var result = Lanes()
    for index in 0..<count { result[index] = source[index &* stride] }
    return result
}
