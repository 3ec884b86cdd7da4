import Datasets
import Diagnostics
import Foundation
import Storage
import Testing

/// Preprocessing from a checkpoint that somebody has made: what is accepted can be used with any file.
struct ForgedSchemaTests {
    let files: TestFiles

    init() throws { files = try TestFiles() }

    private static let hostile: [String] = [
        "0", "-1", "1", "2", "3", "4", "5", "9223372036854775807", "-9223372036854775808", "2147483648", "4611686018427387904",
        "0.5", "1e308", "-1e308", "1e-320", "\"\"", "\"a\"", "\"b\"", "\"y\"", "\",\"", "\";\"", "\"\\n\"", "\"\\u0000\"",
        "\"tab\"", "\"space\"", "\"0\"", "null", "true", "false", "[]", "{}", "[0]", "[1,1]", "[\"red\",\"red\"]",
        "[\"red\"]", "[1,2,3]"
    ]

    /// The paths of all values in a JSON tree.
    private static func paths(_ tree: Any, _ path: [AnyHashable] = []) -> [[AnyHashable]] {
        let below: [[AnyHashable]] =
            switch tree {
            case let object as [String: Any]: object.keys.sorted().flatMap { paths(object[$0] ?? 0, path + [$0]) }
            case let list as [Any]: list.indices.flatMap { paths(list[$0], path + [$0]) }
            default: []
            }
        return (path.isEmpty ? [] : [path]) + below
    }

    private static func replacing(_ path: ArraySlice<AnyHashable>, in tree: Any, with value: Any?) -> Any {
        guard let key = path.first else { return value ?? 0 }
        let isLast = path.count == 1
        if var object = tree as? [String: Any], let name = key.base as? String {
            object[name] = isLast ? value : replacing(path.dropFirst(), in: object[name] ?? 0, with: value)
            return object
        }
        if var list = tree as? [Any], let index = key.base as? Int, list.indices.contains(index) {
            if isLast, value == nil {
                list.remove(at: index)
            } else {
                list[index] = isLast ? value ?? 0 : replacing(path.dropFirst(), in: list[index], with: value)
            }
            return list
        }
        return tree
    }

    /// Every value of the JSON of `original`, one at a time, replaced by each hostile one or taken away; `use` does what it
    /// can with what is accepted. How many were.
    private func forge(_ original: Preprocessing, _ use: (Preprocessing) throws -> Void) throws -> Int {
        let tree = try JSONSerialization.jsonObject(with: JSONEncoder().encode(original))
        var accepted = 0
        for path in Self.paths(tree) {
            for value in Self.hostile.map({ Optional($0) }) + [nil] {
                let parsed = try value.map { try JSONSerialization.jsonObject(with: Data($0.utf8), options: .fragmentsAllowed) }
                let forged = Self.replacing(path[...], in: tree, with: parsed)
                let bytes = try JSONSerialization.data(withJSONObject: forged)
                guard let preprocessing = try? JSONDecoder().decode(Preprocessing.self, from: bytes) else { continue }
                accepted += 1
                do {
                    try use(preprocessing)
                } catch let failure as Failure {
                    #expect([.badData, .badConfiguration].contains(failure.code), "\(path) \(value ?? "gone"): \(failure)")
                }
            }
        }
        return accepted
    }

    @Test("whatever is accepted of a table's schema reads any table, or refuses it")
    func tables() throws {
        let path = try files.write("t.csv", "a,c,b,y\n1,red,2,cat\n,blue,3,dog\n5,red,7,cat\n")
        let trained = try load("format: csv\ntrain: {path: \(path), target: y}\nmissing: mean\nstandardize: true")
        let others =
            try ["a,c,b\n1,red,2\n", "1,red,2\n", "b,a,c,y,z\n1,2,blue,dog,3\n", "7\n"]
            .enumerated().map { try files.write("other-\($0).csv", $1) } + [path]
        let accepted = try forge(trained.preprocessing) { preprocessing in
            for other in others {
                _ = try? preprocessing.inputs(from: other).inputRows()
                _ = try? preprocessing.samples(from: other).digest()
                _ = try? preprocessing.samples(from: other, targets: other).digest()
            }
            _ = try configuration("format: csv\ntrain: {path: \(path), target: y}").load(with: preprocessing)
        }
        #expect(accepted > 50)
    }

    @Test("whatever is accepted of a table with weights whose inputs are the targets reads any table, or refuses it")
    func weightedTables() throws {
        let path = try files.write("t.csv", "a,w,c\n1,2,red\n2,0.5,blue\n")
        let yaml = "format: csv\ntrain: {path: \(path), weight: w}\ntarget_kind: input"
        let others =
            try ["a,c\n1,red\n", "1,2\n", "1,2,red\n", "7\n"]
            .enumerated().map { try files.write("other-\($0).csv", $1) } + [path]
        let accepted = try forge(try load(yaml).preprocessing) { preprocessing in
            for other in others {
                _ = try? preprocessing.inputs(from: other).inputRows()
                _ = try? preprocessing.samples(from: other).digest()
            }
            _ = try configuration(yaml).load(with: preprocessing)
        }
        #expect(accepted > 20)
    }

