import Foundation
import Kernels
import Storage
import Testing

/// The table of shapes in `benchmarks/`: how fast each direction is, beside what registers and memory allow. Runs where
/// DTRAIN_CONVOLUTION_TABLE says for how many seconds a shape is measured; DTRAIN_SIMD=256 chooses the narrow loops.
@Suite("How fast convolutions are")
struct ConvolutionTable {
    private static let seconds = ProcessInfo.processInfo.environment["DTRAIN_CONVOLUTION_TABLE"].flatMap { Double($0) }

    private struct Row {
        let channels: Int, size: Int, filters: Int, kernel: Int
        var stride = 1, padding = 0, groups = 1, batch = 32

        var shape: ConvolutionShape {
            get throws {
                try ConvolutionShape(
                    channels: channels, height: size, width: size, filters: filters, kernel: (kernel, kernel),
                    stride: (stride, stride), padding: (padding, padding, padding, padding), groups: groups)
            }
        }
        var name: String {
            "| \(channels) → \(filters), \(size)×\(size)" + (groups > 1 ? ", \(groups) groups" : "") + " | \(kernel)×\(kernel)"
                + (stride > 1 ? " /\(stride)" : "")
        }
    }

    private static let rows = [
        // First layers.
        Row(channels: 1, size: 28, filters: 32, kernel: 3), Row(channels: 1, size: 28, filters: 6, kernel: 5, padding: 2),
        Row(channels: 1, size: 28, filters: 16, kernel: 3, padding: 1),
        Row(channels: 3, size: 32, filters: 16, kernel: 3, padding: 1),
        Row(channels: 3, size: 32, filters: 64, kernel: 3, padding: 1),
        Row(channels: 3, size: 224, filters: 64, kernel: 7, stride: 2, padding: 3, batch: 2),
        Row(channels: 3, size: 224, filters: 64, kernel: 11, stride: 4, padding: 2, batch: 4),
        Row(channels: 3, size: 224, filters: 32, kernel: 3, stride: 2, padding: 1, batch: 4),
        Row(channels: 3, size: 224, filters: 64, kernel: 3, padding: 1, batch: 1),
        // The tutorials' network, LeNet, ResNet-20.
        Row(channels: 32, size: 26, filters: 64, kernel: 3), Row(channels: 6, size: 14, filters: 16, kernel: 5),
        Row(channels: 16, size: 32, filters: 16, kernel: 3, padding: 1),
        Row(channels: 32, size: 16, filters: 32, kernel: 3, padding: 1),
        Row(channels: 64, size: 8, filters: 64, kernel: 3, padding: 1),
        Row(channels: 16, size: 32, filters: 32, kernel: 3, stride: 2, padding: 1),
        Row(channels: 32, size: 16, filters: 64, kernel: 3, stride: 2, padding: 1),
        Row(channels: 16, size: 32, filters: 32, kernel: 1, stride: 2),
        // ResNet-50 and its like.
        Row(channels: 64, size: 56, filters: 64, kernel: 1, batch: 8),
        Row(channels: 64, size: 56, filters: 256, kernel: 1, batch: 8),
        Row(channels: 64, size: 56, filters: 64, kernel: 3, padding: 1, batch: 8),
        Row(channels: 128, size: 28, filters: 128, kernel: 3, padding: 1, batch: 8),
        Row(channels: 256, size: 14, filters: 256, kernel: 3, padding: 1, batch: 8),
        Row(channels: 512, size: 7, filters: 512, kernel: 3, padding: 1, batch: 8),
        Row(channels: 512, size: 7, filters: 2048, kernel: 1), Row(channels: 2048, size: 7, filters: 512, kernel: 1),
        Row(channels: 256, size: 56, filters: 512, kernel: 1, stride: 2, batch: 4),
        // Large images, large kernels.
        Row(channels: 64, size: 112, filters: 64, kernel: 3, padding: 1, batch: 2),
        Row(channels: 64, size: 224, filters: 64, kernel: 3, padding: 1, batch: 1),
        Row(channels: 16, size: 28, filters: 16, kernel: 11, padding: 5),
        Row(channels: 32, size: 28, filters: 32, kernel: 7, padding: 3),
        // Depthwise and groups.
        Row(channels: 32, size: 112, filters: 32, kernel: 3, padding: 1, groups: 32, batch: 4),
        Row(channels: 128, size: 28, filters: 128, kernel: 3, padding: 1, groups: 128, batch: 8),
        Row(channels: 512, size: 14, filters: 512, kernel: 3, padding: 1, groups: 512, batch: 8),
        Row(channels: 128, size: 28, filters: 128, kernel: 3, padding: 1, groups: 4, batch: 8),
        Row(channels: 128, size: 28, filters: 128, kernel: 3, padding: 1, groups: 32, batch: 8),
        // Few filters, odd counts, small images, even kernels.
        Row(channels: 16, size: 28, filters: 1, kernel: 3, padding: 1),
        Row(channels: 32, size: 28, filters: 3, kernel: 3, padding: 1),
        Row(channels: 17, size: 19, filters: 23, kernel: 3, padding: 1),
        Row(channels: 64, size: 4, filters: 64, kernel: 3, padding: 1),
        Row(channels: 256, size: 1, filters: 256, kernel: 1), Row(channels: 12, size: 14, filters: 12, kernel: 4, padding: 1)
    ]

