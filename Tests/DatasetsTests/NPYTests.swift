import CZlib
import Datasets
import Diagnostics
import Foundation
import Storage
import Testing

/// An array in NumPy's format; `elements` are the bytes behind the header.
func npy(
    _ descr: String, _ shape: String, _ elements: [UInt8], fortran: Bool = false, version: UInt8 = 1
) -> [UInt8] {
    let text = "{'descr': '\(descr)', 'fortran_order': \(fortran ? "True" : "False"), 'shape': \(shape), }\n"
    return npy(header: text, elements, version: version)
}

func npy(header: String, _ elements: [UInt8], version: UInt8 = 1) -> [UInt8] {
    let count = header.utf8.count
    let length = version == 1 ? littleEndian(UInt16(count)) : littleEndian(UInt32(count))
    return [0x93] + Array("NUMPY".utf8) + [version, 0] + length + Array(header.utf8) + elements
}

func littleEndian<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
    withUnsafeBytes(of: number.littleEndian) { Array($0) }
}

struct NPYTests {
    let files: TestFiles

    init() throws { files = try TestFiles() }

    private func splits(_ inputs: [UInt8], _ targets: [UInt8], extra: String = "") throws -> DataSplits {
        let files = try files.subdirectory()
        let inputPath = try files.write("x.npy", inputs)
        let targetPath = try files.write("y.npy", targets)
        return try load("format: npy\ntrain: {inputs: \(inputPath), targets: \(targetPath)}\n\(extra)")
    }

    private let twoLabels = npy("<i8", "(2,)", [Int64(1), 0].flatMap(littleEndian))

    @Test("every element type is read with its byte order, sign and size")
    func elementTypes() throws {
        let floats: [Float] = [-1.5, 0.1, 3e30, 0]
        let cases: [(String, [UInt8], [Float])] = [
            ("|u1", [0, 255, 7, 128], [0, 255, 7, 128]), ("|b1", [0, 1, 1, 0], [0, 1, 1, 0]),
            ("|i1", [0, 255, 7, 128], [0, -1, 7, -128]),
            ("<i2", [Int16(-300), 300, 0, .min].flatMap(littleEndian), [-300, 300, 0, -32768]),
            (">i2", [Int16(-300), 300, 0, .min].flatMap(bigEndian), [-300, 300, 0, -32768]),
            ("<u2", [UInt16(1), 300, 0, .max].flatMap(littleEndian), [1, 300, 0, 65535]),
            (">u2", [UInt16(1), 300, 0, .max].flatMap(bigEndian), [1, 300, 0, 65535]),
            ("<i4", [Int32(-70000), 70000, 1, .min].flatMap(littleEndian), [-70000, 70000, 1, -2_147_483_648]),
            (">i4", [Int32(-70000), 70000, 1, .min].flatMap(bigEndian), [-70000, 70000, 1, -2_147_483_648]),
            ("<u4", [UInt32(7), 70000, 1, .max].flatMap(littleEndian), [7, 70000, 1, 4_294_967_296]),
            ("<i8", [Int64(-7), 70000, 1, 1 << 40].flatMap(littleEndian), [-7, 70000, 1, 0x1p40]),
            (">u8", [UInt64(7), 70000, 1, 1 << 40].flatMap(bigEndian), [7, 70000, 1, 0x1p40]),
            ("<f2", [UInt16(0x3C00), 0xC100, 0x0001, 0x7BFF].flatMap(littleEndian), [1, -2.5, 0x1p-24, 65504]),
            ("<f4", floats.flatMap { littleEndian($0.bitPattern) }, floats),
            (">f4", floats.flatMap { bigEndian($0.bitPattern) }, floats),
            ("<f8", floats.flatMap { littleEndian(Double($0).bitPattern) }, floats),
            (">f8", floats.flatMap { bigEndian(Double($0).bitPattern) }, floats)
        ]
        for (type, bytes, numbers) in cases {
            for version: UInt8 in 1...3 {
                let train = try splits(npy(type, "(2, 2)", bytes, version: version), twoLabels).train
                #expect(train.inputRows() == [Array(numbers[..<2]), Array(numbers[2...])], "\(type), version \(version)")
                #expect(train.classList == [1, 0])
            }
        }
    }

