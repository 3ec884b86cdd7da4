import CZlib
import Datasets
import Diagnostics
import Foundation
import Testing

/// A file in an archive as it is written.
private struct Member {
    var name: String
    var content: [UInt8]
    var method: UInt16 = 0
    var flags: UInt16 = 0
    /// What header and directory say; nil for the truth.
    var size: UInt64?
    var packedSize: UInt64?
    var offset: UInt64?
    var sum: UInt32?
    /// Writes sizes of 64 bits in the extra field.
    var isLong = false
}

/// Deflate data without a wrapper: a gzip member without its head (10 bytes) and sums (8).
private func deflated(_ bytes: [UInt8]) throws -> [UInt8] { Array(try gzip(bytes).dropFirst(10).dropLast(8)) }

private func zip(_ members: [Member], count: UInt16? = nil) throws -> [UInt8] {
    var file: [UInt8] = []
    var directory: [UInt8] = []
    for member in members {
        let packed = member.method == 8 ? try deflated(member.content) : member.content
        let sum = member.sum ?? UInt32(crc32(0, member.content, UInt32(member.content.count)))
        let size = member.size ?? UInt64(member.content.count)
        let packedSize = member.packedSize ?? UInt64(packed.count)
        let offset = member.offset ?? UInt64(file.count)
        let name = Array(member.name.utf8)
        file += littleEndian(UInt32(0x0403_4B50)) + littleEndian(UInt16(20)) + littleEndian(member.flags)
        file += littleEndian(member.method) + [0, 0, 0, 0] + littleEndian(sum) + [UInt8](repeating: 0, count: 8)
        file += littleEndian(UInt16(name.count)) + [0, 0] + name + packed
        let extra =
            member.isLong
            ? littleEndian(UInt16(1)) + littleEndian(UInt16(24)) + littleEndian(size) + littleEndian(packedSize)
                + littleEndian(offset) : []
        func short(_ number: UInt64) -> [UInt8] {
            littleEndian(member.isLong ? UInt32.max : UInt32(truncatingIfNeeded: number))
        }
        directory += littleEndian(UInt32(0x0201_4B50)) + [20, 0, 20, 0] + littleEndian(member.flags)
        directory += littleEndian(member.method) + [0, 0, 0, 0] + littleEndian(sum) + short(packedSize) + short(size)
        directory += littleEndian(UInt16(name.count)) + littleEndian(UInt16(extra.count)) + [UInt8](repeating: 0, count: 10)
        directory += short(offset) + name + extra
    }
    let start = file.count
    file += directory + littleEndian(UInt32(0x0605_4B50)) + [0, 0, 0, 0] + littleEndian(count ?? UInt16(members.count))
    file += littleEndian(count ?? UInt16(members.count)) + littleEndian(UInt32(directory.count)) + littleEndian(UInt32(start))
    return file + [0, 0]
}

struct ZipTests {
    let files: TestFiles

    init() throws { files = try TestFiles() }

    private let x = npy("|u1", "(2, 2)", [1, 2, 3, 4]), y = npy("<i8", "(2,)", [Int64(0), 1].flatMap(littleEndian))

    private func train(_ archive: [UInt8], _ extra: String = "") throws -> DataSplits {
        let folder = try files.subdirectory()
        let path = try folder.write("a.npz", archive)
        defer { withExtendedLifetime(folder) {} }
        return try load("format: npz\npath: \(path)\n\(extra)")
    }

    @Test("stored and deflated members are read by their names, with sizes of 32 and of 64 bits", arguments: [0, 8] as [UInt16])
    func members(method: UInt16) throws {
        for isLong in [false, true] {
            let archive = try zip([
                Member(name: "x_train.npy", content: x, method: method, isLong: isLong),
                Member(name: "y_train.npy", content: y, method: method, isLong: isLong),
                Member(name: "other.npy", content: npy("|u1", "(2, 3)", [9, 8, 7, 6, 5, 4]), method: method)
            ])
            let splits = try train(archive)
            #expect(splits.train.inputRows() == [[1, 2], [3, 4]])
            #expect(splits.train.classList == [0, 1])
            #expect(splits.validation == nil)
            let other = try train(archive, "train: {inputs: other}\nvalidation: {inputs: other, targets: y_train}")
            #expect(other.train.inputRows() == [[9, 8, 7], [6, 5, 4]])
            #expect(other.validation?.count == 2)
            expectFailure(
                .badData, "no array is called \"x_trian\" (did you mean \"x_train\"?); it has x_train, y_train, other"
            ) {
                _ = try train(archive, "train: {inputs: x_trian}")
            }
        }
    }

    @Test("directories that lie are refused before memory is taken")
    func hostile() throws {
        let good = Member(name: "y_train.npy", content: y)
        let cases: [(Member, String)] = [
            (
                Member(name: "x_train.npy", content: x, method: 8, size: 1 << 50, isLong: true),
                "promises 1125899906842624 bytes"
            ),
            (Member(name: "x_train.npy", content: x, size: 1 << 50, isLong: true), "promises 1125899906842624 bytes"),
            (Member(name: "x_train.npy", content: x, packedSize: 1 << 50, isLong: true), "lies outside"),
            (Member(name: "x_train.npy", content: x, offset: 1 << 50, isLong: true), "can't be read"),
            (Member(name: "x_train.npy", content: x, offset: .max, isLong: true), "can't be read"),
            (Member(name: "x_train.npy", content: x, method: 8, size: 3), "more than it promises"),
            (Member(name: "x_train.npy", content: x, method: 8, size: 500), "ends in the middle"),
            (Member(name: "x_train.npy", content: x, method: 8, sum: 7), "check sum"),
            (Member(name: "x_train.npy", content: x, sum: 7), "check sum"),
            (Member(name: "x_train.npy", content: x, method: 12), "packed by method 12"),
            (Member(name: "x_train.npy", content: x, flags: 1), "encrypted"),
            (Member(name: "y_train.npy", content: x), "two members called \"y_train.npy\"")
        ]
        for (member, message) in cases {
            expectFailure(.badData, "a.npz", message) { _ = try train(try zip([member, good])) }
        }
        expectFailure(.badData, "a.npz", "can't be read") { _ = try train(try zip([good], count: 700)) }
        expectFailure(.badData, "a.npz", "60000 members") { _ = try train(try zip([good], count: 60000)) }
        expectFailure(.badData, "a.npz", "without a member") { _ = try train(try zip([])) }
    }

    @Test("prefixes of an archive are refused, and its bytes may be others without a trap")
    func damage() throws {
        let whole = try zip([
            Member(name: "x_train.npy", content: x, method: 8), Member(name: "y_train.npy", content: y)
        ])
        for count in stride(from: 0, to: whole.count, by: 5) {
            expectFailure(.badData, "a.npz") { _ = try train(Array(whole[..<count])) }
        }
        for place in stride(from: 0, to: whole.count, by: 3) {
            for bit in [0, 7] {
                var damaged = whole
                damaged[place] ^= 1 << bit
                _ = try? train(damaged)
            }
        }
    }
}
