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
