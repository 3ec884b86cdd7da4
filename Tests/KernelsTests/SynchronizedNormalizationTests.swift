import Kernels
import Storage
import TestSupport
import Testing

/// The passes of a normalisation over more rows than a call has, against their formulas in Double.
@Suite("Normalisation over more rows than these")
struct SynchronizedNormalizationTests {
    private static let rows = 7, leafRows = 3, channels = 19

    private func leafSums(_ buffer: borrowing AlignedBuffer<Double>) -> LeafSums {
        let count = 1 + 2 * Self.channels
        return LeafSums(base: buffer.base, stride: count, leaves: 3, count: count)
    }

    @Test("sums and gradients of features and of planes, on threads and where rows lie apart", arguments: [1, 2, 21])
    func passes(area: Int) throws {
        let (rows, leafRows, channels) = (Self.rows, Self.leafRows, Self.channels)
        let width = channels * area
        let x = numbers(rows * width, seed: 51).map { $0 + 3 }
        let g = numbers(rows * width, seed: 52)
        let y = numbers(rows * width, seed: 53)
        let moments = numbers(channels, seed: 54).map { $0 + 3 } + numbers(channels, seed: 55).map { abs($0) + 0.5 }
        let means = numbers(2 * channels, seed: 56)
        let factors = numbers(channels, seed: 57)
        var first: [[UInt32]] = []
        for (threads, gap) in [(1, 0), (3, 5)] {
            let workspace = try Workspace(threadCount: threads)
            let input = Guarded(x, rows: rows, columns: width, gap: gap)
            let gradient = Guarded(g, rows: rows, columns: width, gap: 2 * gap)
            let output = Guarded(y, rows: rows, columns: width, gap: gap)
            let given = Guarded(moments, rows: 1, columns: 2 * channels)
            let averages = Guarded(means, rows: 1, columns: 2 * channels)
            let weight = Guarded(factors, rows: 1, columns: channels)
            let target = Guarded(rows: rows, columns: width, gap: gap)
            let sums = AlignedBuffer<Double>(count: 3 * (1 + 2 * channels), repeating: .nan)
            let products = AlignedBuffer<Double>(count: 3 * (1 + 2 * channels), repeating: .nan)
            let rectified = area == 1 ? nil : output.readOnly
            workspace.channelMoments(input.readOnly, channels: channels, leafRows: leafRows, sums: leafSums(sums))
            workspace.channelGradientSums(
                gradient.readOnly, input: input.readOnly, rectified: rectified, channels: channels, leafRows: leafRows,
                moments: given.readOnly, sums: leafSums(products))
            workspace.normalizeChannelsGradient(
                gradient.readOnly, input: input.readOnly, rectified: rectified, channels: channels, weight: weight.readOnly,
                moments: given.readOnly, means: averages.readOnly, into: target.view)
            #expect(
                input.guardsHold && gradient.guardsHold && output.guardsHold && given.guardsHold && averages.guardsHold
                    && weight.guardsHold && target.guardsHold)

            for leaf in 0..<3 {
                let own = leaf * leafRows..<min((leaf + 1) * leafRows, rows)
                let sums = leafSums(sums).leaf(leaf), products = leafSums(products).leaf(leaf)
                #expect(sums[0] == Double(own.count * area) && products[0] == sums[0])
                for channel in 0..<channels {
                    let places = own.flatMap { row in (0..<area).map { row * width + channel * area + $0 } }
                    var (sum, squares, product, total, size) = (0.0, 0.0, 0.0, 0.0, 0.0)
                    for place in places {
                        let value = Double(x[place])
                        let own = area > 1 && y[place] <= 0 ? 0 : Double(g[place])
                        sum += value
                        squares += value * value
                        product += own * (value - Double(moments[channel])) * Double(moments[channels + channel])
                        total += own
                        size += value * value + abs(own) * 8
                    }
                    // Eight numbers are added in Float at most, each rounded a few times.
                    let bound = 16 * 0x1p-24 * size
                    #expect(abs(sums[1 + channel] - sum) <= bound && abs(sums[1 + channels + channel] - squares) <= bound)
                    #expect(abs(products[1 + channel] - product) <= bound)
                    #expect(abs(products[1 + channels + channel] - total) <= bound)
                }
            }
            for place in x.indices {
                let channel = place % width / area
                let scale = Double(moments[channels + channel])
                let own = area > 1 && y[place] <= 0 ? 0 : Double(g[place])
                let normal = (Double(x[place]) - Double(moments[channel])) * scale
                let expected =
                    (own - Double(means[channels + channel]) - normal * Double(means[channel])) * scale
                    * Double(factors[channel])
                let found = Double(target.view.row(place / width)[place % width])
                #expect(abs(found - expected) <= 16 * 0x1p-24 * (8 + abs(normal)) * scale, "\(place)")
            }
            let bits = [
                (0..<rows).flatMap { row in target.view.row(row).map(\.bitPattern) },
                (Array(sums.elements) + Array(products.elements)).flatMap {
                    [UInt32(truncatingIfNeeded: $0.bitPattern), UInt32(truncatingIfNeeded: $0.bitPattern >> 32)]
                }
            ]
            if first.isEmpty { first = bits }
            #expect(bits == first, "\(threads) threads")
        }
    }
}
