import Checkpointing
import Diagnostics
import Foundation
import Testing

/// Headers that a stranger made.
@Suite("Headers of strangers")
struct SafetensorsHeaderTests {
    /// Opens a file with this header and so many bytes of data.
    private func open(_ header: String, data: Int = 0) throws -> SafetensorsFile {
        try withTemporaryDirectory { directory in
            let path = directory + "/x.safetensors"
            let count = header.utf8.count
            try write(
                (0..<8).map { UInt8(truncatingIfNeeded: count >> (8 * $0)) } + Array(header.utf8)
                    + [UInt8](repeating: 0, count: data), to: path)
            return try SafetensorsFile(path: path)
        }
    }

    private func expectRefusal(
        _ header: String, data: Int = 0, _ message: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let found = failure(sourceLocation: sourceLocation) { _ = try open(header, data: data) }
        #expect(
            found?.code == .badData && found?.message.contains(message) == true,
            "\(found?.message.prefix(300) ?? ""), expected \(message)", sourceLocation: sourceLocation)
    }

    private static let entry = #"{"dtype":"U8","shape":[0],"data_offsets":[0,0]}"#

    @Test("what JSON allows is read: white space, escapes, unknown keys, numbers and values of every kind in metadata")
    func allowed() throws {
        let file = try open(
            " \n".dropFirst(2) + "{ \"\\u0061\\ud83d\\ude00\\n\" :\t{\"new\":[1.5e-3,{\"x\":[]}],\"dtype\" : \"U8\",\r\n"
                + "\"shape\":[ 2 , 1 ],\"data_offsets\":[0,2]},\"__metadata__\":{\"a\":[[],{},[{\"b\":null}],true,-1e9,\"\\\"\"]} }  ",
            data: 2)
        #expect(file.tensors.map(\.name) == ["a😀\n"] && file.tensors[0].shape == [2, 1])
        #expect(try open("{}").tensors == [])
        #expect(try open(#"{"__metadata__":{}}"#).tensors == [])
    }

    @Test(
        "what would be ambiguous or is no JSON is refused",
        arguments: [
            ("{\"w\":\(entry),\"w\":\(entry)}", "two tensors are called \"w\""),
            (#"{"w":{"dtype":"U8","dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#, "tensor \"w\" has two \"dtype\""),
            (#"{"w":{"dtype":"U8","shape":[0],"shape":[0],"data_offsets":[0,0]}}"#, "tensor \"w\" has two \"shape\""),
            ("{\"w\":\(entry)} x", "isn't the end"), ("{\"w\":\(entry)}{}", "isn't the end"),
            ("{\"w\":\(entry)", "isn't \"}\""), ("{\"w\":\(entry),}", "isn't \"\"\""), ("{ ", "isn't \"\"\""),
            ("{\"w\" \(entry)}", "isn't \":\""), ("{\"w", "isn't part of a string"),
            ("{\"w\n\":\(entry)}", "isn't part of a string"),
            (#"{"\x":1}"#, "isn't an escape"), (#"{"\u00g0":1}"#, "isn't a hexadecimal digit"),
            (#"{"\ud83d\u0041":1}"#, "the second half"), (#"{"\udc00":1}"#, "isn't a character"),
            (#"{"w":{"dtype":1,"shape":[0],"data_offsets":[0,0]}}"#, "the header is wrong"),
            (#"{"w":{"dtype":"U8","shape":0,"data_offsets":[0,0]}}"#, "\"w.shape\": it is not JSON"),
            (#"{"w":{"dtype":"U8","shape":[01],"data_offsets":[0,1]}}"#, "\"w.shape\": expected a whole number"),
            (#"{"w":{"dtype":"U8","shape":[1e3],"data_offsets":[0,1]}}"#, "\"w.shape\": expected a whole number"),
            (#"{"w":{"dtype":"U8","shape":["1"],"data_offsets":[0,1]}}"#, "\"w.shape\": expected a whole number"),
            (#"{"w":{"dtype":"U8","shape":[9223372036854775808],"data_offsets":[0,1]}}"#, "a number beyond"),
            (#"{"w":{"dtype":"U8","shape":[1],"data_offsets":[9223372036854775807,9223372036854775807]}}"#, "takes 1 bytes"),
            (#"{"w":{"dtype":"U8","shape":[0],"data_offsets":[-8,-8]}}"#, "begins at byte -8")
        ])
    func refused(header: String, message: String) { expectRefusal(header, message) }

    @Test("names and shapes of any length, more tensors than can be kept, and lists within lists are refused")
    func bounds() {
        expectRefusal("{\"\(String(repeating: "a", count: 5000))\":1}", "a string of more than 4096 bytes")
        let ones = Array(repeating: "1", count: 65).joined(separator: ",")
        expectRefusal("{\"w\":{\"dtype\":\"U8\",\"shape\":[\(ones)],\"data_offsets\":[0,1]}}", data: 1, "more than 64 numbers")
        for open in ["[", "{\"a\":", "[{\"a\":"] {
            expectRefusal(
                "{\"__metadata__\":" + String(repeating: open, count: 100_000), "lists or objects are nested too deep")
        }
    }

    @Test(
        "the time that a header takes grows with its length, whatever is in it",
        arguments: [
            "tensors", "metadata", "numbers", "a string", "white space", "a name"
        ])
    func large(kind: String) throws {
        try withTemporaryDirectory { directory in
            let path = directory + "/x.safetensors"
            let length = 10_000_000
            let (start, unit): (String, String) =
                switch kind {
                case "tensors": ("{", "\"w########\":\(Self.entry),")
                case "metadata": ("{\"__metadata__\":{", "\"a\":\"b\",")
                case "numbers": ("{\"w\":{\"dtype\":\"U8\",\"other\":[", "1,")
                case "a string": ("{\"__metadata__\":\"", "aaaaaaaa")
                case "white space": ("{", "        ")
                default: ("{\"", "aaaaaaaa")
                }
            var bytes = (0..<8).map { UInt8(truncatingIfNeeded: length >> (8 * $0)) } + Array(start.utf8)
            bytes.reserveCapacity(length + 8)
            let piece = Array(unit.utf8)
            let mark = piece.firstIndex(of: UInt8(ascii: "#"))
            var count = 0
            while bytes.count + piece.count <= length + 8 {
                let begin = bytes.count
                bytes += piece
                // A name of its own for each.
                if let mark {
                    for (place, digit) in String(count + 10_000_000).utf8.enumerated() { bytes[begin + mark + place] = digit }
                }
                count += 1
            }
            bytes += [UInt8](repeating: UInt8(ascii: " "), count: length + 8 - bytes.count)
            try write(bytes, to: path)
            let clock = ContinuousClock.now
            let found = failure { _ = try SafetensorsFile(path: path) }
            #expect(found?.code == .badData)
            if kind == "tensors" { #expect(found?.message.hasSuffix("more than 100000 tensors") == true) }
            #expect(ContinuousClock.now - clock < .seconds(10))
        }
    }

    @Test(
        "files of other programs are called by their name",
        arguments: [
            ([0x50, 0x4B, 3, 4, 0, 0, 8, 8, 0, 0, 0], "PyTorch's pickle format (torch.save), expected safetensors"),
            ([0x50, 0x4B, 5, 6] + Array(repeating: 0, count: 18), "PyTorch's pickle format"),
            ([0x80, 2, 0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46, 0xF9], "safetensors.torch.save_file(model.state_dict()"),
            ([0x80, 4, 0x95, 0, 0, 0, 0, 1, 0, 0], "PyTorch's pickle format"),
            ([0x89, 0x48, 0x44, 0x46, 0x0D, 0x0A, 0x1A, 0x0A, 0], "an HDF5 file, as Keras writes")
        ] as [([UInt8], String)])
    func otherFormats(bytes: [UInt8], message: String) throws {
        try withTemporaryDirectory { directory in
            try write(bytes, to: directory + "/model.pt")
            let found = failure { _ = try SafetensorsFile(path: directory + "/model.pt") }
            #expect(found?.code == .badData && found?.message.contains(message) == true, "\(found?.message ?? "")")
        }
    }

    @Test("a header whose length begins with the bytes of a pickle or a zip file is one")
    func lookalikes() throws {
        for length in [0x280, 0x480] {
            let header = "{" + String(repeating: " ", count: length - 2) + "}"
            #expect(try open(header).tensors == [])
        }
    }
}
