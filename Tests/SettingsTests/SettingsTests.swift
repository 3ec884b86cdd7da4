import Diagnostics
import Settings
import Testing

/// The outermost section of a text.
func settings(_ text: String, overrides: [String] = []) throws -> Settings {
    try SettingsDocument(text: text, name: "c.yaml", overrides: overrides).root
}

/// Expects `body` to throw a configuration error with exactly this message.
func expectRefusal(
    _ message: String, code: ExitCode = .badConfiguration,
    sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void
) {
    let failure = #expect(throws: Failure.self, sourceLocation: sourceLocation) { try body() }
    #expect(failure?.message == message, sourceLocation: sourceLocation)
    #expect(failure?.code == code, sourceLocation: sourceLocation)
    #expect(failure?.message.contains("\n") != true, sourceLocation: sourceLocation)
}

@Suite("Reading settings")
struct SettingsTests {
    @Test("values of every type are read")
    func values() throws {
        let root = try settings(
            """
            count: 3
            rate: 1e-3
            whole: 2
            flag: yes
            name: "12"
            several: [1, 2.5]
            one: 4
            columns: [a, b]
            """)
        #expect(try root.int("count") == 3)
        #expect(try root.double("rate") == 1e-3)
        #expect(try root.double("whole") == 2)
        #expect(try root.bool("flag", default: false))
        #expect(try root.string("name") == "12")
        #expect(try root.optionalDoubles("several") == [1, 2.5])
        #expect(try root.optionalDoubles("one") == [4])
        #expect(try root.optionalStrings("columns") == ["a", "b"])
        try root.finish()
    }

    @Test("what is missing or null takes the default")
    func defaults() throws {
        let root = try settings("a: null\nb: ~\nc:\n")
        #expect(try root.int("a", default: 5) == 5)
        #expect(try root.double("b", default: 0.5) == 0.5)
        #expect(try root.optionalString("c") == nil)
        #expect(try root.bool("d", default: true))
        #expect(try root.optionalInt("e") == nil)
        #expect(!root.has("a"))
        #expect(!root.has("e"))
        try root.finish()
    }

    @Test("a number that isn't finite, or is too large for a Double, is refused", arguments: ["inf", "-inf", "nan", "1e999"])
    func notFinite(number: String) throws {
        let root = try settings("rate: \(number)\n")
        expectRefusal("c.yaml:1: rate: expected a number, found \"\(number)\"") { _ = try root.double("rate") }
    }

    @Test("a required key that is missing is named")
    func missing() throws {
        let root = try settings("model:\n  x: 1\n")
        expectRefusal("c.yaml:1: epochs: missing; expected a whole number") { _ = try root.int("epochs") }
    }

    @Test("a wrong type is refused with line, key, expected and found")
    func wrongType() throws {
        let root = try settings(
            """
            a: many
            b: [1, 2]
            c: {d: 1}
            e: "7"
            f: 1.5
            g: .nan
            """)
        expectRefusal("c.yaml:1: a: expected a whole number, found \"many\"") { _ = try root.int("a") }
        expectRefusal("c.yaml:2: b: expected a number, found a list of 2") { _ = try root.double("b") }
        expectRefusal("c.yaml:3: c: expected a text, found a section with the key \"d\"") { _ = try root.string("c") }
        expectRefusal("c.yaml:4: e: expected a whole number, found \"7\"") { _ = try root.int("e") }
        expectRefusal("c.yaml:5: f: expected a whole number, found \"1.5\"") { _ = try root.int("f") }
        expectRefusal("c.yaml:6: g: expected a number, found \".nan\"") { _ = try root.double("g") }
        expectRefusal("c.yaml:1: a: expected true or false, found \"many\"") { _ = try root.bool("a", default: true) }
        expectRefusal("c.yaml:1: a: expected a section (\"a: {...}\"), found \"many\"") { _ = try root.section("a") }
    }

    @Test("whole numbers out of range are refused", arguments: ["0", "-1", "11", "99999999999999999999"])
    func intRange(text: String) throws {
        let root = try settings("a: \(text)")
        #expect(throws: Failure.self) { try root.int("a", in: 1...10) }
    }

