import Checkpointing
import Foundation
import Testing

@Suite("Comparing safetensors files")
struct SafetensorsComparisonTests {
    private typealias Tensors = [(name: String, shape: [Int], values: [Float])]

    private func compare(_ first: Tensors, _ second: Tensors) throws -> SafetensorsComparison {
        try withTensors(first) { a in try withTensors(second) { b in try compare(a, b) } }
    }

    private func compare(_ first: [TensorSource], _ second: [TensorSource]) throws -> SafetensorsComparison {
        try withTemporaryDirectory { directory in
            let files = try [first, second].enumerated().map { index, tensors in
                let path = "\(directory)/\(index).safetensors"
                var bytes: [UInt8] = []
                try Safetensors.encode(tensors) { bytes += $0 }
                try write(bytes, to: path)
                return try SafetensorsFile(path: path)
            }
            return try SafetensorsComparison(files[0], files[1])
        }
    }

    @Test("the same tensors are equal, whatever their order in the file")
    func equal() throws {
        let tensors: Tensors = [
            ("0.weight", [2, 3], [1, 2, 3, 4, .nan, -0.0]), ("0.bias", [2], [0.5, .infinity]),
            ("none", [0, 2], [])
        ]
        for other in [tensors, tensors.reversed()] {
            let comparison = try compare(tensors, other)
            #expect(comparison.isEqual && comparison.firstDifference == nil)
            #expect(comparison.tensorCount == 3 && comparison.elementCount == 8)
        }
    }

    @Test("one flipped bit is found, in the first, a middle and the last element", arguments: [0, 17, 59])
    func oneBit(element: Int) throws {
        let values = (0..<60).map { Float($0) + 0.5 }
        var changed = values
        changed[element] = Float(bitPattern: values[element].bitPattern ^ 1)
        let comparison = try compare(
            [("a", [1], [7]), ("0.weight", [3, 4, 5], values)],
            [("a", [1], [7]), ("0.weight", [3, 4, 5], changed)])
        #expect(!comparison.isEqual && comparison.differingElements == 1)
        let difference = try #require(comparison.firstDifference)
        #expect(difference.tensor == "0.weight" && difference.type == .f32)
        #expect(difference.index == [element / 20, element / 5 % 4, element % 5])
        #expect(difference.firstBits == UInt64(values[element].bitPattern))
        #expect(difference.secondBits == UInt64(changed[element].bitPattern))
        #expect(comparison.largestDifference == abs(Double(values[element]) - Double(changed[element])))
    }

    @Test("the first difference is the first in the first file's order; all are counted, the largest is told")
    func several() throws {
        let comparison = try compare(
            [("b", [3], [1, 2, 3]), ("a", [2], [1, 1])],
            [("a", [2], [1, 9]), ("b", [3], [1, 2.5, 1])])
        #expect(comparison.firstDifference?.tensor == "b" && comparison.firstDifference?.index == [1])
        #expect(comparison.differingElements == 3 && comparison.largestDifference == 8)
    }

    @Test("-0 isn't 0, and a NaN of another payload is another one")
    func bitsNotValues() throws {
        let zeros = try compare([("a", [], [0])], [("a", [], [-0.0])])
        #expect(zeros.differingElements == 1 && zeros.largestDifference == 0 && zeros.differingNaNs == 0)
        #expect(zeros.firstDifference?.index == [])
        let payload = Float(bitPattern: Float.nan.bitPattern | 1)
        let notNumbers = try compare([("a", [3], [.nan, payload, 1])], [("a", [3], [payload, payload, .nan])])
        #expect(notNumbers.differingElements == 2 && notNumbers.differingNaNs == 2)
        #expect(notNumbers.firstDifference?.secondBits == 0x7fc0_0001)
    }

