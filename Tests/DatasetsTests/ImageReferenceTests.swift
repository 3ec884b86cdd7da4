import Datasets
import Diagnostics
import Foundation
import Storage
import Testing

/// What Pillow made of the files in `Tests/References/images`, in `expected.npz`.
struct PillowReference {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "References/images")

    /// An array of bytes, of one image.
    static func array(_ name: String, _ files: TestFiles) throws -> [Float] {
        // Rows are the samples; as targets there is anything of the same length.
        let splits = try load(
            "format: npz\npath: \(folder.path)/expected.npz\ntarget_kind: input\ntrain: {inputs: \"\(name)\"}")
        return splits.train.inputRows().flatMap { $0 }
    }
}

struct ImageReferenceTests {
    let files: TestFiles

    init() throws { files = try TestFiles() }

    /// One image as a folder of its own, without classes, read with some options: its pixels, pixel by pixel.
    private func pixels(_ name: String, _ options: String) throws -> [Float] {
        let folder = try files.subdirectory()
        _ = try folder.write(name, [UInt8](Data(contentsOf: PillowReference.folder.appending(path: name))))
        let train = try load(
            "format: images\ntarget_kind: input\ntrain: {path: \(folder.directory.path)}\n\(options)"
        ).train
        let row = train.inputRows()[0]
        let channels = train.inputShape.dimensions[0]
        let area = row.count / channels
        return (0..<row.count).map { row[$0 % channels * area + $0 / channels] }
    }

    private static var names: [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: PillowReference.folder.path)) ?? []).sorted()
            .filter { !$0.hasPrefix("source") && !$0.hasPrefix("expected") }
    }

    @Test("pixels of every kind of PNG and JPEG are those of Pillow's convert", arguments: names)
    func kinds(name: String) throws {
        for (channels, mode) in [(1, "L"), (3, "RGB")] {
            let found = try pixels(name, "channels: \(channels)")
            let expected = try PillowReference.array("\(name)/\(mode)", files)
            #expect(found.count == expected.count)
            let most = zip(found, expected).map { abs($0 - $1) }.max() ?? 0
            #expect(most == 0, "\(name) \(mode): up to \(most) levels")
        }
        let upright = try PillowReference.array("\(name)/upright", files)
        #expect(try pixels(name, "exif_orientation: true") == upright)
    }

    @Test("scaled images are Pillow's, within a level; cut ones are torchvision's")
    func sizes() throws {
        for (channels, mode) in [(1, "L"), (3, "RGB")] {
            for (height, width) in [(7, 9), (40, 50), (5, 80), (21, 11), (64, 34), (1, 1), (20, 33)] {
                let found = try pixels("source\(channels).png", "channels: \(channels)\nsize: [\(height), \(width)]")
                let expected = try PillowReference.array("resized/\(mode)/\(height)x\(width)", files)
                // Pillow 13 goes along columns first where that is less work, which may round to the next level.
                let most = zip(found, expected).map { abs($0 - $1) }.max() ?? 0
                #expect(found.count == expected.count && most <= 1, "\(mode) \(height)×\(width): up to \(most) levels")
            }
            for (height, width) in [(8, 8), (12, 5), (5, 12), (30, 30)] {
                let found = try pixels(
                    "source\(channels).png", "channels: \(channels)\nsize: [\(height), \(width)]\ncrop: true")
                let expected = try PillowReference.array("cropped/\(mode)/\(height)x\(width)", files)
                #expect(found == expected, "\(mode) \(height)×\(width)")
            }
        }
    }

    @Test(
        "prefixes of an image are refused, and its bytes may be others without a trap",
        arguments: ["palette.png", "grey16.png", "rgb420.jpg", "progressive.jpg", "turned6.jpg"])
    func damage(name: String) throws {
        let whole = [UInt8](try Data(contentsOf: PillowReference.folder.appending(path: name)))
        let folder = try files.subdirectory()
        let text = "format: images\ntarget_kind: input\nexif_orientation: true\ntrain: {path: \(folder.directory.path)}"
        for count in stride(from: 0, to: whole.count, by: 29) {
            _ = try folder.write(name, Array(whole[..<count]))
            expectFailure(.badData, name) { _ = try load(text) }
        }
        for place in stride(from: 0, to: whole.count, by: 11) {
            for change: UInt8 in [1, 0x80, 0xFF] {
                var damaged = whole
                damaged[place] ^= change
                _ = try folder.write(name, damaged)
                _ = try? load(text)
            }
        }
    }
}