    @Test("Fortran's order and channels in the end become samples in order; gzip is read as plain")
    func orders() throws {
        let plain = (0..<24).map { UInt8($0) }
        let expected = try splits(npy("|u1", "(2, 3, 4)", plain), twoLabels).train
        // Element (i, j, k) of a Fortran array lies at i + 2·j + 6·k.
        var fortran = plain
        for i in 0..<2 { for j in 0..<3 { for k in 0..<4 { fortran[i + 2 * j + 6 * k] = plain[12 * i + 4 * j + k] } } }
        let turned = try splits(npy("|u1", "(2, 3, 4)", fortran, fortran: true), twoLabels).train
        #expect(turned.inputRows() == expected.inputRows())
        #expect(try turned.digest() == expected.digest())
        #expect(try splits(try gzip(npy("|u1", "(2, 3, 4)", plain)), twoLabels).train.digest() == expected.digest())
        let wide = (0..<24).flatMap { littleEndian(UInt16($0)) }
        let last = try splits(npy("<u2", "(2, 2, 3, 2)", wide), twoLabels, extra: "channels_last: true").train
        #expect(last.inputShape == Shape([2, 2, 3]))
        #expect(last.inputRows()[0] == [0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11])
        expectFailure(.badConfiguration, "x.npy", "data.channels_last needs") {
            _ = try splits(npy("|u1", "(2, 3, 4)", plain), twoLabels, extra: "channels_last: true")
        }
    }

    @Test(
        "headers that lie, are cut or are absurd are refused before memory is taken",
        arguments: [
            (npy("<f4", "(2, 1000000000000)", []), "truncated"),
            (npy("<f4", "(2, 9223372036854775807)", []), "no file can hold"),
            (npy("<f4", "(2, 99999999999999999999)", []), "can't be read"),
            (npy("<f4", "(4294967296, 1)", []), "at most"),
            (npy("<f4", "(2, 0)", []), "sizes above 0"), (npy("<f4", "(0, 4)", []), "an empty set"),
            (npy("<f4", "()", [0, 0, 0, 0]), "a single number"), (npy("<f4", "(2, 2)", [1, 2, 3]), "truncated"),
            (npy("|u1", "(2, 2)", [1, 2, 3, 4, 5]), "oversized"), (npy("|O", "(2, 2)", [1, 2, 3, 4]), "type \"|O\""),
            (npy("<c8", "(2, 2)", []), "type \"<c8\""), (npy("<U3", "(2, 2)", []), "type \"<U3\""),
            (npy(header: "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}", []), "an array of records"),
            (npy(header: "{'descr': '<f4', 'fortran_order': 0, 'shape': (2,)}", []), "can't be read"),
            (npy(header: "{'descr': '<f4'", []), "can't be read"),
            (npy(header: String(repeating: "[", count: 60000), []), "can't be read"),
            ([0x93] + Array("NUMPY".utf8) + [2, 0, 255, 255, 255, 255], "at most 65536"),
            ([0x93] + Array("NUMPY".utf8) + [1, 0, 200, 0, 1, 2, 3], "truncated in its header"),
            ([0x93] + Array("NUMPY".utf8) + [9, 0, 0, 0, 1, 2, 3], "version 9.0"), ([1, 2, 3], "not an array of NumPy"),
            ([], "an empty file"),
            (npy("<f4", "(2, 1)", [Float.nan, 1].flatMap { littleEndian($0.bitPattern) }), "expected a finite"),
            (npy("<i8", "(2, 1)", [Int64.max, 1].flatMap(littleEndian)), "within ±2^53"),
            (npy("<u8", "(2, 1)", [UInt64.max, 1].flatMap(littleEndian)), "one above 2^63")
        ] as [([UInt8], String)])
    func hostile(bytes: [UInt8], message: String) throws {
        expectFailure(.badData, "x.npy", message) { _ = try splits(bytes, twoLabels) }
    }

    @Test("every prefix of an array is refused")
    func prefixes() throws {
        let whole = npy("|u1", "(2, 2)", [1, 2, 3, 4])
        for count in whole.indices {
            expectFailure(.badData, "x.npy") { _ = try splits(Array(whole[..<count]), twoLabels) }
        }
    }

    @Test("a model of arrays predicts and is judged on arrays, channels last turned to the front")
    func reading() throws {
        let bytes = (0..<36).map { UInt8($0) }
        let trained = try splits(npy("|u1", "(2, 3, 2, 3)", bytes), twoLabels).preprocessing
        let turned = try files.write("new.npy", npy("|u1", "(1, 2, 3, 3)", Array(bytes[..<18])))
        var notes: [String] = []
        let inputs = try trained.inputs(from: turned) { notes.append($0) }
        #expect(notes.count == 1 && notes[0].contains("channels last"))
        #expect(inputs.inputRows()[0][..<6] == [0, 3, 6, 9, 12, 15])
        expectFailure(.badConfiguration, "needs one of targets") { _ = try trained.samples(from: turned) }
        let other = try files.write("other.npy", npy("|u1", "(1, 5)", [1, 2, 3, 4, 5]))
        expectFailure(.badData, "samples of shape [5]; expected [3, 2, 3]") { _ = try trained.inputs(from: other) }
    }
}
