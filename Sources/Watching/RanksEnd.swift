import CProcesses
import Foundation

/// Ends the ranks of a host: those that can end themselves with the exit status that was agreed on, the others by force.
enum RanksEnd {
    /// How long a rank may take to end itself.
    private static let graceSeconds = 1.0

    /// Ends the processes. The first one last: the watcher ends with it.
    static func end(_ processes: [pid_t]) {
        end(together: Array(processes.dropFirst()))
        end(together: Array(processes.prefix(1)))
    }

    private static func end(together processes: [pid_t]) {
        var left = processes.filter { $0 > 1 && dtrain_ask_to_end($0) == 0 }
        var waited = 0.0
        while waited < graceSeconds {
            left = left.filter { ProcessLook(of: $0).condition != .gone }
            if left.isEmpty { return }
            usleep(20_000)
            waited += 0.02
        }
        for process in left { kill(process, SIGKILL) }
    }
}
