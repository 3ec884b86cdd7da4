import Datasets
import Diagnostics
import Foundation
import Storage
import Testing

/// Changes of images while they are gathered for training.
struct ImageAugmentationTests {
    let files: TestFiles

    init() throws { files = try TestFiles() }

    /// Two channels of 5 × 4 bytes, all different.
    private static let image = (0..<40).map { UInt8(100 + $0) }

    private func train(_ augmentation: String, extra: String = "", seed: UInt64 = 1) throws -> Dataset {
        let folder = try files.subdirectory()
        defer { withExtendedLifetime(folder) {} }
        let inputs = try folder.write("x", idx([2, 2, 5, 4], Self.image + Self.image.reversed()))
        let targets = try folder.write("y", idx([2], [0, 1]))
        let configuration = try configuration(
            "format: idx\ntrain: {inputs: \(inputs), targets: \(targets)}\naugmentation: \(augmentation)\n\(extra)")
        return try configuration.load().augmented(by: configuration.augmentations, seed: seed, globalBatchSize: 1 << 20).train
    }

    private func rows(_ augmentation: String, extra: String = "", draws: Int = 200) throws -> [[Float]] {
        let train = try train(augmentation, extra: extra)
        return train.inputRows(Array(repeating: 0, count: draws), firstDraw: 7)
    }

    private let plain = image.map { Float($0) }
    private func place(_ channel: Int, _ row: Int, _ column: Int) -> Int { (channel * 5 + row) * 4 + column }

    @Test("shift moves all channels alike by every distance up to its own, and black comes in, or fill")
    func shift() throws {
        var seen: Set<[Int]> = []
        for row in try rows("[shift: {pixels: 2, fill: 9}]") {
            // The distance at which all that is inside is the image's.
            let fits = (-2...2).flatMap { down in (-2...2).map { [down, $0] } }.filter { move in
                (0..<2).allSatisfy { channel in
                    (0..<5).allSatisfy { y in
                        (0..<4).allSatisfy { x in
                            let (fromY, fromX) = (y - move[0], x - move[1])
                            let isInside = (0..<5).contains(fromY) && (0..<4).contains(fromX)
                            return row[place(channel, y, x)] == (isInside ? plain[place(channel, fromY, fromX)] : 9)
                        }
                    }
                }
            }
            #expect(fits.count == 1)
            seen.formUnion(fits)
        }
        #expect(seen.count == 25)
    }

    @Test("fill is a number of the file, whatever the normalisation")
    func fill() throws {
        let normalized = try rows("[shift: 2]", extra: "normalize: {scale: 255, mean: [0.5, 0.25], std: [0.5, 2]}")
        let least = Set(normalized.flatMap { $0[..<20] }).min(), other = Set(normalized.flatMap { $0[20...] }).min()
        #expect(least == -1 && other == -0.125)
    }

    @Test("flips mirror with their probability")
    func flips() throws {
        let across = (0..<2).flatMap { c in (0..<5).flatMap { y in (0..<4).map { plain[place(c, y, 3 - $0)] } } }
        let down = (0..<2).flatMap { c in (0..<5).flatMap { y in (0..<4).map { plain[place(c, 4 - y, $0)] } } }
        for (kind, mirrored) in [("horizontal_flip", across), ("vertical_flip", down)] {
            let found = try rows("[\(kind)]")
            #expect(found.allSatisfy { $0 == plain || $0 == mirrored })
            #expect((60...140).contains(found.filter { $0 == mirrored }.count))
            #expect(try rows("[\(kind): 1]").allSatisfy { $0 == mirrored })
            #expect(try rows("[\(kind): {probability: 0}]").allSatisfy { $0 == plain })
            #expect(try rows("[\(kind): 1, \(kind): 1]").allSatisfy { $0 == plain })
        }
    }

    @Test("rotate and scale by nothing change nothing; a turn keeps the middle, and a small image has black around it")
    func warps() throws {
        #expect(try rows("[rotate: 0]").allSatisfy { $0 == plain })
        #expect(try rows("[scale: {minimum: 1, maximum: 1}]").allSatisfy { $0 == plain })
        for row in try rows("[rotate: 30]") {
            let middle = (row[place(0, 2, 1)] + row[place(0, 2, 2)]) / 2
            #expect(abs(middle - (plain[place(0, 2, 1)] + plain[place(0, 2, 2)]) / 2) < 1e-4)
            #expect(row != plain)
        }
        for row in try rows("[scale: {minimum: 0.4, maximum: 0.5}]") {
            #expect(row[place(0, 0, 0)] == 0 && row[place(1, 4, 3)] == 0)
            #expect(row[place(0, 2, 1)] > 90)
        }
        // Twice the size: each place comes from half as far from the middle.
        let large = try rows("[scale: {minimum: 2, maximum: 2}]")[0]
        for y in 0..<5 {
            for x in 0..<4 {
                let expected = 100 + (Double(y) - 2) / 2 * 4 + 8 + (Double(x) - 1.5) / 2 + 1.5
                #expect(abs(Double(large[place(0, y, x)]) - expected) < 1e-4)
            }
        }
    }

