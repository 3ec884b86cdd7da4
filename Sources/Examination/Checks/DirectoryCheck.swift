import Foundation
import Reporting

/// Whether checkpoints are safe where they would lie.
package struct DirectoryCheck: Check {
    package let name = "run_directory"

    package init() {}

    private static let inMemory: Set = ["tmpfs", "ramfs"]
    private static let ofContainers: Set = ["overlay", "aufs"]

    package func findings(in job: JobFacts) -> [Finding] {
        guard let directory = job.directory else { return [] }
        let place = "directory \(directory.path)"
        var found: [Finding] = []
        if !directory.failures.isEmpty {
            found.append(
                finding(
                    .error, place, "a run directory can't do its work here: \(directory.failures.joined(separator: "; "))",
                    mend: "write runs elsewhere (--run), or mount the file system with locks and for writing"))
        }
        if Self.inMemory.contains(directory.kind) {
            found.append(
                finding(
                    .warning, place,
                    "it lies in memory (\(directory.kind)): a restart of the machine takes all checkpoints with it",
                    mend: "write runs to a disk (--run)"))
        }
        if Self.ofContainers.contains(directory.kind) {
            found.append(
                finding(
                    .warning, place, "it lies inside a container (\(directory.kind)), which takes all checkpoints with it",
                    mend: "mount a directory of the machine (docker run -v) and write runs there (--run)"))
        }
        if let need = job.need, directory.failures.isEmpty, directory.freeBytes < 3 * need.checkpointBytes {
            found.append(
                finding(
                    .warning, place,
                    "\(HumanText.bytes(directory.freeBytes)) are free, but a checkpoint of \(need.workload) has "
                        + "\(HumanText.bytes(need.checkpointBytes)), and the newest, the best and the next one need room at once",
                    mend: "free space, or write runs elsewhere (--run)"))
        }
        if let seconds = directory.syncSeconds, seconds > 0.5 {
            found.append(
                finding(
                    .note, place, "fsync of 4 KB took \(HumanText.duration(seconds: seconds))",
                    mend: "checkpoints wait for it, beside training; a faster disk, or a longer checkpoint interval, helps"))
        }
        return found
    }
}
