import Datasets
import Diagnostics
import Foundation
import Settings
import Storage
import TestSupport
import Testing
import Training

/// `dtrain init`: from data that nobody has described to a run.
@Suite("First configuration")
struct InitTests {
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().path

    /// A file of the data sets that `launch/fetch-data.sh` brings; nil where it hasn't.
    private static func data(_ name: String) -> String? {
        let path = root + "/data/" + name
        return FileManager.default.fileExists(atPath: path) ? path : nil
    }

    /// Trains what `init` writes for `arguments`; the metric of the last line.
    private func result(_ bench: Workbench, _ arguments: [String], _ metric: String) throws -> Double? {
        expectSuccess(try bench.dtrain(["init"] + arguments + ["--output", "c.yaml", "--force"]))
        expectSuccess(try bench.dtrain(["train", "c.yaml", "--run", "run"]))
        return try bench.files("run").log("end").first?.numbers["validation_" + metric]
    }

    @Test(
        "of scikit-learn's tables it is as good as the ready configurations",
        .enabled(
            if: ["iris/iris.csv", "wine/wine_data.csv", "breast-cancer/breast_cancer.csv", "diabetes/diabetes_target.csv.gz"]
                .allSatisfy { Self.data($0) != nil }, "no data: launch/fetch-data.sh iris, wine, breast-cancer, diabetes"),
        arguments: [
            ("iris/iris.csv", nil, "accuracy", 1.0), ("wine/wine_data.csv", nil, "accuracy", 1.0),
            ("breast-cancer/breast_cancer.csv", nil, "accuracy", 1.0),
            ("diabetes/diabetes_data_raw.csv.gz", "diabetes/diabetes_target.csv.gz", "r2", 0.48)
        ] as [(String, String?, String, Double)])
    func tables(_ file: String, _ targets: String?, _ metric: String, _ expected: Double) throws {
        try withWorkbench { bench in
            let path = try #require(Self.data(file), "\(file): launch/fetch-data.sh")
            let extra = try targets.map { ["--targets", try #require(Self.data($0))] } ?? []
            let value = try #require(try result(bench, [path] + extra, metric))
            #expect(value >= expected - 0.02, "\(file): \(metric) \(value)")
        }
    }

    @Test("digits as a table and as a folder of images come within two points of the ready configurations")
    func digits() throws {
        try withWorkbench { bench in
            let (table, images) = try Self.writeDigits(bench)
            let asTable = try #require(try result(bench, [table], "accuracy"))
            #expect(asTable >= 0.969 - 0.02, "table: \(asTable)")
            try bench.remove("run")
            let asImages = try #require(try result(bench, [images], "accuracy"))
            #expect(asImages >= 0.980 - 0.02, "images: \(asImages)")
        }
    }

    @Test("the configuration for flowers says what was found, in comments and notes, and no file is replaced")
    func flowers() throws {
        try withWorkbench { bench in
            let rows = Material.trees(rows: 60).enumerated().map {
                "\($0 + 1),\($1[0]),\($1[1]),plot \($0 * 7919 % 977),\($1[2])"
            }
            try bench.write("trees.csv", "id,u,v,plot,kind\n" + rows.joined(separator: "\n") + "\n")
            let first = try bench.dtrain("init", "trees.csv")
            expectSuccess(first)
            #expect(first.output.hasPrefix("trees.yaml: 48 samples to train, 12 to validate, one of 2 classes from 2 numbers"))
            for note in ["column \"kind\"", "id (counts the rows)", "plot (texts that hardly ever repeat)"] {
                #expect(first.errors.contains(note), "\(note): \(first.errors)")
            }
            let text = bench.text("trees.yaml")
            for line in [
                "target: kind", "features: [u, v]", "target_kind: class", "standardize: true", "loss: binary_cross_entropy"
            ] {
                #expect(text.contains(line), "\(line) in \(text)")
            }
            expectSuccess(try bench.dtrain("train", "trees.yaml", "--quiet"))
            expectRefusal(try bench.dtrain("init", "trees.csv"), .cannotCreate, ["trees.yaml: it is there already; --force"])
            #expect(bench.text("trees.yaml") == text)
            expectSuccess(try bench.dtrain("init", "trees.csv", "--force", "--target", "u"))
            let other = bench.text("trees.yaml")
            #expect(
                other.contains("target: u") && other.contains("loss: mean_squared_error")
                    && other.contains("target_kind: value"))
        }
    }

    @Test(
        "how a table is written is found out: delimiter, decimal mark, missing cells, lines in front, uneven classes, weights")
    func forms() throws {
        try withWorkbench { bench in
            var rows = (0..<80).map { "\($0 % 13),5;\($0 * 7 % 11),25;\($0 % 8 == 0 ? "rare" : "common")" }
            rows[3] = "-;3,25;common"
            try bench.write("t.csv", "made by hand\nheight;width;class\n" + rows.joined(separator: "\n") + "\n")
            expectSuccess(try bench.dtrain("init", "t.csv"))
            let text = bench.text("t.yaml")
            for line in [
                "skip_lines: 1", "delimiter: \";\"", "decimal: \",\"", "missing: mean", "target: class", "pos_weight: "
            ] {
                #expect(text.contains(line), "\(line) in \(text)")
            }
            expectSuccess(try bench.dtrain("train", "t.yaml", "--quiet"))
        }
    }

    @Test("arrays with their targets beside them, and texts, are trained on")
    func others() throws {
        try withWorkbench { bench in
            func idx(_ sizes: [Int], _ bytes: [UInt8]) -> [UInt8] {
                [0, 0, 8, UInt8(sizes.count)] + sizes.flatMap { [0, 0, UInt8($0 >> 8), UInt8($0 & 255)] } + bytes
            }
            let count = 120
            let images = (0..<count).flatMap { sample in
                (0..<64).map { UInt8(truncatingIfNeeded: sample % 3 * 80 + $0 * sample % 7) }
            }
            for name in ["train", "t10k"] {
                try bench.write("\(name)-images-idx3-ubyte", idx([count, 8, 8], images))
                try bench.write("\(name)-labels-idx1-ubyte", idx([count], (0..<count).map { UInt8($0 % 3) }))
            }
            expectSuccess(try bench.dtrain("init", "train-images-idx3-ubyte", "--output", "i.yaml"))
            #expect(
                bench.text("i.yaml").contains("validation: {inputs: t10k-images-idx3-ubyte, targets: t10k-labels-idx1-ubyte}"))
            #expect(bench.text("i.yaml").contains("conv2d"))
            expectSuccess(try bench.dtrain("train", "i.yaml", "--quiet", "--steps", "3"))
            let verse =
                "The quick brown fox jumps over the lazy dog.\nPack my box with five dozen liquor jugs, he said.\n\nHow?\n"
            try bench.write("verse.txt", String(repeating: verse, count: 20))
            expectSuccess(try bench.dtrain("init", "verse.txt"))
            #expect(bench.text("verse.yaml").contains("format: text"))
            expectSuccess(try bench.dtrain("train", "verse.yaml", "--quiet", "--steps", "2"))
            let sentences = (0..<60).map {
                "this one is \($0 % 2 == 0 ? "good" : "bad") and has number \($0),\($0 % 2 == 0 ? "ham" : "spam")"
            }
            try bench.write("mail.csv", "message,label\n" + sentences.joined(separator: "\n") + "\n")
            expectSuccess(try bench.dtrain("init", "mail.csv"))
            #expect(bench.text("mail.yaml").contains("format: texts") && bench.text("mail.yaml").contains("text: message"))
            expectSuccess(try bench.dtrain("train", "mail.yaml", "--quiet", "--steps", "2"))
        }
    }

