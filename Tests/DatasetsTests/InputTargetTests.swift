import Datasets
import Diagnostics
import Foundation
import Testing

/// `data.target_kind: input`: the target is the input.
struct InputTargetTests {
    let files: TestFiles

    init() throws { files = try TestFiles() }

    private func expectInputs(_ dataset: Dataset?, _ count: Int, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let dataset = try #require(dataset, sourceLocation: sourceLocation)
        #expect(dataset.targetKind == .inputs(count: count) && dataset.hasTargets, sourceLocation: sourceLocation)
        #expect(dataset.inputRows() == dataset.targetRows(columns: count), sourceLocation: sourceLocation)
    }

    /// What a checkpoint keeps, written and read.
    private func stored(_ preprocessing: Preprocessing) throws -> Preprocessing {
        let read = try JSONDecoder().decode(Preprocessing.self, from: JSONEncoder().encode(preprocessing))
        #expect(read == preprocessing)
        return read
    }

    @Test("digits: targets are the normalised pixels, also where training sees them with noise")
    func digits() throws {
        let configuration = try configuration("target_kind: input\naugmentation: [gaussian_noise: {std: 0.5}]")
        let splits = try configuration.load().augmented(by: configuration.augmentations, seed: 1, globalBatchSize: 1 << 20)
        try expectInputs(splits.train, 64)
        try expectInputs(splits.validation, 64)
        #expect(try splits.train.digest() != load("format: digits").train.digest())
        try expectInputs(try configuration.load(with: stored(splits.preprocessing)).train, 64)
        let line = (0..<64).map(String.init).joined(separator: ",")
        let plain = try files.write("new.csv", "\(line)\n\(line)\n")
        try expectInputs(try stored(splits.preprocessing).samples(from: plain), 64)
        try expectInputs(try stored(splits.preprocessing).inputs(from: plain), 64)
    }

    @Test("IDX: no file of targets is named, in either split")
    func idxFiles() throws {
        let inputs = try files.write("x", idx([3, 2, 2], Array(1...12)))
        for rest in ["validation: {inputs: \(inputs)}", "validation_fraction: 0.4"] {
            let yaml = "format: idx\ntrain: {inputs: \(inputs)}\n\(rest)\ntarget_kind: input\nstandardize: true"
            let splits = try load(yaml)
            let kept = try stored(splits.preprocessing)
            try expectInputs(splits.train, 4)
            try expectInputs(splits.validation, 4)
            try expectInputs(try configuration(yaml).load(with: kept).validation, 4)
            try expectInputs(try kept.samples(from: inputs), 4)
            expectFailure(.badConfiguration, inputs, "leave out --targets") {
                _ = try kept.samples(from: inputs, targets: inputs)
            }
        }
    }

    @Test("CSV: all columns are features, categories too")
    func tables() throws {
        let path = try files.write("t.csv", "a,b\n1,red\n4,blue\n2,red\n")
        for rest in ["validation: {path: \(path)}", "validation_fraction: 0.4"] {
            let yaml = "format: csv\ntrain: {path: \(path)}\n\(rest)\ntarget_kind: input\nnormalize: {scale: 2}"
            let splits = try load(yaml)
            let kept = try stored(splits.preprocessing)
            try expectInputs(splits.train, 3)
            try expectInputs(splits.validation, 3)
            try expectInputs(try configuration(yaml).load(with: kept).validation, 3)
            try expectInputs(try kept.samples(from: path), 3)
            try expectInputs(try kept.inputs(from: path), 3)
        }
    }

    @Test("what names targets beside inputs that are the targets is refused")
    func conflicts() throws {
        let path = try files.write("t.csv", "a,b\n1,2\n4,5\n")
        let inputs = try files.write("x", idx([2, 2], [1, 2, 3, 4]))
        for (key, yaml) in [
            ("data.train.target", "format: csv\ntrain: {path: \(path), target: b}"),
            ("data.train.targets", "format: csv\ntrain: {path: \(path), targets: \(path)}"),
            (
                "data.validation.targets",
                "format: csv\ntrain: {path: \(path)}\n"
                    + "validation: {path: \(path), targets: \(path)}"
            ),
            ("data.train.targets", "format: idx\ntrain: {inputs: \(inputs), targets: \(inputs)}"),
            (
                "data.validation.targets",
                "format: idx\ntrain: {inputs: \(inputs)}\n"
                    + "validation: {inputs: \(inputs), targets: \(inputs)}"
            )
        ] {
            expectFailure(.badConfiguration, "test.yaml:", "\(key): data.target_kind: input makes the inputs the targets") {
                _ = try configuration(yaml + "\ntarget_kind: input")
            }
        }
        expectFailure(.badConfiguration, "found input, but classes") { _ = try configuration("target_kind: input\nclasses: 3") }
        expectFailure(.badConfiguration, "unknown value \"inputs\"", "did you mean \"input\"?", "class, value, input") {
            _ = try configuration("target_kind: inputs")
        }
        expectFailure(.badConfiguration, "data.train.targets: missing") {
            _ = try configuration("format: idx\ntrain: {inputs: x}")
        }
    }

