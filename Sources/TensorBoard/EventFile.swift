import Diagnostics
import Files
import Foundation

/// An event file of TensorBoard in the folder `tensorboard` of a run directory: a new one for each start, behind all that are there.
///
/// No link is followed, and nothing that is there is written over. Used by one thread at a time.
package final class EventFile: @unchecked Sendable {
    // Sendable: the writer's thread alone uses it once it is made.

    package static let folderName = "tensorboard"
    private static let prefix = "events.out.tfevents."

    package let path: String
    private let fileSystem: any FileSystem
    private let descriptor: Int32

    /// Makes the file, and the folder where it is missing. Readers take files in the order of their names, which begin with a time in
    /// seconds: this one's is later than that of every other.
    /// - Parameter seconds: the time, since 1970.
    /// - Throws: `Failure(.cannotCreate)`.
    package init(in run: Directory, seconds: Int, host: String = ProcessInfo.processInfo.hostName) throws {
        fileSystem = run.fileSystem
        let folder = try Self.folder(in: run)
        let stamps = try reportingSystemErrors(as: .cannotCreate) { try folder.names() }
            .filter { $0.hasPrefix(Self.prefix) }.compactMap { Int($0.dropFirst(Self.prefix.count).prefix(10)) }
        // A clock that was set back, and two starts in one second.
        let stamp = max(seconds, (stamps.max() ?? 0) + 1)
        guard (0...9_999_999_999).contains(stamp) else {
            throw Failure(
                .cannotCreate,
                "\(folder.path): a file there is of second \(stamp - 1), behind which none can have a place; move it away")
        }
        let digits = String(stamp)
        let name = host.unicodeScalars.map {
            $0.isASCII && $0.properties.isAlphabetic || "0123456789-.".unicodeScalars.contains($0) ? String($0) : "_"
        }
        .joined()
        let place = folder.at(
            "\(Self.prefix)\(String(repeating: "0", count: 10 - digits.count))\(digits).\(name.prefix(64)).\(getpid()).0")
        path = place.path
        descriptor = try reportingSystemErrors(as: .cannotCreate) { try run.fileSystem.create(place) }
    }

    deinit { try? fileSystem.close(descriptor, path: path) }

    /// Appends bytes.
    /// - Throws: `SystemError`; what was written of them may be incomplete, which readers pass over at a file's end.
    package func append(_ bytes: [UInt8]) throws(SystemError) {
        var failure: SystemError?
        bytes.withUnsafeBytes { bytes in
            do throws(SystemError) {
                try fileSystem.writeAll(bytes, to: descriptor, path: path)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
    }

    private static func folder(in run: Directory) throws -> Directory {
        if let folder = try run.directory(folderName, orFailWith: .cannotCreate) { return folder }
        return try reportingSystemErrors(as: .cannotCreate) {
            try run.fileSystem.makeDirectory(run.at(folderName))
            return try Directory(run.at(folderName), fileSystem: run.fileSystem)
        }
    }
}
