import Diagnostics
import Files
import Foundation

/// `state.json` of a checkpoint: the state of the trainer, and what the files beside it must be.
///
/// ```json
/// {
/// "format": 1,
/// "step": 500,
/// "files": {"model.safetensors": {"bytes": 440, "sha256": "…"}, "optimizer.safetensors": {…}},
/// "state": {…},
/// "sha256": "…"
/// }
/// ```
/// Where an average of the weights is kept, `ema.safetensors` is among the files.
///
/// The last member is the seal: the SHA-256 sum of every byte before the line it stands on. So the file vouches for
/// itself and for its neighbours.
struct CheckpointManifest: Equatable {
    static let fileName = "state.json"
    /// The number of the layout above. Higher ones are refused.
    static let format = 1
    /// Larger files are no manifest of ours; they are refused before memory is taken for them.
    static let largestFile = 64 << 20

    let step: Int
    let files: [String: FileSummary]
    /// The JSON object of the trainer, as it was given.
    let state: Data

    /// The bytes of the file.
    /// - Throws: `Failure(.inputOutput)` where they would be too many to be read back.
    func encoded() throws -> [UInt8] {
        let entries = files.sorted { $0.key < $1.key }.map { name, summary in
            "\(Safetensors.quoted(name)): {\"bytes\": \(summary.byteCount), \"sha256\": \"\(summary.sha256)\"}"
        }
        let head =
            "{\n\"format\": \(Self.format),\n\"step\": \(step),\n"
            + "\"files\": {\(entries.joined(separator: ", "))},"
        var bytes = Array(head.utf8) + Self.stateMark
        bytes += state
        bytes += Array(",\n".utf8)
        let seal = try SHA256.hexadecimal(of: bytes)
        bytes += Array("\"sha256\": \"\(seal)\"\n}\n".utf8)
        guard bytes.count <= Self.largestFile else {
            throw Failure(
                .inputOutput,
                "the state of step \(step) takes \(bytes.count) bytes; a checkpoint holds "
                    + "\(Self.largestFile) (data.standardize keeps two numbers for each input)")
        }
        return bytes
    }

    init(step: Int, files: [String: FileSummary], state: Data) {
        self.step = step
        self.files = files
        self.state = state
    }

    /// Reads and verifies the file in a checkpoint's directory.
    /// - Throws: `Failure`: `.missingInput`, `.badData` that says what is wrong, `.inputOutput`.
    init(readFrom directory: Directory) throws {
        let file = try InputFile(directory.at(Self.fileName), fileSystem: directory.fileSystem)
        guard file.byteCount <= Self.largestFile else {
            throw Failure(.badData, "\(file.path): not the state of a checkpoint: \(file.byteCount) bytes")
        }
        try self.init(verifying: file.bytes(at: 0, count: file.byteCount), path: file.path)
    }

    /// Reads and verifies the bytes of the file at `path`.
    /// - Throws: `Failure(.badData)` that says what is wrong.
    init(verifying bytes: [UInt8], path: String) throws {
        func bad(_ what: String) -> Failure { Failure(.badData, "\(path): \(what)") }

        let sealedCount = bytes.count - Self.sealByteCount
        guard sealedCount > 0, bytes[sealedCount...].starts(with: Self.sealMark) else {
            throw bad(
                bytes.isEmpty
                    ? "empty"
                    : "truncated or not the state of a checkpoint: it doesn't end in a checksum")
        }
        let sealed = bytes[..<sealedCount]
        let expected = Array("\"sha256\": \"\(try SHA256.hexadecimal(of: sealed))\"\n}\n".utf8)
        guard bytes[sealedCount...].elementsEqual(expected) else { throw bad("damaged: it doesn't match its checksum") }

        // From here on only a file that was made so on purpose can be wrong.
        guard Self.valueCount(in: bytes) <= Self.largestValueCount else { throw bad("not the state of a checkpoint") }
        guard let envelope = try? JSONDecoder().decode(Envelope.self, from: Data(bytes)),
            let mark = sealed.firstRange(of: Self.stateMark)
        else {
            throw bad("not the state of a checkpoint")
        }
        guard envelope.format == Self.format else {
            throw bad(
                "written in format \(envelope.format), but this dtrain reads format \(Self.format); use the dtrain that wrote it"
            )
        }
        guard envelope.step >= 0 else { throw bad("expected a step of 0 or more, found \(envelope.step)") }
        step = envelope.step
        files = envelope.files.mapValues { FileSummary(byteCount: $0.bytes, sha256: $0.sha256) }
        state = Data(sealed[mark.upperBound...].dropLast(2))
    }

    /// How many values JSON may hold here: a decoder takes dozens of bytes for each, before it knows what they are.
    private static let largestValueCount = 4_000_000

    /// An upper bound of the values in JSON: what separates them is counted.
    private static func valueCount(in bytes: [UInt8]) -> Int {
        bytes.reduce(0) { $1 == UInt8(ascii: ",") || $1 == UInt8(ascii: "[") || $1 == UInt8(ascii: "{") ? $0 + 1 : $0 }
    }

    /// Begins the member that holds the trainer's state. No earlier member can hold a line break.
    private static let stateMark = Array("\n\"state\": ".utf8)
    private static let sealMark = Array("\"sha256\": \"".utf8)
    /// The seal's line and the closing brace's.
    private static let sealByteCount = sealMark.count + 64 + 4

    private struct Envelope: Decodable {
        struct File: Decodable {
            let bytes: Int
            let sha256: String
        }

        let format: Int
        let step: Int
        let files: [String: File]
    }
}
