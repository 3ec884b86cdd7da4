import Kernels
import Storage
import Testing

@Suite("Normalisation of images")
struct ChannelNormalizationTests {
    private static let channels = 6
    private static let epsilon = 1e-5

    private static func workspaces() throws -> [Workspace] { [Workspace(), try Workspace(threadCount: 3)] }

    /// A normalisation by its definition in Double: numbers that share moments are those with the same key.
    private struct Plain {
        var output: [Double] = []
        var inputGradient: [Double] = []
        var weightGradient = [Double](repeating: 0, count: channels)
        var biasGradient = [Double](repeating: 0, count: channels)

        init(_ x: [Float], _ g: [Float], weight: [Float], bias: [Float], rectifies: Bool, area: Int, key: (Int, Int) -> Int) {
            let keys = x.indices.map { key($0 / (channels * area), $0 / area % channels) }
            let count = (keys.max() ?? 0) + 1
            var sums = [Double](repeating: 0, count: count)
            var sizes = sums
            for (index, key) in keys.enumerated() {
                sums[key] += Double(x[index])
                sizes[key] += 1
            }
            let means = zip(sums, sizes).map { $0 / $1 }
            var squares = [Double](repeating: 0, count: count)
            for (index, key) in keys.enumerated() {
                squares[key] += (Double(x[index]) - means[key]) * (Double(x[index]) - means[key])
            }
            let scales = zip(squares, sizes).map { 1 / ($0 / $1 + epsilon).squareRoot() }
            var weighted = [Double](repeating: 0, count: count)
            var products = weighted
            var normal: [Double] = []
            var passed: [Double] = []
            for (index, key) in keys.enumerated() {
                let channel = index / area % channels
                let value = (Double(x[index]) - means[key]) * scales[key]
                let y = value * Double(weight[channel]) + Double(bias[channel])
                normal.append(value)
                output.append(rectifies ? max(0, y) : y)
                let gradient = rectifies && y <= 0 ? 0 : Double(g[index])
                passed.append(gradient)
                weightGradient[channel] += gradient * value
                biasGradient[channel] += gradient
                weighted[key] += gradient * Double(weight[channel])
                products[key] += gradient * Double(weight[channel]) * value
            }
            for (index, key) in keys.enumerated() {
                let gradient = passed[index] * Double(weight[index / area % channels])
                inputGradient.append(
                    scales[key] * (gradient - weighted[key] / sizes[key] - normal[index] * products[key] / sizes[key]))
            }
        }
    }

    @Test("batch norm: channels of a leaf", arguments: [1, 3, 8, 13, 16, 25, 49], [false, true])
    func leaves(area: Int, rectifies: Bool) throws {
        let rows = 7
        let leafRows = 3
        let columns = Self.channels * area
        let x = numbers(rows * columns, seed: 31, scale: 2).map { $0 + 3 }
        let g = numbers(rows * columns, seed: 32)
        let weight = numbers(Self.channels, seed: 33)
        let bias = numbers(Self.channels, seed: 34)
        let plain = Plain(x, g, weight: weight, bias: bias, rectifies: rectifies, area: area) {
            $0 / leafRows * Self.channels + $1
        }
        var bits: [[UInt32]] = []
        // The last leaf of one row and one position has nothing to normalise by.
        for workspace in try Self.workspaces() {
            let input = Guarded(x, rows: rows, columns: columns, misalignment: 1, gap: 3)
            let gradient = Guarded(g, rows: rows, columns: columns, misalignment: 2, gap: 1)
            let output = Guarded(rows: rows, columns: columns, misalignment: 3, gap: 2)
            let inputGradient = Guarded(rows: rows, columns: columns, misalignment: 4, gap: 5)
            let moments = Guarded(rows: 3, columns: 2 * Self.channels)
            let weights = Guarded(weight, rows: 1, columns: Self.channels)
            let biases = Guarded(bias, rows: 1, columns: Self.channels)
            let weightGradient = Guarded(rows: 1, columns: Self.channels)
            let biasGradient = Guarded(rows: 1, columns: Self.channels)
            let sums = AlignedBuffer<Double>(count: 3 * (1 + 2 * Self.channels))
            workspace.normalizeChannels(
                input.readOnly, channels: Self.channels, leafRows: leafRows, epsilon: Self.epsilon, weight: weights.readOnly,
                bias: biases.readOnly, rectifies: rectifies, moments: moments.view,
                sums: LeafSums(base: sums.base, stride: 1 + 2 * Self.channels, leaves: 3, count: 1 + 2 * Self.channels),
                into: output.view)
            workspace.normalizeChannelsGradient(
                gradient.readOnly, input: input.readOnly, rectified: rectifies ? output.readOnly : nil,
                channels: Self.channels, leafRows: leafRows, weight: weights.readOnly, moments: moments.readOnly,
                weightGradient: weightGradient.view, biasGradient: biasGradient.view, into: inputGradient.view)
            Self.check(output, plain.output, within: 2e-5)
            if area > 1 {
                Self.check(inputGradient, plain.inputGradient, within: 5e-5)
                Self.check(weightGradient, plain.weightGradient, within: 1e-4)
                Self.check(biasGradient, plain.biasGradient, within: 1e-4)
            }
            let leaf = x.indices.filter { $0 / columns >= 3 && $0 / columns < 6 && $0 / area % Self.channels == 2 }.map {
                Double(x[$0])
            }
            let mean = leaf.reduce(0, +) / Double(leaf.count)
            let squares = leaf.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
            let first = 1 + 2 * Self.channels
            #expect(sums[first] == Double(leaf.count))
            #expect(abs(sums[first + 1 + 2] / Double(leaf.count) - mean) < 1e-6)
            #expect(abs(sums[first + 1 + Self.channels + 2] - squares / Double(leaf.count - 1) * Double(leaf.count)) < 1e-4)
            bits.append(output.bits + inputGradient.bits + weightGradient.bits + biasGradient.bits)
        }
        #expect(bits.allSatisfy { $0 == bits[0] })
    }

