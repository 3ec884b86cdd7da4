import Diagnostics
import Foundation
import Settings
import Testing

@Suite("Configuration texts and overrides")
struct SettingsDocumentTests {
    @Test("an empty text is refused", arguments: ["", "\n\n", "# only a comment\n", "---\n"])
    func empty(text: String) {
        expectRefusal("c.yaml: the configuration is empty; expected at least \"data\" and \"model\"") {
            _ = try settings(text)
        }
    }

    @Test("what is no mapping is refused", arguments: ["just words", "- a\n- b", "12"])
    func noMapping(text: String) {
        let failure = #expect(throws: Failure.self) { try settings(text) }
        #expect(failure?.message.hasPrefix("c.yaml: expected keys and values") == true)
    }

    @Test(
        "broken YAML is refused with its line, in one line of text",
        arguments: [
            ("a: 1\nb: [1, 2\n", "line 3"), ("a: 1\n  b: 2\n", "line 2"), ("a: 1\nb: \"x\n", "line 3"),
            ("a: 1\n\tb: 2\n", "line 2"), ("a: 1\n---\nb: 2\n", "line 2")
        ])
    func broken(text: String, place: String) {
        let failure = #expect(throws: Failure.self) { try settings(text) }
        #expect(failure?.code == .badConfiguration)
        #expect(failure?.message.hasPrefix("c.yaml: not YAML: ") == true)
        #expect(failure?.message.contains(place) == true, "\(failure?.message ?? "")")
        #expect(failure?.message.contains("\n") == false)
    }

    @Test(
        "a key that is given twice is refused, however it is written",
        arguments: [("seed", "seed", "seed"), ("1", "\"1\"", "1"), ("true", "'true'", "true")])
    func duplicates(first: String, second: String, key: String) {
        let failure = #expect(throws: Failure.self) { try settings("a: 1\ntraining:\n  \(first): 1\n  \(second): 2\n") }
        #expect(failure?.message.contains("the key \"\(key)\" is given twice") == true, "\(failure?.message ?? "")")
    }

    @Test("nesting without end is refused, not followed", arguments: ["[", "{a: ", "- "])
    func deepNesting(unit: String) {
        #expect(throws: Failure.self) { try settings("a: " + String(repeating: unit, count: 200_000)) }
    }

    @Test("bytes that are no text, a directory and a missing file have their messages and codes")
    func files() throws {
        let folder = NSTemporaryDirectory() + "/settings-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let file = folder + "/c.yaml"
        expectRefusal("\(file): no such configuration file (paths are relative to the working directory)", code: .missingInput)
        {
            _ = try SettingsDocument(path: file)
        }
        expectRefusal("\(folder) is a directory; expected a configuration file") {
            _ = try SettingsDocument(path: folder)
        }
        try Data([0xff, 0xfe, 0x00]).write(to: URL(fileURLWithPath: file))
        expectRefusal("\(file): not a text file in UTF-8; expected a configuration (YAML)") {
            _ = try SettingsDocument(path: file)
        }
        try Data(repeating: 0x20, count: (1 << 20) + 1).write(to: URL(fileURLWithPath: file))
        #expect(throws: Failure.self) { try SettingsDocument(path: file) }
    }

    @Test("overrides replace, add, reach into lists, and the later wins")
    func overrides() throws {
        let root = try settings(
            "a: {b: 1}\nlayers: [relu, {dense: {units: 4}}]\n",
            overrides: [
                "a.b=2", "a.c=true", "new.section.key=text", "layers.1.dense.units=8", "layers.0=tanh", "a.b=3"
            ])
        #expect(try root.section("a").int("b") == 3)
        #expect(try root.section("a").bool("c", default: false))
        #expect(try root.section("new").section("section").string("key") == "text")
        let layers = try #require(try root.optionalVariants("layers"))
        #expect(layers[0].name == "tanh")
        #expect(try layers[1].options.int("units") == 8)
    }

    @Test("an override into a bare variant keeps its name")
    func bareVariant() throws {
        let root = try settings("optimizer: adam\n", overrides: ["optimizer.adam.learning_rate=0.1"])
        let optimizer = try root.variant("optimizer")
        #expect(optimizer.name == "adam")
        #expect(try optimizer.options.double("learning_rate") == 0.1)
    }

    @Test("an override with null or nothing takes a value away", arguments: ["a=null", "a=", "a=~"])
    func nullOverride(text: String) throws {
        #expect(try settings("a: 1", overrides: [text]).optionalInt("a") == nil)
    }

    @Test("an override may hold a section or contain equals signs")
    func structured() throws {
        let root = try settings("a: 1", overrides: ["b={c: [1, 2]}", "d=x=y"])
        #expect(try root.section("b").optionalDoubles("c") == [1, 2])
        #expect(try root.string("d") == "x=y")
    }

    @Test(
        "an override that can't be used is a usage error",
        arguments: [
            "novalue", "=1", "a..b=1", ".a=1", "a.=1", "a=[1", "layers.7.units=1", "layers.x=1", "layers.-1=1", "empty.0=1"
        ])
    func badOverrides(text: String) {
        let failure = #expect(throws: Failure.self, "\(text)") {
            try settings("a: 1\nlayers: [relu]\nempty: []\n", overrides: [text])
        }
        #expect(failure?.code == .usage)
        #expect(failure?.message.hasPrefix("--set \(text): ") == true)
    }

    @Test("an error in a value that was set names the override, the last one that set it")
    func overrideMessages() throws {
        let root = try settings(
            "training: {epochs: 1}\n",
            overrides: [
                "training.epochs=some", "training.epochs=many", "training.epoch=3"
            ])
        let training = try root.section("training")
        expectRefusal("--set training.epochs=many: training.epochs: expected a whole number, found \"many\"") {
            _ = try training.int("epochs")
        }
        expectRefusal(
            "--set training.epoch=3: unknown key \"epoch\" in \"training\" (did you mean \"epochs\"?); "
                + "known here: epochs"
        ) { try root.finish() }
    }

    @Test("of a section and a key inside it, the override that came last is named")
    func overlappingOverrides() throws {
        for (first, second) in [("a.b=x", "a={b: y}"), ("a={b: x}", "a.b=y")] {
            let section = try settings("a: {b: 1}\n", overrides: [first, second]).section("a")
            expectRefusal("--set \(second): a.b: expected a whole number, found \"y\"") { _ = try section.int("b") }
        }
    }

    @Test("an error in a list item that was set names the override")
    func listOverrideMessage() throws {
        let root = try settings("layers: [{dense: {units: 4}}]\n", overrides: ["layers.0.dense.units=x"])
        let layers = try #require(try root.optionalVariants("layers"))
        expectRefusal("--set layers.0.dense.units=x: layers[0].dense.units: expected a whole number, found \"x\"") {
            _ = try layers[0].options.int("units")
        }
    }
}