    @Test("what can't be told, or isn't there, is refused in one line")
    func refusals() throws {
        try withWorkbench { bench in
            try bench.write("keys.csv", "a,name\n" + (0..<30).map { "\($0 * $0 % 31),n\($0)\n" }.joined())
            try bench.write("short.txt", "hello\n")
            try bench.write("binary.dat", [1, 2, 0, 4, 5])
            try bench.write("lone-images.idx", [0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 7])
            try bench.write("empty/readme.txt", "nothing")
            #expect(mkfifo(bench.path("pipe"), 0o600) == 0)
            for (arguments, code, words) in [
                (["nowhere.csv"], .missingInput, ["nowhere.csv: no such file or folder"]),
                (["keys.csv"], .badData, ["keys.csv: column \"name\" holds 30 different texts in 30 rows", "--target NAME"]),
                (
                    ["keys.csv", "--target", "nome"], .usage,
                    ["--target: no column \"nome\" in keys.csv", "did you mean \"name\"?"]
                ),
                (["short.txt"], .badData, ["short.txt: a text of 6 characters, too few to learn from"]),
                (["binary.dat"], .badData, ["binary.dat: not a text file"]),
                (["lone-images.idx"], .usage, ["lone-images.idx: inputs without targets", "--targets FILE"]),
                (["empty"], .badData, ["empty: expected a folder with a folder of images for each class"]),
                (["pipe"], .badData, ["pipe: a pipe, not a regular file"]),
                ([""], .usage, ["an empty path; name a file"])
            ] as [([String], Diagnostics.ExitCode, [String])] {
                expectRefusal(try bench.dtrain(["init"] + arguments), code, words)
                #expect(bench.names(".").filter { $0.hasSuffix(".yaml") } == [], "\(arguments)")
            }
        }
    }

    // MARK: - Material

    /// The built-in digits as a table without a header and as PNGs in a folder for each class.
    private static func writeDigits(_ bench: Workbench) throws -> (table: String, images: String) {
        let splits = try Experiment(
            TrainingConfiguration(SettingsDocument(text: builtInConfiguration, name: "digits", overrides: []), name: "digits")
        ).splits
        var lines = ""
        for split in [splits.train, try #require(splits.validation)] {
            let samples = (0..<Int32(split.count)).map { $0 }[...]
            let pixels = AlignedBuffer<Float>(count: split.count * 64)
            let labels = AlignedBuffer<Int32>(count: split.count, repeating: 0)
            let rows = pixels.matrix(rows: split.count, columns: 64)
            split.gatherInputs(samples, into: rows)
            split.gatherClasses(samples, into: labels.elements)
            for row in 0..<split.count {
                let levels = rows.row(row).map { UInt8(($0 * 16).rounded()) }
                let label = labels.elements[row]
                lines += levels.map { String($0) }.joined(separator: ",") + ",\(label)\n"
                try bench.write("images/\(label)/\(split.count)-\(row).png", WrittenPNG.grey(levels.map { $0 * 15 }, width: 8))
            }
        }
        try bench.write("digits.csv", lines)
        return ("digits.csv", "images")
    }
}
