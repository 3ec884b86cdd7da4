import Datasets
import Diagnostics
import Foundation
import Storage
import Testing

struct PreprocessingTests {
    let files: TestFiles

    init() throws { files = try TestFiles() }

    private func trained() throws -> DataSplits {
        let path = try files.write("table.csv", "colour,size,y\nred,1,cat\nblue,,dog\nred,4.1,cat\n")
        return try load("format: csv\ntrain: {path: \(path), target: y}\nmissing: mean\nstandardize: true")
    }

    @Test("preprocessing comes back from JSON as it was, and reads other files the same")
    func roundTrip() throws {
        let splits = try trained()
        let json = try JSONEncoder().encode(splits.preprocessing)
        let stored = try JSONDecoder().decode(Preprocessing.self, from: json)
        #expect(stored == splits.preprocessing)
        #expect(try stored.samples(from: files.path("table.csv")).digest() == splits.train.digest())
        let digits = try load("format: digits").preprocessing
        #expect(try JSONDecoder().decode(Preprocessing.self, from: JSONEncoder().encode(digits)) == digits)
    }

    @Test(
        "preprocessing whose parts don't fit each other is refused when it is decoded",
        arguments: [
            ("\"inputDimensions\":[3]", "\"inputDimensions\":[-3]"), ("\"inputDimensions\":[3]", "\"inputDimensions\":[4]"),
            ("\"inputDimensions\":[3]", "\"inputDimensions\":[4611686018427387904,4]"),
            ("[\"cat\",\"dog\"]", "[\"cat\"]"), ("[\"cat\",\"dog\"]", "[\"cat\",\"cat\"]"),
            ("\"std\":[1,1,", "\"std\":[0,1,"), ("\"std\":[1,1,", "\"std\":[1,1,1,"),
            ("\"columnCount\":3", "\"columnCount\":1"), ("[\"blue\",\"red\"]", "[\"red\",\"red\"]"),
            ("{\"count\":2}", "{\"count\":-2}")
        ])
    func tampered(_ original: String, _ replacement: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let json = try #require(String(data: try encoder.encode(try trained().preprocessing), encoding: .utf8))
        try #require(json.contains(original), "\(json)")
        let changed = Data(json.replacingOccurrences(of: original, with: replacement).utf8)
        #expect(throws: DecodingError.self) { _ = try JSONDecoder().decode(Preprocessing.self, from: changed) }
    }

    @Test("a configuration loaded with stored preprocessing uses its numbers, and other data are refused")
    func stored() throws {
        let path = try files.write("a.csv", "a,y\n0,no\n4,yes\n")
        let other = try files.write("b.csv", "a,y\n6,yes\n")
        let preprocessing = try load("format: csv\ntrain: {path: \(path), target: y}\nstandardize: true").preprocessing
        let again = try configuration("format: csv\ntrain: {path: \(other), target: y}\nstandardize: true")
        let train = try again.load(with: preprocessing).train
        #expect(train.inputRows() == [[2]])
        #expect(train.classList == [1])
        expectFailure(.badConfiguration, "digits: samples of shape [64]") {
            _ = try configuration("format: digits").load(with: preprocessing)
        }
        let digits = try load("format: digits")
        #expect(
            try configuration("normalize: {scale: 3}").load(with: digits.preprocessing).train.digest()
                == digits.train.digest())
    }

    @Test("a network trained on other data than tables takes IDX, and CSV with one sample per row")
    func withoutTable() throws {
        let inputs = try files.write("inputs", idx([2, 2, 1], [0, 2, 4, 6]))
        let targets = try files.write("targets", idx([2], [0, 1]))
        let trained = try load("format: idx\ntrain: {inputs: \(inputs), targets: \(targets)}\nnormalize: {scale: 2}")
        let preprocessing = trained.preprocessing
        #expect(try preprocessing.inputs(from: inputs).inputRows() == [[0, 1], [2, 3]])
        #expect(try preprocessing.samples(from: inputs, targets: targets).digest() == trained.train.digest())
        expectFailure(.badConfiguration, "file of targets") { _ = try preprocessing.samples(from: inputs) }
        for (name, text) in [("a.csv", "2,4\n"), ("b.csv", "u;v\n2;4\n"), ("c.csv", "2 4\n"), ("d.csv", "2\t4")] {
            #expect(try preprocessing.inputs(from: files.write(name, text)).inputRows() == [[1, 2]], "\(name)")
        }
        let labelled = try preprocessing.samples(from: try files.write("l.csv", "2,4,1\n"))
        #expect(labelled.inputRows() == [[1, 2]])
        #expect(labelled.classList == [1])
        expectFailure(.badData, "e.csv: expected 2 numbers per row", "found 3") {
            _ = try preprocessing.inputs(from: files.write("e.csv", "2,4,1\n"))
        }
        expectFailure(.badData, "f: samples of shape [3]", "expected [2, 1]") {
            _ = try preprocessing.inputs(from: files.write("f", idx([1, 3], [1, 2, 3])))
        }
    }
}
