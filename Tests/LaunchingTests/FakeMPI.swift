import Foundation
import Testing

/// A folder with a program of the test's making in it, most often an `mpirun`.
final class FakeMPI: Sendable {
    let folder: String
    /// A PATH with that mpirun in front.
    var path: String { "\(folder):/usr/bin:/bin" }

    /// `script` is what the program does, in bash; `$here` is the folder.
    init(_ script: String, name: String = "mpirun") throws {
        folder = NSTemporaryDirectory() + "/fake-mpi-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let file = "\(folder)/\(name)"
        try "#!/usr/bin/env bash\nhere=\(folder)\n\(script)\n".write(toFile: file, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: file)
    }

    /// Takes the folder away; to be deferred, as a deinitialiser may run right after the last use.
    func remove() { try? FileManager.default.removeItem(atPath: folder) }

    func text(_ name: String) -> String {
        (try? String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8)) ?? ""
    }

    /// Waits for a file that the script makes; false after 20 s.
    func waitFor(_ name: String) -> Bool {
        for _ in 0..<400 {
            if FileManager.default.fileExists(atPath: "\(folder)/\(name)") { return true }
            usleep(50_000)
        }
        return false
    }
}
