import Datasets
import Diagnostics
import Foundation
import Storage
import Testing

struct IDXTests {
    let files: TestFiles

    init() throws { files = try TestFiles() }

    /// Loads inputs and targets from their bytes.
    private func splits(_ inputs: [UInt8], _ targets: [UInt8], extra: String = "") throws -> DataSplits {
        // A directory each: a file that is mapped is not to be written again.
        let files = try files.subdirectory()
        let inputPath = try files.write("inputs", inputs)
        let targetPath = try files.write("targets", targets)
        return try load("format: idx\ntrain: {inputs: \(inputPath), targets: \(targetPath)}\n\(extra)")
    }

    private let twoLabels = idx([2], [1, 0])

    @Test("every element type is read with its byte order and sign")
    func elementTypes() throws {
        let cases: [(UInt8, [UInt8], [Float])] = [
            (0x08, [0, 255, 7, 128], [0, 255, 7, 128]),
            (0x09, [0, 255, 7, 128], [0, -1, 7, -128]),
            (0x0B, [Int16(-300), 300, 0, .min].flatMap(bigEndian), [-300, 300, 0, -32768]),
            (0x0C, [Int32(-70000), 70000, 1, .min].flatMap(bigEndian), [-70000, 70000, 1, -2_147_483_648]),
            (0x0D, [Float(-1.5), 0.1, 3e30, 0].flatMap { bigEndian($0.bitPattern) }, [-1.5, 0.1, 3e30, 0]),
            (0x0E, [-1.5, 0.1, 3e30, 0].flatMap { bigEndian(($0 as Double).bitPattern) }, [-1.5, 0.1, 3e30, 0])
        ]
        for (type, bytes, numbers) in cases {
            let train = try splits(idx(type: type, [2, 2], bytes), twoLabels).train
            #expect(train.inputRows() == [Array(numbers[..<2]), Array(numbers[2...])], "type \(type)")
            #expect(train.inputRows([1, 1, 0]) == [2, 2, 0].map { Array(numbers[$0..<$0 + 2]) }, "type \(type)")
        }
    }

    @Test("samples have the shape of all dimensions but the first, from none to seven")
    func shapes() throws {
        #expect(try splits(idx([2], [3, 4]), twoLabels).train.inputShape == Shape([]))
        #expect(try splits(idx([2, 3, 1], Array(0..<6)), twoLabels).train.inputShape == Shape([3, 1]))
        let deep = try splits(idx([2, 1, 1, 1, 1, 1, 1, 2], [1, 2, 3, 4]), twoLabels).train
        #expect(deep.inputShape == Shape([1, 1, 1, 1, 1, 1, 2]))
        #expect(deep.inputRows() == [[1, 2], [3, 4]])
    }

    @Test("plain and gzip files, in one member or two, give the same numbers and digest")
    func compression() throws {
        let bytes = (0..<6000).map { UInt8(truncatingIfNeeded: $0 * 7 % 251) }
        let inputs = idx([20, 300], bytes)
        let targets = idx([20], (0..<20).map { UInt8($0 % 4) })
        let plain = try splits(inputs, targets).train
        let packed = try splits(try gzip(inputs), try gzip(targets)).train
        let members = try splits(try gzip(Array(inputs[..<1000])) + gzip(Array(inputs[1000...])), targets).train
        for other in [packed, members] {
            #expect(other.inputRows() == plain.inputRows())
            #expect(other.classList == plain.classList)
            #expect(try other.digest() == plain.digest())
        }
        #expect(plain.classList == (0..<20).map { $0 % 4 })
    }

    @Test("(x / scale − mean) / std is applied while gathering, by one number or one per input")
    func normalization() throws {
        let inputs = idx([2, 2], [0, 255, 51, 102])
        let single = try splits(inputs, twoLabels, extra: "normalize: {scale: 255, mean: 0.1307, std: 0.3081}").train
        for (found, byte) in zip(single.inputRows().joined(), [0.0, 255, 51, 102]) {
            #expect(abs(Double(found) - (byte / 255 - 0.1307) / 0.3081) < 3e-7)
        }
        let lists = try splits(
            inputs, twoLabels,
            extra: "normalize: {scale: [1, 2], mean: [1, 0.5], std: [2, 4]}"
        ).train
        #expect(lists.inputRows() == [[-0.5, 31.75], [25, 12.625]])
        expectFailure(.badConfiguration, "data.normalize.mean", "list of 3", "2 inputs") {
            _ = try splits(inputs, twoLabels, extra: "normalize: {mean: [1, 2, 3]}")
        }
    }

