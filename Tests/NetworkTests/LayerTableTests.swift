import Diagnostics
import Foundation
import Network
import Settings
import Storage
import Testing

/// The table of checks: a row in References/layers.json gives a layer all its tests.
@Suite("Layers")
struct LayerTableTests {
    /// A row: the layers, what goes in and what PyTorch makes of it.
    struct Row {
        let name: String
        let layers: [Any]
        /// How many different tokens go in; nil for numbers.
        let tokenKinds: Int?
        /// How many steps of each row are its own; nil where samples have no lengths.
        let lengths: [Int]?
        let inputShape: [Int], outputShape: [Int]
        let input: [Double], output: [Double], outputGradient: [Double], inputGradient: [Double]
        let parameters: [String: [Double]], parameterGradients: [String: [Double]]
        /// Whether PyTorch was training, on one micro-batch, and what had become of its buffers.
        let isTraining: Bool, buffersAfter: [String: [Double]]

        init(_ row: [String: Any]) throws {
            name = try #require(row["name"] as? String)
            layers = try #require(row["layers"] as? [Any])
            tokenKinds = row["token_kinds"] as? Int
            lengths = row["lengths"] as? [Int]
            inputShape = flattened(row["input_shape"]).map { Int($0) }
            outputShape = flattened(row["output_shape"]).map { Int($0) }
            (input, output) = (flattened(row["input"]), flattened(row["output"]))
            (outputGradient, inputGradient) = (flattened(row["output_gradient"]), flattened(row["input_gradient"]))
            parameters = try #require(row["parameters"] as? [String: Any]).mapValues { flattened($0) }
            parameterGradients = try #require(row["parameter_gradients"] as? [String: Any]).mapValues { flattened($0) }
            isTraining = try #require(row["training"] as? Bool)
            buffersAfter = try #require(row["buffers_after"] as? [String: Any]).mapValues { flattened($0) }
        }

        var rows: Int { input.count / inputShape.reduce(1, *) }

        /// Layers without parameters make no network. They get a dense layer of the identity behind them, which changes
        /// no bit in either direction: 1·x, and sums with 0·y, are exact.
        var isBare: Bool { parameters.isEmpty }

        func bench(rows: Int? = nil, threadCount: Int = 1, keeps: Bool = true) throws -> Bench {
            let units = outputShape.reduce(1, *)
            let behind: [Any] = isBare ? ["flatten", ["dense": ["units": units, "bias": false]]] : []
            let network = try makeNetwork(
                layers + behind, inputShape: inputShape, tokenKinds: tokenKinds, hasLengths: lengths != nil)
            let bench = try Bench(
                network, rows: rows ?? self.rows, threadCount: threadCount, keeps: keeps, lengths: lengths)
            if isBare {
                for unit in 0..<units { bench.weights[network.layout.slots[0].offset + unit * (units + 1)] = 1 }
            } else {
                for slot in network.layout.slots {
                    let values = try #require(parameters[slot.name], "\(slot.name) in PyTorch's state_dict")
                    #expect(values.count == slot.shape.count)
                    let start = network.layout.range(of: slot).lowerBound
                    for (index, value) in values.enumerated() { bench.weights[start + index] = Float(value) }
                }
            }
            #expect(Set(network.layout.slots.map(\.name)) == Set(parameters.keys) || isBare)
            #expect(network.outputShape.count == units)
            return bench
        }

        /// Forward as PyTorch went: training on one leaf, or as in evaluation, but for a backward pass.
        func forward(_ bench: Bench) { bench.forward(firstDraw: isTraining ? 0 : nil) }

        /// The row's inputs and output gradients, and variations of them up to `count` rows.
        func fill(_ bench: Bench, count: Int) {
            let inputs = inputShape.reduce(1, *)
            let outputs = outputShape.reduce(1, *)
            for index in 0..<count * inputs {
                let turn = index / input.count
                let number = input[index % input.count]
                bench.input[index] =
                    tokenKinds.map { Float((Int(number) + turn) % $0) } ?? Float(number) * (1 - 0.0625 * Float(turn))
            }
            for index in 0..<count * outputs {
                let turn = index / outputGradient.count
                let gradient = Float(outputGradient[index % outputGradient.count])
                bench.outputGradient[index] = gradient * (1 + 0.125 * Float(turn))
            }
        }
    }

    static func rows() throws -> [Row] { try references("layers.json").map { try Row($0) } }

