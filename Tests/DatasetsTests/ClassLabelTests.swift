import Datasets
import Diagnostics
import Foundation
import Storage
import Testing

/// Classes are called what the file calls them, and the loss says with the data what a target is.
struct ClassLabelTests {
    let files: TestFiles

    init() throws { files = try TestFiles() }

    private func splits(
        _ labels: [String], _ extra: String = "", train: String = "",
        preference: TargetPreference? = .classes
    ) throws -> DataSplits {
        let path = try files.write("table.csv", "a,y\n" + labels.map { "1,\($0)\n" }.joined())
        return try configuration("format: csv\ntrain: {path: \(path), target: y\(train)}\n\(extra)")
            .load(preference: preference)
    }

    @Test(
        "labels keep their spelling, whatever numbers they look like",
        arguments: [
            (["30000000000", "30000000001"], ["30000000000", "30000000001"]),
            (["9007199254740993", "9007199254740992"], ["9007199254740992", "9007199254740993"]),
            (["1.10", "1.1", "1.0"], ["1.0", "1.1", "1.10"]),
            (["007", "7"], ["007", "7"]), (["0.0", "1.0"], ["0.0", "1.0"]), (["-1", "1"], ["-1", "1"]),
            (["1e3", "2e2"], ["2e2", "1e3"]), (["+1", "-1"], ["-1", "+1"]), (["10", "9", "1"], ["1", "9", "10"])
        ])
    func spelling(_ labels: [String], _ names: [String]) throws {
        let splits = try splits(labels, "target_kind: class")
        #expect(splits.train.classNames == names)
        #expect(splits.train.classList == labels.map { Int32(names.firstIndex(of: $0) ?? -1) })
        let same = try splits.preprocessing.samples(from: files.path("table.csv"))
        #expect(same.classList == splits.train.classList)
    }

    @Test("labels 0 to K-1 are their own names")
    func counted() throws {
        #expect(try splits(["0", "2", "1"], "target_kind: class").train.classNames == nil)
        #expect(try splits(["0", "2", "1"]).train.classNames == nil)
        let mixed = try splits(["0", "1", "1.0"])
        #expect(mixed.train.targetKind == .classes(count: 2), "nobody means two classes")
        #expect(mixed.train.classList == [0, 1, 1])
    }

    @Test("class names may be numbers, or the names of numbered classes")
    func givenNames() throws {
        let versions = try splits(["1.10", "1.1"], "class_names: [1.1, 1.10, \"2\"]").train
        #expect(versions.classList == [1, 0] && versions.targetKind == .classes(count: 3))
        #expect(try splits(["1", "0"], "class_names: [no, yes]").train.classList == [1, 0])
        expectFailure(.badData, "table.csv:3: column \"y\": label out of range", "0 to 1", "found 2", "data.class_names") {
            _ = try splits(["1", "2"], "class_names: [no, yes]")
        }
        expectFailure(.badConfiguration, "data.class_names", "zero byte") {
            _ = try splits(["1", "2"], "class_names: [\"a\\0\", b]")
        }
    }

    @Test("a label that is another spelling of one number alone is that class elsewhere")
    func otherSpelling() throws {
        let trained = try splits(["1", "2"]).preprocessing
        let floats = try files.write("floats.csv", "a,y\n1,2.0\n1,1\n")
        #expect(try trained.samples(from: floats).classList == [1, 0])
        let versions = try splits(["1.1", "1.10"], "target_kind: class").preprocessing
        expectFailure(.badData, "other.csv:2", "\"1.100\" is not one of the classes") {
            _ = try versions.samples(from: try files.write("other.csv", "a,y\n1,1.100\n"))
        }
    }

    @Test(
        "one class only is an error",
        arguments: [
            (["a", "a"], ""), (["0", "0"], ""), (["7", "7"], "target_kind: class"), (["1", "1"], "classes: 2"),
            (["no", "no"], "class_names: [no, yes]")
        ])
    func oneClass(_ labels: [String], _ extra: String) throws {
        expectFailure(.badData, "table.csv: column \"y\"", "one class \"\(labels[0])\"", "two or more") {
            _ = try splits(labels, extra)
        }
    }