    @Test("whatever is accepted of another preprocessing reads any file, or refuses it")
    func idxFiles() throws {
        let inputs = try files.write("inputs", idx([3, 2], [1, 2, 3, 4, 5, 6]))
        let targets = try files.write("targets", idx([3], [3, 5, 9]))
        let yaml = "format: idx\ntrain: {inputs: \(inputs), targets: \(targets)}"
        let table = try files.write("t.csv", "1,2,3\n4,5,9\n")
        let plain = try files.write("p.csv", "1,2\n4,5\n")
        let accepted = try forge(try load(yaml).preprocessing) { preprocessing in
            for other in [table, plain, inputs] {
                _ = try? preprocessing.inputs(from: other).inputRows()
                _ = try? preprocessing.samples(from: other, targets: targets).digest()
            }
            _ = try configuration(yaml).load(with: preprocessing)
        }
        #expect(accepted > 10)
    }

    @Test("whatever is accepted of a schema of series reads any table, or refuses it")
    func series() throws {
        let path = try files.write("t.csv", "k,t,a,b\nx,2000-01-31,1,2\nx,2000-02-29,2,3\nx,2000-03-31,4,5\nx,2000-04-30,1,5\n")
        let yaml =
            "format: series\ntrain: {path: \(path), inputs: [a], target: [b, a], time: t, key: k}\nwindow: 2\nstandardize: true"
        let others =
            try ["a,k,t\n1,y,2000-01-31\n2,y,2000-02-29\n", "1,2\n3,4\n", "b,a,t,k\n1,2,1999-12-31T10:00,x\n", "7\n"]
            .enumerated().map { try files.write("other-\($0).csv", $1) } + [path]
        let accepted = try forge(try load(yaml).preprocessing) { preprocessing in
            for other in others {
                if let inputs = try? preprocessing.inputs(from: other), inputs.inputShape.count < 1000 {
                    _ = inputs.inputRows()
                    for sample in 0..<Int32(inputs.count) { _ = inputs.forecast(of: sample, preprocessing) }
                }
                _ = try? preprocessing.samples(from: other).digest()
            }
            let splits = try configuration(yaml).load(with: preprocessing)
            _ = splits.train.seriesStatistics(preprocessing)
        }
        #expect(accepted > 50)
    }

    @Test("whatever is accepted of a schema of classified series reads any file, or refuses it")
    func classifiedSeries() throws {
        let path = try files.write("t.tsv", "a\t1\t2\t3\nb\t4\tNaN\tNaN\n")
        let yaml = "format: ucr\ntrain: {path: \(path)}\nstandardize: true"
        let others =
            try ["@classLabel true a b\n@data\n1,2:a\n", "@classLabel false\n@data\n1,2:3,4\n", "1\t2\t3\n"]
            .enumerated().map { try files.write("other-\($0)", $1) } + [path]
        let accepted = try forge(try load(yaml).preprocessing) { preprocessing in
            for other in others {
                if let inputs = try? preprocessing.inputs(from: other), inputs.inputShape.count < 1000 {
                    _ = inputs.inputRows()
                }
                _ = try? preprocessing.samples(from: other).digest()
            }
            let splits = try configuration(yaml).load(with: preprocessing)
            _ = splits.train.stepStatistics(preprocessing)
        }
        #expect(accepted > 5)
    }

    @Test(
        "a feature that is the target as well, and columns that are named twice, are refused",
        arguments: [
            ("\"index\":0,\"mean\"", "\"index\":3,\"mean\""), ("\"index\":0,\"mean\"", "\"index\":1,\"mean\""),
            ("\"name\":\"a\"", "\"name\":\"b\""), ("\"name\":\"a\"", "\"name\":\"y\""), ("\"skipLines\":0", "\"skipLines\":-1"),
            ("\"decimal\":\".\"", "\"decimal\":\"x\""), ("\"thousands\":\"\"", "\"thousands\":\".\""),
            ("\"delimiter\":\",\"", "\"delimiter\":\"\\n\""), ("\"delimiter\":\",\"", "\"delimiter\":\"ab\"")
        ])
    func twice(_ original: String, _ replacement: String) throws {
        let path = try files.write("t.csv", "a,c,b,y\n1,red,2,cat\n,blue,3,dog\n5,red,7,cat\n")
        let trained = try load("format: csv\ntrain: {path: \(path), target: y}\nmissing: mean")
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let json = try #require(String(data: try encoder.encode(trained.preprocessing), encoding: .utf8))
        try #require(json.contains(original), "\(json)")
        let changed = Data(json.replacingOccurrences(of: original, with: replacement).utf8)
        #expect(throws: DecodingError.self) { _ = try JSONDecoder().decode(Preprocessing.self, from: changed) }
    }
}
