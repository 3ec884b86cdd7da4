import Foundation

/// A folder with a program of the test's making in it, most often an `mpirun`.
package final class FakeMPI: Sendable {
    package let folder: String
    /// A PATH with that mpirun in front.
    package var path: String { "\(folder):/usr/bin:/bin" }

    /// `script` is what the program does, in bash; `$here` is the folder.
    package init(_ script: String, name: String = "mpirun") throws {
        folder = FileManager.default.temporaryDirectory.path + "/fake-mpi-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let file = "\(folder)/\(name)"
        try "#!/usr/bin/env bash\nhere=\(folder)\n\(script)\n".write(toFile: file, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: file)
    }

    /// Takes the folder away; to be deferred, as a deinitialiser may run right after the last use.
    package func remove() { try? FileManager.default.removeItem(atPath: folder) }

    package func text(_ name: String) -> String {
        (try? String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8)) ?? ""
    }

    package func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: "\(folder)/\(name)") }

    /// Makes an empty file for the script to find.
    package func touch(_ name: String) { _ = FileManager.default.createFile(atPath: "\(folder)/\(name)", contents: nil) }

    /// Waits for files that the script makes; false when one isn't there after a minute.
    package func waitFor(_ names: String...) -> Bool {
        for _ in 0..<6000 {
            if names.allSatisfy(exists) { return true }
            usleep(10_000)
        }
        return false
    }
}
