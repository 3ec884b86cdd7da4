import Kernels
import Storage
import Testing

/// A convolution by its definition, one chain per element.
struct PlainConvolution {
    let shape: ConvolutionShape
    let input: [Float], weights: [Float], outputGradient: [Float]
    let rows: Int

    init(_ shape: ConvolutionShape, rows: Int, seed: UInt64 = 1) {
        self.shape = shape
        self.rows = rows
        input = numbers(rows * shape.inputCount, seed: seed)
        weights = numbers(shape.weightCount, seed: seed + 1)
        outputGradient = numbers(rows * shape.outputCount, seed: seed + 2)
    }

    private var channelsOfGroup: Int { shape.channels / shape.groups }
    private var filtersOfGroup: Int { shape.filters / shape.groups }

    /// What a tap of an output reads; 0 in the padding.
    private func read(_ row: Int, _ channel: Int, _ y: Int, _ x: Int, _ i: Int, _ j: Int) -> Float {
        let v = y * shape.strideHeight + i * shape.dilationHeight - shape.paddingTop
        let u = x * shape.strideWidth + j * shape.dilationWidth - shape.paddingLeft
        guard v >= 0, v < shape.height, u >= 0, u < shape.width else { return 0 }
        return input[((row * shape.channels + channel) * shape.height + v) * shape.width + u]
    }

    private func weight(_ filter: Int, _ channel: Int, _ i: Int, _ j: Int) -> Float {
        weights[((filter * channelsOfGroup + channel) * shape.kernelHeight + i) * shape.kernelWidth + j]
    }

    private func gradient(_ row: Int, _ filter: Int, _ y: Int, _ x: Int) -> Float {
        outputGradient[((row * shape.filters + filter) * shape.outputHeight + y) * shape.outputWidth + x]
    }

    func output(bias: [Float]?, rectifies: Bool = false) -> [Float] {
        shape.isWinograd ? winograd.output(bias: bias, rectifies: rectifies) : directOutput(bias: bias, rectifies: rectifies)
    }

    func directOutput(bias: [Float]?, rectifies: Bool = false) -> [Float] {
        var result: [Float] = []
        for row in 0..<rows {
            for filter in 0..<shape.filters {
                let first = filter / filtersOfGroup * channelsOfGroup
                for y in 0..<shape.outputHeight {
                    for x in 0..<shape.outputWidth {
                        var sum: Float = 0
                        for channel in 0..<channelsOfGroup {
                            for i in 0..<shape.kernelHeight {
                                for j in 0..<shape.kernelWidth {
                                    sum = sum.addingProduct(
                                        weight(filter, channel, i, j), read(row, first + channel, y, x, i, j))
                                }
                            }
                        }
                        if let bias { sum += bias[filter] }
                        result.append(rectifies && sum <= 0 ? 0 : sum)
                    }
                }
            }
        }
        return result
    }

    /// The output that reads a place of the image through a tap, or nil where the window never stands so; it may lie outside.
    private static func output(_ place: Int, _ tap: Int, stride: Int, dilation: Int, before: Int) -> Int? {
        let distance = place + before - tap * dilation
        let remainder = (distance % stride + stride) % stride
        return remainder == 0 ? (distance - remainder) / stride : nil
    }

    func inputGradient(bias: [Float]?) -> [Float] {
        shape.hasWinogradInputGradient ? winogradInputGradient.output(bias: bias) : directInputGradient(bias: bias)
    }

    func directInputGradient(bias: [Float]?) -> [Float] {
        var result: [Float] = []
        for row in 0..<rows {
            for channel in 0..<shape.channels {
                let group = channel / channelsOfGroup
                for v in 0..<shape.height {
                    for u in 0..<shape.width {
                        result.append(
                            inputGradient(row, channel, v, u, filters: group * filtersOfGroup..<(group + 1) * filtersOfGroup)
                                + (bias?[channel] ?? 0))
                    }
                }
            }
        }
        return result
    }