    @Test("a checkpoint of another kind of target is refused, either way")
    func otherCheckpoint() throws {
        let digits = try load("format: digits").preprocessing
        let inputs = try load("target_kind: input").preprocessing
        expectFailure(
            .badConfiguration, "data.target_kind: found input, but in the checkpoint each target is one of 10 classes"
        ) {
            _ = try configuration("target_kind: input").load(with: digits)
        }
        expectFailure(
            .badConfiguration, "data.target_kind: expected input, since in the checkpoint each target is the input itself"
        ) {
            _ = try configuration("format: digits").load(with: inputs)
        }
    }
}

/// `data.augmentation`.
struct AugmentationTests {
    private static func rows(_ augmentation: String, seed: UInt64 = 1, firstDraw: UInt64? = 0) throws -> [[Float]] {
        let configuration = try configuration("augmentation: \(augmentation)")
        let train = try configuration.load().augmented(by: configuration.augmentations, seed: seed, globalBatchSize: 1 << 20)
            .train
        return train.inputRows(Array(0..<20), firstDraw: firstDraw)
    }

    @Test("augmentations are applied in their order, each with numbers of its own")
    func order() throws {
        let noise = "gaussian_noise: {std: 0.5}"
        let mask = "masking_noise: {rate: 0.5}"
        let plain = try Self.rows("[]")
        let noisy = try Self.rows("[\(noise)]")
        #expect(try Self.rows("[\(noise), \(mask)]").joined().contains(0))
        let masked = try Self.rows("[\(mask), \(noise)]").joined()
        #expect(!masked.contains(0))
        #expect(zip(noisy.joined(), plain.joined()).allSatisfy { $0 != $1 })
        let twice = try Self.rows("[\(noise), \(noise)]")
        let first = zip(noisy.joined(), plain.joined()).map { $0 - $1 }
        let second = zip(twice.joined(), noisy.joined()).map { $0 - $1 }
        #expect(zip(first, second).allSatisfy { $0 != $1 })
        #expect(try Self.rows("{\(noise)}") == noisy, "one without a list")
    }

    @Test("noise is another one for every draw and seed, the same for the same, and none where nothing is drawn")
    func keys() throws {
        let noise = "[gaussian_noise: {std: 0.5}]"
        let plain = try Self.rows("[]")
        let noisy = try Self.rows(noise)
        #expect(try Self.rows(noise) == noisy)
        #expect(try Self.rows(noise, firstDraw: nil) == plain)
        for other in [try Self.rows(noise, seed: 2), try Self.rows(noise, firstDraw: 1438)] {
            #expect(zip(other, noisy).allSatisfy { $0 != $1 })
        }
        #expect(try Self.rows("[gaussian_noise: {std: 0}]") == plain)
    }

    @Test(
        "options are checked",
        arguments: [
            (
                "[gausian_noise: {std: 1}]",
                "unknown augmentation \"gausian_noise\" (did you mean \"gaussian_noise\"?); known: "
                    + "gaussian_noise, masking_noise, salt_and_pepper"
            ),
            ("[gaussian_noise]", "std: missing"), ("[gaussian_noise: {std: -1}]", "std: expected a number"),
            ("[gaussian_noise: {std: .inf}]", "std: expected a number"),
            ("[masking_noise: {rate: 1}]", "rate: expected a number from 0 to below 1, found 1"),
            ("[relu, masking_noise: {rate: 0.1}]", "unknown augmentation \"relu\""),
            ("[salt_and_pepper: {rate: 0.1, std: 2}]", "unknown key \"std\""),
            ("[salt_and_pepper: {rate: 0.1, minimum: 2}]", "minimum: expected at most the maximum of 1.0, found 2.0")
        ])
    func options(augmentation: String, message: String) {
        expectFailure(.badConfiguration, message) { _ = try configuration("augmentation: \(augmentation)") }
    }
}

/// `data.train.weight`.
struct WeightColumnTests {
    let files: TestFiles

    init() throws { files = try TestFiles() }

    private func weights(_ dataset: Dataset?) throws -> [Float] {
        let dataset = try #require(dataset)
        #expect(dataset.hasWeights)
        var weights = [Float](repeating: .nan, count: dataset.count)
        let samples = (0..<Int32(dataset.count)).map { $0 }
        weights.withUnsafeMutableBufferPointer { dataset.gatherWeights(samples[...], into: $0) }
        return weights
    }

