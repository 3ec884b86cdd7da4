import Diagnostics
import Network
import Storage
import Testing

/// What layers on images and composites refuse, name and fuse; their numbers are in the table.
@Suite("Layers on images")
struct ImageLayerTests {
    private static let refusals: [(layers: String, shape: [Int], saying: [String])] = [
        ("conv2d: {filters: 2, kernel: 3}", [64], ["conv2d takes images", "[64]", "reshape"]),
        ("conv2d: {filters: 2, kernel: 3}", [1, 2, 3, 4], ["conv2d takes images", "[1, 2, 3, 4]"]),
        ("conv2d: {filters: 2, kernel: 9}", [1, 8, 8], ["kernel", "9×9", "8×8"]),
        ("conv2d: {filters: 2, kernel: 5, dilation: 2, padding: [0, 2]}", [1, 8, 8], ["kernel", "9×9", "8×12"]),
        ("conv2d: {filters: 4, kernel: 3, groups: 3}", [6, 8, 8], ["groups", "3 groups", "6 channels", "4 filters"]),
        ("conv2d: {filters: 4, kernel: 3, groups: 4}", [6, 8, 8], ["groups", "4 groups", "6 channels"]),
        ("conv2d: {filters: 0, kernel: 3}", [1, 8, 8], ["filters", "1 to", "0"]),
        ("conv2d: {filters: 2, kernel: [3, 3, 3]}", [1, 8, 8], ["kernel", "height and width", "3 numbers"]),
        ("conv2d: {filters: 2, kernel: 3, padding: some}", [1, 8, 8], ["padding", "valid, same", "some"]),
        ("conv2d: {filters: 2, kernel: 3, padding: -1}", [1, 8, 8], ["padding", "from 0", "-1"]),
        ("conv2d: {filters: 2, kernel: 3, padding: [1, 2, 3]}", [1, 8, 8], ["padding", "1, 2, 3"]),
        ("conv2d: {filters: 2, kernel: 3, padding: 1048576, stride: 1}", [1, 8, 8], ["can hold"]),
        ("conv2d: {filters: 16384, kernel: 1}", [1 << 20, 1, 1], ["too many parameters"]),
        ("conv1d: {filters: 2, kernel: 3}", [1, 8, 8], ["conv1d takes sequences", "[1, 8, 8]"]),
        ("conv1d: {filters: 2, kernel: 9}", [3, 8], ["kernel", "larger"]),
        ("conv2d_transpose: {filters: 2, kernel: 3, output_padding: 1}", [1, 4, 4], ["output_padding", "less than", "1×1"]),
        ("conv2d_transpose: {filters: 2, kernel: 3, padding: 9}", [1, 4, 4], ["padding", "9×9", "leaves nothing"]),
        ("max_pool2d: {size: 9}", [1, 8, 8], ["size", "9×9", "8×8"]),
        ("max_pool2d: {size: 2, padding: 2}", [1, 8, 8], ["padding", "2×2", "half"]),
        ("average_pool2d", [1, 8, 8], ["size", "missing"]),
        ("max_pool2d: {size: 2}", [8], ["max_pool2d takes images", "[8]"]),
        ("upsample2d: {scale_factor: 2, mode: cubic}", [1, 8, 8], ["mode", "nearest, bilinear"]),
        ("upsample2d: {scale_factor: 1024}", [1, 1 << 12, 1 << 12], ["scale_factor"]),
        ("zero_pad2d: {padding: [1, 2]}", [1, 8, 8], ["padding", "left, right, top and bottom", "2 numbers"]),
        ("group_norm: {groups: 4}", [6, 8, 8], ["groups", "4 groups", "6 channels"]),
        ("instance_norm", [6, 1, 1], ["more than one number per channel", "[6, 1, 1]"]),
        ("batch_norm", [1, 2, 3, 4], ["batch_norm takes", "[1, 2, 3, 4]"]),
        ("dropout2d", [9], ["dropout2d takes images"]),
        ("repeat: {times: 0, layers: [relu]}", [4], ["times", "1 to"]),
        ("repeat: {times: 2, layers: []}", [4], ["at least one layer"]),
        ("repeat: {times: 2, layers: [reshape: {shape: [2, 2]}]}", [2, 3], ["shape", "[2, 2]"]),
        ("parallel: {branches: [{layers: [relu]}]}", [4], ["two branches", "found 1"]),
        ("parallel: {branches: [relu, relu]}", [4], ["branches", "a list of sections"]),
        ("parallel", [4], ["branches", "missing"]),
        ("parallel: {branches: [{layers: []}, {layers: [flatten]}]}", [2, 4], ["branch 1 makes [8]", "branch 0 [2, 4]"]),
        (
            "parallel: {combine: add, branches: [{layers: []}, {layers: [dense: {units: 3}]}]}", [4],
            ["branch 1 makes [3]", "one shape"]
        ),
        ("parallel: {branches: [{layers: []}, {layer: [relu]}]}", [4], ["unknown key \"layer\"", "layers"])
    ]

