import CZlib
import Datasets
import Diagnostics
import Foundation
import Glibc
import Storage
import Testing

struct ImageFolderTests {
    let files: TestFiles

    init() throws { files = try TestFiles() }

    private static func file(_ name: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: PillowReference.folder.appending(path: name)))
    }

    /// A folder with one file for each path, such as `cat/a.png`: a grey image of 7 × 9 where no content is given.
    private func folder(_ paths: [String], _ contents: [String: [UInt8]] = [:]) throws -> TestFiles {
        let folder = try files.subdirectory()
        let image = try Self.file("grey8.png")
        for path in paths {
            let parent = folder.directory.appending(path: path).deletingLastPathComponent()
            try FileManager.default.createDirectory(at: parent, withIntermediateDirectories: true)
            _ = try folder.write(path, contents[path] ?? image)
        }
        return folder
    }

    private func splits(_ folder: TestFiles, _ extra: String = "") throws -> DataSplits {
        try load("format: images\ntrain: {path: \(folder.directory.path)}\n\(extra)")
    }

    @Test("classes are the folders in the order of bytes, samples the files in theirs; bytes stay bytes")
    func order() throws {
        let found = try splits(folder(["b/2.png", "b/10.png", "Z/a.PNG", "é/x.png"]), "channels: 1")
        #expect(found.train.classNames == ["Z", "b", "é"])
        #expect(found.train.classList == [0, 1, 1, 2])
        #expect(found.train.inputShape == Shape([1, 7, 9]))
        #expect(found.byteCount.allocated == 4 * 63 + 4 * 4)
        #expect(found.notes.isEmpty)
        let counted = try splits(folder(["0/a.png", "1/a.png"]))
        #expect(counted.train.classNames == nil)
        #expect(counted.train.inputShape == Shape([3, 7, 9]))
    }

    @Test("other files are counted, hidden ones too; images that aren't read and folders among images are refused")
    func mixedIn() throws {
        let mixed = try folder(["README.txt", ".hidden/x.png", "a/1.png", "a/.DS_Store", "a/notes", "b/1.png"])
        #expect(try splits(mixed).notes.map { $0.contains("3 files that are no image by their names were left out") } == [true])
        expectFailure(.badData, "a/x.gif: an image of a format that isn't read") {
            _ = try splits(folder(["a/x.gif", "b/1.png"]))
        }
        expectFailure(.badData, "the folder \"c\" lies among the images") { _ = try splits(folder(["a/c/x.png", "b/1.png"])) }
        expectFailure(.badData, "the image x.png lies beside the folders") { _ = try splits(folder(["x.png", "b/1.png"])) }
    }

    @Test("folders without images, without classes and of one class are refused by name")
    func empty() throws {
        expectFailure(.badData, "no folder in it") { _ = try splits(folder(["README.txt"])) }
        expectFailure(.badData, "the class \"b\" has no image") { _ = try splits(folder(["a/1.png", "b/notes.txt"])) }
        expectFailure(.badData, "every sample is of the one class \"a\"") { _ = try splits(folder(["a/1.png"])) }
        expectFailure(.missingInput, "no such folder of images") {
            _ = try load("format: images\ntrain: {path: \(files.path("nowhere"))}")
        }
        let path = try files.write("plain", "x")
        expectFailure(.badData, "a file; expected a folder") { _ = try load("format: images\ntrain: {path: \(path)}") }
        let validation = try folder(["a/1.png", "c/1.png"])
        expectFailure(.badData, "the folder \"c\" is not one of the classes", "known: a, b") {
            _ = try splits(folder(["a/1.png", "b/1.png"]), "validation: {path: \(validation.directory.path)}")
        }
        let part = try folder(["b/1.png"])
        let fits = try splits(folder(["a/1.png", "b/1.png"]), "validation: {path: \(part.directory.path)}")
        #expect(fits.validation?.classList == [1])
    }

    @Test("names that are no UTF-8: of files they are read and shown with escapes, of classes refused")
    func names() throws {
        let good = try folder(["a/1.png", "b/1.png"])
        func rename(_ old: String, _ new: [UInt8], in folder: TestFiles) {
            let path = (Array((folder.directory.path + "/").utf8) + new + [0]).map { CChar(bitPattern: $0) }
            #expect(Glibc.rename(folder.path(old), path) == 0)
        }
        rename("a/1.png", Array("a/".utf8) + [0xFF, 0x31] + Array(".png".utf8), in: good)
        #expect(try splits(good).train.count == 2)
        let bad = try folder(["a/1.png", "b/1.png"], ["a/1.png": [1, 2, 3]])
        rename("a/1.png", Array("a/".utf8) + [0xFF, 0x31] + Array(".png".utf8), in: bad)
        expectFailure(.badData, "a/\\xff1.png: neither PNG nor JPEG") { _ = try splits(bad) }
        rename("b", [0xC0, 0x62], in: bad)
        expectFailure(.badData, "the folder \"\\xc0b\"", "not text in UTF-8") { _ = try splits(bad) }
    }

    @Test("a damaged file names itself, or is left out with a count; other sizes are refused without data.size")
    func damaged() throws {
        let names = ["a/1.png", "a/2.png", "b/1.png", "b/2.png"]
        let damaged = try folder(names, ["a/2.png": [], "b/1.png": Array(try Self.file("grey8.png").dropLast(20))])
        expectFailure(.badData, "a/2.png: an empty file", "set data.damaged: skip") { _ = try splits(damaged) }
        let skipped = try splits(damaged, "damaged: skip")
        #expect(skipped.train.classList == [0, 1])
        #expect(skipped.notes.count == 1 && skipped.notes[0].contains("2 images that can't be read left out"))
        let sizes = try folder(names, ["b/2.png": try Self.file("rgb444.jpg")])
        expectFailure(.badData, "b/2.png: 23×19 pixels; expected 9×7 as ", "a/1.png has", "data.size") {
            _ = try splits(sizes, "damaged: skip")
        }
        #expect(try splits(sizes, "size: [7, 9]").train.count == 4)
        let nothing = try folder(["a/1.png", "b/1.png"], ["a/1.png": [], "b/1.png": []])
        expectFailure(.badData, "none of its 2 images can be read") { _ = try splits(nothing, "damaged: skip") }
        expectFailure(.badData, "none of its 2 images can be read") { _ = try splits(nothing, "damaged: skip\nsize: [1, 1]") }
    }

    @Test(
        "absurd sizes in headers are refused before memory is taken",
        arguments: [
            (0x7FFF_FFFF, 0x7FFF_FFFF, "expected at most"), (200_000, 200_000, "expected at most"),
            (9000, 9000, "more than its"),
            (0, 5, "damaged"), (1 << 31, 1, "damaged")
        ])
    func absurd(width: Int, height: Int, message: String) throws {
        func chunk(_ kind: String, _ content: [UInt8]) -> [UInt8] {
            let body = Array(kind.utf8) + content
            return bigEndian(UInt32(content.count)) + body + bigEndian(UInt32(crc32(0, body, UInt32(body.count))))
        }
        let png: [UInt8] =
            [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
            + chunk("IHDR", bigEndian(UInt32(width)) + bigEndian(UInt32(height)) + [8, 6, 0, 0, 0])
            + chunk("IDAT", [0x78, 0x9C])
        var jpeg = try Self.file("grey.jpg")
        let frame = try #require(jpeg.indices.first { jpeg[$0] == 0xFF && jpeg[$0 + 1] == 0xC0 })
        jpeg.replaceSubrange(frame + 5..<frame + 9, with: bigEndian(UInt16(65000)) + bigEndian(UInt16(65000)))
        let before = peak()
        for (bytes, text) in [(png, message), (jpeg, "expected at most")] {
            let folder = try folder(["a/1.png", "b/1.png"], ["a/1.png": bytes])
            expectFailure(.badData, "a/1.png", text) { _ = try splits(folder) }
            #expect(try splits(folder, "damaged: skip\nsize: [4, 4]").train.count == 1)
        }
        #expect(peak() - before < 64 << 10, "kibibytes")
    }

    /// The most memory that the process has held, KiB.
    private func peak() -> Int {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return usage.ru_maxrss
    }

    @Test("a trained network reads folders with and without classes and single images; bytes alone say what they are")
    func reading() throws {
        let trained = try splits(folder(["a/1.png", "b/1.png"]), "channels: 1").preprocessing
        let flat = try folder(["2.png", "1.jpg"], ["2.png": try Self.file("la8.png"), "1.jpg": try Self.file("rgb8.png")])
        #expect(try trained.inputs(from: flat.directory.path).count == 2)
        #expect(try trained.inputs(from: flat.path("2.png")).count == 1)
        let labelled = try folder(["b/1.png", "b/2.png", "a/3.png"])
        #expect(try trained.samples(from: labelled.directory.path).classList == [0, 1, 1])
        let empty = try files.subdirectory()
        expectFailure(.badData, "no folder in it") { _ = try trained.samples(from: empty.directory.path) }
        let large = try files.write("large.png", try Self.file("rgb420.jpg"))
        expectFailure(.badData, "large.png: 23×19 pixels; expected 9×7") { _ = try trained.inputs(from: large) }
    }

    @Test("options that make no sense are refused")
    func options() throws {
        let base = "format: images\ntrain: {path: x}\n"
        for (option, message) in [
            ("channels: 2", "expected 1 (grey) or 3"), ("size: [3]", "expected height and width"), ("crop: true", "set size"),
            ("target_kind: value", "expected class or input"), ("damaged: ignore", "unknown value"),
            ("size: [0, 3]", "1 to 65536")
        ] {
            expectFailure(.badConfiguration, message) { _ = try configuration(base + option) }
        }
    }
}
