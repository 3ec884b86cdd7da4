import Foundation
import TestSupport
import Testing

/// Clusters of `launch/slurm-lab.sh`.
private enum Slurm {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("launch").path

    static let reason =
        "launch/slurm-lab.sh can make no cluster here (launch/slurm-lab.sh true says why): it wants root, namespaces, "
        + "slurm-wlm, munge; with DTRAIN_TESTS=full it installs them"

    /// Without `DTRAIN_TESTS=full` nothing is installed for it: Slurm has to be there.
    static let isPossible: Bool = {
        guard Lab.isPossible else { return false }
        if !isFullMatrix, !["slurmctld", "slurmd", "munged"].allSatisfy(isInstalled) { return false }
        return (try? script("slurm-lab.sh", ["true"], timeLimitSeconds: 300).status) == 0
    }()

    private static func isInstalled(_ daemon: String) -> Bool {
        ["/usr/sbin", "/usr/local/sbin", "/sbin"].contains { FileManager.default.isExecutableFile(atPath: "\($0)/\(daemon)") }
    }

    /// Runs a script of `launch`, as nothing that an MPI launcher started.
    static func script(_ name: String, _ arguments: [String], timeLimitSeconds: Double) throws -> ChildProcess.Result {
        var environment: [String: String] = [:]
        for variable in launcherVariables { environment[variable] = "" }
        return try ChildProcess(
            "/bin/bash", ["\(folder)/\(name)"] + arguments, environment: environment, timeLimitSeconds: timeLimitSeconds
        ).run()
    }
}

/// dtrain under Slurm: the trials of `launch/slurm-trial.sh`, each in a cluster of its own.
@Suite("Slurm", .serialized, .enabled(if: Slurm.isPossible, Comment(rawValue: Slurm.reason)))
struct SlurmTests {
    /// Of the trials two that take seconds, or all.
    static let trials =
        isFullMatrix
        ? ["srun", "mpirun", "requeue", "limit", "preempt", "cancel", "stop", "rank", "drain", "lost"] : ["srun", "requeue"]

    @Test("whatever Slurm does to a job, it ends in the bits of one process and leaves nothing", arguments: trials)
    func trial(_ name: String) throws {
        let result = try Slurm.script("slurm-trial.sh", ["--program", Workbench.program, name], timeLimitSeconds: 900)
        #expect(result.status == 0 && result.output.hasPrefix(name), "\(result)")
    }
}
