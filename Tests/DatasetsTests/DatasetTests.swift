import Datasets
import Diagnostics
import Foundation
import Storage
import Testing

struct DatasetTests {
    let files: TestFiles

    init() throws { files = try TestFiles() }

    private func dataset(_ bytes: [UInt8], _ labels: [UInt8] = [0, 1], extra: String = "") throws -> Dataset {
        let files = try files.subdirectory()
        let inputs = try files.write("inputs", idx([2, 2], bytes))
        let targets = try files.write("targets", idx([2], labels))
        return try load("format: idx\ntrain: {inputs: \(inputs), targets: \(targets)}\nclasses: 2\n\(extra)").train
    }

    @Test("samples from memory are gathered in any order, as often as wanted")
    func memory() throws {
        let classes = Dataset(inputs: [1, 2, 3, 4], inputShape: Shape([2]), classes: [1, 0], classCount: 3)
        #expect(classes.inputRows([1, 0, 1]) == [[3, 4], [1, 2], [3, 4]])
        #expect(classes.classList == [1, 0])
        #expect(classes.targetRows(columns: 3) == [[0, 1, 0], [1, 0, 0]])
        #expect(classes.className(2) == "2")
        let values = Dataset(
            inputs: [1, 2, 3, 4], inputShape: Shape([1]), values: [5, 6, 7, 8, 9, 10, 11, 12],
            valueCount: 2)
        #expect(values.count == 4)
        #expect(values.targetRows(columns: 2) == [[5, 6], [7, 8], [9, 10], [11, 12]])
    }

    @Test("a slice of samples that doesn't begin at 0 fills the rows from the first on")
    func slices() {
        let dataset = Dataset(inputs: [1, 2, 3, 4], inputShape: Shape([1]), classes: [0, 1, 2, 3], classCount: 4)
        let order: [Int32] = [3, 2, 1, 0]
        let buffer = AlignedBuffer<Float>(count: 2)
        let classes = AlignedBuffer<Int32>(count: 2, repeating: 9)
        dataset.gatherInputs(order[1..<3], into: buffer.matrix(rows: 2, columns: 1))
        dataset.gatherClasses(order[1..<3], into: classes.elements)
        #expect(Array(buffer.elements) == [3, 2])
        #expect(Array(classes.elements) == [2, 1])
    }

    @Test("the digest is that of equal content, and another for one other byte, label, shape, kind or normalisation")
    func digest() throws {
        let digest = try dataset([1, 2, 3, 4]).digest()
        #expect(digest.count == 64)
        #expect(try dataset([1, 2, 3, 4]).digest() == digest)
        #expect(try dataset([1, 2, 3, 5]).digest() != digest)
        #expect(try dataset([1, 2, 3, 4], [1, 0]).digest() != digest)
        #expect(try dataset([1, 2, 3, 4], extra: "normalize: {mean: 1}").digest() != digest)
        #expect(try dataset([1, 2, 3, 4], extra: "class_names: [a, b]").digest() != digest)
        let flat = Dataset(inputs: [1, 2], inputShape: Shape([2]), classes: [0], classCount: 2)
        for other in [
            Dataset(inputs: [1, 2], inputShape: Shape([2, 1]), classes: [0], classCount: 2),
            Dataset(inputs: [1, 2], inputShape: Shape([2]), classes: [0], classCount: 3),
            Dataset(inputs: [1, 2], inputShape: Shape([2]), values: [0], valueCount: 1)
        ] {
            #expect(try other.digest() != flat.digest())
        }
    }

    @Test("options of the data section that are wrong or contradict each other are refused by name")
    func configurations() throws {
        let csv = "format: csv\ntrain: {path: a.csv, target: y}\n"
        let cases: [(String, [String])] = [
            ("format: cvs", ["test.yaml:2", "data.format", "did you mean \"csv\""]),
            ("format: idx", ["data.train", "missing"]),
            ("format: idx\ntrain: {inputs: a}", ["data.train.targets", "missing"]),
            ("format: csv\ntrain: {path: a.csv}", ["data.train.target", "missing"]),
            ("format: csv\ntrain: {path: a.csv, target: []}", ["data.train.target", "empty list"]),
            ("format: csv\ntrain: {path: a.csv, target: y, targets: b.csv}", ["data.train.target", "leave out one"]),
            ("format: csv\ntrain: {path: a.csv, target: y, haeder: true}", ["haeder", "did you mean \"header\""]),
            (csv + "missing: median", ["data.missing", "error, mean"]),
            (csv + "validation: {path: b.csv, targets: c.csv}", ["data.validation.targets", "leave this key out"]),
            (csv + "normalize: {scale: 0}", ["data.normalize.scale", "greater than 0"]),
            (csv + "normalize: {std: [1, -1]}", ["data.normalize.std", "greater than 0"]),
            (csv + "normalize: {mean: 1}\nstandardize: true", ["data.standardize", "leave out one"]),
            (csv + "target_kind: values", ["data.target_kind", "did you mean \"value\""]),
            (csv + "target_kind: value\nclasses: 3", ["data.target_kind", "asks for 3 classes"]),
            (csv + "class_names: [a, a]", ["data.class_names"]),
            (csv + "class_names: [a, b]\nclasses: 3", ["data.class_names", "2 names", "3 classes"])
        ]
        for (yaml, parts) in cases {
            do {
                _ = try configuration(yaml)
                Issue.record("accepted: \(yaml)")
            } catch let failure as Failure {
                #expect(failure.code == .badConfiguration)
                #expect(parts.allSatisfy(failure.message.contains), "\(failure.message)")
            }
        }
    }
}