    @Test("tensors that are missing on a side, or have another shape or type, are named and the others compared")
    func structure() throws {
        let halves: [UInt16] = [0x3c00, 0]
        let comparison = try withTensors([
            ("gone", [1], [1]), ("turned", [2, 3], [1, 2, 3, 4, 5, 6]), ("same", [1], [1]),
            ("typed", [2], [1, 0])
        ]) { first in
            try withTensors([
                ("new", [1], [1]), ("turned", [3, 2], [1, 2, 3, 4, 5, 6]),
                ("same", [1], [2])
            ]) { second in
                try halves.withUnsafeBytes { bytes in
                    try compare(first, second + [TensorSource(name: "typed", shape: [2], type: .f16, bytes: bytes)])
                }
            }
        }
        #expect(!comparison.isEqual)
        #expect(comparison.onlyInFirst.map(\.name) == ["gone"] && comparison.onlyInSecond.map(\.name) == ["new"])
        #expect(comparison.mismatches.map(\.first.name) == ["turned", "typed"])
        #expect(comparison.mismatches.map(\.second.shape) == [[3, 2], [2]])
        #expect(comparison.tensorCount == 1 && comparison.differingElements == 1)
        for (first, second) in [([("a", [1], [1])], []), ([], [("a", [1], [1])])] as [(Tensors, Tensors)] {
            #expect(try !compare(first, second).isEqual)
        }
        #expect(try !compare([("a", [2, 1], [1, 2])], [("a", [1, 2], [1, 2])]).isEqual)
    }

    @Test("tensors larger than a piece are compared to their end", arguments: [262_143, 262_144, 300_000, 524_288])
    func pieces(element: Int) throws {
        let count = 524_289
        let values = [Float](repeating: 1, count: count)
        var changed = values
        changed[element] = 2
        let comparison = try compare([("a", [count], values)], [("a", [count], changed)])
        #expect(comparison.firstDifference?.index == [element] && comparison.differingElements == 1)
        #expect(comparison.elementCount == count)
    }

    @Test(
        "elements of every type have their value and their distance",
        arguments: [
            (.f32, 0x3dfc_d35b, 0x3dfc_d37a, "0.12345", "3dfcd35b", 0.00000023096799850463867),
            (.f64, 0x3fb9_9999_9999_999a, 0, "0.1", "3fb999999999999a", 0.1),
            (.f16, 0x3555, 0x3c00, "0.3333", "3555", 0.666748046875),
            (.bf16, 0x3f80, 0xc000, "1.0", "3f80", 3),
            (.f8e5m2, 0x3c, 0x7c, "1.0", "3c", .infinity),
            (.f8e4m3, 0x7e, 0x01, "448.0", "7e", 447.998046875),
            (.bool, 1, 0, "true", "01", 1),
            (.u8, 255, 0, "255", "ff", 255),
            (.i8, 0x80, 0x7f, "-128", "80", 255),
            (.i64, 0x8000_0000_0000_0000, 0x7fff_ffff_ffff_ffff, "-9223372036854775808", "8000000000000000", 0x1p64),
            (.u64, 0xffff_ffff_ffff_ffff, 0xffff_ffff_ffff_fffe, "18446744073709551615", "ffffffffffffffff", 1)
        ] as [(Safetensors.ElementType, UInt64, UInt64, String, String, Double)])
    func types(
        type: Safetensors.ElementType, first: UInt64, second: UInt64, text: String, digits: String,
        distance: Double
    ) throws {
        let comparison = try withUnsafeBytes(of: first.littleEndian) { a in
            try withUnsafeBytes(of: second.littleEndian) { b in
                let sources = [a, b].map {
                    TensorSource(
                        name: "x", shape: [], type: type,
                        bytes: UnsafeRawBufferPointer(rebasing: $0[..<type.byteCount]))
                }
                return try compare([sources[0]], [sources[1]])
            }
        }
        let difference = try #require(comparison.firstDifference)
        #expect(difference.type.text(ofBits: difference.firstBits) == text)
        #expect(difference.type.hexadecimal(ofBits: difference.firstBits) == digits)
        #expect(comparison.largestDifference == distance)
    }
}
