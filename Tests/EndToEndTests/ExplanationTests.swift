import Foundation
import TestSupport
import Testing

/// `dtrain explain`, and what `eval` says of groups and of stated probabilities.
@Suite("Understanding")
struct ExplanationTests {
    /// What `explain --json` prints.
    private struct Explanation: Decodable {
        let output: Int
        let value: Double
        let baseline: Double
        let attributions: [Double]
    }

    private func explain(_ bench: Workbench, _ arguments: String...) throws -> Explanation {
        let outcome = try bench.dtrain(["explain"] + arguments + ["--json"])
        expectSuccess(outcome)
        return try JSONDecoder().decode(Explanation.self, from: Data(outcome.output.utf8))
    }

    /// A table whose answer is u < v; `noise` says nothing, `town` is a group.
    private static func table(rows: Int = 200) -> String {
        "u,v,noise,town,kind\n"
            + (0..<rows).map { row in
                let (u, v) = (row * 37 % 101, row * 53 % 89)
                return "\(u),\(v),\(row * 71 % 97),\(row % 3 == 0 ? "north" : "south"),\(u < v ? "ash" : "birch")\n"
            }.joined()
    }

    private func trained(_ bench: Workbench) throws {
        try bench.write("t.csv", Self.table())
        try bench.write(
            "c.yaml",
            """
            data:
              format: csv
              train: {path: t.csv, target: kind, features: [u, v, noise]}
              validation_fraction: 0.25
              standardize: true
            model: {layers: [dense: {units: 8}, tanh, dense: {units: 2}]}
            optimizer: {adam: {learning_rate: 0.02}}
            training: {epochs: 20, global_batch_size: 16, micro_batch_size: 4}
            """)
        expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "run", "--quiet"))
    }

    @Test(
        "the gradient of an output is its central difference, and integrated gradients add up to the difference of the outputs")
    func derivatives() throws {
        try withWorkbench { bench in
            try trained(bench)
            let row = try explain(bench, "run", "t.csv", "--sample", "5", "--class", "ash", "--method", "integrated_gradients")
            #expect(
                abs(row.attributions.reduce(0, +) - (row.value - row.baseline)) < 1e-3 * max(1, abs(row.value - row.baseline)))
            // What is explained is the value behind the layers: the last layer's own activations are the same numbers.
            let gradient = try explain(bench, "run", "t.csv", "--sample", "5", "--class", "ash", "--method", "gradient")
            #expect(gradient.output == 0 && gradient.value == row.value && gradient.attributions.count == 3)
            // A step of one in u is a step of 1/deviation of what the network gets.
            let lines = Self.table().split(separator: "\n").map { $0.split(separator: ",").map(String.init) }
            let cells = lines[5]
            var values: [Double] = []
            for step in [-1.0, 1.0] {
                try bench.write("n.csv", "u,v,noise\n\((Double(cells[0]) ?? 0) + step),\(cells[1]),\(cells[2])\n")
                values.append(try explain(bench, "run", "n.csv", "--class", "ash", "--method", "gradient").value)
            }
            let slope = (values[1] - values[0]) / 2
            let deviation = 29.2
            #expect(
                abs(slope * deviation - gradient.attributions[0]) < 0.05 * abs(gradient.attributions[0]) + 0.02,
                "\(slope) \(gradient)")
            #expect(abs(gradient.attributions[2]) < abs(gradient.attributions[0]) / 3)
        }
    }

    /// What `Tests/References/explanation.py` writes.
    private struct Reference: Decodable {
        let pixels: [Int]
        let output: Int
        let value: Double
        let baseline: Double
        let gradient: [Double]
        let integratedGradients: [Double]
    }

    @Test("gradients and integrated gradients are those of PyTorch's autograd")
    func autograd() throws {
        try withWorkbench { bench in
            let references = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
                .appendingPathComponent("References").path
            let decoder = JSONDecoder()
            decoder.keyDecodingStrategy = .convertFromSnakeCase
            let expected = try decoder.decode(Reference.self, from: bench.bytes(references + "/explanation.json"))
            expectSuccess(
                try bench.dtrain(
                    "train", references + "/follow/adam.yaml", "--run", "run", "--initialize",
                    references + "/follow/initial.safetensors",
                    "--steps", "0", "--quiet"))
            try bench.write("d.csv", expected.pixels.map(String.init).joined(separator: ",") + "\n")
            for (method, numbers) in [("gradient", expected.gradient), ("integrated_gradients", expected.integratedGradients)] {
                let found = try explain(bench, "run", "d.csv", "--class", "\(expected.output)", "--method", method)
                #expect(abs(found.value - expected.value) < 1e-5 && abs(found.baseline - expected.baseline) < 1e-5)
                #expect(found.attributions.count == 64)
                let distance = zip(found.attributions, numbers).map { abs($0 - $1) }.max() ?? .infinity
                #expect(distance < 1e-5, "\(method): \(distance)")
            }
        }
    }

    @Test("shuffling what counts costs, shuffling what doesn't costs nothing; the list has the columns by what they count")
    func permutation() throws {
        try withWorkbench { bench in
            try trained(bench)
            let outcome = try bench.dtrain("explain", "run", "--method", "permutation")
            expectSuccess(outcome)
            let names = outcome.outputLines.dropFirst().compactMap { $0.split(separator: " ").first.map(String.init) }
            #expect(outcome.outputLines.first?.hasPrefix("50 samples, loss ") ?? false, "\(outcome)")
            #expect(Set(names.prefix(2)) == ["u", "v"] && names.last == "noise", "\(outcome)")
            #expect(try bench.dtrain("explain", "run", "t.csv", "--method", "permutation").output.hasPrefix("200 samples"))
            expectSuccess(try bench.dtrain("explain", "run", "t.csv", "--method", "occlusion"))
        }
    }

    @Test("activations are NumPy's arrays; pictures are PNGs; what can't be explained is refused")
    func files() throws {
        try withWorkbench { bench in
            try trained(bench)
            let written = try bench.dtrain("explain", "run", "t.csv", "--activations", "1", "--output", "a.npy")
            expectSuccess(written)
            let bytes = bench.bytes("a.npy")
            #expect(bytes.prefix(6) == Data([0x93] + Array("NUMPY".utf8)) && (bytes.count - 200 * 8 * 4) % 64 == 0)
            #expect(String(decoding: bytes.prefix(100), as: UTF8.self).contains("'shape': (200, 8,)"))
            try bench.write("d.yaml", Material.digits)
            expectSuccess(try bench.dtrain("train", "d.yaml", "--run", "d", "--quiet"))
            let pixels = (0..<64).map { "\($0 % 17)" }.joined(separator: ",")
            try bench.write("d.csv", pixels + "\n")
            for method in ["gradient", "integrated_gradients", "occlusion"] {
                expectSuccess(try bench.dtrain("explain", "d", "d.csv", "--method", method, "--output", "\(method).png"))
                #expect(bench.bytes("\(method).png").prefix(4) == Data([0x89, 0x50, 0x4E, 0x47]))
            }
            expectRefusal(try bench.dtrain("explain", "d", "d.csv"), .usage, ["--output FILE.png"])
            expectRefusal(
                try bench.dtrain("explain", "d", "d.csv", "--method", "permutation"), .usage, ["wasn't trained on a table"])
            expectRefusal(
                try bench.dtrain("explain", "run", "t.csv", "--sample", "201"), .usage, ["--sample 201: t.csv has 200"])
            expectRefusal(
                try bench.dtrain("explain", "run", "t.csv", "--class", "elm"), .usage,
                ["--class elm: no such class", "ash, birch"])
            expectRefusal(
                try bench.dtrain("explain", "run", "t.csv", "--activations", "9", "--output", "b.npy"), .usage,
                ["--activations 9: no such layer"])
            #expect(!bench.exists("b.npy"))
        }
    }

    @Test("eval by group and with calibration counts what predict says, on the validation split and on a file")
    func groups() throws {
        try withWorkbench { bench in
            try trained(bench)
            let outcome = try bench.dtrain(
                "eval", "run", "--data", "t.csv", "--group", "town", "--calibration", "--positive", "ash")
            expectSuccess(outcome)
            let predictions = try bench.dtrain("predict", "run", "t.csv").outputLines.dropFirst().map {
                $0.split(separator: ",")
            }
            let rows = Self.table().split(separator: "\n").dropFirst().map { $0.split(separator: ",") }
            for town in ["north", "south"] {
                let own = zip(rows, predictions).filter { $0.0[3] == town }
                let accuracy = Double(own.count { $0.0[4] == $0.1[0] }) / Double(own.count)
                let positive = Double(own.count { $0.1[0] == "ash" }) / Double(own.count)
                let ash = own.filter { $0.0[4] == "ash" }
                let recall = Double(ash.count { $0.1[0] == "ash" }) / Double(ash.count)
                let expected = [accuracy, positive, recall].map { String(format: "%.4f", $0) }
                let line = outcome.outputLines.first { $0.hasPrefix("  " + town) } ?? ""
                #expect(line.split(separator: " ").map(String.init) == [town, "\(own.count)"] + expected, "\(outcome)")
            }
            #expect(
                outcome.output.contains("largest gap of positive rate: ")
                    && outcome.output.contains("expected calibration error 0."))
            let validation = try bench.dtrain("eval", "run", "--group", "town", "--json")
            expectSuccess(validation)
            #expect(validation.output.contains("\"groups\":[{\"name\":\"north\""), "\(validation)")
            expectRefusal(
                try bench.dtrain("eval", "run", "--group", "twon"), .usage,
                ["--group: no column \"twon\"", "did you mean \"town\"?"])
            expectRefusal(
                try bench.dtrain("eval", "run", "--group", "noise", "--positive", "oak"), .usage,
                ["--positive oak: no such class"])
        }
    }
}
