import CProcesses
import Foundation

/// Ends the ranks of a host: those that can end themselves with the exit status that was agreed on, the others by force.
enum RanksEnd {
    /// How long a rank may take to end itself, and Open MPI's process that started it to notice that all have ended.
    private static let graceSeconds = 1.0, launcherSeconds = 2.5

    /// Open MPI's own processes that start ranks. A batch system's are never touched.
    private static let launchers = ["mpirun", "orterun", "mpiexec", "orted", "prte", "prted"]

    /// Ends the processes. The first one last: the watcher ends with it.
    ///
    /// - Parameter isCutOff: whether hosts have lost each other. Then Open MPI, too, waits for what doesn't come (by its defaults
    ///   for eight minutes), and is ended where it doesn't end by itself.
    static func end(_ processes: [pid_t], isCutOff: Bool) {
        end(together: Array(processes.dropFirst()))
        let launcher = isCutOff ? processes.first.flatMap { ProcessLook.parent(of: $0, named: launchers) } : nil
        if launcher != nil { _ = dtrain_outlive_parent() }
        end(together: Array(processes.prefix(1)))
        guard let launcher, !haveGone([launcher], within: launcherSeconds) else { return }
        kill(launcher, SIGKILL)
    }

    private static func end(together processes: [pid_t]) {
        let asked = processes.filter { $0 > 1 && dtrain_ask_to_end($0) == 0 }
        guard !haveGone(asked, within: graceSeconds) else { return }
        for process in asked where ProcessLook(of: process).condition != .gone { kill(process, SIGKILL) }
    }

    private static func haveGone(_ processes: [pid_t], within seconds: Double) -> Bool {
        var waited = 0.0
        while !processes.allSatisfy({ ProcessLook(of: $0).condition == .gone }) {
            guard waited < seconds else { return false }
            usleep(20_000)
            waited += 0.02
        }
        return true
    }
}