    @Test("what doesn't fit is refused with the option, what was expected and what was found", arguments: refusals.indices)
    func refuses(index: Int) throws {
        let (layers, shape, saying) = Self.refusals[index]
        try expectRefusal("[\(layers), flatten, dense: {units: 1}]", shape: shape, saying: saying)
    }

    @Test("parameters have PyTorch's names and shapes")
    func names() throws {
        let branch: [String: Any] = [
            "layers": [["conv2d": ["filters": 6, "kernel": [3, 5], "groups": 2, "padding": "same"]]]
        ]
        let layers: [Any] = [
            ["conv2d": ["filters": 4, "kernel": 3]], "relu", ["parallel": ["branches": [["layers": []], branch]]],
            ["repeat": ["times": 2, "layers": ["tanh", ["conv2d_transpose": ["filters": 10, "kernel": 2, "bias": false]]]]],
            ["batch_norm": ["name": "norm"]], "global_max_pool2d", ["dense": ["units": 2]]
        ]
        let network = try makeNetwork(layers, inputShape: [9, 8])
        let slots = network.layout.slots.map { "\($0.name) \($0.shape)" }
        #expect(
            slots == [
                "0.weight [4, 1, 3, 3]", "0.bias [4]", "2.1.0.weight [6, 2, 3, 5]", "2.1.0.bias [6]",
                "3.0.1.weight [10, 10, 2, 2]", "3.1.1.weight [10, 10, 2, 2]", "norm.weight [10]", "norm.bias [10]",
                "norm.running_mean [10]",
                "norm.running_var [10]", "norm.num_batches_tracked []", "6.weight [2, 10]", "6.bias [2]"
            ])
        let shapes = network.layers.configured.map(\.layer.outputShape.dimensions)
        #expect(shapes[...3] == [[4, 7, 6], [4, 7, 6], [10, 7, 6], [10, 9, 8]])
    }

    @Test("they start as PyTorch's: uniform in ±1/√(inputs of a number)")
    func initialValues() throws {
        let network = try makeNetwork(
            [["conv2d": ["filters": 64, "kernel": 3]], ["conv2d_transpose": ["filters": 32, "kernel": 2]]],
            inputShape: [16, 5, 5])
        let weights = AlignedBuffer<Float>(count: network.layout.weightCount)
        network.initialize(weights.weights(network.layout), seed: 3)
        for (slot, inputs) in zip(network.layout.slots, [16 * 9, 16 * 9, 32 * 4, 32 * 4]) {
            let values = weights.weights(network.layout).matrix(slot).elements
            let bound = Float(1 / Double(inputs).squareRoot())
            let largest = values.map(abs).max() ?? 0
            // Of n uniform numbers the largest misses the bound by more than 20/n of it once in e²⁰ times.
            #expect(largest <= bound && largest >= bound * (1 - 20 / Float(values.count)), "\(slot.name)")
        }
    }

    @Test("activations right behind are computed with convolutions, a relu with batch norm: the same bits, less memory")
    func fusion() throws {
        let convolution: [Any] = [["conv2d": ["filters": 5, "kernel": 3]], ["batch_norm": ["epsilon": 0.01]]]
        for (layers, stages) in [
            ([convolution[0], "relu"], 1), ([convolution[0], "tanh"], 1), ([convolution[0], "gelu"], 2),
            (convolution + ["relu"], 2), (convolution + ["tanh"], 3),
            ([convolution[0], "relu", ["max_pool2d": ["size": 2]]], 2),
            (convolution + ["relu", ["max_pool2d": ["size": 3, "stride": 2, "padding": 1]]], 3),
            ([["conv2d_transpose": ["filters": 3, "kernel": 2]], "sigmoid"], 1)
        ] as [([Any], Int)] {
            let fused = try Bench(try makeNetwork(layers, inputShape: [2, 6, 7]), rows: 4)
            #expect(fused.network.layers.fused.count == stages, "\(layers)")
            // Turned and turned back, neighbours are apart.
            let turned: Any = ["permute": ["dimensions": [1, 3, 2]]]
            let apart = layers.flatMap { [$0, turned, turned] }
            let plain = try Bench(try makeNetwork(apart, inputShape: [2, 6, 7]), rows: 4)
            fused.network.initialize(fused.weights.weights(fused.network.layout), seed: 1)
            for index in 0..<fused.weights.count { plain.weights[index] = fused.weights[index] }
            for bench in [fused, plain] {
                for index in 0..<bench.input.count { bench.input[index] = Float((index * 37) % 101 - 50) / 16 }
                for index in 0..<bench.outputGradient.count { bench.outputGradient[index] = Float((index * 23) % 67 - 33) / 8 }
                bench.forward(firstDraw: 0)
                bench.backward()
            }
            #expect(fused.outputBits == plain.outputBits && fused.inputGradientBits == plain.inputGradientBits, "\(layers)")
            #expect(fused.parameterGradientBits == plain.parameterGradientBits, "\(layers)")
            #expect(fused.network.layers.memory.kept.perSample <= plain.network.layers.memory.kept.perSample)
        }
    }

    @Test("dropout2d drops whole channels, at the rate, by the draw, and the same ones backward")
    func channelDropout() throws {
        let layers: [Any] = [["dropout2d": ["rate": 0.25]], ["conv2d": ["filters": 1, "kernel": 1, "bias": false]]]
        let (channels, area, rows) = (64, 6, 50)
        let bench = try Bench(try makeNetwork(layers, inputShape: [channels, 2, 3]), rows: rows)
        for index in 0..<channels { bench.weights[index] = 1 }
        for index in 0..<bench.input.count { bench.input[index] = 1 }
        for index in 0..<bench.outputGradient.count { bench.outputGradient[index] = 1 }
        bench.forward(firstDraw: 9)
        bench.backward()
        let factor: Float = 1 / 0.75
        var dropped = 0
        for row in 0..<rows {
            let gradients = Array(bench.inputGradient.elements[row * channels * area..<(row + 1) * channels * area])
            for channel in 0..<channels {
                let values = Set(gradients[channel * area..<(channel + 1) * area])
                #expect(values == [0] || values == [factor])
                dropped += values == [0] ? 1 : 0
            }
            let kept = gradients.filter { $0 != 0 }.count / area
            #expect(abs(bench.output[row * area] - Float(kept) * factor) <= Float(kept) * 0x1p-18)
        }
        // Five standard deviations of a binomial count.
        let count = Double(rows * channels)
        #expect(abs(Double(dropped) - count / 4) <= 5 * (count * 3 / 16).squareRoot())
        let before = bench.inputGradientBits
        bench.forward(firstDraw: 10)
        bench.backward()
        #expect(bench.inputGradientBits != before)
        #expect(Array(bench.inputGradientBits[..<((rows - 1) * channels * area)]) == Array(before[(channels * area)...]))
    }
}
