import Network
import Storage
import Testing

@Suite("Residuals")
struct ResidualTests {
    /// Layers of a residual, and the same network with nothing fused.
    private struct Form {
        let name: String
        let inputShape: [Int]
        let fused: [Any]
        let plain: [Any]
        var freeze: [String]?

        /// - Parameter behind: the layer behind the residual.
        init(
            _ name: String, _ inputShape: [Int], _ layers: [Any], shortcut: [Any]? = nil, behind: String? = "relu",
            times: Int? = nil,
            freeze: [String]? = nil
        ) {
            func list(_ end: [Any]) -> [Any] {
                var options: [String: Any] = ["layers": layers + end]
                if let shortcut { options["shortcut"] = shortcut + end }
                let all: [Any] = [["residual": options]] + end + (behind.map { [$0] } ?? [])
                return times.map { [["repeat": ["times": $0, "layers": all]]] } ?? all
            }
            self.name = name
            self.inputShape = inputShape
            fused = list([])
            // Nothing is dropped, but its mask is a layer of its own that nothing is fused with.
            plain = list([["dropout": ["rate": 0]]])
            self.freeze = freeze
        }
    }

    private static func convolution(_ filters: Int, kernel: Int = 3, stride: Int = 1) -> [String: Any] {
        ["conv2d": ["filters": filters, "kernel": kernel, "stride": stride, "padding": kernel / 2, "bias": false]]
    }

    private static let image = [3, 5, 7]
    private static var block: [Any] { [convolution(3), "batch_norm", "relu", convolution(3), "batch_norm"] }

    private static var forms: [Form] {
        [
            Form("the usual block", image, block),
            Form("without an activation behind it", image, block, behind: nil),
            Form("with gelu behind it", image, block, behind: "gelu"),
            Form("twice", image, block, times: 2),
            Form(
                "of smaller images", image, [convolution(4, stride: 2), "batch_norm"],
                shortcut: [convolution(4, kernel: 1, stride: 2), "batch_norm"]),
            Form("a shortcut without batch norm", image, [convolution(4), "batch_norm"], shortcut: [convolution(4, kernel: 1)]),
            Form(
                "a shortcut that ends in relu", image, [convolution(4), "batch_norm"],
                shortcut: [convolution(4, kernel: 1), "relu"]
            ),
            Form(
                "batch norm in the shortcut alone", image, [convolution(4)], shortcut: [convolution(4, kernel: 1), "batch_norm"]
            ),
            Form("relu in both", image, [convolution(4), "relu"], shortcut: [convolution(4, kernel: 1), "relu"]),
            Form("convolutions alone", image, [convolution(3)]),
            Form("a block that ends in relu", image, [convolution(3), "batch_norm", "relu"]),
            Form("group norm", image, [convolution(3), ["group_norm": ["groups": 3]]]),
            Form(
                "group norm and relu, and group norm in the shortcut", image,
                [convolution(4), ["group_norm": ["groups": 2]], "relu", convolution(4), "instance_norm"],
                shortcut: [convolution(4, kernel: 1), ["group_norm": ["groups": 2]]]),
            Form("group norm without an activation behind it", image, [["group_norm": ["groups": 1]]], behind: nil),
            Form("batch norm alone, without weights", image, [["batch_norm": ["affine": false]]]),
            Form("dense", [6], [["dense": ["units": 6]], "tanh", ["dense": ["units": 6]]]),
            Form("batch norm of features", [6], [["dense": ["units": 6]], "batch_norm"]),
            Form("softmax", [6], ["softmax"], shortcut: ["tanh"]),
            Form("frozen", image, block, freeze: ["0.*"]),
            Form("frozen in part", image, block, freeze: ["0.3.*", "0.4.*"]),
            Form("residuals in residuals", image, [["residual": ["layers": block]], "relu", ["residual": ["layers": block]]])
        ]
    }

    /// A network that has something to train, whatever is frozen.
    private func bench(_ form: Form, _ layers: [Any], keeps: Bool = true) throws -> Bench {
        let network = try makeNetwork(
            layers + ["flatten", ["dense": ["units": 2, "name": "last"]]], inputShape: form.inputShape, freeze: form.freeze)
        let bench = try Bench(network, rows: 13, keeps: keeps)
        for index in 0..<bench.input.count { bench.input[index] = Float((index * 53) % 97 - 48) / 16 }
        for index in 0..<bench.outputGradient.count { bench.outputGradient[index] = Float((index * 31) % 29 - 14) / 8 }
        return bench
    }