    @Test("the column is read by name or number, for validation too, is no feature, and predictions don't need it")
    func reading() throws {
        let path = try files.write("t.csv", "w,a,y\n1,5,no\n0,6,yes\n2.5,7,no\n")
        let held = try files.write("v.csv", "y,a,w\nyes,1,3\n")
        for weight in ["w", "0"] {
            let yaml = "format: csv\ntrain: {path: \(path), target: y, weight: \(weight)}\nvalidation: {path: \(held)}"
            let splits = try load(yaml)
            let kept = try JSONDecoder().decode(Preprocessing.self, from: JSONEncoder().encode(splits.preprocessing))
            #expect(kept == splits.preprocessing)
            for splits in [splits, try configuration(yaml).load(with: kept)] {
                #expect(try weights(splits.train) == [1, 0, 2.5])
                #expect(try weights(splits.validation) == [3])
                #expect(splits.train.inputRows() == [[5], [6], [7]])
            }
            #expect(try kept.inputs(from: files.write("p.csv", "a\n9\n")).inputRows() == [[9]])
            #expect(try weights(kept.samples(from: held)) == [3])
            expectFailure(.badData, "no column \"w\", which the training data have") {
                _ = try kept.samples(from: files.write("q.csv", "a,y\n9,no\n"))
            }
        }
        let without = try load("format: csv\ntrain: {path: \(path), target: y, features: a}").train
        #expect(try load("format: csv\ntrain: {path: \(path), target: y, weight: w}").train.digest() != without.digest())
        #expect(!without.hasWeights)
    }

    @Test("without a header, with a file of targets, and where a part is held out")
    func otherForms() throws {
        let bare = try files.write("b.csv", "5,2,1\n6,3,0\n7,4,1\n")
        let splits = try load("format: csv\ntrain: {path: \(bare), header: false, target: -1, weight: 1}")
        #expect(try weights(splits.train) == [2, 3, 4])
        #expect(splits.train.inputRows() == [[5], [6], [7]])
        #expect(try splits.preprocessing.inputs(from: files.write("p.csv", "5\n")).inputRows() == [[5]])
        let answers = try files.write("y.csv", "y\n1\n0\n1\n")
        let table = try files.write("t.csv", "a,w\n5,2\n6,3\n7,4\n")
        #expect(try weights(load("format: csv\ntrain: {path: \(table), targets: \(answers), weight: w}").train) == [2, 3, 4])
        let parts = try load("format: csv\ntrain: {path: \(table), weight: w}\ntarget_kind: input\nvalidation_fraction: 0.3")
        #expect(try weights(parts.train).count == 2 && weights(parts.validation).count == 1)
        #expect(Set(try weights(parts.train) + weights(parts.validation)) == [2, 3, 4])
    }

    @Test(
        "what can't be weights is refused",
        arguments: [
            ("w: -1", "t.csv:3: column \"w\": expected a weight of 0 or more, found -1.0"),
            ("w: inf", "t.csv:3: column \"w\": expected a "),
            ("w: heavy", "t.csv:3: column \"w\": expected a number, found \"heavy\""),
            ("w: ", "t.csv:3: column \"w\": the value is missing"),
            ("w: 1e39", "t.csv:3: column \"w\": the weight 1e+39 is too large for Float32"),
            ("weights: 0", "t.csv: all 2 training samples have the weight 0")
        ])
    func badCells(cell: String, message: String) throws {
        let isAll = cell.hasPrefix("weights")
        let value = cell.split(separator: ": ", omittingEmptySubsequences: false)[1]
        let path = try files.write("t.csv", "a,w,y\n1,\(isAll ? "0" : "1"),2.5\n2,\(value),3.5\n")
        expectFailure(.badData, message) { _ = try load("format: csv\ntrain: {path: \(path), target: y, weight: w}") }
    }

    @Test(
        "a column that can't be the weight is refused",
        arguments: [
            ("weight: v", "data.train.weight: no column \"v\" in"), ("weight: 7", "data.train.weight: no column 7 in"),
            ("weight: y", "data.train.weight: column \"y\" is the target too"),
            ("weight: a, features: [b, a]", "data.train.weight: column \"a\" is named in data.train.features too")
        ])
    func badColumns(options: String, message: String) throws {
        let path = try files.write("t.csv", "a,b,y\n1,1,2.5\n2,2,3.5\n")
        expectFailure(.badConfiguration, message) { _ = try load("format: csv\ntrain: {path: \(path), target: y, \(options)}") }
    }

    @Test("a split without any weight is refused by name")
    func emptySplit() throws {
        let path = try files.write("t.csv", "a,w,y\n1,1,2.5\n2,2,3.5\n")
        let held = try files.write("v.csv", "a,w,y\n1,0,2.5\n")
        expectFailure(.badData, "v.csv: all 1 validation samples have the weight 0") {
            _ = try load("format: csv\ntrain: {path: \(path), target: y, weight: w}\nvalidation: {path: \(held)}")
        }
    }
}