    private func inputGradient(_ row: Int, _ channel: Int, _ v: Int, _ u: Int, filters: Range<Int>) -> Float {
        var sum: Float = 0
        for filter in filters {
            for i in 0..<shape.kernelHeight {
                guard
                    let y = Self.output(
                        v, i, stride: shape.strideHeight, dilation: shape.dilationHeight, before: shape.paddingTop)
                else { continue }
                for j in 0..<shape.kernelWidth {
                    guard
                        let x = Self.output(
                            u, j, stride: shape.strideWidth, dilation: shape.dilationWidth, before: shape.paddingLeft)
                    else { continue }
                    let isInside = y >= 0 && y < shape.outputHeight && x >= 0 && x < shape.outputWidth
                    sum = sum.addingProduct(
                        weight(filter, channel % channelsOfGroup, i, j), isInside ? gradient(row, filter, y, x) : 0)
                }
            }
        }
        return sum
    }

    func weightGradient(leafRows: Int) -> [Float] {
        guard shape.isWinograd else { return directWeightGradient(leafRows: leafRows) }
        let leaves = stride(from: 0, to: rows, by: leafRows).map {
            winograd.weightGradient(outputGradient, leaf: $0..<min($0 + leafRows, rows))
        }
        return leaves[0].indices.map { index in treeSum(leaves.map { $0[index] }) { $0 + $1 } ?? 0 }
    }

    func directWeightGradient(leafRows: Int) -> [Float] {
        var result: [Float] = []
        for filter in 0..<shape.filters {
            let first = filter / filtersOfGroup * channelsOfGroup
            for channel in first..<first + channelsOfGroup {
                for i in 0..<shape.kernelHeight {
                    for j in 0..<shape.kernelWidth {
                        let leaves = stride(from: 0, to: rows, by: leafRows).map { start in
                            var sum: Float = 0
                            for row in start..<min(start + leafRows, rows) {
                                for y in 0..<shape.outputHeight {
                                    for x in 0..<shape.outputWidth {
                                        sum = sum.addingProduct(
                                            gradient(row, filter, y, x), read(row, channel, y, x, i, j))
                                    }
                                }
                            }
                            return sum
                        }
                        result.append(treeSum(leaves) { $0 + $1 } ?? 0)
                    }
                }
            }
        }
        return result
    }
}