    @Test("have the bits of their layers, an addition and a relu one after the other")
    func chain() throws {
        for form in Self.forms {
            let fused = try bench(form, form.fused)
            let plain = try bench(form, form.plain)
            fused.network.initialize(fused.weights.weights(fused.network.layout), seed: 3)
            for slot in fused.network.layout.slots where slot.name.hasSuffix("bias") {
                let range = fused.network.layout.range(of: slot)
                for index in range { fused.weights[index] = Float(index % 5) / 8 - 0.25 }
            }
            #expect(plain.weights.count == fused.weights.count, "\(form.name)")
            for index in 0..<fused.weights.count { plain.weights[index] = fused.weights[index] }
            for bench in [fused, plain] {
                bench.forward(firstDraw: 0, leafRows: 5)
                bench.backward(leafRows: 5)
                bench.updateBuffers(leaves: 3)
            }
            #expect(fused.outputBits == plain.outputBits, "\(form.name)")
            #expect(fused.inputGradientBits == plain.inputGradientBits, "\(form.name)")
            #expect(fused.parameterGradientBits == plain.parameterGradientBits, "\(form.name)")
            #expect(fused.outputBits.allSatisfy { Float(bitPattern: $0).isFinite }, "\(form.name)")
            let buffers = fused.weights.elements.map(\.bitPattern)
            #expect(buffers == plain.weights.elements.map(\.bitPattern), "\(form.name): running averages")

            for bench in [fused, plain] {
                for index in 0..<bench.gradients.count { bench.gradients[index] = .nan }
                bench.forward(firstDraw: 0, leafRows: 5)
                bench.backward(leafRows: 5, withInputGradient: false)
            }
            #expect(fused.parameterGradientBits == plain.parameterGradientBits, "\(form.name): without input gradients")

            let evaluated = try bench(form, form.fused, keeps: false)
            for index in 0..<fused.weights.count { evaluated.weights[index] = fused.weights[index] }
            for bench in [plain, evaluated] { bench.forward() }
            #expect(evaluated.outputBits == plain.outputBits, "\(form.name): in evaluation")
        }
    }

    @Test("that end in batch norm keep neither what it makes nor what the shortcut makes")
    func memory() throws {
        func kept(_ form: Form) throws -> Int {
            try bench(form, form.fused).network.layers.fused[0].layer.memory.kept.perSample
        }
        let area = 5 * 7
        // Outputs of the first convolution, of batch norm with relu, and of the second convolution, three channels each.
        #expect(try kept(Self.forms[0]) == 3 * 3 * area)
        // Outputs of both convolutions, four channels of images half as large.
        #expect(try kept(Self.forms[4]) == 2 * 4 * 3 * 4)
        // Group norm alike; beside what the convolution makes it keeps mean and deviation of three groups.
        let group: [Any] = [Self.convolution(3), ["group_norm": ["groups": 3]]]
        #expect(try kept(Form("", Self.image, group)) == 3 * area + 2 * 3)
        #expect(try kept(Form("", Self.image, [Self.convolution(3)])) == 0)
        // A relu is taken backward by its output.
        #expect(try kept(Form("", Self.image, [Self.convolution(3), "relu"])) == 3 * area)
    }

    @Test("have a row in the table of layers, behind those of what is inside them; the rows add up")
    func rows() throws {
        let bench = try bench(Self.forms[4], [["repeat": ["times": 1, "layers": Self.forms[4].fused]]])
        let clock = StageClock(bench.network)
        bench.clock = clock
        bench.forward(firstDraw: 0)
        bench.backward()
        let rows = clock.rows(bench.network.layers, withInputGradient: true)
        #expect(
            rows.map(\.layers) == [
                "0.0.0.0 conv2d", "0.0.0.1 batch_norm", "0.0.0.shortcut.0 conv2d", "0.0.0.shortcut.1 batch_norm",
                "0.0.0 residual + 0.0.1 relu", "last dense"
            ])
        #expect(rows.allSatisfy { $0.forwardSeconds > 0 && $0.backwardSeconds > 0 })
        #expect(
            rows.map(\.operations).reduce(0, +)
                == bench.network.layers.computed.reduce(0) { $0 + $1.layer.productOperations(withInputGradient: true) })
    }
}
