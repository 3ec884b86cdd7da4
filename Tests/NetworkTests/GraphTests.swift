import Export
import Foundation
import Network
import Settings
import Storage
import TestSupport
import Testing

/// A layer that hands its input on.
private struct OwnLayer: Layer {
    static let kind = "own"
    let outputShape: Shape

    init(options: Settings, site: inout LayerSite) throws { outputShape = site.inputShape }

    func forward(_ input: MatrixView, into output: MutableMatrixView, memory: PassMemory, in pass: ForwardPass) {
        output.copy(from: input)
    }

    func backward(
        _ outputGradient: MatrixView, into inputGradient: MutableMatrixView?, input: MatrixView, output: MatrixView,
        memory: PassMemory, in pass: BackwardPass
    ) {
        inputGradient?.copy(from: outputGradient)
    }
}

/// Every layer as a graph of ONNX: all rows of the table of layers, as they are and with weights in 8 bits.
@Suite("Graphs of ONNX")
struct GraphTests {
    /// A row of the table: the graph, what goes into it, and what our own passes make of that.
    private struct Case {
        let name: String
        let model: [UInt8]
        let network: Network
        let bench: Bench
        let row: LayerTableTests.Row
        let matrixCount: Int

        init(_ values: [String: Any], isQuantized: Bool) throws {
            row = try LayerTableTests.Row(values)
            name = row.name + (isQuantized ? ", in 8 bits" : "")
            bench = try row.bench(keeps: false)
            network = bench.network
            row.fill(bench, count: row.rows)
            var matrices: [Int: QuantizedMatrix] = [:]
            if isQuantized {
                matrices = network.quantizedMatrices(bench.weights.weights(network.layout).readOnly)
                for (index, matrix) in matrices {
                    let range = network.layout.range(of: network.layout.slots[index])
                    matrix.expand(into: UnsafeMutableBufferPointer(rebasing: bench.weights.elements[range]))
                }
            }
            matrixCount = matrices.count
            bench.forward()
            let graph = ONNXGraph()
            graph.addInput("input", row.tokenKinds == nil ? .float32 : .int64, dimensions: row.inputShape)
            if row.lengths != nil { graph.addInput("lengths", .int64, dimensions: []) }
            let writer = GraphWriter(
                graph, weights: bench.weights.weights(network.layout).readOnly, quantized: matrices,
                lengths: row.lengths == nil ? nil : "lengths")
            let output = try writer.add(network.layers, behind: GraphValue(name: "input", dimensions: row.inputShape))
            graph.addOutput("output", of: output.name, dimensions: output.dimensions)
            var bytes: [UInt8] = []
            try graph.model(name: "row", producer: ("test", "1"), properties: [("row", row.name)]).write {
                bytes += $0
            }
            model = bytes
        }

        /// For `run_onnx.py`.
        func described(path: String) -> [String: Any] {
            func array(_ type: String, _ shape: [Int], _ bytes: UnsafeRawBufferPointer) -> [String: Any] {
                ["type": type, "shape": shape, "bytes": Data(bytes).base64EncodedString()]
            }
            let shape = [row.rows] + row.inputShape
            let numbers = Array(bench.input.elements[..<shape.reduce(1, *)])
            var inputs: [String: Any] = [:]
            if row.tokenKinds == nil {
                inputs["input"] = numbers.withUnsafeBytes { array("<f4", shape, $0) }
            } else {
                inputs["input"] = numbers.map { Int64($0) }.withUnsafeBytes { array("<i8", shape, $0) }
            }
            if let lengths = bench.lengths {
                inputs["lengths"] = lengths.map { Int64($0) }.withUnsafeBytes { array("<i8", [lengths.count], $0) }
            }
            let output = [row.rows] + network.outputShape.dimensions
            let results = Array(bench.output.elements[..<output.reduce(1, *)])
            return [
                "name": name, "model": path, "inputs": inputs,
                "outputs": ["output": results.withUnsafeBytes { array("<f4", output, $0) }]
            ]
        }
    }

    private static func cases() throws -> [Case] {
        let rows = try references("layers.json")
        return try rows.map { try Case($0, isQuantized: false) }
            + rows.map { try Case($0, isQuantized: true) }.filter { $0.matrixCount > 0 }
    }

    @Test("each is a graph in order, with every parameter of the network under its name, bit for bit")
    func structure() throws {
        let cases = try Self.cases()
        #expect(cases.count > 150)
        for one in cases {
            let graph = try ReadGraph(one.model)
            #expect(graph.problems.isEmpty, "\(one.name): \(graph.problems)")
            #expect(graph.operatorSet == 17 && graph.outputs == ["output"] && graph.properties == ["row": one.row.name])
            #expect(graph.inputs == (one.row.lengths == nil ? ["input"] : ["input", "lengths"]), "\(one.name)")
            var inEight = 0
            for slot in one.network.layout.slots {
                let range = one.network.layout.range(of: slot)
                if let tensor = graph.tensors[slot.name] {
                    #expect(tensor.shape == slot.shape.dimensions, "\(one.name): \(slot.name)")
                    let bytes = Array(one.bench.weights.elements[range]).withUnsafeBytes(Array.init)
                    #expect(tensor.bytes == bytes, "\(one.name): \(slot.name)")
                } else if let tensor = graph.tensors[slot.name + ".int8"] {
                    #expect(tensor.shape == slot.shape.dimensions && tensor.type == 3, "\(one.name): \(slot.name)")
                    inEight += 1
                } else {
                    // Gates have another order there, counts of steps no use.
                    let isElsewhere = ["_ih_", "_hh_", "num_batches_tracked"].contains { slot.name.contains($0) }
                    #expect(isElsewhere, "\(one.name): \(slot.name) is nowhere")
                }
            }
            #expect(inEight == one.matrixCount, "\(one.name)")
        }
    }

