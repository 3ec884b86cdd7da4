import Diagnostics
import Foundation
import Settings
import Testing

@Suite("YAML from strangers")
struct BoundedYAMLTests {
    private func document(_ text: String, overrides: [String] = []) throws -> SettingsDocument {
        try SettingsDocument(text: text, name: "c.yaml", overrides: overrides)
    }

    private func expectRefusal(_ text: String, _ parts: [String], sourceLocation: SourceLocation = #_sourceLocation) {
        let failure = #expect(throws: Failure.self, sourceLocation: sourceLocation) { try document(text) }
        #expect(failure?.code == .badConfiguration, sourceLocation: sourceLocation)
        for part in parts {
            #expect(failure?.message.contains(part) == true, "\(failure?.message ?? "")", sourceLocation: sourceLocation)
        }
    }

    @Test("an alias stands for what its anchor holds at that point")
    func aliases() throws {
        let root = try document(
            """
            a: &size 64
            b: *size
            c: &list [*size, 2]
            d: {units: *size, more: *list}
            e: &size 7
            f: *size
            """
        ).root
        #expect(try root.int("b") == 64)
        #expect(try root.doubles("c", default: []) == [64, 2])
        let section = try root.section("d")
        #expect(try section.int("units") == 64)
        #expect(try section.doubles("more", default: []) == [64, 2])
        #expect(try root.int("f") == 7)
    }

    @Test(
        "stars that are no aliases stay as they are",
        arguments: [
            ("a: '*x'", "*x"), ("a: \"*x *y\"", "*x *y"), ("a: x*y", "x*y"), ("a: |-\n  *x\n  * y", "*x\n* y"),
            ("a: b *c # *d", "b *c")
        ])
    func stars(_ text: String, value: String) throws {
        #expect(try document(text).root.string("a") == value)
    }

    /// Aliases to aliases: `levels` lists of `width` aliases of the list before.
    private static func bomb(levels: Int, width: Int) -> String {
        "a0: &a0 [x]\n"
            + (1...levels).map { level in
                "a\(level): &a\(level) [\(Array(repeating: "*a\(level - 1)", count: width).joined(separator: ","))]\n"
            }.joined()
    }

    @Test("aliases to aliases that stand for more values than are read are refused", arguments: [(11, 9), (60, 2), (2, 2000)])
    func expansion(levels: Int, width: Int) {
        expectRefusal(Self.bomb(levels: levels, width: width), ["c.yaml:", "more than 100000 values"])
    }

    @Test("as a key, or in one, no alias is followed", arguments: ["? *a11\n: x\n", "? [*a11, *a11]\n: x\n", "{*a11 : x}: y\n"])
    func keys(_ end: String) {
        // Few enough values for each list by itself; as keys they would be hashed.
        expectRefusal(Self.bomb(levels: 11, width: 2) + end, ["a key must be a word"])
    }

    @Test("a chain of aliases that nests too deep is refused, without a deep stack")
    func depth() {
        let chain = "a0: &a0 [x]\n" + (1...5000).map { "a\($0): &a\($0) [*a\($0 - 1)]\n" }.joined()
        expectRefusal(chain, ["nested deeper than 100 levels"])
        expectRefusal("a: " + String(repeating: "[", count: 300) + String(repeating: "]", count: 300), ["nested deeper"])
        expectRefusal("a: " + String(repeating: "[", count: 400_000), ["c.yaml"])
    }

    @Test(
        "an alias without an anchor, or within its own anchor, is refused", arguments: ["a: *b", "a: &b [*b]", "a: *b\nb: &b 1"]
    )
    func undefined(_ text: String) { expectRefusal(text, ["c.yaml:1", "\"*b\" has no anchor before it"]) }

    @Test("an override is bounded as the file is")
    func overrides() {
        let long = String(repeating: "a.", count: 60_000) + "b=1"
        for override in [long, "a=*b", "a=[\(String(repeating: "[", count: 500))", "a={[1]: 2}"] {
            let failure = #expect(throws: Failure.self) { try document("a: 1", overrides: [override]) }
            #expect(failure?.code == .usage)
        }
    }

    @Test("a configuration may come from a pipe that the process was started with; a named pipe or device is refused at once")
    func pipes() throws {
        let pipe = Pipe()
        try pipe.fileHandleForWriting.write(contentsOf: Data("a: 3\n".utf8))
        try pipe.fileHandleForWriting.close()
        let path = "/dev/fd/\(pipe.fileHandleForReading.fileDescriptor)"
        #expect(try SettingsDocument(path: path).root.int("a") == 3)

        let fifo = NSTemporaryDirectory() + "/dtrain-fifo-\(UUID().uuidString)"
        #expect(mkfifo(fifo, 0o600) == 0)
        defer { unlink(fifo) }
        for path in [fifo, "/dev/zero"] {
            let failure = #expect(throws: Failure.self) { try SettingsDocument(path: path) }
            #expect(failure?.code == .badConfiguration)
            #expect(failure?.message.hasPrefix("\(path): a named pipe, socket or device") == true, "\(failure?.message ?? "")")
        }
    }
}
