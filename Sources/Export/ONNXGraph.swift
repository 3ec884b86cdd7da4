import Files

/// A graph in the format of ONNX (https://github.com/onnx/onnx/blob/main/docs/IR.md), while it is being made: nodes in the order in
/// which they compute, tensors that they read, inputs and outputs. It knows what a node is, not what an operator means.
///
/// The first dimension of inputs and outputs is the batch, of any size. The operators are those of `operatorSet`.
package final class ONNXGraph {
    /// The version of ONNX's operators: the first with LayerNormalization, so that runtimes since 2022 have it.
    package static let operatorSet = 17
    /// The version of the format that came with it.
    private static let formatVersion = 8
    /// Messages of Protocol Buffers end here.
    package static let largestByteCount = Int(Int32.max)

    /// The types of elements, by the numbers of `TensorProto.DataType`.
    package enum ElementType: Int, Sendable {
        case float32 = 1, uint8 = 2, int8 = 3, int32 = 6, int64 = 7, bool = 9
    }

    /// What a node says beside its inputs.
    package enum Attribute: Sendable {
        case integer(Int)
        case integers([Int])
        case float(Float)
        case text(String)
        case texts([String])
    }

    private var nodes = ProtobufMessage()
    private var tensors = ProtobufMessage()
    private var inputs = ProtobufMessage()
    private var outputs = ProtobufMessage()
    private var names: Set<String> = []
    /// How often each operator occurs.
    package private(set) var operatorCounts: [String: Int] = [:]
    /// Bytes of the tensors' elements.
    package private(set) var tensorByteCount = 0

    package init() {}

    // MARK: - Values

    /// An input of samples of these dimensions; nothing else may have its name.
    package func addInput(_ name: String, _ type: ElementType, dimensions: [Int]) {
        take(name)
        inputs.add(11, message: Self.port(name, type, dimensions))
    }

    /// Makes `value` an output of this name.
    package func addOutput(_ name: String, of value: String, dimensions: [Int]) {
        take(name)
        node("Identity", [value], outputs: [name], at: "output")
        outputs.add(12, message: Self.port(name, .float32, dimensions))
    }

    /// Whether there is a value of this name already.
    package func has(_ name: String) -> Bool { names.contains(name) }

    /// A tensor of numbers that are there until the graph is written.
    package func addTensor(_ name: String, _ type: ElementType = .float32, shape: [Int], memory: UnsafeRawBufferPointer) {
        tensor(name, type, shape, memory.count) { $0.add(9, memory: memory) }
    }

    package func addTensor(_ name: String, shape: [Int], _ numbers: [Float]) {
        let bytes = numbers.withUnsafeBytes(Array.init)
        tensor(name, .float32, shape, bytes.count) { $0.add(9, bytes: bytes) }
    }

    package func addTensor(_ name: String, shape: [Int], _ numbers: [Int8]) {
        let bytes = numbers.map { UInt8(bitPattern: $0) }
        tensor(name, .int8, shape, bytes.count) { $0.add(9, bytes: bytes) }
    }

    package func addTensor(_ name: String, shape: [Int], _ numbers: [Int64]) {
        let bytes = numbers.withUnsafeBytes(Array.init)
        tensor(name, .int64, shape, bytes.count) { $0.add(9, bytes: bytes) }
    }

    package func addTensor(_ name: String, shape: [Int], _ truths: [Bool]) {
        tensor(name, .bool, shape, truths.count) { $0.add(9, bytes: truths.map { $0 ? 1 : 0 }) }
    }

    /// A name that no value has yet.
    package func freshName(_ hint: String) -> String {
        var name = hint
        var number = 1
        while names.contains(name) {
            number += 1
            name = "\(hint):\(number)"
        }
        return name
    }

    // MARK: - Nodes

    /// A node with one output, whose name is handed back.
    ///
    /// - Parameters:
    ///   - inputs: names of values; an empty one stands for an optional input that is left out.
    ///   - place: the layer that it belongs to, in front of its name.
    package func addNode(
        _ operation: String, _ inputs: [String], _ attributes: [(String, Attribute)] = [], at place: String
    ) -> String {
        addNode(operation, inputs, attributes, outputs: 1, at: place)[0]
    }

    /// A node with several outputs.
    package func addNode(
        _ operation: String, _ inputs: [String], _ attributes: [(String, Attribute)] = [], outputs: Int, at place: String
    ) -> [String] {
        let name = freshName("\(place)/\(operation)")
        let results = (0..<outputs).map { outputs == 1 ? name : freshName("\(name).\($0)") }
        results.forEach(take)
        node(operation, inputs, outputs: results, attributes, at: place)
        return results
    }

    private func node(
        _ operation: String, _ inputs: [String], outputs: [String], _ attributes: [(String, Attribute)] = [], at place: String
    ) {
        for input in inputs {
            precondition(input.isEmpty || names.contains(input), "\(operation) of \(input), which isn't there")
        }
        var message = ProtobufMessage()
        inputs.forEach { message.add(1, text: $0) }
        outputs.forEach { message.add(2, text: $0) }
        message.add(3, text: "\(place)/\(operation)#\(operatorCounts.values.reduce(0, +))")
        message.add(4, text: operation)
        for (name, value) in attributes { message.add(5, message: Self.attribute(name, value)) }
        nodes.add(1, message: message)
        operatorCounts[operation, default: 0] += 1
    }

    private static func attribute(_ name: String, _ value: Attribute) -> ProtobufMessage {
        var message = ProtobufMessage()
        message.add(1, text: name)
        let type: Int
        switch value {
        case .float(let number):
            message.add(2, float: number)
            type = 1
        case .integer(let number):
            message.add(3, integer: number)
            type = 2
        case .text(let text):
            message.add(4, text: text)
            type = 3
        case .integers(let numbers):
            numbers.forEach { message.add(8, integer: $0) }
            type = 7
        case .texts(let texts):
            texts.forEach { message.add(9, text: $0) }
            type = 8
        }
        message.add(20, integer: type)
        return message
    }

    // MARK: - The file

    /// The whole file.
    ///
    /// - Parameters:
    ///   - producer: the program and its version.
    ///   - properties: what is known of the model besides, by unique names.
    package func model(
        name: String, producer: (name: String, version: String), properties: [(String, String)]
    ) -> ProtobufMessage {
        var graph = ProtobufMessage()
        graph.append(nodes)
        graph.add(2, text: name)
        graph.append(tensors)
        graph.append(inputs)
        graph.append(outputs)
        var model = ProtobufMessage()
        model.add(1, integer: Self.formatVersion)
        model.add(2, text: producer.name)
        model.add(3, text: producer.version)
        model.add(7, message: graph)
        var operators = ProtobufMessage()
        operators.add(1, text: "")
        operators.add(2, integer: Self.operatorSet)
        model.add(8, message: operators)
        for (key, value) in properties {
            var property = ProtobufMessage()
            property.add(1, text: key)
            property.add(2, text: value)
            model.add(14, message: property)
        }
        return model
    }

    private func take(_ name: String) {
        precondition(!name.isEmpty && names.insert(name).inserted, "two values of a graph named \"\(name)\"")
    }

    private func tensor(
        _ name: String, _ type: ElementType, _ shape: [Int], _ byteCount: Int, _ content: (inout ProtobufMessage) -> Void
    ) {
        take(name)
        var message = ProtobufMessage()
        shape.forEach { message.add(1, integer: $0) }
        message.add(2, integer: type.rawValue)
        message.add(8, text: name)
        content(&message)
        tensors.add(5, message: message)
        tensorByteCount += byteCount
    }

    private static func port(_ name: String, _ type: ElementType, _ dimensions: [Int]) -> ProtobufMessage {
        var shape = ProtobufMessage()
        var batch = ProtobufMessage()
        batch.add(2, text: "batch")
        shape.add(1, message: batch)
        for length in dimensions {
            var dimension = ProtobufMessage()
            dimension.add(1, integer: length)
            shape.add(1, message: dimension)
        }
        var tensor = ProtobufMessage()
        tensor.add(1, integer: type.rawValue)
        tensor.add(2, message: shape)
        var typed = ProtobufMessage()
        typed.add(1, message: tensor)
        var port = ProtobufMessage()
        port.add(1, text: name)
        port.add(2, message: typed)
        return port
    }
}