    @Test("the message about a range says what is allowed")
    func rangeMessages() throws {
        let root = try settings("a: 0\nb: 1\nc: -0.5\nd: 3\n")
        expectRefusal("c.yaml:1: a: expected a whole number, 1 to 10, found 0") { _ = try root.int("a", in: 1...10) }
        expectRefusal("c.yaml:1: a: expected a whole number, 1 or more, found 0") {
            _ = try root.int("a", in: 1...Int.max)
        }
        for number in ["3.4028234663852886e38", "-3.4028234663852886e38"] {
            #expect(try settings("a: \(number)").double("a") == Double(number))
        }
        for number in ["1e39", "-3.5e38"] {
            expectRefusal("c.yaml:1: a: expected a number within ±3.4e38, which is all that 32 bits hold, found \(number)") {
                _ = try settings("a: \(number)").double("a")
            }
        }
        expectRefusal("c.yaml:2: b: expected a number from 0 to below 1, found 1") {
            _ = try root.double("b", in: .fraction)
        }
        expectRefusal("c.yaml:3: c: expected a number of 0 or more, found -0.5") {
            _ = try root.double("c", in: .nonNegative)
        }
        expectRefusal("c.yaml:1: a: expected a number greater than 0, found 0") {
            _ = try root.double("a", in: .positive)
        }
        #expect(try root.double("a", in: .fraction) == 0)
        #expect(try root.double("d", in: .range(0...3)) == 3)
        #expect(throws: Failure.self) { try root.double("d", in: .range(0...2.5)) }
    }

    @Test("an unknown key is refused with its line, its section and the nearest known key")
    func unknownKey() throws {
        let root = try settings("training:\n  epochs: 1\n  sed: 3\n")
        let training = try root.section("training")
        _ = try training.int("epochs")
        _ = try training.int("seed", default: 0)
        expectRefusal(
            "c.yaml:3: unknown key \"sed\" in \"training\" (did you mean \"seed\"?); "
                + "known here: epochs, seed"
        ) {
            try root.finish()
        }
    }

    @Test("an unknown key at the top has no section")
    func unknownTopKey() throws {
        let root = try settings("quux: 1\n")
        expectRefusal("c.yaml:1: unknown key \"quux\"; known here: none") { try root.finish() }
    }

    @Test("keys that are only asked for count as known")
    func absentKeysAreKnown() throws {
        let root = try settings("schedule: null\n")
        _ = try root.optionalSection("schedule")
        try root.finish()
    }

    @Test("a choice takes one of its names")
    func choice() throws {
        let root = try settings("loss: cross_entrpy\n")
        expectRefusal(
            "c.yaml:1: loss: unknown value \"cross_entrpy\" (did you mean \"cross_entropy\"?); "
                + "expected huber, cross_entropy"
        ) { _ = try root.choice("loss", of: ["huber", "cross_entropy"]) }
        #expect(try root.choice("absent", of: ["x", "y"], default: "y") == "y")
    }

    @Test("a variant is a name, or a name with options")
    func variants() throws {
        let root = try settings(
            """
            layers:
              - relu
              - dense: {units: 4}
              - flatten:
            optimizer: sgd
            """)
        let layers = try #require(try root.optionalVariants("layers"))
        #expect(layers.map(\.name) == ["relu", "dense", "flatten"])
        #expect(try layers[1].options.int("units") == 4)
        #expect(try root.variant("optimizer").name == "sgd")
        #expect(try root.variant("loss", default: "huber").name == "huber")
        try root.finish()
    }

    @Test("an unknown option of a variant is found by its path")
    func variantOptions() throws {
        let root = try settings("layers:\n  - relu\n  - dense:\n      unit: 4\n")
        let layers = try #require(try root.optionalVariants("layers"))
        expectRefusal("c.yaml:3: layers[1].dense.units: missing; expected a whole number") {
            _ = try layers[1].options.int("units")
        }
        expectRefusal(
            "c.yaml:4: unknown key \"unit\" in \"layers[1].dense\" (did you mean \"units\"?); "
                + "known here: units"
        ) { try root.finish() }
    }

    @Test("an unknown variant is refused with the nearest name")
    func unknownVariant() throws {
        let root = try settings("layers:\n  - dens: {units: 4}\n")
        let layers = try #require(try root.optionalVariants("layers"))
        #expect(
            layers[0].unknown("layer", known: ["relu", "dense"]).message
                == "c.yaml:2: layers[0].dens: unknown layer \"dens\" (did you mean \"dense\"?); known: relu, dense")
    }

    @Test("what is no variant is refused", arguments: ["{a: {}, b: {}}", "[a]", "{a: 3}", "{}", "{a: [1]}"])
    func noVariant(text: String) throws {
        let root = try settings("optimizer: \(text)")
        let failure = #expect(throws: Failure.self) { try root.variant("optimizer") }
        #expect(failure?.message.hasPrefix("c.yaml:1: optimizer: expected one name, or one name with options") == true)
    }
}