    @Test("group norm and instance norm: groups of channels of a row", arguments: [1, 8, 13, 25], [1, 2, 6])
    func groups(area: Int, groups: Int) throws {
        let rows = 5
        let columns = Self.channels * area
        let x = numbers(rows * columns, seed: 35, scale: 2).map { $0 - 1 }
        let g = numbers(rows * columns, seed: 36)
        let weight = numbers(Self.channels, seed: 37)
        let bias = numbers(Self.channels, seed: 38)
        for rectifies in [false, true] where area * Self.channels / groups > 1 {
            let plain = Plain(x, g, weight: weight, bias: bias, rectifies: rectifies, area: area) {
                $0 * groups + $1 / (Self.channels / groups)
            }
            var bits: [[UInt32]] = []
            for workspace in try Self.workspaces() {
                for rowsAtOnce in [5, 2] {
                    let input = Guarded(x, rows: rows, columns: columns, misalignment: 1, gap: 3)
                    let gradient = Guarded(g, rows: rows, columns: columns, misalignment: 2, gap: 1)
                    let output = Guarded(rows: rows, columns: columns, misalignment: 3, gap: 2)
                    let inputGradient = Guarded(rows: rows, columns: columns, misalignment: 4, gap: 5)
                    let moments = Guarded(rows: rows, columns: 2 * groups)
                    let weights = Guarded(weight, rows: 1, columns: Self.channels)
                    let biases = Guarded(bias, rows: 1, columns: Self.channels)
                    let weightGradient = Guarded(rows: 1, columns: Self.channels)
                    let biasGradient = Guarded(rows: 1, columns: Self.channels)
                    for first in stride(from: 0, to: rows, by: rowsAtOnce) {
                        let part = first..<min(rows, first + rowsAtOnce)
                        workspace.normalizeGroups(
                            input.readOnly[rows: part], channels: Self.channels, groups: groups, epsilon: Self.epsilon,
                            weight: weights.readOnly, bias: biases.readOnly, rectifies: rectifies,
                            moments: moments.view[rows: part], into: output.view[rows: part])
                        workspace.normalizeGroupsGradient(
                            gradient.readOnly[rows: part], input: input.readOnly[rows: part],
                            rectified: rectifies ? output.readOnly[rows: part] : nil, channels: Self.channels, groups: groups,
                            leafRows: 5, continues: first > 0, weight: weights.readOnly, moments: moments.readOnly[rows: part],
                            weightGradient: weightGradient.view, biasGradient: biasGradient.view,
                            into: inputGradient.view[rows: part])
                    }
                    Self.check(output, plain.output, within: 2e-5)
                    Self.check(inputGradient, plain.inputGradient, within: 1e-4)
                    Self.check(weightGradient, plain.weightGradient, within: 1e-4)
                    Self.check(biasGradient, plain.biasGradient, within: 1e-4)
                    bits.append(output.bits + inputGradient.bits + weightGradient.bits + biasGradient.bits)
                }
            }
            #expect(bits.allSatisfy { $0 == bits[0] })
        }
    }

