import Datasets
import Diagnostics
import Export
import Files
import Foundation
import Network
import Storage

extension TrainedModel {
    /// Writes the network as a graph of ONNX, with what is done to its inputs and outputs by `predict`: it takes the numbers of a
    /// file as they are, and gives probabilities.
    ///
    /// - Parameter matrices: the weights that are written in 8 bits.
    /// - Returns: what was written, line by line.
    /// - Throws: `Failure`: 65 for a layer that ONNX's operators don't say, or more than 2 GB; 73 where the file can't be made.
    package func exportONNX(to path: String, matrices: [Int: QuantizedMatrix] = [:]) throws -> [String] {
        let file = try OutputFile(path: path)
        let graph = ONNXGraph()
        let lines: [String]
        do {
            lines = try addGraph(to: graph, matrices)
        } catch let unsayable as GraphWriter.Unsayable {
            throw Failure(
                .badData,
                "\(checkpoint.path): layer \(unsayable.layer): ONNX has no operators for this kind of layer, so that the network "
                    + "can't be written as ONNX; safetensors and npz hold any network's weights")
        }
        let model = graph.model(
            name: configuration.loss.outputTransform == .none ? "network" : "classifier",
            producer: ("dtrain", Build.version), properties: properties)
        guard model.byteCount <= ONNXGraph.largestByteCount else {
            throw Failure(
                .badData,
                "\(checkpoint.path): the network takes \(model.byteCount) bytes, but a file of ONNX holds "
                    + "\(ONNXGraph.largestByteCount) at most; use safetensors or npz")
        }
        try reportingSystemErrors {
            try withExtendedLifetime(self) { try model.write { try file.write($0) } }
            try file.commit()
        }
        let nodes = graph.operatorCounts.values.reduce(0, +)
        return [
            "\(path): \(nodes) nodes, \(graph.tensorByteCount) bytes of numbers, of step \(state.step), for operators of ONNX "
                + "\(ONNXGraph.operatorSet)"
        ] + lines
    }

    /// Adds inputs, layers and outputs.
    ///
    /// - Returns: a line for each input and output.
    private func addGraph(to graph: ONNXGraph, _ matrices: [Int: QuantizedMatrix]) throws -> [String] {
        let preprocessing = state.preprocessing
        let dimensions = network.inputShape.dimensions
        var lines: [String] = []
        func port(_ kind: String, _ name: String, _ type: String, _ dimensions: [Int]) {
            let shape = (["batch"] + dimensions.map(String.init)).joined(separator: ", ")
            lines.append("\(kind) \(name): \(type) [\(shape)]")
        }
        let raw = preprocessing.rawInputs
        let (type, word): (ONNXGraph.ElementType, String) =
            switch raw.elements {
            case .numbers: (.float32, "float32")
            case .bytes: (.uint8, "uint8")
            case .tokens: (.int64, "int64")
            }
        graph.addInput("input", type, dimensions: dimensions)
        port("input ", "input", word, dimensions)
        if preprocessing.hasLengths {
            graph.addInput("lengths", .int64, dimensions: [])
            port("input ", "lengths", "int64", [])
        }
        let writer = GraphWriter(
            graph, weights: parameters, quantized: matrices, lengths: preprocessing.hasLengths ? "lengths" : nil)
        let value = try writer.add(network.layers, behind: normalized(raw, dimensions, writer))
        for (name, value) in outputs(value, writer) {
            graph.addOutput(name, of: value.name, dimensions: value.dimensions)
            port("output", name, "float32", value.dimensions)
        }
        return lines
    }

    /// What the layers get.
    private func normalized(_ raw: RawInputs, _ dimensions: [Int], _ writer: GraphWriter) -> GraphValue {
        var name = "input"
        if raw.elements == .bytes {
            name = writer.node("Cast", [name], [("to", .integer(ONNXGraph.ElementType.float32.rawValue))])
        }
        if let terms = raw.terms {
            for (operation, role, numbers) in [("Sub", "offset", terms.offsets), ("Mul", "factor", terms.factors)] {
                name = writer.node(operation, [name, writer.tensor(role, shape: terms.dimensions, numbers)])
            }
        }
        let value = GraphValue(name: name, dimensions: dimensions)
        // Behind a sample's end the layers get zeros.
        guard raw.elements != .tokens, let mask = writer.stepMask(most: dimensions[0], SequenceSteps(axis: 0)) else {
            return value
        }
        return writer.masked(value, by: mask, axis: 0)
    }

    /// What `predict` shows.
    private func outputs(_ value: GraphValue, _ writer: GraphWriter) -> [(name: String, value: GraphValue)] {
        if let units = state.preprocessing.forecastUnits {
            let width = units.means.count
            let steps = writer.reshaped(value, [network.outputShape.count / width, width])
            let scaled = writer.node("Mul", [steps.name, writer.tensor("deviations", shape: [width], units.deviations)])
            let result = writer.node("Add", [scaled, writer.tensor("means", shape: [width], units.means)])
            return [("forecast", GraphValue(name: result, dimensions: steps.dimensions))]
        }
        let rows =
            targets.positions == 1
            ? [network.outputShape.count] : [targets.positions, network.outputShape.count / targets.positions]
        switch configuration.loss.outputTransform {
        case .none: return [("output", value)]
        case .softmax:
            let logits = writer.reshaped(value, rows)
            return [("logits", logits), ("probabilities", writer.elementwise("Softmax", logits, [("axis", .integer(-1))]))]
        case .sigmoid: return [("logits", value), ("probabilities", writer.elementwise("Sigmoid", value))]
        }
    }

    /// What is known of the network beside its numbers, for every form that has a place for it.
    var properties: [(String, String)] {
        func list(_ texts: [String]) -> String {
            (try? JSONEncoder().encode(texts)).map { String(decoding: $0, as: UTF8.self) } ?? ""
        }
        let preprocessing = state.preprocessing
        var result = [
            ("producer", "dtrain \(Build.version)"), ("checkpoint", checkpoint.path), ("step", String(state.step))
        ]
        if usesAverage { result.append(("weights", "average")) }
        if let names = preprocessing.classNames { result.append(("class_names", list(names))) }
        if let names = preprocessing.rawInputs.names { result.append(("input_names", list(names))) }
        if let series = preprocessing.series { result.append(("output_names", list(series.targetNames))) }
        return result
    }
}