/// Shapes around everything that the loops tell apart.
let convolutionShapes: [ConvolutionShape] = {
    typealias Four = (top: Int, bottom: Int, left: Int, right: Int)
    var result: [ConvolutionShape] = []
    func add(
        _ channels: Int, _ height: Int, _ width: Int, _ filters: Int, _ kernel: (Int, Int), stride: (Int, Int) = (1, 1),
        padding: Four = (0, 0, 0, 0), dilation: (Int, Int) = (1, 1), groups: Int = 1
    ) {
        guard
            let shape = try? ConvolutionShape(
                channels: channels, height: height, width: width, filters: filters, kernel: kernel, stride: stride,
                padding: padding, dilation: dilation, groups: groups)
        else { preconditionFailure("no such convolution") }
        result.append(shape)
    }
    add(1, 1, 1, 1, (1, 1))
    add(1, 5, 4, 1, (3, 3), padding: (1, 1, 1, 1))
    add(3, 9, 7, 5, (3, 3))
    add(1, 28, 28, 6, (5, 5), padding: (2, 2, 2, 2))
    add(3, 17, 19, 16, (3, 3), padding: (1, 1, 1, 1))
    add(16, 12, 12, 17, (3, 3), padding: (1, 1, 1, 1))
    add(33, 8, 8, 32, (3, 3), padding: (1, 1, 1, 1))
    add(20, 7, 7, 49, (1, 1))
    add(40, 1, 1, 30, (1, 1))
    add(9, 4, 4, 24, (3, 3), padding: (1, 1, 1, 1))
    // Even and rectangular kernels, strides and padding that differ.
    add(4, 10, 13, 7, (2, 4), padding: (0, 1, 2, 1))
    add(5, 11, 9, 8, (1, 7), padding: (0, 0, 3, 3))
    add(6, 13, 16, 9, (3, 3), stride: (2, 2), padding: (1, 1, 1, 1))
    add(6, 12, 18, 10, (3, 2), stride: (2, 3), padding: (1, 0, 0, 2))
    add(8, 15, 15, 16, (1, 1), stride: (2, 2))
    add(2, 14, 23, 3, (2, 2), stride: (3, 5))
    add(3, 40, 41, 12, (7, 7), stride: (2, 2), padding: (3, 3, 3, 3))
    add(3, 35, 35, 4, (11, 11), stride: (4, 4), padding: (2, 2, 2, 2))
    add(2, 13, 14, 5, (11, 11), padding: (5, 5, 5, 5))
    add(2, 3, 3, 4, (3, 3), padding: (6, 1, 0, 5))
    add(3, 6, 5, 4, (2, 2), stride: (7, 9), padding: (3, 3, 3, 3))
    // Columns two apart, whose input gradient has two windows: few and odd columns, one window without taps, many filters, many
    // channels, images that are cut into bands.
    add(3, 7, 2, 4, (3, 3), stride: (1, 2), padding: (1, 1, 1, 1))
    add(5, 9, 1, 7, (3, 1), stride: (3, 2), padding: (0, 1, 0, 0))
    add(4, 6, 37, 5, (2, 5), stride: (1, 2), padding: (0, 0, 4, 2))
    add(7, 11, 34, 3, (1, 1), stride: (2, 2), padding: (1, 1, 1, 1))
    add(3, 12, 15, 6, (3, 3), stride: (2, 2), padding: (2, 2, 3, 1), dilation: (2, 2))
    add(18, 9, 10, 170, (3, 3), stride: (2, 2), padding: (1, 1, 1, 1))
    add(530, 4, 5, 3, (2, 2), stride: (2, 2))
    add(20, 64, 67, 75, (3, 3), stride: (2, 2), padding: (1, 0, 1, 0))
    add(12, 18, 20, 16, (3, 3), stride: (1, 2), padding: (1, 1, 1, 1), groups: 4)
    // Dilation.
    add(4, 14, 15, 6, (3, 3), padding: (2, 2, 2, 2), dilation: (2, 2))
    add(3, 16, 17, 5, (3, 2), stride: (2, 3), padding: (1, 2, 3, 0), dilation: (3, 2))
    add(2, 19, 18, 7, (3, 4), stride: (4, 6), padding: (3, 3, 2, 2), dilation: (2, 3))
    // By tiles: sizes around theirs, padding from none to more than the kernel, odd numbers of channels and filters.
    add(8, 4, 4, 8, (3, 3), padding: (1, 1, 1, 1))
    add(9, 6, 5, 11, (3, 3), padding: (2, 2, 2, 2))
    add(13, 9, 15, 37, (3, 3))
    add(34, 14, 14, 9, (3, 3), padding: (2, 1, 0, 3))
    add(8, 12, 40, 70, (3, 3), padding: (1, 1, 1, 1))
    add(10, 5, 3, 12, (3, 3), padding: (4, 3, 3, 4))
    add(12, 26, 26, 10, (3, 3))
    // Groups and depthwise.
    add(6, 9, 10, 9, (3, 3), padding: (1, 1, 1, 1), groups: 3)
    add(64, 6, 6, 40, (3, 3), padding: (1, 1, 1, 1), groups: 2)
    add(19, 11, 12, 19, (3, 3), padding: (1, 1, 1, 1), groups: 19)
    add(35, 7, 9, 35, (5, 5), stride: (2, 2), padding: (2, 2, 2, 2), groups: 35)
    add(5, 8, 9, 10, (3, 3), groups: 5)
    // Beyond the blocks of channels, of rows and of outputs.
    add(150, 5, 5, 33, (3, 3), padding: (1, 1, 1, 1))
    add(70, 21, 22, 20, (3, 3), padding: (1, 1, 1, 1))
    add(2, 150, 131, 3, (3, 3), padding: (1, 1, 1, 1))
    add(5, 3, 3, 530, (1, 1))
    add(600, 2, 3, 18, (1, 1))
    add(1, 70, 66, 34, (3, 3))
    return result
}()

extension ConvolutionShape: CustomTestStringConvertible {
    public var testDescription: String {
        "\(channels)×\(height)×\(width) → \(filters), kernel \(kernelHeight)×\(kernelWidth), stride \(strideHeight)×\(strideWidth), "
            + "padding \(paddingTop) \(paddingBottom) \(paddingLeft) \(paddingRight), dilation "
            + "\(dilationHeight)×\(dilationWidth), groups \(groups)"
    }
}
