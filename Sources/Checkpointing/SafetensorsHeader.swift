import Diagnostics
import Files

/// Reads the header of a safetensors file and holds it against the length of the file.
///
/// The file may be anybody's. So the header is read piece by piece, in time that grows with its length, and only what is
/// kept of a tensor takes memory; how many there may be, and how long names and shapes, is bounded.
struct SafetensorsHeader {
    /// More tensors than any network in use has, and few enough to be kept.
    static let mostTensors = 100_000
    /// As many as PyTorch allows.
    static let mostDimensions = 64
    /// Bytes of a name.
    static let longestName = 4096

    private struct Entry {
        var type: String?
        var shape: [Int]?
        var offsets: [Int]?
    }

    private let path: String
    private var text: JSONReader

    /// The tensors in the order of their bytes, and their places in that list.
    /// - Throws: `Failure(.badData)` that says what is wrong.
    static func read(from input: InputFile) throws -> (tensors: [SafetensorsFile.Tensor], indices: [String: Int]) {
        func bad(_ what: String) -> Failure { Failure(.badData, "\(input.path): \(what)") }

        if let other = try otherFormat(of: input) { throw bad(other) }
        guard input.byteCount >= 8 else {
            throw bad("not a safetensors file: \(input.byteCount) bytes, and the length of the header takes 8")
        }
        let length = UInt64(
            littleEndian: try input.bytes(at: 0, count: 8).withUnsafeBytes {
                $0.loadUnaligned(as: UInt64.self)
            })
        guard length >= 2, length <= UInt64(Safetensors.largestHeader) else {
            throw bad("not a safetensors file: a header of \(length) bytes (2 to \(Safetensors.largestHeader))")
        }
        let dataStart = 8 + Int(length)
        // The first byte tells a file that was cut short from one of another kind.
        if input.byteCount > 8, try input.bytes(at: 8, count: 1) != [UInt8(ascii: "{")] {
            throw bad("not a safetensors file: the header doesn't begin with \"{\"")
        }
        guard dataStart <= input.byteCount else {
            throw bad("truncated: \(input.byteCount) bytes, and the header ends at byte \(dataStart)")
        }
        var header = Self(path: input.path, text: JSONReader(input, 8..<dataStart))
        var tensors = try header.tensors(dataStart: dataStart)
        try check(&tensors, dataStart: dataStart, dataBytes: input.byteCount - dataStart, bad)
        var indices: [String: Int] = [:]
        indices.reserveCapacity(tensors.count)
        for (index, tensor) in tensors.enumerated() where indices.updateValue(index, forKey: tensor.name) != nil {
            throw bad("two tensors are called \"\(tensor.name)\"")
        }
        return (tensors, indices)
    }

    /// What a file of weights is that other programs write, by its first bytes; nil for any other file.
    private static func otherFormat(of input: InputFile) throws -> String? {
        let first = try input.bytes(at: 0, count: min(9, input.byteCount))
        func begins(_ bytes: [UInt8]) -> Bool { first.starts(with: bytes) }
        // What follows tells them from the length of a header: a length has zeros there, and then "{".
        let mayBeLength = first.count == 9 && first[4..<8].allSatisfy { $0 == 0 } && first[8] == UInt8(ascii: "{")
        // A pickle begins with its protocol, 2 to 5; a zip file with its first entry or, empty, with its end.
        let isPickle = first.count == 9 && first[0] == 0x80 && (2...5).contains(first[1]) && first[4..<8].contains { $0 != 0 }
        if !mayBeLength, isPickle || begins([0x50, 0x4B, 3, 4]) || begins([0x50, 0x4B, 5, 6]) {
            return "PyTorch's pickle format (torch.save), expected safetensors; in Python: "
                + "safetensors.torch.save_file(model.state_dict(), \"model.safetensors\")"
        }
        if begins([0x89, 0x48, 0x44, 0x46]) { return "an HDF5 file, as Keras writes, expected safetensors" }
        return nil
    }

    // MARK: - The JSON

    private mutating func tensors(dataStart: Int) throws -> [SafetensorsFile.Tensor] {
        var tensors: [SafetensorsFile.Tensor] = []
        try object { header, name in
            guard name != Safetensors.metadataKey else { return try header.inJSON { try $0.skipValue() } }
            guard tensors.count < Self.mostTensors else {
                throw header.bad("more than \(Self.mostTensors) tensors")
            }
            tensors.append(try header.tensor(name, dataStart: dataStart))
        }
        try inJSON { try $0.expectEnd() }
        return tensors
    }

