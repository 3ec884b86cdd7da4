import Checkpointing
import Diagnostics
import Files
import Foundation
import Testing

@Suite("Safetensors")
struct SafetensorsTests {
    /// The bytes of the file of these tensors.
    private func encoded(_ tensors: [TensorSource]) throws -> [UInt8] {
        var bytes: [UInt8] = []
        try Safetensors.encode(tensors) { bytes += $0 }
        return bytes
    }

    /// A file with this header and so many bytes of data.
    private func file(_ header: String, data: Int = 0, length: Int? = nil) -> [UInt8] {
        let count = length ?? header.utf8.count
        return (0..<8).map { UInt8(truncatingIfNeeded: count >> (8 * $0)) } + Array(header.utf8)
            + [UInt8](repeating: 0, count: data)
    }

    @Test("a small file has exactly the bytes of the format")
    func exactBytes() throws {
        let bytes = try withTensors([("0.weight", [2, 1], [1, -2]), ("a\"\\\u{1}é", [], [0.5])]) { try encoded($0) }
        let header =
            #"{"__metadata__":{"format":"pt"},"0.weight":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},"#
            + #""a\"\\\u0001é":{"dtype":"F32","shape":[],"data_offsets":[8,12]}}"#
        let padded = header + String(repeating: " ", count: (8 - header.utf8.count % 8) % 8)
        #expect(bytes == file(padded) + [0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0, 0, 0, 0, 0x3f])
        #expect(padded.utf8.count % 8 == 0)
        #expect(
            try withTensors([("0.weight", [2, 1], [1, -2]), ("a\"\\\u{1}é", [], [0.5])]) {
                try Safetensors.digest(of: $0)
            } == SHA256.hexadecimal(of: bytes))
    }

    @Test("what was written is read back, wider elements first")
    func roundTrip() throws {
        try withTemporaryDirectory { directory in
            let path = directory + "/a.safetensors"
            let step: [Int64] = [-3]
            let scales: [Double] = [0.1, .infinity]
            try withTensors([("b", [3], [1, 2, .nan]), ("empty", [0, 4], [])]) { floats in
                try step.withUnsafeBytes { stepBytes in
                    try scales.withUnsafeBytes { scaleBytes in
                        try write(
                            encoded(
                                floats + [
                                    TensorSource(name: "step", shape: [], type: .i64, bytes: stepBytes),
                                    TensorSource(name: "scales", shape: [2], type: .f64, bytes: scaleBytes)
                                ]), to: path)
                    }
                }
            }
            let file = try SafetensorsFile(path: path)
            #expect(file.tensors.map(\.name) == ["step", "scales", "b", "empty"])
            #expect(file.tensor(named: "b")?.shape == [3])
            #expect(try file.floats("b").map(\.bitPattern) == [1, 2, Float.nan].map(\.bitPattern))
            #expect(try file.floats("empty") == [])
            #expect(try file.floats("scales") == [0.1, .infinity])
            var readStep: [Int64] = [0]
            try readStep.withUnsafeMutableBufferPointer { try file.copy("step", into: $0) }
            var readScales: [Double] = [0, 0]
            try readScales.withUnsafeMutableBufferPointer { try file.copy("scales", into: $0) }
            #expect(readStep == step && readScales == scales)
            #expect(try file.digest() == SHA256.hexadecimal(of: contents(of: path)))
            #expect(
                failure { _ = try file.floats("step") }?.message
                    == "\(path): tensor \"step\" is I64, expected F32, F64, F16 or BF16")
            #expect(failure { _ = try file.floats("scale") }?.message.contains("did you mean \"scales\"?") == true)
            var two: [Float] = [0, 0]
            #expect(
                failure { try two.withUnsafeMutableBufferPointer { try file.copy("b", into: $0) } }?.message
                    == "\(path): tensor \"b\" is [3], 3 elements, where 2 are expected")
        }
    }

    @Test("half precision and bfloat16 are converted exactly")
    func halves() throws {
        try withTemporaryDirectory { directory in
            let path = directory + "/halves.safetensors"
            let header =
                #"{"h":{"dtype":"F16","shape":[2,2],"data_offsets":[0,8]},"#
                + #""b":{"dtype":"BF16","shape":[2],"data_offsets":[8,12]}}"#
            // 1, -2, the smallest subnormal, infinity; then 1 and -3.140625.
            try write(file(header) + [0, 0x3c, 0, 0xc0, 1, 0, 0, 0x7c, 0x80, 0x3f, 0x49, 0xc0], to: path)
            let file = try SafetensorsFile(path: path)
            #expect(try file.floats("h") == [1, -2, 0x1p-24, .infinity])
            #expect(try file.floats("b") == [1, -3.140625])
        }
    }

    @Test("a header of another writer, with metadata of any kind and tensors in any order, is read")
    func foreignHeader() throws {
        try withTemporaryDirectory { directory in
            let path = directory + "/a.safetensors"
            let header =
                #"  {"z":{"shape":[1],"data_offsets":[1,5],"dtype":"F32"}, "__metadata__":{"a":[1]},"#
                + #" "y":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]}}"#
            try write(file(String(header.dropFirst(2))) + [1, 0, 0, 0x80, 0x3f], to: path)
            let file = try SafetensorsFile(path: path)
            #expect(file.tensors.map(\.name) == ["y", "z"])
            #expect(try file.floats("z") == [1])
        }
    }

    @Test("every malformed file is refused with what is wrong")
    func malformed() throws {
        func entry(_ text: String) -> String { "{\"w\":\(text)}" }
        let good = #"{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#
        let table: [(bytes: [UInt8], message: String)] = [
            ([], "not a safetensors file: 0 bytes, and the length of the header takes 8"),
            ([1, 2, 3], "not a safetensors file: 3 bytes"),
            (file("", length: 0), "a header of 0 bytes"),
            (file("{}", length: 100_000_001), "a header of 100000001 bytes"),
            (file("{}", length: -1), "a header of 18446744073709551615 bytes"),
            (file("{}", length: 100), "truncated: 10 bytes, and the header ends at byte 108"),
            (file("ab", length: 100), "the header doesn't begin with \"{\""),
            (file("{]"), "the header is wrong: it is not JSON"),
            (file(entry("3")), "the header is wrong: \"w\" has the wrong type"),
            (file(entry(#"{"dtype":"F32","shape":[2]}"#)), "\"w\" has no \"data_offsets\""),
            (file(entry(#"{"dtype":"F32","shape":[2.5],"data_offsets":[0,8]}"#), data: 8), "the header is wrong"),
            (
                file(entry(#"{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,8]}"#), data: 8),
                "the header is wrong"
            ),
            (file(entry(#"{"dtype":"F33","shape":[2],"data_offsets":[0,8]}"#), data: 8), "unknown type \"F33\""),
            (file(entry(#"{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}"#), data: 8), "impossible shape [-2]"),
            (
                file(entry(#"{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8]}"#), data: 8),
                "impossible shape"
            ),
            (file(entry(#"{"dtype":"F32","shape":[2],"data_offsets":[0]}"#), data: 8), "has 1 data_offsets"),
            (file(entry(#"{"dtype":"F32","shape":[2],"data_offsets":[0,4]}"#), data: 8), "takes 8 bytes"),
            (file(entry(#"{"dtype":"F32","shape":[2],"data_offsets":[8,0]}"#), data: 8), "begins at byte 8"),
            (file(entry(#"{"dtype":"F32","shape":[2],"data_offsets":[4,12]}"#), data: 12), "a gap or an overlap"),
            (
                file(entry(#"{"dtype":"U8","shape":[9223372036854775807],"data_offsets":[0,9223372036854775807]}"#)),
                "truncated: tensor \"w\" ends at byte 9223372036854775807 of the data, of which there are 0"
            ),
            (file(entry(good), data: 7), "truncated: tensor \"w\" ends at byte 8 of the data, of which there are 7"),
            (file(entry(good), data: 9), "1 bytes follow the last tensor"),
            (file("{\"v\":\(good),\"w\":\(good)}", data: 8), "a gap or an overlap")
        ]
        try withTemporaryDirectory { directory in
            let path = directory + "/x.safetensors"
            for (bytes, message) in table {
                try write(bytes, to: path)
                let found = failure { _ = try SafetensorsFile(path: path) }
                #expect(found?.code == .badData)
                #expect(found?.message.hasPrefix(path + ": ") == true)
                #expect(found?.message.contains(message) == true, "\(found?.message ?? "") for \(message)")
            }
            #expect(failure { _ = try SafetensorsFile(path: directory) }?.code == .badData)
            #expect(failure { _ = try SafetensorsFile(path: directory + "/none") }?.code == .missingInput)
        }
    }

    @Test("SHA-256 gives the sums of the standard, in one piece and in many")
    func sums() throws {
        #expect(try SHA256.hexadecimal(of: []) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        #expect(
            try SHA256.hexadecimal(of: "abc".utf8)
                == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        var sum = try SHA256()
        try Array("a".utf8).withUnsafeBytes { try sum.update($0) }
        try Array("bc".utf8).withUnsafeBytes { try sum.update($0) }
        #expect(try sum.finish() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    }
}
