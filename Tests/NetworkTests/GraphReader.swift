import Foundation
import Testing

/// Reads as much of Protocol Buffers as the tests of graphs need: the fields of a message by their numbers.
struct ReadMessage {
    private(set) var numbers: [Int: [Int]] = [:]
    private(set) var contents: [Int: [ArraySlice<UInt8>]] = [:]

    init(_ bytes: ArraySlice<UInt8>) throws {
        var rest = bytes
        func variable() throws -> Int {
            var number: UInt64 = 0
            var shift = 0
            while true {
                let next = rest.popFirst()
                let byte = try #require(next, "a number that doesn't end")
                number |= UInt64(byte & 0x7F) << UInt64(shift)
                if byte < 0x80 { return Int(bitPattern: UInt(number)) }
                shift += 7
            }
        }
        while !rest.isEmpty {
            let key = try variable()
            switch key & 7 {
            case 0: numbers[key >> 3, default: []].append(try variable())
            case 2:
                let count = try variable()
                try #require(count <= rest.count, "field \(key >> 3) is longer than its message")
                contents[key >> 3, default: []].append(rest.prefix(count))
                rest = rest.dropFirst(count)
            case 5: rest = rest.dropFirst(4)
            default: Issue.record("field \(key >> 3) of kind \(key & 7)")
            }
        }
    }

    func texts(_ field: Int) -> [String] { (contents[field] ?? []).map { String(decoding: $0, as: UTF8.self) } }
    func messages(_ field: Int) throws -> [ReadMessage] { try (contents[field] ?? []).map { try ReadMessage($0) } }
}

/// A graph of ONNX as it was read: what depends on what.
struct ReadGraph {
    struct Node {
        let operation: String
        let inputs: [String], outputs: [String]
    }

    struct Tensor {
        let shape: [Int]
        let type: Int
        let bytes: [UInt8]
    }

    let nodes: [Node]
    let tensors: [String: Tensor]
    let inputs: [String], outputs: [String]
    let operatorSet: Int?
    let properties: [String: String]

    init(_ bytes: [UInt8]) throws {
        let model = try ReadMessage(bytes[...])
        let graph = try #require(model.messages(7).first, "a graph")
        nodes = try graph.messages(1).map {
            Node(operation: $0.texts(4).first ?? "", inputs: $0.texts(1), outputs: $0.texts(2))
        }
        tensors = try Dictionary(
            uniqueKeysWithValues: graph.messages(5).map {
                (
                    $0.texts(8).first ?? "",
                    Tensor(
                        shape: $0.numbers[1] ?? [], type: $0.numbers[2]?.first ?? 0, bytes: Array($0.contents[9]?.first ?? []))
                )
            })
        inputs = try graph.messages(11).flatMap { $0.texts(1) }
        outputs = try graph.messages(12).flatMap { $0.texts(1) }
        operatorSet = try model.messages(8).first?.numbers[2]?.first
        properties = try Dictionary(
            uniqueKeysWithValues: model.messages(14).map { ($0.texts(1).first ?? "", $0.texts(2).first ?? "") })
    }

    /// What is wrong with it as a graph: values that nobody makes, or that two make; tensors with other bytes than their shape asks for.
    var problems: [String] {
        var problems: [String] = []
        var known = Set(inputs).union(tensors.keys)
        for node in nodes {
            for input in node.inputs where !input.isEmpty && !known.contains(input) {
                problems.append("\(node.operation) reads \(input), which isn't there yet")
            }
            for output in node.outputs where !known.insert(output).inserted { problems.append("\(output) twice") }
        }
        problems += outputs.filter { !known.contains($0) }.map { "nobody makes \($0)" }
        let widths = [1: 4, 2: 1, 3: 1, 6: 4, 7: 8, 9: 1]
        for (name, tensor) in tensors where tensor.shape.reduce(1, *) * (widths[tensor.type] ?? 0) != tensor.bytes.count {
            problems.append("\(name): \(tensor.bytes.count) bytes of shape \(tensor.shape)")
        }
        let read = Set(nodes.flatMap(\.inputs))
        problems += tensors.keys.filter { !read.contains($0) }.map { "nobody reads \($0)" }
        return problems
    }
}
