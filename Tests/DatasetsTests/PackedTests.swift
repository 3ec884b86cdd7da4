import Datasets
import Diagnostics
import Foundation
import Storage
import Testing

/// Packed files, and the sets of CIFAR.
struct PackedTests {
    let files: TestFiles

    init() throws { files = try TestFiles() }

    private func pack(_ dataset: Dataset, _ preprocessing: Preprocessing, _ name: String) throws -> String {
        var bytes: [UInt8] = []
        try dataset.pack(preprocessing) { bytes += $0 }
        return try files.write(name, bytes)
    }

    private func digits() throws -> DataSplits { try load("format: digits") }

    @Test("a packed split has the samples, classes and digest of its own, in both splits")
    func same() throws {
        let plain = try digits()
        let validation = try #require(plain.validation)
        let train = try pack(plain.train, plain.preprocessing, "train")
        let held = try pack(validation, plain.preprocessing, "validation")
        let packed = try load(
            "format: packed\ntrain: {path: \(train)}\nvalidation: {path: \(held)}\nnormalize: {scale: 16}")
        #expect(try packed.train.digest() == plain.train.digest())
        #expect(try packed.validation?.digest() == validation.digest())
        #expect(packed.byteCount.mapped > 1797 * 64)
        #expect(try plain.preprocessing.samples(from: held).classList == validation.classList)
        let inputs = try load("format: packed\ntarget_kind: input\ntrain: {path: \(train)}")
        #expect(inputs.train.targetKind == .inputs(count: 64))
    }

    @Test("values and a validation fraction come through; tables are refused")
    func kinds() throws {
        let inputs = try files.write("x", idx([5, 2], (0..<10).map { UInt8($0) }))
        let targets = try files.write("y", idx([5, 2], (0..<10).map { UInt8($0 * 2) }))
        let plain = try load("format: idx\ntrain: {inputs: \(inputs), targets: \(targets)}\nvalidation_fraction: 0.4")
        let path = try pack(plain.train, plain.preprocessing, "part")
        let packed = try load("format: packed\ntrain: {path: \(path)}")
        #expect(packed.train.inputRows() == plain.train.inputRows())
        #expect(packed.train.targetRows(columns: 2) == plain.train.targetRows(columns: 2))
        expectFailure(.badConfiguration, "expected value") {
            _ = try load("format: packed\ntarget_kind: class\ntrain: {path: \(path)}")
        }
        let table = try files.write("t.csv", "a,y\n1,p\n2,q\n")
        let splits = try load("format: csv\ntrain: {path: \(table), target: y}")
        expectFailure(.badData, "tables and text") { try splits.train.pack(splits.preprocessing) { _ in } }
    }

    @Test("cut and changed files are refused or read, and never trap")
    func hostile() throws {
        let plain = try digits()
        var bytes: [UInt8] = []
        try #require(plain.validation).pack(plain.preprocessing) { bytes += $0 }
        for count in Array(stride(from: 0, to: 300, by: 11)) + [4095, 4096, bytes.count - 1] {
            let path = try files.write("cut\(count)", Array(bytes[..<count]))
            expectFailure(.badData, "cut\(count)") { _ = try load("format: packed\ntrain: {path: \(path)}") }
        }
        for place in stride(from: 0, to: 300, by: 3) {
            for change: UInt8 in [1, 0x80] {
                var damaged = bytes
                damaged[place] ^= change
                let folder = try files.subdirectory()
                _ = try? load("format: packed\ntrain: {path: \(try folder.write("p", damaged))}")
            }
        }
        for (old, new) in [
            ("\"count\":359", "\"count\":-59"), ("\"count\":359", "\"count\":999"), ("[64]", "[-4]"), ("[64]", "[1e]")
        ] {
            let text = String(decoding: bytes[16..<300], as: UTF8.self)
            let changed = Array(text.replacing(old, with: new).utf8)
            try #require(changed.count == 284 && changed != Array(text.utf8))
            let path = try files.write("lie\(new.hashValue)", bytes[..<16] + changed + bytes[300...])
            expectFailure(.badData, "dtrain pack") { _ = try load("format: packed\ntrain: {path: \(path)}") }
        }
    }

    /// Files of CIFAR: `count` records with labels in front.
    private func cifar(_ labels: [[UInt8]]) -> [UInt8] {
        labels.enumerated().flatMap { index, labels in
            labels + (0..<3072).map { UInt8(truncatingIfNeeded: $0 / 1024 * 50 + index) }
        }
    }

    @Test("CIFAR-10 and CIFAR-100 are read from their folders, with names, fine and coarse classes")
    func cifarFolders() throws {
        let ten = try files.subdirectory()
        for batch in 1...5 {
            _ = try ten.write("data_batch_\(batch).bin", cifar([[UInt8(batch)], [UInt8(batch + 1)]]))
        }
        _ = try ten.write("test_batch.bin", cifar([[9]]))
        _ = try ten.write("batches.meta.txt", (0..<10).map { "name\($0)\n" }.joined() + "\n")
        let splits = try load("format: cifar10\npath: \(ten.directory.path)")
        #expect(splits.train.classList == [1, 2, 2, 3, 3, 4, 4, 5, 5, 6])
        #expect(splits.train.inputShape == Shape([3, 32, 32]))
        #expect(splits.train.inputRows([1])[0][1024] == 51)
        #expect(splits.validation?.classList == [9])
        #expect(splits.train.classNames?.last == "name9")
        #expect(try load("format: cifar10\npath: \(ten.directory.path)\nvalidation_fraction: 0.2").validation?.count == 2)
        #expect(try splits.preprocessing.samples(from: ten.path("test_batch.bin")).classList == [9])
        let hundred = try files.subdirectory()
        _ = try hundred.write("train.bin", cifar([[19, 99], [0, 7]]))
        _ = try hundred.write("test.bin", cifar([[3, 50]]))
        #expect(try load("format: cifar100\npath: \(hundred.directory.path)").train.classList == [99, 7])
        let coarse = try load("format: cifar100\ncoarse: true\npath: \(hundred.directory.path)")
        #expect(coarse.train.classList == [19, 0])
        #expect(coarse.train.targetKind == .classes(count: 20))
        #expect(try coarse.preprocessing.samples(from: hundred.path("test.bin")).classList == [3])
    }

    @Test("files of CIFAR that are cut, of another set or no such files are refused by name")
    func cifarDamage() throws {
        let cut = try files.write("cut.bin", Array(cifar([[1]]).dropLast()))
        expectFailure(.badData, "cut.bin: 3072 bytes; expected a multiple of 3073") {
            _ = try load("format: cifar10\ntrain: {path: \(cut)}")
        }
        let other = try files.write("other.bin", cifar([[1], [10]]))
        expectFailure(.badData, "other.bin: image 1: a label that CIFAR-10 doesn't have (10)") {
            _ = try load("format: cifar10\ntrain: {path: \(other)}")
        }
        expectFailure(.missingInput, "data_batch_1.bin") { _ = try load("format: cifar10\npath: \(files.directory.path)") }
        expectFailure(.badConfiguration, "path: missing") { _ = try load("format: cifar10") }
        expectFailure(.badConfiguration, "has 10 classes") { _ = try load("format: cifar10\npath: x\nclasses: 3") }
    }
}