    private mutating func tensor(_ name: String, dataStart: Int) throws -> SafetensorsFile.Tensor {
        var entry = Entry()
        guard try inJSON({ try $0.begins(with: "{") }) else { throw wrong("\"\(name)\" has the wrong type") }
        try object { header, key in
            func once(_ isThere: Bool) throws {
                if isThere { throw header.bad("tensor \"\(name)\" has two \"\(key)\"") }
            }
            switch key {
            case "dtype":
                try once(entry.type != nil)
                entry.type = try header.inJSON { try $0.string(limit: Self.longestName) }
            case "shape":
                try once(entry.shape != nil)
                entry.shape = try header.numbers(of: name, key, limit: Self.mostDimensions)
            case "data_offsets":
                try once(entry.offsets != nil)
                entry.offsets = try header.numbers(of: name, key, limit: Self.mostDimensions)
            default: try header.inJSON { try $0.skipValue() }
            }
        }
        func missing(_ key: String) -> Failure { bad("tensor \"\(name)\" has no \"\(key)\"") }
        guard let typeName = entry.type else { throw missing("dtype") }
        guard let shape = entry.shape else { throw missing("shape") }
        guard let offsets = entry.offsets else { throw missing("data_offsets") }
        guard let type = Safetensors.ElementType(rawValue: typeName) else {
            throw bad("tensor \"\(name)\" is of unknown type \"\(typeName.prefix(40))\"")
        }
        guard let bytes = Safetensors.byteCount(of: shape, elementBytes: type.byteCount) else {
            throw bad("tensor \"\(name)\" has the impossible shape \(shape)")
        }
        guard offsets.count == 2 else {
            throw bad("tensor \"\(name)\" has \(offsets.count) data_offsets, expected begin and end")
        }
        let end = offsets[0].addingReportingOverflow(bytes)
        let offset = offsets[0].addingReportingOverflow(dataStart)
        guard !end.overflow, offsets[1] == end.partialValue, !offset.overflow else {
            throw bad(
                "tensor \"\(name)\" of \(shape) \(typeName) takes \(bytes) bytes, but it begins at byte "
                    + "\(offsets[0]) and ends at byte \(offsets[1]) of the data")
        }
        return SafetensorsFile.Tensor(name: name, type: type, shape: shape, offset: offset.partialValue, byteCount: bytes)
    }

    private mutating func numbers(of tensor: String, _ key: String, limit: Int) throws -> [Int] {
        var numbers: [Int] = []
        do {
            try text.list { text in
                guard numbers.count < limit else { throw JSONReader.Problem(text: "more than \(limit) numbers") }
                numbers.append(try text.wholeNumber())
            }
        } catch let problem as JSONReader.Problem {
            throw wrong("\"\(tensor).\(key)\": \(problem.text)")
        }
        return numbers
    }

    private mutating func object(_ member: (inout Self, String) throws -> Void) throws {
        try inJSON { try $0.expect("{") }
        if try inJSON({ try $0.skips("}") }) { return }
        repeat {
            let name = try inJSON { try $0.string(limit: Self.longestName) }
            try inJSON { try $0.expect(":") }
            try member(&self, name)
        } while try inJSON({ try $0.skips(",") })
        try inJSON { try $0.expect("}") }
    }

    /// Runs a piece of parsing; what it finds wrong is said of the file.
    private mutating func inJSON<Value>(_ body: (inout JSONReader) throws -> Value) throws -> Value {
        do {
            return try body(&text)
        } catch let problem as JSONReader.Problem {
            throw wrong(problem.text)
        }
    }

    private func wrong(_ what: String) -> Failure { bad("not a safetensors file: the header is wrong: \(what)") }

    private func bad(_ what: String) -> Failure { Failure(.badData, "\(path): \(what)") }

    // MARK: - Against the file

    /// Sorts the tensors by the place of their bytes, which must follow each other without a gap to the end.
    private static func check(
        _ tensors: inout [SafetensorsFile.Tensor], dataStart: Int, dataBytes: Int,
        _ bad: (String) -> Failure
    ) throws {
        // Empty tensors, which share their place with the next one, come first.
        tensors.sort { ($0.offset, $0.byteCount, $0.name) < ($1.offset, $1.byteCount, $1.name) }
        var end = 0
        for tensor in tensors {
            let begin = tensor.offset - dataStart
            guard begin == end else {
                throw bad(
                    "tensor \"\(tensor.name)\" begins at byte \(begin) of the data, where byte \(end) "
                        + "is next: a gap or an overlap")
            }
            guard tensor.byteCount <= dataBytes - end else {
                throw bad(
                    "truncated: tensor \"\(tensor.name)\" ends at byte \(UInt(end) + UInt(tensor.byteCount)) of the "
                        + "data, of which there are \(dataBytes)")
            }
            end += tensor.byteCount
        }
        guard end == dataBytes else {
            throw bad("\(dataBytes - end) bytes follow the last tensor, which ends at byte \(end) of the data")
        }
    }
}
