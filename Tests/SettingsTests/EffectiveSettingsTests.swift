import Settings
import Testing

@Suite("The effective configuration")
struct EffectiveSettingsTests {
    /// Reads a small configuration as a program would.
    private func effective(_ text: String, overrides: [String] = []) throws -> String {
        let root = try settings(text, overrides: overrides)
        let data = try root.section("data")
        _ = try data.string("format", default: "digits")
        _ = try data.optionalString("separator", default: ",")
        _ = try data.optionalStrings("features")
        if let normalize = try data.optionalSection("normalize") {
            _ = try normalize.optionalDoubles("mean")
        }
        let layers = try root.section("model").optionalVariants("layers") ?? []
        for layer in layers {
            switch layer.name {
            case "dense":
                _ = try layer.options.int("units")
                _ = try layer.options.bool("bias", default: true)
            case "residual": _ = try layer.options.optionalVariants("layers")
            default: break
            }
        }
        let optimizer = try root.variant("optimizer", default: "adam")
        _ = try optimizer.options.double("learning_rate", default: 0.001)
        let training = try root.section("training")
        _ = try training.optionalInt("max_steps")
        _ = try training.int("seed", default: 0)
        try root.finish()
        return try root.effectiveYAML()
    }

    @Test("which keys have their default, at any depth")
    func defaultedKeys() throws {
        let root = try settings(
            "data: {a: 1}\nlayers: [dense: {units: 3}]\noptimizer: {adam: {rate: 2}}\n", overrides: ["data.c=4"])
        let data = try root.section("data")
        for key in ["a", "b", "c"] { _ = try data.int(key, default: 1) }
        _ = try data.doubles("d", default: [1, 2])
        for layer in try root.optionalVariants("layers") ?? [] {
            _ = try layer.options.int("units")
            _ = try layer.options.bool("bias", default: true)
        }
        let optimizer = try root.variant("optimizer", default: "adam")
        _ = try optimizer.options.double("rate", default: 1)
        _ = try optimizer.options.double("decay", default: 0)
        #expect(root.defaultedKeys() == ["data.b", "data.d", "layers[0].dense.bias", "optimizer.adam.decay"])
    }

    @Test("defaults are filled in, in the order of reading")
    func defaults() throws {
        #expect(
            try effective("training: {seed: 7}\n") == """
                data:
                  format: digits
                  separator: ','
                optimizer:
                  adam: {learning_rate: 0.001}
                training:
                  seed: 7

                """)
    }

    @Test(
        "reading the effective configuration gives the same one",
        arguments: [
            "a: 1\n".replacing("a: 1", with: "training: {seed: 7}"),
            "data: {format: \"12\", separator: \"\", features: [a, 'null', \"3\"], normalize: {mean: [0.1, 1e-30]}}\n",
            "data: {format: 'null', separator: \"\\t\"}\nmodel: {layers: [relu, {dense: {units: 4, bias: no}}]}\n",
            "model:\n  layers:\n    - residual: {layers: [tanh, relu]}\n    - dense:\n        units: 3\noptimizer: sgd\n",
            "data: {format: 'a: b # c', separator: '~'}\noptimizer: {sgd: {learning_rate: 0.30000000000000004}}\n"
        ])
    func roundTrip(text: String) throws {
        let once = try effective(text)
        #expect(try effective(once) == once)
    }

    @Test("overrides are part of it")
    func overrides() throws {
        let text = try effective("optimizer: sgd\n", overrides: ["optimizer.sgd.learning_rate=0.5", "data.separator=;"])
        #expect(text.contains("sgd: {learning_rate: 0.5}"))
        #expect(text.contains("separator: ;") || text.contains("separator: ';'"))
    }
}
