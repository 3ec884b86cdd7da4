import Diagnostics
import Foundation
import TestSupport
import Testing

/// `format: images`, `dtrain pack` and `dtrain data`.
@Suite("Images")
struct ImageTests {
    private static let model = """
        model: {layers: [flatten, {dense: {units: 12}}, relu, {dense: {units: 3}}]}
        training: {max_steps: 12, global_batch_size: 10, micro_batch_size: 2, log_every: 1}
        """
    private static let augmented =
        "augmentation: [shift: 2, horizontal_flip, rotate: 15, scale, brightness: 0.2, contrast: 0.2, "
        + "gaussian_noise: 0.1, cutout: 3, mixup: 0.4, cutmix: 1]"
    private static let normalized = "normalize: {scale: 255, mean: [0.5, 0.4, 0.3], std: 0.25}"

    private static func configuration(_ data: String) -> String { "data: {\(data), \(normalized), \(augmented)}\n\(model)\n" }

    private func digest(_ bench: Workbench, _ arguments: String..., ranks: Int? = nil) throws -> String {
        let outcome = try bench.dtrain(["train"] + arguments + ["--quiet"], ranks: ranks)
        expectSuccess(outcome)
        return outcome.output
    }

    @Test("a folder with every augmentation gives one digest on any number of ranks, after a resume, and packed")
    func digests() throws {
        try withWorkbench { bench in
            try bench.writeImages("trees")
            try bench.write("c.yaml", Self.configuration("format: images, train: {path: trees}, validation: {path: trees}"))
            let plain = try digest(bench, "c.yaml", "--run", "plain")
            #expect(plain.hasPrefix("digest "))
            if MPIRun.isAvailable {
                for ranks in [2, 3] { #expect(try digest(bench, "c.yaml", "--run", "r\(ranks)", ranks: ranks) == plain) }
            }
            _ = try digest(bench, "c.yaml", "--run", "cut", "--steps", "5")
            #expect(try digest(bench, "c.yaml", "--run", "cut", "--resume") == plain)
            let other = try digest(bench, "c.yaml", "--run", "other", "--set", "data.augmentation=[]")
            #expect(other != plain)
            for source in [["trees"], ["c.yaml", "--split", "validation"]] {
                let outcome = try bench.dtrain(["pack", source[0], "trees.packed"] + source.dropFirst())
                expectSuccess(outcome)
                #expect(outcome.output.contains("36 samples of shape [3, 7, 9], one of 3 classes"))
                try bench.write("p.yaml", Self.configuration("format: packed, train: {path: trees.packed}"))
                #expect(try digest(bench, "p.yaml", "--run", "packed-\(source.count)") == plain)
            }
            let prediction = try bench.dtrain("predict", "plain", "trees/oak")
            expectSuccess(prediction)
            let lines = prediction.output.split(separator: "\n")
            #expect(lines.count == 13 && lines[0] == "prediction,probability_ash,probability_birch,probability_oak")
            let folder = try bench.dtrain("eval", "plain", "--data", "trees")
            let packed = try bench.dtrain("eval", "plain", "--data", "trees.packed")
            expectSuccess(folder)
            #expect(folder.output == packed.output)
        }
    }

    @Test("digits as PNG files by another writer train to the digest of the same digits as IDX, shifted and mixed")
    func filesAndIDX() throws {
        let (classes, each, side) = (10, 7, 28)
        // A ring and a bar at places of their own, fading out.
        func pixels(_ kind: Int, _ image: Int) -> [UInt8] {
            (0..<side * side).map { index in
                let (x, y) = (index % side - 13 - image % 3, index / side - 14 + image % 4)
                let distance = x * x + y * y - (12 + 9 * kind)
                let ring = max(0, 255 - distance * distance / (1 + kind))
                return UInt8(abs(x - kind + 4) < 2 && abs(y) < 9 ? 255 - 20 * image : ring)
            }
        }
        try withWorkbench { bench in
            var inputs: [UInt8] = [0, 0, 8, 3, 0, 0, 0, UInt8(classes * each), 0, 0, 0, UInt8(side), 0, 0, 0, UInt8(side)]
            var targets: [UInt8] = [0, 0, 8, 1, 0, 0, 0, UInt8(classes * each)]
            for kind in 0..<classes {
                for image in 0..<each {
                    let pixels = pixels(kind, image)
                    inputs += pixels
                    targets.append(UInt8(kind))
                    try bench.write(
                        "png/\(kind)/\(image).png", WrittenPNG.grey(pixels, width: side, filter: kind + image))
                }
            }
            try bench.write("x.idx", inputs)
            try bench.write("y.idx", targets)
            let rest = """
                normalize: {scale: 255, mean: 0.1307, std: 0.3081}, augment: [{shift: 2}, {mixup: 0.4}]}
                model:
                  layers:
                    - reshape: {shape: [1, 28, 28]}
                    - conv2d: {filters: 4, kernel: 5, stride: 2}
                    - relu
                    - flatten
                    - dense: {units: 10}
                training: {max_steps: 12, global_batch_size: 20, micro_batch_size: 5}
                """
            try bench.write("png.yaml", "data: {format: images, channels: 1, train: {path: png}, \(rest)\n")
            try bench.write("idx.yaml", "data: {format: idx, train: {inputs: x.idx, targets: y.idx}, \(rest)\n")
            let files = try digest(bench, "png.yaml", "--run", "png-run")
            #expect(files.hasPrefix("digest "))
            #expect(try digest(bench, "idx.yaml", "--run", "idx-run") == files)
            // Were pixels of no consequence, that would prove nothing.
            let other = WrittenPNG.grey(pixels(3, 2).map { $0 ^ 1 }, width: side)
            try bench.write("png/3/2.png", other)
            #expect(try digest(bench, "png.yaml", "--run", "other") != files)
        }
    }

    @Test("data prints what there is, and writes a picture of samples as training gets them")
    func look() throws {
        try withWorkbench { bench in
            try bench.writeImages("trees")
            try bench.write("trees/README.txt", "trees")
            try bench.write("c.yaml", Self.configuration("format: images, train: {path: trees}, validation_fraction: 0.25"))
            let outcome = try bench.dtrain("data", "c.yaml", "--sheet", "sheet.png", "--samples", "14")
            expectSuccess(outcome)
            for part in [
                "train: 27 samples of shape [3, 7, 9] of unsigned8, target: one of 3 classes", "  channel 2: ",
                "validation: 9 samples",
                "  normalize: {scale: 255, mean: [", "sheet.png: the first 14 samples of epoch 1"
            ] { #expect(outcome.output.contains(part), "\(part)\n\(outcome.output)") }
            #expect(outcome.errors.contains("note: trees: 1 file that is no image by its name was left out (README.txt)"))
            #expect(bench.bytes("sheet.png").prefix(4) == Data([0x89, 0x50, 0x4E, 0x47]))
            // What dtrain writes, it reads: a picture is an image of its own.
            try bench.write("sheets/sheet.png", Array(bench.bytes("sheet.png")))
            try bench.write("one.yaml", "data: {format: images, target_kind: input, train: {path: sheets}}\n\(Self.model)\n")
            expectSuccess(try bench.dtrain("data", "one.yaml"))
            for arguments in [[], ["--sheet", "digits.png"]] {
                let digits = try bench.dtrain(["data"] + arguments)
                expectSuccess(digits)
                #expect(digits.output.hasPrefix("train: 1,438 samples of shape [64]"), "\(digits)")
            }
        }
    }

    @Test("what can't be packed or shown is refused, and a file that was there stays")
    func refusals() throws {
        try withWorkbench { bench in
            try bench.write("t.csv", "a,b,y\n1,2,p\n2,1,q\n1,1,p\n")
            try bench.write("c.yaml", "data: {format: csv, train: {path: t.csv, target: y}}\n\(Self.model)\n")
            try bench.write("out", "before")
            expectRefusal(try bench.dtrain("pack", "c.yaml", "out"), .badData, ["tables and text"])
            expectRefusal(try bench.dtrain("data", "c.yaml", "--sheet", "out"), .badConfiguration, ["shape [2] can't be shown"])
            expectRefusal(try bench.dtrain("pack", "c.yaml", "out", "--split", "validation"), .usage, ["no validation split"])
            expectRefusal(try bench.dtrain("pack", "nowhere.yaml", "out"), .missingInput, ["nowhere.yaml"])
            expectRefusal(
                try bench.dtrain("pack", ".", "out", "--set", "data.chanels=1"), .badConfiguration,
                ["did you mean \"channels\""])
            #expect(bench.text("out") == "before")
        }
    }
}