    /// Numbers of size 1 through up to 22 layers, each adding a few roundings of 2⁻²⁴.
    private static let tolerance = 64 * 0x1p-24
    /// Rows whose convolutions are computed by tiles, where rounding errors are up to four times those of a chain (`WinogradTests`
    /// hold them below that).
    private static let tiledRows: Set = ["conv2d of 17 channels to 33"]

    private func expectClose(
        _ value: Float, _ expected: Double, _ what: String, in row: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let tolerance = Self.tolerance * (Self.tiledRows.contains(row) ? 4 : 1)
        #expect(
            abs(Double(value) - expected) <= tolerance * max(1, abs(expected)), "\(row): \(what)",
            sourceLocation: sourceLocation)
    }

    @Test("outputs and all gradients are PyTorch's")
    func pyTorch() throws {
        for row in try Self.rows() {
            let bench = try row.bench()
            row.fill(bench, count: row.rows)
            row.forward(bench)
            bench.backward()
            for (index, expected) in row.output.enumerated() {
                expectClose(bench.output[index], expected, "output \(index)", in: row.name)
            }
            for (index, expected) in row.inputGradient.enumerated() {
                expectClose(bench.inputGradient[index], expected, "input gradient \(index)", in: row.name)
            }
            for slot in bench.trainedSlots where !row.isBare {
                for (index, expected) in (row.parameterGradients[slot.name] ?? []).enumerated() {
                    expectClose(bench.gradient(slot.offset + index), expected, "\(slot.name), \(index)", in: row.name)
                }
            }
            guard row.isTraining else { continue }
            bench.updateBuffers(leaves: 1)
            for slot in bench.network.layout.slots where slot.region == .buffers {
                let values = try #require(row.buffersAfter[slot.name], "\(slot.name)")
                let start = bench.network.layout.range(of: slot).lowerBound
                for (index, expected) in values.enumerated() {
                    expectClose(bench.weights[start + index], expected, "\(slot.name), \(index)", in: row.name)
                }
            }
        }
    }

    @Test("backward reads neither an input nor an output that the layer doesn't name")
    func operands() throws {
        for row in try Self.rows() {
            let bench = try row.bench()
            row.fill(bench, count: row.rows)
            row.forward(bench)
            bench.backward()
            let bits = bench.parameterGradientBits + bench.inputGradientBits
            let stages = bench.network.layers.fused
            row.forward(bench)
            if stages.first?.layer.backwardOperands.contains(.input) == false {
                bench.input.parameters[0..<bench.input.count].fill(.nan)
            }
            if stages.last?.layer.backwardOperands.contains(.output) == false {
                bench.output.parameters[0..<bench.output.count].fill(.nan)
            }
            bench.backward()
            #expect(bench.parameterGradientBits + bench.inputGradientBits == bits, "\(row.name)")
        }
    }

    @Test("where no backward follows, less memory gives the same bits")
    func keepingNothing() throws {
        for row in try Self.rows() {
            let training = try row.bench()
            let evaluation = try row.bench(keeps: false)
            for bench in [training, evaluation] {
                row.fill(bench, count: row.rows)
                bench.forward()
            }
            #expect(training.outputBits == evaluation.outputBits, "\(row.name)")
        }
    }

    @Test("gradients are what central differences say")
    func centralDifferences() throws {
        for row in try Self.rows() where !row.name.contains("extreme") && !row.name.contains("no gradient") {
            let bench = try row.bench()
            row.fill(bench, count: row.rows)
            func objective() -> Double {
                row.forward(bench)
                return (0..<bench.output.count).reduce(0) {
                    $0 + Double(bench.output[$1]) * Double(bench.outputGradient[$1])
                }
            }
            func check(_ at: UnsafeMutablePointer<Float>, _ gradient: Double, _ what: String) {
                let before = at.pointee
                // Smaller steps, where a kink lies within the first one. The rounding of outputs of size 1 costs up to
                // 2⁻²⁴/h each, the third derivative h².
                let agrees = [Float(0x1p-6), 0x1p-8, 0x1p-10].contains { h in
                    at.pointee = before + h
                    let above = objective()
                    at.pointee = before - h
                    let slope = (above - objective()) / (2 * Double(h))
                    return abs(slope - gradient) <= 2e-3 * max(1, abs(gradient))
                }
                at.pointee = before
                #expect(agrees, "\(what)")
            }
            _ = objective()
            bench.backward()
            let inputGradient = bench.inputGradient.elements.map { Double($0) }
            let gradients = (0..<bench.network.layout.trainedCount).map { Double(bench.gradient($0)) }
            // Tokens have no neighbours.
            for index in inputGradient.indices where row.tokenKinds == nil {
                check(bench.input.base + index, inputGradient[index], "\(row.name): input \(index)")
            }
            for slot in bench.trainedSlots {
                for index in slot.range {
                    check(bench.weights.base + index, gradients[index], "\(row.name): \(slot.name), \(index)")
                }
            }
        }
    }

    @Test("backward assigns gradients: whatever the buffers held before, the bits are the same")
    func gradientsAreAssigned() throws {
        for row in try Self.rows() {
            let bench = try row.bench()
            row.fill(bench, count: row.rows)
            row.forward(bench)
            bench.backward()
            let first = (bench.parameterGradientBits, bench.inputGradientBits)
            #expect(
                bench.gradients.elements.contains { $0.isNaN } == (bench.gradients.count > first.0.count),
                "\(row.name): padding is not touched")
            for garbage in [Float.nan, .infinity, 1e30, 0] {
                bench.gradients.parameters[0..<bench.gradients.count].fill(garbage)
                bench.inputGradient.parameters[0..<bench.inputGradient.count].fill(garbage)
                row.forward(bench)
                bench.backward()
                #expect(bench.parameterGradientBits == first.0 && bench.inputGradientBits == first.1, "\(row.name)")
            }
        }
    }

    @Test(
        "a leaf's bits don't depend on the rows beside it, a row's but for batch norm not on its leaf, nor any on threads; leaves add up along the tree"
    )
    func grouping() throws {
        let count = 13
        for row in try Self.rows() {
            let bench = try row.bench(rows: count)
            row.fill(bench, count: count)
            bench.forward(firstDraw: 1000)
            bench.backward()
            let one = (bench.outputBits, bench.inputGradientBits)
            for leafRows in [1, 2, 3, 5, 8, 13] {
                bench.forward(firstDraw: 1000, leafRows: leafRows)
                bench.backward(leafRows: leafRows)
                let whole = bench.parameterGradientBits
                let outputs = bench.outputBits
                let inputGradients = bench.inputGradientBits
                #expect(row.isTraining || (outputs, inputGradients) == one, "\(row.name), leaves of \(leafRows)")
                bench.output.parameters[0..<bench.output.count].fill(.nan)
                bench.inputGradient.parameters[0..<bench.inputGradient.count].fill(.nan)
                var leaves: [[Float]] = []
                for first in stride(from: 0, to: count, by: leafRows) {
                    let range = first..<min(first + leafRows, count)
                    bench.forward(range, firstDraw: 1000, leafRows: leafRows)
                    bench.backward(range)
                    leaves.append(bench.parameterGradientBits.map { Float(bitPattern: $0) })
                }
                #expect(
                    bench.outputBits == outputs && bench.inputGradientBits == inputGradients,
                    "\(row.name), \(leafRows) rows at once")
                while leaves.count > 1 {
                    leaves = stride(from: 0, to: leaves.count, by: 2).map { index in
                        index + 1 < leaves.count ? zip(leaves[index], leaves[index + 1]).map { $0 + $1 } : leaves[index]
                    }
                }
                #expect(leaves[0].map(\.bitPattern) == whole, "\(row.name), leaves of \(leafRows)")
                let threaded = try row.bench(rows: count, threadCount: 3)
                row.fill(threaded, count: count)
                threaded.forward(firstDraw: 1000, leafRows: leafRows)
                threaded.backward(leafRows: leafRows)
                #expect(
                    threaded.outputBits == outputs && threaded.inputGradientBits == inputGradients
                        && threaded.parameterGradientBits == whole, "\(row.name), three threads")
            }
        }
    }

    @Test("every layer of the catalog has a row in the table")
    func everyLayerHasARow() throws {
        func kinds(_ layers: [Any]) -> [String] {
            layers.flatMap { layer -> [String] in
                let inner = (layer as? [String: [String: Any]])?.values.first?["layers"] as? [Any]
                return [kind(of: layer) ?? "?"] + kinds(inner ?? [])
            }
        }
        let covered = Set(try Self.rows().flatMap { kinds($0.layers) })
        for name in LayerChoices.standard.names { #expect(covered.contains(name), "\(name)") }
    }
}
