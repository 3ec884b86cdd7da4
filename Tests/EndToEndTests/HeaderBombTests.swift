import Diagnostics
import Foundation
import TestSupport
import Testing

/// Headers that promise more than any file holds.
@Suite("Header bombs")
struct HeaderBombTests {
    /// What a process may have of addresses and of processor time: enough for the program and a small file, as the first case
    /// shows, and nothing beside what a header promises.
    private static let (kilobytes, seconds) = (400_000, 10)

    private static let model = """
        model: {layers: [flatten, {dense: {units: 3}}]}
        training: {max_steps: 2, global_batch_size: 2, micro_batch_size: 1}
        """
    private static let images = "format: images, train: {path: images}"
    private static let arrays = "format: npy, train: {inputs: numbers.npy, targets: labels.npy}"
    private static let archive = "format: npz, path: arrays.npz"

    /// What is wrong with which file, and what is said of it.
    private struct Bomb: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let data: String
        let file: String
        let message: String
        /// Makes the file's bytes of those of a good one.
        let make: @Sendable ([UInt8]) -> [UInt8]
    }

    private static func png(_ width: Int, _ height: Int, _ message: String) -> Bomb {
        Bomb(testDescription: "PNG of \(width)×\(height)", data: images, file: "images/oak/0.png", message: message) { _ in
            WrittenPNG.file(width: width, height: height, colour: 2, data: [0x78, 0x9C])
        }
    }

    private static func jpeg(_ width: Int, _ height: Int, _ message: String) -> Bomb {
        Bomb(testDescription: "JPEG of \(width)×\(height)", data: images, file: "images/oak/1.jpg", message: message) { bytes in
            var bytes = bytes
            // The frame of a baseline file: marker, length, bits; then height and width.
            guard let frame = bytes.indices.dropLast().first(where: { bytes[$0] == 0xFF && bytes[$0 + 1] == 0xC0 }) else {
                return []
            }
            bytes.replaceSubrange(
                frame + 5..<frame + 9, with: [height >> 8, height & 255, width >> 8, width & 255].map { UInt8($0) })
            return bytes
        }
    }

    private static func npy(_ shape: String, _ message: String) -> Bomb {
        Bomb(testDescription: "npy of \(shape)", data: arrays, file: "numbers.npy", message: message) { _ in
            Workbench.npy("<f4", shape, [])
        }
    }

    /// - Parameter offset: from the directory's entry of the first member on.
    private static func zip(_ what: String, offset: Int, _ bytes: [UInt8], _ message: String) -> Bomb {
        Bomb(testDescription: "zip with \(what)", data: archive, file: "arrays.npz", message: message) { archive in
            var archive = archive
            let entry: [UInt8] = [0x50, 0x4B, 1, 2]
            guard let start = archive.indices.dropLast(3).first(where: { Array(archive[$0..<$0 + 4]) == entry }) else {
                return []
            }
            archive.replaceSubrange(start + offset..<start + offset + bytes.count, with: bytes)
            return archive
        }
    }

    private static let bombs = [
        png(0x7FFF_FFFF, 0x7FFF_FFFF, "expected at most"), png(200_000, 200_000, "expected at most"),
        png(13_000, 13_000, "can hold"),
        jpeg(65_000, 65_000, "expected at most"), jpeg(13_000, 13_000, "can hold"),
        npy("(42, 1000000000000)", "truncated"), npy("(42, 16, 1000000)", "truncated"), npy("(4294967296, 1)", "at most"),
        npy("(99999999999999999999,)", "can't be read"),
        zip("a member of 4 GB", offset: 20, [0xF0, 0xFF, 0xFF, 0xFF, 0xF0, 0xFF, 0xFF, 0xFF], "arrays.npz"),
        zip("a packed member that promises 4 GB", offset: 10, [8, 0], "arrays.npz"),
        zip("a name of 65,535 bytes", offset: 28, [0xFF, 0xFF], "arrays.npz"),
        zip("a member beyond the end", offset: 42, [0xF0, 0xFF, 0xFF, 0xFF], "arrays.npz")
    ]

    private func train(_ bench: Workbench, _ data: String) throws -> ChildProcess.Result {
        try bench.write("c.yaml", "data: {\(data)}\n\(Self.model)\n")
        let limits = "ulimit -v \(Self.kilobytes) && ulimit -t \(Self.seconds) && exec "
        return try bench.run(
            "/bin/sh", ["-c", limits + "\(Workbench.program) train c.yaml --run run --quiet --no-mpi"], timeLimitSeconds: 60)
    }

    private func writeGood(_ bench: Workbench) throws {
        try bench.writeImages("images")
        let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        let photograph = try Data(contentsOf: tests.appending(path: "References/images/rgb444.jpg"))
        try bench.write("images/oak/1.jpg", Array(photograph))
        try bench.writeArrays()
    }

    @Test("the limits leave room for files of all four kinds", arguments: [images + ", size: [7, 9]", arrays, archive])
    func room(data: String) throws {
        try withWorkbench { bench in
            try writeGood(bench)
            let result = try train(bench, data)
            #expect(result.status == 0 && result.output.hasPrefix("digest "), "\(result)")
        }
    }

    @Test("are refused without the memory and the time that they promise to need", arguments: bombs)
    private func refused(bomb: Bomb) throws {
        try withWorkbench { bench in
            try writeGood(bench)
            if bomb.file.hasSuffix("jpg") { try bench.remove("images/oak/0.png") }
            let bytes = bomb.make(Array(bench.bytes(bomb.file)))
            try #require(!bytes.isEmpty)
            try bench.write(bomb.file, bytes)
            let result = try train(bench, bomb.data + (bomb.data == Self.images ? ", size: [7, 9]" : ""))
            let messages = result.errors.split(separator: "\n")
            #expect(result.status == ExitCode.badData.rawValue && !result.timedOut, "\(result)")
            #expect(messages.count == 1 && messages.first?.hasPrefix("dtrain: error: ") == true, "\(result)")
            let name = bomb.file.split(separator: "/").last.map(String.init) ?? ""
            #expect(result.errors.contains(name) && result.errors.contains(bomb.message), "\(result)")
        }
    }
}