    @Test("standardize takes mean and population deviation per input from the training split; a constant has 1")
    func standardize() throws {
        let inputs = idx([4, 2], [1, 9, 3, 9, 5, 9, 7, 9])
        let held = try files.write("held", idx([1, 2], [9, 10]))
        let labels = try files.write("labels", idx([1], [1]))
        let splits = try splits(
            inputs, idx([4], [0, 1, 0, 1]),
            extra: "standardize: true\nvalidation: {inputs: \(held), targets: \(labels)}")
        #expect(splits.preprocessing.normalization.mean == [4, 9])
        #expect(splits.preprocessing.normalization.std == [Double(5).squareRoot(), 1])
        let root = Float(Double(5).squareRoot())
        for (row, expected) in zip(splits.train.inputRows(), [-3, -1, 1, 3] as [Float]) {
            #expect(abs(row[0] - expected / root) < 1e-6)
            #expect(row[1] == 0)
        }
        #expect(try #require(splits.validation).inputRows() == [[(9 - 4) * Float(1 / Double(5).squareRoot()), 1]])
    }

    @Test("rank-1 whole numbers are classes; floats and higher ranks are values; target_kind decides otherwise")
    func targets() throws {
        let inputs = idx([2, 1], [1, 2])
        let halves = idx(type: 0x0D, [2], [Float(0.5), -2].flatMap { bigEndian($0.bitPattern) })
        #expect(try splits(inputs, twoLabels).train.targetKind == .classes(count: 2))
        #expect(try splits(inputs, idx([2], [0, 6])).train.targetKind == .classes(count: 2))
        #expect(try splits(inputs, idx([2], [0, 6]), extra: "classes: 10").train.targetKind == .classes(count: 10))
        let values = try splits(inputs, halves).train
        #expect(values.targetKind == .values(count: 1))
        #expect(values.targetRows(columns: 1) == [[0.5], [-2]])
        let pairs = try splits(inputs, idx([2, 2], [1, 2, 3, 4])).train
        #expect(pairs.targetKind == .values(count: 2))
        #expect(pairs.targetRows(columns: 2) == [[1, 2], [3, 4]])
        #expect(try splits(inputs, twoLabels, extra: "target_kind: value").train.targetKind == .values(count: 1))
        let whole = idx(type: 0x0D, [2], [Float(2), 0].flatMap { bigEndian($0.bitPattern) })
        #expect(try splits(inputs, whole, extra: "target_kind: class").train.classList == [1, 0])
        expectFailure(.badData, "targets: sample 0", "whole number", "0.5") {
            _ = try splits(inputs, halves, extra: "target_kind: class")
        }
    }

    @Test("class names come from the configuration and number the classes")
    func classNames() throws {
        let train = try splits(idx([2, 1], [1, 2]), twoLabels, extra: "class_names: [ant, bee, cat]").train
        #expect(train.targetKind == .classes(count: 3))
        #expect(train.classNames == ["ant", "bee", "cat"])
        #expect(train.className(1) == "bee")
    }

    // MARK: - Refused files

    @Test("a missing file is 66, a directory 65")
    func missing() throws {
        let targets = try files.write("targets", twoLabels)
        expectFailure(.missingInput, "nowhere", "no such data file") {
            _ = try load("format: idx\ntrain: {inputs: \(files.path("nowhere")), targets: \(targets)}")
        }
        expectFailure(.badData, "not a regular file") {
            _ = try load("format: idx\ntrain: {inputs: \(files.directory.path), targets: \(targets)}")
        }
    }

    @Test("a file that isn't IDX is refused with the bytes it begins with")
    func magic() throws {
        expectFailure(.badData, "inputs: not an IDX file", "found 00 01 08 02") {
            _ = try splits([0, 1, 8, 2] + idx([2], [1, 2]), twoLabels)
        }
        expectFailure(.badData, "found 00 00 0a 01") { _ = try splits(idx(type: 0x0A, [2], [1, 2]), twoLabels) }
        expectFailure(.badData, "found 00 00 08 00") { _ = try splits(idx([], [1, 2]), twoLabels) }
        expectFailure(.badData, "found 00 00 08 09") {
            _ = try splits(idx(Array(repeating: 1, count: 9), [1]), twoLabels)
        }
        expectFailure(.badData, "inputs: empty") { _ = try splits([], twoLabels) }
        expectFailure(.badData, "inputs: truncated", "2 bytes") { _ = try splits([0, 0], twoLabels) }
    }

    @Test("a truncated or oversized file is refused with the bytes expected and found, plain and gzip")
    func lengths() throws {
        let short = idx([2, 3], [1, 2, 3, 4, 5])
        let long = idx([2, 3], Array(0..<8))
        expectFailure(.badData, "inputs: truncated", "2×3 elements of 1 byte,", "expected 18 bytes", "found 17") {
            _ = try splits(short, twoLabels)
        }
        expectFailure(.badData, "inputs: oversized", "expected 18 bytes", "found 20") {
            _ = try splits(long, twoLabels)
        }
        expectFailure(.badData, "inputs: truncated", "expected 18 bytes", "found 17") {
            _ = try splits(try gzip(short), twoLabels)
        }
        expectFailure(.badData, "inputs: oversized", "expected 18 bytes", "more") {
            _ = try splits(try gzip(long), twoLabels)
        }
        expectFailure(.badData, "truncated in its header", "expected 12 bytes", "found 9") {
            _ = try splits(Array(idx([2, 3], []).prefix(9)), twoLabels)
        }
    }

