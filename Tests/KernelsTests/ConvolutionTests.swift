import Kernels
import Storage
import Testing

@Suite("Convolutions")
struct ConvolutionTests {
    /// Both builds of the loops where the processor has the wide one, on one thread and on several.
    private static func workspaces() throws -> [Workspace] {
        let widths: [VectorWidth] = VectorWidth.widest == .wide ? [.narrow, .wide] : [.narrow]
        return try widths.map { Workspace(vectors: $0) } + [Workspace(threadCount: 3, vectors: .widest)]
    }

    private static func expectBits(
        _ result: Guarded, _ expected: [Float], _ what: String, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let bits = result.bits
        expectAll(bits.count, what, sourceLocation: sourceLocation) { bits[$0] == expected[$0].bitPattern }
        #expect(result.guardsHold, "\(what)", sourceLocation: sourceLocation)
    }

    @Test(
        "forward, every element is one chain over channels and taps, or computed by tiles, bit for bit, at any width, stride, rows and threads",
        arguments: convolutionShapes)
    func forward(shape: ConvolutionShape) throws {
        let plain = PlainConvolution(shape, rows: 5)
        let b = numbers(shape.filters, seed: 9)
        let expected = [plain.output(bias: nil), plain.output(bias: b), plain.output(bias: b, rectifies: true)]
        let weights = Guarded(plain.weights, rows: 1, columns: shape.weightCount, misalignment: 3)
        let bias = Guarded(b, rows: 1, columns: shape.filters, misalignment: 1)
        for workspace in try Self.workspaces() {
            for (form, rows) in [(0, 5), (1, 5), (2, 5), (2, 1), (1, 2)] {
                let input = Guarded(plain.input, rows: 5, columns: shape.inputCount, misalignment: form, gap: form * 3)
                let result = Guarded(rows: 5, columns: shape.outputCount, misalignment: 2 + form, gap: form * 5)
                for first in stride(from: 0, to: 5, by: rows) {
                    let part = first..<min(5, first + rows)
                    workspace.convolution(
                        input.readOnly[rows: part], weights.readOnly, bias: form > 0 ? bias.readOnly : nil, shape: shape,
                        activation: form > 1 ? .relu : nil, into: result.view[rows: part])
                }
                Self.expectBits(result, expected[form], "form \(form), \(rows) rows at once")
            }
        }
    }

    @Test(
        "the input gradient, every element is one chain over filters and taps, or computed by tiles, bit for bit, at any width, stride, rows and threads",
        arguments: convolutionShapes)
    func inputGradient(shape: ConvolutionShape) throws {
        let plain = PlainConvolution(shape, rows: 5)
        let b = numbers(shape.channels, seed: 9)
        let biased = plain.inputGradient(bias: b)
        let expected = [plain.inputGradient(bias: nil), biased, biased.map { $0 <= 0 ? 0 : $0 }]
        let weights = Guarded(plain.weights, rows: 1, columns: shape.weightCount, misalignment: 3)
        let bias = Guarded(b, rows: 1, columns: shape.channels, misalignment: 1)
        for workspace in try Self.workspaces() {
            for (form, rows) in [(0, 5), (1, 5), (2, 5), (0, 1), (1, 2)] {
                let gradient = Guarded(
                    plain.outputGradient, rows: 5, columns: shape.outputCount, misalignment: form, gap: form * 3)
                let result = Guarded(rows: 5, columns: shape.inputCount, misalignment: 2 + form, gap: form * 5)
                for first in stride(from: 0, to: 5, by: rows) {
                    let part = first..<min(5, first + rows)
                    workspace.convolutionInputGradient(
                        gradient.readOnly[rows: part], weights.readOnly, bias: form > 0 ? bias.readOnly : nil, shape: shape,
                        activation: form > 1 ? .relu : nil, into: result.view[rows: part])
                }
                Self.expectBits(result, expected[form], "form \(form), \(rows) rows at once")
            }
        }
    }

    @Test(
        "the weight gradient is a chain over a leaf's rows and positions, or by tiles, and the tree over leaves, bit for bit, at any width, stride and threads",
        arguments: convolutionShapes)
    func weightGradient(shape: ConvolutionShape) throws {
        let plain = PlainConvolution(shape, rows: 5)
        let input = Guarded(plain.input, rows: 5, columns: shape.inputCount, misalignment: 3, gap: 5)
        let gradient = Guarded(plain.outputGradient, rows: 5, columns: shape.outputCount, misalignment: 1, gap: 2)
        for leafRows in [1, 2, 5] {
            let expected = plain.weightGradient(leafRows: leafRows)
            for workspace in try Self.workspaces() {
                let result = Guarded(rows: 1, columns: shape.weightCount, misalignment: leafRows + 4)
                workspace.convolutionWeightGradient(
                    gradient.readOnly, input.readOnly, shape: shape, leafRows: leafRows, into: result.view)
                Self.expectBits(result, expected, "leaves of \(leafRows)")
                // Past the caches but for some elements.
                let part = MutableMatrixView(
                    base: result.view.base, rows: 1, columns: shape.weightCount, cached: 3..<shape.weightCount / 2 + 3)
                workspace.convolutionWeightGradient(
                    gradient.readOnly, input.readOnly, shape: shape, leafRows: leafRows, into: part)
                Self.expectBits(result, expected, "streamed, leaves of \(leafRows)")
            }
        }
    }
}
