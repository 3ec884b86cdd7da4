import CZlib
import Datasets
import Diagnostics
import Foundation
import Settings
import Storage
import Testing

/// A directory that goes with the test.
final class TestFiles {
    let directory: URL

    convenience init() throws { try self.init(in: FileManager.default.temporaryDirectory) }

    private init(in parent: URL) throws {
        directory = parent.appending(path: "dtrain-data-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(at: directory)
    }

    /// A new directory, which goes when its owner goes.
    func subdirectory() throws -> TestFiles { try TestFiles(in: directory) }

    /// Writes a file and returns its path.
    func write(_ name: String, _ bytes: [UInt8]) throws -> String {
        let file = directory.appending(path: name)
        try Data(bytes).write(to: file)
        return file.path
    }

    func write(_ name: String, _ text: String) throws -> String { try write(name, Array(text.utf8)) }

    func path(_ name: String) -> String { directory.appending(path: name).path }
}

/// An IDX file: `elements` are the bytes behind the header.
func idx(type: UInt8, _ sizes: [Int], _ elements: [UInt8]) -> [UInt8] {
    [0, 0, type, UInt8(sizes.count)] + sizes.flatMap { bigEndian(UInt32($0)) } + elements
}

/// An IDX file of bytes.
func idx(_ sizes: [Int], _ elements: [UInt8]) -> [UInt8] { idx(type: 0x08, sizes, elements) }

func bigEndian<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
    withUnsafeBytes(of: number.bigEndian) { Array($0) }
}

/// The bytes as one member of a gzip file.
func gzip(_ bytes: [UInt8]) throws -> [UInt8] {
    var stream = z_stream()
    let size = Int32(MemoryLayout<z_stream>.size)
    try #require(deflateInit2_(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, size) == Z_OK)
    defer { deflateEnd(&stream) }
    var input = bytes
    var output = [UInt8](repeating: 0, count: Int(deflateBound(&stream, UInt(bytes.count))))
    let written: Int = try input.withUnsafeMutableBufferPointer { source in
        try output.withUnsafeMutableBufferPointer { target in
            stream.next_in = source.baseAddress
            stream.avail_in = UInt32(source.count)
            stream.next_out = target.baseAddress
            stream.avail_out = UInt32(target.count)
            try #require(deflate(&stream, Z_FINISH) == Z_STREAM_END)
            return target.count - Int(stream.avail_out)
        }
    }
    return Array(output.prefix(written))
}

/// The `data` section written as YAML, read with nothing left over.
func configuration(_ yaml: String) throws -> DataConfiguration {
    let indented = yaml.split(separator: "\n").map { "  \($0)" }.joined(separator: "\n")
    let root = try SettingsDocument(text: "data:\n\(indented)\n", name: "test.yaml").root
    let configuration = try DataConfiguration(try root.section("data"))
    try root.finish()
    return configuration
}

func load(_ yaml: String) throws -> DataSplits { try configuration(yaml).load() }

/// Expects a failure with this code whose one-line message holds all of `parts`.
func expectFailure(
    _ code: ExitCode, _ parts: String..., sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () throws -> Void
) {
    do {
        try body()
        Issue.record("nothing was refused; expected \(parts)", sourceLocation: sourceLocation)
    } catch let failure as Failure {
        #expect(failure.code == code, "\(failure.message)", sourceLocation: sourceLocation)
        #expect(!failure.message.contains("\n"), sourceLocation: sourceLocation)
        for part in parts where !failure.message.contains(part) {
            Issue.record("\"\(part)\" is missing in: \(failure.message)", sourceLocation: sourceLocation)
        }
    } catch {
        Issue.record("another error: \(error)", sourceLocation: sourceLocation)
    }
}

extension Dataset {
    /// The normalised inputs of some samples, or of all; where they have a draw as training gathers them for a batch of their own.
    func inputRows(_ samples: [Int32]? = nil, firstDraw: UInt64? = nil) -> [[Float]] {
        let samples = (samples ?? Array(0..<Int32(count)))[...]
        return inputRows(samples, in: firstDraw.map { DrawnBatch(samples: samples, firstDraw: $0, step: 0) })
    }

    /// The inputs of a slice of a batch, as training gathers them.
    func inputRows(_ samples: ArraySlice<Int32>, in batch: DrawnBatch?) -> [[Float]] {
        let buffer = AlignedBuffer<Float>(count: samples.count * inputShape.count, repeating: -77)
        let matrix = buffer.matrix(rows: samples.count, columns: inputShape.count)
        gatherInputs(samples, into: matrix, in: batch)
        return (0..<samples.count).map { Array(matrix.row($0)) }
    }

    /// The targets of a slice of a batch as training gathers them, in `columns` columns.
    func targetRows(columns: Int, _ samples: ArraySlice<Int32>, in batch: DrawnBatch?) -> [[Float]] {
        let buffer = AlignedBuffer<Float>(count: samples.count * columns, repeating: -77)
        let matrix = buffer.matrix(rows: samples.count, columns: columns)
        gatherTargets(samples, into: matrix, in: batch)
        return (0..<samples.count).map { Array(matrix.row($0)) }
    }

    /// The targets as numbers in `columns` columns.
    func targetRows(columns: Int) -> [[Float]] {
        targetRows(columns: columns, Array(0..<Int32(count))[...], in: nil)
    }

    /// The classes of all samples.
    var classList: [Int32] {
        let samples = Array(0..<Int32(count))
        let buffer = AlignedBuffer<Int32>(count: count, repeating: -77)
        gatherClasses(samples[...], into: buffer.elements)
        return Array(buffer.elements)
    }
}
