import Foundation
import TestSupport

/// Hosts of `launch/lab.sh`.
enum Lab {
    private static let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("launch/lab.sh").path

    /// Why tests that need hosts count as skipped where there are none.
    static let reason =
        "launch/lab.sh can make no hosts here (launch/lab.sh --hosts 1 -- true says why): it wants root, namespaces, openssh-server"

    /// Whether this machine has hosts, and an mpirun to start ranks there.
    static let isPossible: Bool =
        MPIRun.isAvailable && (try? child(hosts: 1, ["true"], directory: "/", timeLimitSeconds: 30).run().status) == 0

    /// A lab that runs `command` on its first host.
    static func child(
        hosts: Int, _ command: [String], directory: String, environment: [String: String] = [:],
        options: [String] = [], timeLimitSeconds: Double = 120
    ) -> ChildProcess {
        var all = environment
        for name in launcherVariables where all[name] == nil { all[name] = "" }
        // Waiting ranks leave the core to those that work, where a test has more ranks than a host has cores.
        all["OMPI_MCA_mpi_yield_when_idle"] = "1"
        return ChildProcess(
            "/bin/bash", [script, "--hosts", String(hosts)] + options + ["--"] + command, directory: directory,
            environment: all,
            timeLimitSeconds: timeLimitSeconds)
    }
}

extension ChildProcess.Running {
    /// The namespaces of its processes: networks, mounts, process numbers, host names.
    func namespaces() -> Set<String> { Self.namespaces(processes().map(\.identifier)) }

    /// The namespaces that any process of this machine is in.
    static func namespacesInUse() -> Set<String> {
        namespaces(((try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []).compactMap { pid_t($0) })
    }

    private static func namespaces(_ processes: [pid_t]) -> Set<String> {
        Set(
            processes.flatMap { process in
                ["net", "mnt", "pid", "uts"].compactMap {
                    try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(process)/ns/\($0)")
                }
            })
    }
}