    @Test(
        "what the loss asks for and what the data hold decide together",
        arguments: [
            (["0", "1", "2"], TargetPreference.classes, TargetKind.classes(count: 3)),
            (["0", "1", "2"], .numbers, .values(count: 1)), (["0", "1"], .numbers, .values(count: 1)),
            (["0", "1"], .answers, .classes(count: 2)), (["1", "2"], .answers, .classes(count: 2)),
            (["-1", "1"], .answers, .classes(count: 2)), (["0", "1", "2"], .answers, .classes(count: 3)),
            (["0", "2", "5"], .answers, .values(count: 1)), (["0.5", "1"], .answers, .values(count: 1)),
            (["1", "2", "5"], .classes, .classes(count: 3)), (["0.5", "1"], .classes, .values(count: 1)),
            (["a", "b"], .numbers, .classes(count: 2))
        ])
    func preferences(_ labels: [String], _ preference: TargetPreference, _ kind: TargetKind) throws {
        let labels = labels + labels
        #expect(try splits(labels, preference: preference).train.targetKind == kind)
        if labels[0] != "a" {
            #expect(try splits(labels, "target_kind: value", preference: preference).train.targetKind == .values(count: 1))
        }
        #expect(
            try splits(labels, "target_kind: class", preference: preference).train.targetKind
                == .classes(count: Set(labels).count))
    }

    @Test("whole numbers that are nearly all different are no classes, if nobody says so")
    func prices() throws {
        let prices = (0..<30).map { String(1000 + 37 * $0) }
        #expect(try splits(prices).train.targetKind == .values(count: 1))
        #expect(try splits(prices, "target_kind: class").train.targetKind == .classes(count: 30))
    }

    @Test("where whole numbers could be either, what they are taken for is said")
    func notes() throws {
        func notes(_ labels: [String], _ preference: TargetPreference) throws -> String {
            try splits(labels, preference: preference).notes.joined()
        }
        #expect(try notes(["0", "1", "2"], .numbers).contains("read as a number"))
        #expect(try notes(["3", "5", "3"], .classes).contains("2 classes (3, 5)"))
        #expect(try notes(["0", "1", "2"], .classes).isEmpty)
        #expect(try notes(["0.5", "1.5"], .numbers).isEmpty)
    }

    // MARK: - IDX

    private func pictures(
        _ labels: [UInt8], _ extra: String = "", type: UInt8 = 8, dimensions: [Int]? = nil,
        preference: TargetPreference? = .classes
    ) throws -> DataSplits {
        let files = try files.subdirectory()
        let inputs = try files.write("inputs", idx([labels.count, 1], labels))
        let targets = try files.write("targets", idx(type: type, dimensions ?? [labels.count], labels))
        return try configuration("format: idx\ntrain: {inputs: \(inputs), targets: \(targets)}\n\(extra)")
            .load(preference: preference)
    }

    @Test(
        "IDX labels with gaps, or that don't begin at 0, become classes in ascending order",
        arguments: [
            ([1, 26, 1, 3], ["1", "3", "26"], [0, 2, 0, 1] as [Int32]), ([5, 0], ["0", "5"], [1, 0]),
            ([255, 1], ["1", "255"], [1, 0])
        ] as [([UInt8], [String], [Int32])])
    func gaps(_ labels: [UInt8], _ names: [String], _ classes: [Int32]) throws {
        let splits = try pictures(labels)
        #expect(splits.train.classNames == names)
        #expect(splits.train.classList == classes)
        #expect(splits.notes.contains { $0.contains("\(names.count) classes") })
        let stored = try JSONDecoder().decode(Preprocessing.self, from: JSONEncoder().encode(splits.preprocessing))
        let inputs = try files.write("new", idx([2, 1], [0, 0]))
        let targets = try files.write("new-targets", idx([2], [labels[1], labels[0]]))
        #expect(try stored.samples(from: inputs, targets: targets).classList == [classes[1], classes[0]])
        let table = try files.write("new.csv", "0,\(labels[0])\n0,\(labels[1])\n")
        #expect(try stored.samples(from: table).classList == [classes[0], classes[1]])
        expectFailure(.badData, "bad: sample 1: label out of range", "found 77", names[0]) {
            _ = try stored.samples(from: inputs, targets: try files.write("bad", idx([2], [labels[0], 77])))
        }
    }

    @Test("negative IDX labels are classes; counted ones stay their own names; data.classes takes them as they are")
    func signed() throws {
        #expect(try pictures([255, 1], type: 9).train.classNames == ["-1", "1"])
        #expect(try pictures([1, 0, 2]).train.classNames == nil)
        #expect(try pictures([5, 0], "classes: 10").train.classList == [5, 0])
        expectFailure(.badData, "targets: sample 0: label out of range", "found 5") { _ = try pictures([5, 0], "classes: 3") }
        expectFailure(.badData, "targets", "one class \"3\"") { _ = try pictures([3, 3]) }
    }

    @Test("for a loss of numbers IDX labels are numbers; a column of them is classes for a loss of classes")
    func numbers() throws {
        #expect(try pictures([1, 0, 2], preference: .numbers).train.targetKind == .values(count: 1))
        #expect(try pictures([1, 0, 2], "target_kind: class", preference: .numbers).train.targetKind == .classes(count: 3))
        #expect(try pictures([1, 0, 2], dimensions: [3, 1]).train.targetKind == .classes(count: 3))
        #expect(try pictures([1, 0, 2], dimensions: [3, 1], preference: nil).train.targetKind == .values(count: 1))
    }
}