    @Test("brightness and contrast are those of the file's numbers, whatever the normalisation, and bytes stay within theirs")
    func levels() throws {
        let normalization = "normalize: {scale: 255, mean: [0.5, 0.25], std: [0.5, 2]}"
        for kind in ["brightness", "contrast"] {
            let bytes = try rows("[\(kind): 0.9]")
            let normalized = try rows("[\(kind): 0.9]", extra: normalization)
            for (row, other) in zip(bytes, normalized) {
                #expect(row.allSatisfy { (0...255).contains($0) })
                for (index, number) in other.enumerated() {
                    let (mean, std): (Float, Float) = index < 20 ? (0.5, 0.5) : (0.25, 2)
                    #expect(abs((number * std + mean) * 255 - row[index]) < 1e-2)
                }
                let grey = plain.reduce(0, +) / 40
                let base: Float = kind == "brightness" ? 0 : grey
                // Where nothing was cut all have the same factor.
                let factors = zip(row, plain).filter { (1..<254).contains($0.0) }.map { ($0 - base) / ($1 - base) }
                #expect((factors.max() ?? 0) - (factors.min() ?? 0) < 1e-3)
            }
        }
    }

    @Test("cutout takes out one square, 0 or fill, in all channels")
    func cutout() throws {
        for row in try rows("[cutout: {size: 3, fill: 7}]") {
            let cut: [Int] = (0..<20).filter { (place: Int) -> Bool in row[place] != plain[place] }
            #expect((4...9).contains(cut.count))
            #expect(cut.allSatisfy { (place: Int) -> Bool in row[place] == 7 && row[place + 20] == 7 })
            let other: [Int] = (0..<20).filter { (place: Int) -> Bool in row[place + 20] != plain[place + 20] }
            #expect(cut == other)
        }
        let cut = try rows("[cutout: 3]", extra: "normalize: {scale: 255}")
        #expect(cut.allSatisfy { $0.contains(0) })
    }

    @Test(
        "what an image becomes is a function of seed and draw alone",
        arguments: [
            "[shift: 2]", "[rotate: 20]", "[scale]", "[brightness: 0.5]", "[contrast: 0.5]", "[cutout: 2]", "[horizontal_flip]",
            "[vertical_flip]", "[horizontal_flip, shift: 1, rotate: 10, cutout: 2, gaussian_noise: 0.1]"
        ])
    func keys(augmentation: String) throws {
        let train = try train(augmentation)
        let all = train.inputRows(Array(repeating: 0, count: 40), firstDraw: 100)
        for first in [0, 7, 39] {
            #expect(train.inputRows([0], firstDraw: UInt64(100 + first)) == [all[first]])
        }
        #expect(train.inputRows(Array(repeating: 0, count: 40)).allSatisfy { $0 == plain })
        let other = try self.train(augmentation, seed: 2).inputRows(Array(repeating: 0, count: 40), firstDraw: 100)
        #expect(other != all)
    }

    @Test("samples that are no images, and terms that each input has for itself, are refused where they can't be changed")
    func refused() throws {
        for kind in [
            "shift: 1", "horizontal_flip", "vertical_flip", "rotate: 5", "scale", "brightness: 0.1", "contrast: 0.1",
            "cutout: 2"
        ] {
            expectFailure(.badConfiguration, "data.augmentation: \(kind.prefix { $0 != ":" }) changes images") {
                let configuration = try configuration("augmentation: [\(kind)]")
                _ = try configuration.load().augmented(by: configuration.augmentations, seed: 1, globalBatchSize: 1 << 20)
            }
        }
        expectFailure(.badConfiguration, "brightness needs one mean and deviation for each channel") {
            _ = try train("[brightness: 0.1]", extra: "standardize: true")
        }
        #expect(try rows("[shift: 2]", extra: "standardize: true").contains { $0.contains(0) })
        for (text, message) in [
            ("[shift: 0]", "augmentation[0].shift.pixels: expected a whole number, 1"),
            ("[shift: x]", "expected a whole number"),
            ("[shift]", "missing"), ("[rotate: 181]", "from 0.0 to 180.0"), ("[scale: {minimum: 2}]", "at most the maximum"),
            ("[brightness: 2]", "from 0.0 to 1.0"), ("[cutout: {size: 1, sise: 1}]", "unknown key \"sise\""),
            ("[scale: 2]", "expected one name")
        ] {
            expectFailure(.badConfiguration, message) { _ = try train(text) }
        }
    }
}
