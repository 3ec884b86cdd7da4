import CProcessor

/// Numbers that packed weights take.
package func convolutionWeightCount(_ pass: ConvolutionPass) -> Int {
    pass.isWinograd ? winogradWeightCount(pass) : pass.groups * pass.outputs * pass.channels * pass.allTaps + laneCount
}

/// Blocks of weights that can be packed by themselves.
package func convolutionWeightBlocks(_ pass: ConvolutionPass, rows: Int) -> Int {
    pass.isWinograd ? outputTiles(pass.outputs) : pass.groups * ConvolutionPlan(pass, rows: rows).channelBlocks
}

/// Weights in the order in which they are multiplied: for each group and block of channels, the tiles of outputs one behind the
/// other, and in a tile for each channel and tap one weight per output; behind them all those of the second window.
package func packConvolutionWeights(
    _ pass: ConvolutionPass, rows: Int, _ weights: UnsafePointer<Float>, blocks: Range<Int>,
    into packed: UnsafeMutablePointer<Float>
) {
    if pass.isWinograd { return transformWinogradWeights(pass, weights, blocks: blocks, into: packed) }
    let plan = ConvolutionPlan(pass, rows: rows)
    packWindow(pass, plan, weights, blocks: blocks, into: packed)
    if pass.hasBetween {
        packWindow(pass.between, plan, weights, blocks: blocks, into: packed + betweenOffset(pass))
    }
}

private func packWindow(
    _ pass: ConvolutionPass, _ plan: ConvolutionPlan, _ weights: UnsafePointer<Float>, blocks: Range<Int>,
    into packed: UnsafeMutablePointer<Float>
) {
    for index in blocks {
        let group = index / plan.channelBlocks
        let channels = plan.channels(ofBlock: index % plan.channelBlocks, pass)
        var target = packed + packedOffset(pass, taps: pass.taps, group: group, channels: channels, output: 0)
        for block in 0..<plan.outputBlocks {
            let all = plan.outputs(ofBlock: block, pass)
            let tiles = outputTiles(all.count)
            for tile in 0..<tiles {
                let range = tileOutputs(tile, of: tiles, in: all)
                let source =
                    weights
                    + (pass.first_weight + group * pass.weight_group_step + range.lowerBound * pass.weight_output_step)
                for channel in channels {
                    for row in 0..<pass.tap_rows {
                        for column in 0..<pass.tap_columns {
                            let from =
                                source
                                + (channel &* pass.weight_channel_step &+ row &* pass.weight_row_step
                                    &+ column &* pass.weight_column_step)
                            for output in 0..<range.count { target[output] = from[output &* pass.weight_output_step] }
                            target += range.count
                        }
                    }
                }
            }
        }
    }
}

/// Where the packed weights of the second window begin.
func betweenOffset(_ pass: ConvolutionPass) -> Int { pass.groups * pass.outputs * pass.channels * pass.taps }

/// Where a window's packed weights of some channels begin, for the tile that begins with `output`; the window has `taps` taps.
func packedOffset(_ pass: ConvolutionPass, taps: Int, group: Int, channels: Range<Int>, output: Int) -> Int {
    (group * pass.outputs * pass.channels + channels.lowerBound * pass.outputs + output * channels.count) * taps
}