    @Test(
        "moments of numbers far from 0, or whose first ones are far from the others", arguments: [16, 49, 1000], [1000, 0.001])
    func moments(area: Int, spread: Double) throws {
        let (rows, channels) = (9, 3)
        // The first channel is far from 0, in the second a row is far from the others, the third one is all the same.
        let noise = numbers(rows * channels * area, seed: 42, scale: spread)
        let x = noise.indices.map { index in
            let row = index / area / channels
            return [noise[index] + 4096, noise[index] + (row == 0 ? Float(8 * spread) : 0), 77][index / area % channels]
        }
        for workspace in try Self.workspaces() {
            let input = Guarded(x, rows: rows, columns: channels * area, misalignment: 1, gap: 3)
            let output = Guarded(rows: rows, columns: channels * area)
            let moments = Guarded(rows: 1, columns: 2 * channels)
            let sums = AlignedBuffer<Double>(count: 1 + 2 * channels)
            workspace.normalizeChannels(
                input.readOnly, channels: channels, leafRows: rows, epsilon: 1e-30, weight: nil, bias: nil,
                moments: moments.view, sums: LeafSums(base: sums.base, stride: sums.count, leaves: 1, count: sums.count),
                into: output.view)
            let count = Double(rows * area)
            for channel in 0..<channels {
                let own = x.indices.filter { $0 / area % channels == channel }.map { Double(x[$0]) }
                let mean = own.reduce(0, +) / count
                let deviation = own.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
                // What `PlaneMoments` says, with the mean of the first plane's beginning as the origin.
                let some = min(area, 128)
                let delta = Double(Float(own[..<some].reduce(0, +) / Double(some))) - mean
                let found = sums[1 + channels + channel] * (count - 1) / count
                let all = deviation + count * delta * delta
                #expect(abs(found - deviation) <= 10 * unit * all, "channel \(channel): \(found) for \(deviation)")
                let distances = own.reduce(0) { $0 + abs($1 - mean - delta) }
                #expect(
                    abs(sums[1 + channel] - mean * count) <= 9 * unit * distances + 1e-12 * abs(mean) * count,
                    "channel \(channel): \(sums[1 + channel]) for \(mean * count)")
            }
            #expect(output.guardsHold && moments.guardsHold)
        }
    }

    @Test("with given means and variances, and the sums of channels")
    func given() throws {
        let (rows, area, channels) = (3, 21, Self.channels)
        let x = numbers(rows * channels * area, seed: 39)
        let means = numbers(channels, seed: 40)
        let variances = numbers(channels, seed: 41).map { abs($0) + 0.1 }
        for workspace in try Self.workspaces() {
            let input = Guarded(x, rows: rows, columns: channels * area, misalignment: 1, gap: 3)
            let output = Guarded(rows: rows, columns: channels * area, misalignment: 3, gap: 2)
            let mean = Guarded(means, rows: 1, columns: channels)
            let variance = Guarded(variances, rows: 1, columns: channels)
            let sums = Guarded(rows: 1, columns: channels)
            let scales = Guarded(rows: 1, columns: channels)
            workspace.normalizationScales(of: variance.readOnly, epsilon: Self.epsilon, into: scales.view)
            workspace.normalizeChannels(
                input.readOnly, channels: channels, means: mean.readOnly, scales: scales.readOnly, weight: nil, bias: nil,
                into: output.view)
            workspace.channelSums(input.readOnly, channels: channels, leafRows: 2, into: sums.view)
            Self.check(
                output,
                x.indices.map { index in
                    let channel = index / area % channels
                    return (Double(x[index]) - Double(means[channel]))
                        / (Double(variances[channel]) + Self.epsilon).squareRoot()
                }, within: 1e-5)
            Self.check(
                sums,
                (0..<channels).map { channel in
                    x.indices.filter { $0 / area % channels == channel }.reduce(0) { $0 + Double(x[$1]) }
                }, within: 1e-5)
        }
    }

    /// Tolerances: numbers of at most about 10, at a hundred roundings each.
    private static func check(
        _ result: Guarded, _ expected: [Double], within tolerance: Double, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let values = result.values
        expectAll(values.count, "numbers", sourceLocation: sourceLocation) {
            agrees(values[$0], expected[$0], within: tolerance * max(1, abs(expected[$0])))
        }
        #expect(result.guardsHold, sourceLocation: sourceLocation)
    }
}