    @Test("sizes that overflow or that no file of that length can hold are refused before memory is taken")
    func promises() throws {
        let most = Int(UInt32.max)
        expectFailure(.badData, "truncated", "the header promises") {
            _ = try splits(idx(type: 0x0E, [2, most, most, most], [1]), twoLabels)
        }
        expectFailure(.badData, "more than", "on disk can hold") {
            _ = try splits(try gzip(idx([1000, 1_000_000, 1000], [1])), twoLabels)
        }
        expectFailure(.badData, "at most 2147483647 samples") { _ = try splits(idx([most, 1], [1]), twoLabels) }
        expectFailure(.badData, "sizes 2×0") { _ = try splits(idx([2, 0], []), twoLabels) }
    }

    @Test("a small file that inflates to more than its header promises ends in an error")
    func bomb() throws {
        let bomb = try gzip(idx([2, 2], Array(repeating: 0, count: 30_000_000)))
        #expect(bomb.count < 100_000)
        expectFailure(.badData, "inputs: oversized", "expected 16 bytes") { _ = try splits(bomb, twoLabels) }
    }

    @Test("an empty set is refused")
    func empty() throws {
        expectFailure(.badData, "inputs: an empty set") { _ = try splits(idx([0, 3], []), twoLabels) }
    }

    @Test("as many targets as inputs are expected, with both counts in the message")
    func counts() throws {
        expectFailure(.badData, "targets: 3 targets", "inputs has 2 samples") {
            _ = try splits(idx([2, 1], [1, 2]), idx([3], [0, 1, 0]))
        }
    }

    @Test("labels beyond the class count are refused with sample and label")
    func labels() throws {
        let inputs = idx([2, 1], [1, 2])
        expectFailure(.badData, "sample 1: label out of range", "0 to 1", "found -1") {
            _ = try splits(inputs, idx(type: 0x09, [2], [0, 255]), extra: "classes: 2")
        }
        expectFailure(.badData, "sample 0: label out of range", "0 to 1", "found 5") {
            _ = try splits(inputs, idx([2], [5, 0]), extra: "classes: 2")
        }
        let held = try files.write("held", inputs)
        let heldLabels = try files.write("held-labels", idx([2], [0, 2]))
        expectFailure(.badData, "held-labels: sample 1: label out of range", "0 to 1", "found 2") {
            _ = try splits(inputs, twoLabels, extra: "validation: {inputs: \(held), targets: \(heldLabels)}")
        }
    }

    @Test("NaN and infinity in inputs and targets are refused with their place")
    func finite() throws {
        let bad = [1, 2, 3, Float.nan].flatMap { bigEndian($0.bitPattern) }
        expectFailure(.badData, "inputs: sample 1, element 1", "finite", "nan") {
            _ = try splits(idx(type: 0x0D, [2, 2], bad), twoLabels)
        }
        let large = [1, 1e300].flatMap { bigEndian(($0 as Double).bitPattern) }
        expectFailure(.badData, "targets: sample 1, element 0", "finite Float32", "1e+300") {
            _ = try splits(idx([2, 1], [1, 2]), idx(type: 0x0E, [2], large))
        }
    }

    @Test("a validation split of another shape is refused")
    func otherShape() throws {
        let held = try files.write("held", idx([1, 3], [1, 2, 3]))
        let labels = try files.write("labels", idx([1], [0]))
        expectFailure(.badData, "held: samples of shape [3]", "expected [2]") {
            _ = try splits(
                idx([2, 2], [1, 2, 3, 4]), twoLabels,
                extra: "validation: {inputs: \(held), targets: \(labels)}")
        }
    }

    @Test("gzip data that break off, are damaged, fail their check sum or have something behind them are refused")
    func damagedGzip() throws {
        let bytes = (0..<5000).map { UInt8(truncatingIfNeeded: $0 &* $0 >> 3) }
        let packed = try gzip(idx([2, 2500], bytes))
        expectFailure(.badData, "inputs: the gzip data end in the middle") {
            _ = try splits(Array(packed.prefix(packed.count / 2)), twoLabels)
        }
        expectFailure(.badData, "inputs: the gzip data end in the middle") {
            _ = try splits(Array(packed.dropLast(3)), twoLabels)
        }
        var flipped = packed
        flipped[packed.count - 6] ^= 1
        expectFailure(.badData, "inputs: the gzip data are damaged", "incorrect data check") {
            _ = try splits(flipped, twoLabels)
        }
        var torn = packed
        for i in 30..<60 { torn[i] = 0xFF }
        expectFailure(.badData, "inputs: the gzip data are damaged") { _ = try splits(torn, twoLabels) }
        expectFailure(.badData, "inputs: other bytes follow the end of the gzip data") {
            _ = try splits(packed + Array("and more".utf8), twoLabels)
        }
    }
}