    @Test("a table", .enabled(if: seconds != nil, "DTRAIN_CONVOLUTION_TABLE says for how many seconds a shape is measured"))
    func table() throws {
        let workspace = Workspace()
        let clock = ContinuousClock()
        func time(_ best: inout Double, _ body: () -> Void) {
            let elapsed = clock.measure(body).components
            best = min(best, Double(elapsed.seconds) + Double(elapsed.attoseconds) * 1e-18)
        }
        print("Of each direction: GFLOP/s, share of the multiply-add peak, GB/s, share of a copy's GB/s.")
        print("| shape | kernel | batch | forward | input gradient | weight gradient |\n|---|---|---|---|---|---|")
        for row in Self.rows {
            let shape = try row.shape
            let input = AlignedBuffer<Float>(count: row.batch * shape.inputCount, repeating: 0.5)
            let output = AlignedBuffer<Float>(count: row.batch * shape.outputCount, repeating: 0.25)
            let weights = AlignedBuffer<Float>(count: shape.weightCount, repeating: 0.01)
            let x = input.matrix(rows: row.batch, columns: shape.inputCount)
            let y = output.matrix(rows: row.batch, columns: shape.outputCount)
            let w = weights.matrix(rows: 1, columns: shape.weightCount)
            let larger = max(input.count, output.count)
            let copied = AlignedBuffer<Float>(count: larger)
            let original = AlignedBuffer<Float>(count: larger)
            var (forward, inputGradient, weightGradient) = (Double.infinity, Double.infinity, Double.infinity)
            var (peak, copy, operations) = (Double.infinity, Double.infinity, 0)
            let end = clock.now + .seconds(Self.seconds ?? 0)
            repeat {
                time(&peak) { operations = workspace.multiplyAdds(rounds: 50_000) }
                time(&copy) { copied.base.update(from: original.base, count: larger) }
                time(&forward) { workspace.convolution(x.readOnly, w.readOnly, bias: nil, shape: shape, into: y) }
                time(&weightGradient) {
                    workspace.convolutionWeightGradient(y.readOnly, x.readOnly, shape: shape, leafRows: row.batch, into: w)
                }
                time(&inputGradient) { workspace.convolutionInputGradient(y.readOnly, w.readOnly, shape: shape, into: x) }
            } while clock.now < end
            let work = Double(2 * shape.multiplyAdds * row.batch)
            let bytes = Double(4 * row.batch * (shape.inputCount + shape.outputCount) + 4 * shape.weightCount)
            let fastest = Double(operations) / peak
            let copyRate = Double(8 * larger) / copy
            func text(_ seconds: Double) -> String {
                String(
                    format: "%.0f %.0f%% %.1f %.0f%%", work / seconds / 1e9, 100 * work / seconds / fastest,
                    bytes / seconds / 1e9, 100 * bytes / seconds / copyRate)
            }
            print("\(row.name) | \(row.batch) | \(text(forward)) | \(text(inputGradient)) | \(text(weightGradient)) |")
        }
    }
}