    @Test("a number in 8 bits is within half a step of what it was, and a channel's largest is itself")
    func eightBits() throws {
        let network = try makeNetwork([["dense": ["units": 3, "bias": false]]], inputShape: [5])
        let weights: [Float] = [1, -2, 0.5, 1.99, 0, 0, 0, 0, 0, 0, 1e-30, -3e-30, 2e-30, 0, 1e-31]
        let bench = try Bench(network, rows: 1)
        let range = network.layout.range(of: network.layout.slots[0])
        for (index, weight) in weights.enumerated() { bench.weights[range.lowerBound + index] = weight }
        let matrix = try #require(network.quantizedMatrices(bench.weights.weights(network.layout).readOnly)[0])
        #expect(matrix.scales.count == 3 && matrix.axis == 0 && matrix.byteCount == 15 + 12)
        var again = [Float](repeating: .nan, count: 15)
        again.withUnsafeMutableBufferPointer { matrix.expand(into: $0) }
        for (index, weight) in weights.enumerated() {
            #expect(abs(again[index] - weight) <= matrix.scales[index / 5] * 0.5001, "\(index): \(again[index])")
        }
        #expect(matrix.values[1] == -127 && matrix.values[11] == -127 && matrix.values[5..<10].allSatisfy { $0 == 0 })
    }

    @Test("a layer of one's own, which says no operators, is named with its place")
    func unsayable() throws {
        var choices = LayerChoices.standard
        choices.add(OwnLayer.self, named: OwnLayer.kind)
        let root = try settings(["model": ["layers": ["relu", ["residual": ["layers": ["own"]]], ["dense": ["units": 2]]]]])
        let network = try Network(
            root.section("model"), inputShape: Shape([3]), loss: plainLoss(), seed: 1, choices: choices)
        let bench = try Bench(network, rows: 1)
        let graph = ONNXGraph()
        graph.addInput("input", .float32, dimensions: [3])
        let writer = GraphWriter(graph, weights: bench.weights.weights(network.layout).readOnly)
        #expect(
            throws: GraphWriter.Unsayable.self,
            performing: { _ = try writer.add(network.layers, behind: GraphValue(name: "input", dimensions: [3])) })
        do {
            _ = try writer.add(network.layers, behind: GraphValue(name: "input", dimensions: [3]))
        } catch let unsayable as GraphWriter.Unsayable {
            #expect(unsayable.layer == "1.0 (own)")
        }
    }

    @Test(
        "onnx finds nothing wrong with them, and onnxruntime gives what dtrain's own passes do",
        .enabled(if: Self.python != nil, "no python3 that imports onnx and onnxruntime (DTRAIN_PYTHON names one)"))
    func run() throws {
        let python = try #require(Self.python)
        try withTemporaryFolder { folder in
            let cases = try Self.cases()
            var described: [[String: Any]] = []
            for (index, one) in cases.enumerated() {
                let path = "\(folder)/\(index).onnx"
                try Data(one.model).write(to: URL(filePath: path))
                described.append(one.described(path: path))
            }
            try JSONSerialization.data(withJSONObject: described).write(to: URL(filePath: folder + "/cases.json"))
            let script = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
                .appending(path: "References/run_onnx.py").path
            let result = try ChildProcess(python, [script, folder + "/cases.json"], timeLimitSeconds: 500).run()
            try #require(result.status == 0, "\(result)")
            let differences = try JSONDecoder().decode([String: Double].self, from: Data(result.output.utf8))
            #expect(differences.count == Set(cases.map(\.name)).count)
            for (name, difference) in differences.sorted(by: { $0.key < $1.key }) {
                #expect(difference <= 1e-5, "\(name): \(difference); \(result.errors)")
            }
        }
    }

    private static let python: String? = {
        let named = ProcessInfo.processInfo.environment["DTRAIN_PYTHON"]
        let found = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map { "\($0)/python3" }
            .first { FileManager.default.isExecutableFile(atPath: $0) }
        guard let path = named ?? found else { return nil }
        let probe = """
            import importlib.util, sys
            sys.exit(0 if all(map(importlib.util.find_spec, ("onnx", "onnxruntime", "numpy"))) else 1)
            """
        return (try? ChildProcess(path, ["-c", probe]).run())?.status == 0 ? path : nil
    }()
}
