import Diagnostics
import Files
import Foundation
import Synchronization

/// A reader of files that may come from strangers, with any bytes for a file.
///
/// A reader may accept what it is given or refuse it with a `Failure` that blames it; anything else (a trap, another error, a
/// failure that blames dtrain or the disk) ends the process, which is what a fuzzer looks for. `launch/fuzz.sh` runs these
/// under libFuzzer, `FuzzTargetsTests` with the seeds alone.
///
/// Most files can be read in several ways, by several `data` sections say. Tests try all of them. Under libFuzzer a file is read in
/// one, which its length chooses: three times as many files are worth more, and what changes a file without changing its length, or
/// leaves a way by changing it, finds each of them.
package struct FuzzTarget: Sendable {
    /// The name on the command line, and that of its folder of seeds.
    package let name: String
    /// Longer files say nothing that shorter ones don't, in bytes.
    package let largestInput: Int
    private let attempt: @Sendable (_ bytes: [UInt8], _ folder: FuzzFolder) throws -> Void

    init(
        _ name: String, largestInput: Int = 4096,
        _ attempt: @escaping @Sendable (_ bytes: [UInt8], _ folder: FuzzFolder) throws -> Void
    ) {
        self.name = name
        self.largestInput = largestInput
        self.attempt = attempt
    }

    /// All of them, in the order in which they run.
    package static let all: [FuzzTarget] =
        configurations + checkpoints + [gpt2] + reports + tables + arrays + images + [firstLook]

    /// Has the reader read `bytes`; false where it refused them.
    ///
    /// - Parameters:
    ///   - folder: where the file is put.
    ///   - oneWay: whether it is read in one of the ways that there are, else in all.
    @discardableResult
    package func run(_ bytes: [UInt8], in folder: FuzzFolder, oneWay: Bool = false) -> Bool {
        var folder = folder
        folder.chosenWay = oneWay ? bytes.count : nil
        do {
            try attempt(bytes, folder)
            return true
        } catch let failure as Failure {
            precondition(
                Self.blamesTheFile(failure.code) && !failure.message.isEmpty,
                "\(name): a failure with code \(failure.code.rawValue): \(failure.message)")
            return false
        } catch {
            preconditionFailure("\(name): an error that no one is told of: \(error)")
        }
    }

    /// Whether a failure is one that a bad file may cause: not one that speaks of dtrain, the disk or another job.
    fileprivate static func blamesTheFile(_ code: ExitCode) -> Bool {
        switch code {
        case .badData, .badConfiguration, .missingInput, .usage, .systemRefused: true
        case .success, .negative, .stalled, .internalError, .cannotCreate, .inputOutput, .interrupted: false
        }
    }
}

/// A folder of a process's own, in which files are made anew for each attempt.
package struct FuzzFolder: Sendable {
    package let path: String
    /// Of the ways to read a file the one that is tried, counted round; nil tries all.
    fileprivate var chosenWay: Int?
    private let files = OpenFiles()

    /// Makes the folder; the caller removes it. Where TMPDIR names no directory it lies in memory, if it can: what writes durably
    /// would wait for a disk a thousand times a second.
    package init() throws {
        let memory = "/dev/shm"
        let base =
            ProcessInfo.processInfo.environment["TMPDIR"].flatMap { $0.isEmpty ? nil : $0 }
            ?? (access(memory, W_OK) == 0 ? memory : FileManager.default.temporaryDirectory.path)
        path = base + "/dtrain-fuzz-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    }

    package func remove() { try? FileManager.default.removeItem(atPath: path) }

    /// Tries the ways to read a file, and throws the last refusal where there is no way that takes it.
    func forEach<Way>(_ ways: [Way], _ body: (Way) throws -> Void) throws {
        if let chosenWay { return try body(ways[chosenWay % ways.count]) }
        var refusal: Failure?
        var isRead = false
        for way in ways {
            do {
                try body(way)
                isRead = true
            } catch let failure as Failure {
                guard FuzzTarget.blamesTheFile(failure.code) else { throw failure }
                refusal = failure
            }
        }
        if let refusal, !isRead { throw refusal }
    }

    /// Writes a file, folders on the way included, and returns its path.
    func write(_ name: String, _ bytes: [UInt8]) throws -> String {
        let file = path + "/" + name
        try files.write(bytes, to: file)
        return file
    }
}

/// Files that stay open from one attempt to the next: opening takes longer than writing a few bytes.
private final class OpenFiles: Sendable {
    private let descriptors = Mutex<[String: Int32]>([:])

    deinit {
        descriptors.withLock { for descriptor in $0.values { close(descriptor) } }
    }

    /// Puts `bytes` into the file at `path` in the place of what it holds.
    func write(_ bytes: [UInt8], to path: String) throws {
        try descriptors.withLock { descriptors in
            let descriptor = try Self.descriptor(&descriptors, path)
            var written = 0
            while written < bytes.count {
                let count = bytes[written...].withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, written) }
                guard count > 0 else { throw SystemError(call: "write", path: path, code: errno) }
                written += count
            }
            guard ftruncate(descriptor, bytes.count) == 0 else { throw SystemError(call: "ftruncate", path: path, code: errno) }
        }
    }

    private static func descriptor(_ descriptors: inout [String: Int32], _ path: String) throws -> Int32 {
        if let known = descriptors[path] {
            var status = stat()
            if fstat(known, &status) == 0, status.st_nlink > 0 { return known }
            // A reader has put another file in its place, or removed it.
            close(known)
            descriptors[path] = nil
        }
        func create() -> Int32 { open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600) }
        var descriptor = create()
        if descriptor < 0, errno == ENOENT {
            try FileManager.default.createDirectory(atPath: parentDirectory(of: path), withIntermediateDirectories: true)
            descriptor = create()
        }
        guard descriptor >= 0 else { throw SystemError(call: "open", path: path, code: errno) }
        descriptors[path] = descriptor
        return descriptor
    }
}
