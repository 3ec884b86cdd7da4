import Diagnostics
import Files
import Foundation

/// A reader of files that may come from strangers, with any bytes for a file.
///
/// A reader may accept what it is given or refuse it with a `Failure` that blames it; anything else (a trap, another error, a
/// failure that blames dtrain or the disk) ends the process, which is what a fuzzer looks for. `launch/fuzz.sh` runs these
/// under libFuzzer, `FuzzTargetsTests` with the seeds alone.
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
        configurations + checkpoints + [gpt2] + tables + arrays + images

    /// Has the reader read `bytes`; false where it refused them.
    ///
    /// - Parameter folder: where the file is put.
    @discardableResult
    package func run(_ bytes: [UInt8], in folder: FuzzFolder) -> Bool {
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
    private static func blamesTheFile(_ code: ExitCode) -> Bool {
        switch code {
        case .badData, .badConfiguration, .missingInput, .usage, .systemRefused: true
        case .success, .negative, .stalled, .internalError, .cannotCreate, .inputOutput, .interrupted: false
        }
    }

    /// Tries all ways to read a file, and throws the last refusal where there is no way that takes it.
    static func forEach<Way>(_ ways: [Way], _ body: (Way) throws -> Void) throws {
        var refusal: Failure?
        var isRead = false
        for way in ways {
            do {
                try body(way)
                isRead = true
            } catch let failure as Failure {
                guard blamesTheFile(failure.code) else { throw failure }
                refusal = failure
            }
        }
        if let refusal, !isRead { throw refusal }
    }
}

/// A folder of a process's own, in which files are made anew for each attempt.
package struct FuzzFolder: Sendable {
    package let path: String

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

    /// Writes a file, folders on the way included, and returns its path.
    func write(_ name: String, _ bytes: [UInt8]) throws -> String {
        let file = path + "/" + name
        func create() -> Int32 { open(file, O_WRONLY | O_CREAT | O_TRUNC, 0o600) }
        var descriptor = create()
        // All attempts but the first find their folders.
        if descriptor < 0, errno == ENOENT {
            try FileManager.default.createDirectory(atPath: parentDirectory(of: file), withIntermediateDirectories: true)
            descriptor = create()
        }
        guard descriptor >= 0 else { throw SystemError(call: "open", path: file, code: errno) }
        defer { close(descriptor) }
        var written = 0
        while written < bytes.count {
            let count = bytes[written...].withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { throw SystemError(call: "write", path: file, code: errno) }
            written += count
        }
        return file
    }
}
