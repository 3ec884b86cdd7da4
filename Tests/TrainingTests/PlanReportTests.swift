import Settings
import Testing
import Training

@Suite("The plan of memory in print")
struct PlanReportTests {
    private static func experiment(_ layers: String, _ overrides: String...) throws -> Experiment {
        let document = try SettingsDocument(
            text: builtInConfiguration, name: "plan.yaml",
            overrides: ["model.layers=\(layers)"] + overrides)
        return try Experiment(try TrainingConfiguration(document, name: "plan"))
    }

    /// The numbers of the line that begins with `label`.
    private func figures(_ label: String, _ lines: [String]) throws -> [String] {
        let line = try #require(lines.last { $0.hasPrefix(label + "  ") }, "\(label) in \(lines.joined(separator: "\n"))")
        return line.dropFirst(label.count).split(separator: " ").map(String.init)
    }

    @Test("what a rank holds in all is what is forecast, part by part, and figures are those by hand")
    func rank() throws {
        let experiment = try Self.experiment("[dense: {units: 5}, tanh, dense: {units: 10}]")
        let lines = PlanReport(experiment, rank: 0, rankCount: 1, availableCores: 1).lines
        // 64 rows in leaves of 16; 359 in leaves of 16, in room for 368.
        #expect(try figures("samples at once", lines) == ["64", "359"])
        #expect(try figures("micro-batches at once", lines) == ["4", "23"])
        #expect(try figures("kept for backward", lines) == ["1,280", "64"], "5 · 64 · 4")
        #expect(try figures("work of the passes", lines) == ["2,560", "7,360"], "10 · 64 · 4, 5 · 368 · 4")
        #expect(try figures("inputs", lines) == ["16,384", "91,904"])
        #expect(try figures("outputs", lines) == ["2,560", "14,400"])
        #expect(try figures("their gradients", lines) == ["2,560", "64"])
        #expect(try figures("targets", lines) == ["384", "1,600"])
        #expect(try figures("losses and sums", lines) == ["768", "3,392"])
        #expect(try figures("order of the samples", lines) == ["-", "1,436"])
        #expect(try figures("in all", lines) == ["26,496", "120,220"])
        let parts = MemoryForecast.job(experiment, rankCount: 1, availableCores: 1)[0].parts
        #expect(parts.first { $0.name == "activations" }?.bytes == 26_496)
        #expect(parts.first { $0.name == "validation" }?.bytes == 120_220)
    }

    @Test("fits 80 columns, however deep and whatever the names")
    func width() throws {
        let name = String(repeating: "a long name ", count: 9)
        let inside = "{residual: {layers: [residual: {layers: [{dense: {units: 64, name: \(name)}}, relu]}]}}"
        let experiment = try Self.experiment(
            "[\(Array(repeating: inside, count: 12).joined(separator: ", ")), "
                + "dense: {units: 10}]")
        let lines = PlanReport(experiment, rank: 0, rankCount: 3, availableCores: 1).lines
        #expect(lines.allSatisfy { $0.count <= 80 }, "\(lines.filter { $0.count > 80 })")
        #expect(lines.count { $0.contains("as fused:") } == 1 + 2 * 12)
    }

    @Test("per leaf and in bytes too")
    func leaves() throws {
        let lines = PlanReport(try Self.experiment("[batch_norm, dense: {units: 10}]").network).lines
        let table = try #require(lines.firstIndex { $0.hasPrefix("0 batch_norm") })
        let cells = lines[table..<table + 4].map { $0.split(separator: " ").joined(separator: " ") }
        #expect(cells == ["0 batch_norm 64 - - 64", "bytes 256 - - 256", "per leaf 128 - 64 -", "bytes 512 - 256 -"])
    }
}
