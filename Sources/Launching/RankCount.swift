import Diagnostics
import Foundation

/// The argument of `--ranks`: a number, or one for each core that this process may use.
package enum RankCount: Equatable, Sendable {
    case automatic
    case count(Int)

    /// The most ranks that are accepted; more is a slip of the hand.
    package static let largest = 4096

    /// Reads `auto` or a number from 1 to `largest`.
    package init(_ text: String) throws {
        if text == "auto" {
            self = .automatic
        } else if let count = Int(text), (1...Self.largest).contains(count) {
            self = .count(count)
        } else {
            throw Failure(
                .usage,
                "--ranks \(text): expected a number from 1 to \(Self.largest), or auto "
                    + "(one for each core)")
        }
    }

    /// The number of ranks on this machine.
    package var resolved: Int {
        switch self {
        case .automatic: availableCores()
        case .count(let count): count
        }
    }
}

/// The cores in this process's affinity mask: those that it may run on, which a container or batch system may have
/// made fewer than the machine has. (`sched_getaffinity` can't be called from Swift; the kernel shows the same mask in
/// `/proc/self/status`, proc(5).)
package func availableCores() -> Int {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    return cores(inStatus: status) ?? max(1, ProcessInfo.processInfo.activeProcessorCount)
}

/// The set bits of the line `Cpus_allowed:`, groups of hexadecimal digits separated by commas.
package func cores(inStatus status: String) -> Int? {
    guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix("Cpus_allowed:") }) else { return nil }
    let count = line.dropFirst("Cpus_allowed:".count).reduce(0) { $0 + ($1.hexDigitValue?.nonzeroBitCount ?? 0) }
    return count > 0 ? count : nil
}
