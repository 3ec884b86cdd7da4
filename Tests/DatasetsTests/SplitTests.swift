import Datasets
import Diagnostics
import Foundation
import Storage
import Testing

struct SplitTests {
    let files: TestFiles

    init() throws { files = try TestFiles() }

    /// A table of `count` rows whose one input is the row's number.
    private func table(_ count: Int) throws -> String {
        try files.write("rows.csv", "a,y\n" + (0..<count).map { "\($0),\($0)\n" }.joined())
    }

    private func splits(_ count: Int, _ options: String) throws -> DataSplits {
        try load("format: csv\ntarget_kind: value\ntrain: {path: \(try table(count)), target: y}\n\(options)")
    }

    @Test("the fraction is rounded, at least one sample and never all; both parts together are everything")
    func sizes() throws {
        for (count, fraction, size) in [(10, 0.2, 2), (10, 0.25, 3), (3, 0.01, 1), (2, 0.99, 1), (101, 0.5, 51)] {
            let splits = try splits(count, "validation_fraction: \(fraction)")
            let train = splits.train.inputRows().map { Int($0[0]) }
            let validation = try #require(splits.validation).inputRows().map { Int($0[0]) }
            #expect(validation.count == size)
            #expect((train + validation).sorted() == Array(0..<count))
            #expect(train == train.sorted() && validation == validation.sorted())
            #expect(try #require(splits.validation).targetRows(columns: 1).map { Int($0[0]) } == validation)
        }
        expectFailure(.badData, "rows.csv", "2 or more") { _ = try splits(1, "validation_fraction: 0.5") }
    }

    @Test("split_seed fixes the split, which doesn't change from one run or machine to the next")
    func seeds() throws {
        func held(_ seed: Int) throws -> [Int] {
            try #require(try splits(20, "validation_fraction: 0.2\nsplit_seed: \(seed)").validation)
                .inputRows().map { Int($0[0]) }
        }
        #expect(try held(0) == held(0))
        #expect(try held(0) != held(1))
        let drawn = RandomStream(seed: 0, purpose: .split).permutation(count: 20, ordinal: 0)
        #expect(try held(0) == drawn[..<4].map(Int.init).sorted())
    }

    @Test("statistics come from the training part alone")
    func statistics() throws {
        let splits = try splits(20, "validation_fraction: 0.2\nstandardize: true")
        let seen = splits.train.targetRows(columns: 1).map { Double($0[0]) }
        let mean = seen.reduce(0) { $0 + $1 } / Double(seen.count)
        let variance = seen.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(seen.count)
        #expect(abs(splits.preprocessing.normalization.mean[0] - mean) < 1e-12)
        #expect(abs(splits.preprocessing.normalization.std[0] - variance.squareRoot()) < 1e-12)
    }

    @Test("an IDX file is split as well, and both parts read the same memory")
    func idxSplit() throws {
        let inputs = try files.write("inputs", idx([10, 1], Array(0..<10)))
        let targets = try files.write("targets", idx([10], Array(0..<10)))
        let splits = try load("format: idx\ntrain: {inputs: \(inputs), targets: \(targets)}\nvalidation_fraction: 0.3")
        let validation = try #require(splits.validation)
        #expect(splits.train.count == 7 && validation.count == 3)
        #expect(validation.inputRows().map { Int32($0[0]) } == validation.classList)
        #expect(validation.targetKind == .classes(count: 10))
    }

    @Test("fractions outside of 0 to 1, or beside a validation split, are refused")
    func refused() throws {
        expectFailure(.badConfiguration, "validation_fraction") { _ = try splits(4, "validation_fraction: 1") }
        expectFailure(.badConfiguration, "validation_fraction") { _ = try splits(4, "validation_fraction: 0") }
        expectFailure(.badConfiguration, "validation_fraction", "already") {
            _ = try splits(4, "validation_fraction: 0.5\nvalidation: {path: x.csv}")
        }
        expectFailure(.badConfiguration, "validation_fraction", "built-in digits") {
            _ = try configuration("validation_fraction: 0.5")
        }
    }
}
