import Checkpointing
import Diagnostics
import Foundation
import TestSupport
import Testing

/// `dtrain export` to onnx, safetensors and npz, and weights in 8 bits.
@Suite("Export")
struct ExportTests {
    private static let references = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("References").path

    private func trees(_ bench: Workbench, data: String = "standardize: true", sections: String = "") throws {
        try bench.write("t.csv", Material.csv(Material.trees()))
        try bench.write(
            "c.yaml",
            Material.table(
                "t.csv", data: "\(data)\n  validation_fraction: 0.25", steps: 40,
                sections: "optimizer: {adam: {learning_rate: 0.05}}\n\(sections)"))
        expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "run", "--quiet"))
    }

    @Test("safetensors and npz have the checkpoint's weights under their names, and say what they are of")
    func weights() throws {
        try withWorkbench { bench in
            try trees(bench)
            let checkpoint = "run/checkpoints/step-00000040/model.safetensors"
            let outcome = try bench.dtrain("export", "run", "w.safetensors", "--format", "safetensors")
            expectSuccess(outcome)
            #expect(outcome.output == "w.safetensors: 2 tensors, 6 parameters of step 40\n", "\(outcome)")
            expectSuccess(try bench.dtrain("verify", "w.safetensors", checkpoint))
            let header = bench.bytes("w.safetensors").prefix(600)
            let text = String(decoding: header, as: UTF8.self)
            for part in ["\"format\":\"pt\"", "\"step\":\"40\"", "[\\\"ash\\\",\\\"birch\\\"]", "[\\\"u\\\",\\\"v\\\"]"] {
                #expect(text.contains(part), "\(part) in \(text)")
            }
            expectSuccess(try bench.dtrain("export", "run", "w.npz", "--format", "npz"))
            let numbers = try SafetensorsFile(path: bench.path(checkpoint)).floats("0.weight")
            let bytes = numbers.withUnsafeBytes { Data($0) }
            #expect(bench.bytes("w.npz").range(of: bytes) != nil)
            #expect(bench.bytes("w.npz").range(of: Data("0.bias.npy".utf8)) != nil)

            // The old file stays where a new one can't be made.
            let before = bench.snapshot()
            expectRefusal(
                try bench.dtrain("export", "run", "run", "--format", "onnx"), .cannotCreate, ["run: a directory"])
            expectRefusal(
                try bench.dtrain("export", "run", "none/w.onnx", "--format", "onnx"), .cannotCreate, ["none/w.onnx"])
            expectRefusal(
                try bench.dtrain("export", "run", "w.npz", "--format", "npz", "--ema"), .usage, ["--ema", "training.ema"])
            expectRefusal(
                try bench.dtrain("export", "run", "w.npz", "--format", "npz", "--int8"), .usage, ["--int8", "onnx"])
            #expect(bench.snapshot() == before)
        }
    }

    @Test("an average of the weights is exported where it is asked for")
    func average() throws {
        try withWorkbench { bench in
            try bench.write("t.csv", Material.csv(Material.trees()))
            try bench.write(
                "c.yaml", Material.table("t.csv", steps: 6).replacing("log_every: 1", with: "log_every: 1, ema: {decay: 0.9}"))
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "run", "--quiet"))
            expectSuccess(try bench.dtrain("export", "run", "e.safetensors", "--format", "safetensors", "--ema"))
            expectSuccess(try bench.dtrain("verify", "e.safetensors", "run/checkpoints/step-00000006/ema.safetensors"))
        }
    }

    @Test("weights in 8 bits: a table of size, speed and accuracy, predictions, and a smaller graph")
    func eightBits() throws {
        try withWorkbench { bench in
            try bench.write("c.yaml", Material.digits(steps: 60, sections: "metrics: [accuracy]"))
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "run", "--quiet"))
            let table = try bench.dtrain("eval", "run", "--int8", "--split", "train")
            expectSuccess(table)
            for part in ["float32", "int8 weights", "int8 products", "samples/s", "loss", "accuracy", "2 of 2 weights"] {
                #expect(table.output.contains(part), "\(part): \(table)")
            }
            let plain = try bench.dtrain("export", "run", "plain.onnx", "--format", "onnx")
            let small = try bench.dtrain("export", "run", "small.onnx", "--format", "onnx", "--int8")
            expectSuccess(plain)
            expectSuccess(small)
            #expect(small.output.contains("accuracy") && !plain.output.contains("accuracy"), "\(small)")
            let (long, short) = (bench.bytes("plain.onnx").count, bench.bytes("small.onnx").count)
            #expect(long > 4 * 16 * 64 && short < long - 2 * 16 * 64, "\(long), \(short)")
            let rows = (0..<5).map { row in (0..<64).map { "\(($0 * 7 + row) % 17)" }.joined(separator: ",") + "\n" }
            try bench.write("x.csv", rows.joined())
            let whole = try bench.dtrain("predict", "run", "x.csv")
            let eight = try bench.dtrain("predict", "run", "x.csv", "--int8")
            expectSuccess(eight)
            #expect(eight.errors.contains("2 weights in 8 bits") && eight.output != whole.output, "\(eight)")
            #expect(eight.outputLines.count == 6)
        }
    }

    // MARK: - Beside onnxruntime

    /// The numbers of a file, samples of this shape, and the columns of `predict` that the output is compared with.
    private struct Compared {
        var type = "<f4"
        let shape: [Int]
        let numbers: [Float]
        var lengths: [Int64]?
        let columns: Range<Int>
        let output: String
        let outputShape: [Int]
    }

    private func compare(
        _ bench: Workbench, input: String, _ compared: Compared, options: [String] = [], within bound: Double = 1e-5
    ) throws {
        let python = try #require(Self.python)
        let predictions = try bench.dtrain(["predict", "run", input] + options)
        expectSuccess(predictions)
        let expected = predictions.outputLines.dropFirst().flatMap { line in
            line.split(separator: ",").map { Float($0) ?? .nan }[compared.columns]
        }
        try #require(expected.count == compared.outputShape.reduce(1, *), "\(predictions)")
        let exported = try bench.dtrain(["export", "run", "m.onnx", "--format", "onnx"] + options)
        expectSuccess(exported)
        func array(_ type: String, _ shape: [Int], _ bytes: UnsafeRawBufferPointer) -> [String: Any] {
            ["type": type, "shape": shape, "bytes": Data(bytes).base64EncodedString()]
        }
        var inputs = ["input": compared.numbers.withUnsafeBytes { array("<f4", compared.shape, $0) }]
        if let lengths = compared.lengths {
            inputs["lengths"] = lengths.withUnsafeBytes { array("<i8", [lengths.count], $0) }
        }
        let cases: [[String: Any]] = [
            [
                "name": "network", "model": bench.path("m.onnx"), "inputs": inputs,
                "outputs": [compared.output: expected.withUnsafeBytes { array("<f4", compared.outputShape, $0) }]
            ]
        ]
        try bench.write("cases.json", [UInt8](JSONSerialization.data(withJSONObject: cases)))
        let result = try bench.run(python, [Self.references + "/run_onnx.py", "cases.json"])
        try #require(result.status == 0, "\(result)")
        let difference = try JSONDecoder().decode([String: Double].self, from: Data(result.output.utf8))["network"] ?? .infinity
        #expect(difference <= bound, "\(difference): \(result)\n\(exported)")
    }

    private static let trait: ConditionTrait = .enabled(
        if: python != nil, "no python3 that imports onnx and onnxruntime (DTRAIN_PYTHON names one)")

    @Test(
        "onnxruntime gives dtrain's predictions of the numbers of a table, with weights in 8 bits about those of products in 8 bits",
        trait, arguments: [[], ["--int8"]])
    func table(_ options: [String]) throws {
        try withWorkbench { bench in
            try trees(bench)
            let numbers = Material.trees().flatMap { $0.prefix(2).map { Float($0) ?? .nan } }
            try compare(
                bench, input: "t.csv",
                Compared(
                    shape: [60, 2], numbers: numbers, columns: 1..<3, output: "probabilities", outputShape: [60, 2]),
                options: options, within: options.isEmpty ? 1e-5 : 0.02)
        }
    }

    @Test("onnxruntime gives dtrain's predictions of images with the bytes' own numbers", trait)
    func images() throws {
        try withWorkbench { bench in
            try bench.write("x", Material.images)
            try bench.write("y", Material.labels)
            try bench.write("c.yaml", Material.pictures(data: "normalize: {scale: 255, mean: 0.3, std: 0.2}", steps: 40))
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "run", "--quiet"))
            try compare(
                bench, input: "x",
                Compared(
                    shape: [42, 4, 4], numbers: Material.images.dropFirst(16).map { Float($0) }, columns: 1..<4,
                    output: "probabilities", outputShape: [42, 3]))
        }
    }

    @Test("onnxruntime gives dtrain's forecasts in the file's unit", trait)
    func forecasts() throws {
        try withWorkbench { bench in
            try bench.write("t.csv", Material.stations())
            try bench.write(
                "c.yaml",
                Material.series(
                    "t.csv", columns: "inputs: [level, rain], target: [level], time: date, key: station",
                    data: "window: 12\n  horizon: 3\n  season: 12\n  standardize: true\n  validation_fraction: 0.2", units: 3,
                    steps: 60))
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "run", "--quiet"))
            let rows = Material.stations().split(separator: "\n").dropFirst().map { $0.split(separator: ",") }
            let numbers = ["north", "south"].flatMap { name in
                rows.filter { $0[0] == name }.suffix(12).flatMap { [Float($0[2]) ?? .nan, Float($0[3]) ?? .nan] }
            }
            try compare(
                bench, input: "t.csv",
                Compared(shape: [2, 12, 2], numbers: numbers, columns: 2..<3, output: "forecast", outputShape: [2, 3, 1]))
        }
    }

    @Test("onnxruntime gives dtrain's predictions of series of different lengths, whatever stands behind their ends", trait)
    func lengths() throws {
        try withWorkbench { bench in
            let series = Material.waves(24)
            try bench.write(
                "t.tsv", series.map { "\($0.name)\t\($0.values.map { "\($0)" }.joined(separator: "\t"))\tNaN\n" }.joined())
            try bench.write(
                "c.yaml", Material.classifiedSeries("t.tsv", data: "standardize: true\n  validation_fraction: 0.25", steps: 50))
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "run", "--quiet"))
            let length = 12
            let numbers = series.flatMap { one in
                one.values.map { Float($0) } + [Float](repeating: 1e6, count: length - one.values.count)
            }
            try compare(
                bench, input: "t.tsv",
                Compared(
                    shape: [24, length, 1], numbers: numbers, lengths: series.map { Int64($0.values.count) }, columns: 1..<3,
                    output: "probabilities", outputShape: [24, 2]))
        }
    }

    private static let python: String? = {
        let named = ProcessInfo.processInfo.environment["DTRAIN_PYTHON"]
        let found = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map { "\($0)/python3" }
            .first { FileManager.default.isExecutableFile(atPath: $0) }
        guard let path = named ?? found else { return nil }
        let probe = """
            import importlib.util, sys
            sys.exit(0 if all(map(importlib.util.find_spec, ("onnx", "onnxruntime", "numpy"))) else 1)
            """
        return (try? ChildProcess(path, ["-c", probe]).run())?.status == 0 ? path : nil
    }()
}
