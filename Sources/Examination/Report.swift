import Foundation
import Reporting
import Training

/// What `dtrain doctor` prints: a map of the job, then the findings.
package struct ExaminationReport {
    package let job: JobFacts
    package let findings: [Finding]

    package init(_ job: JobFacts, checks: [any Check] = allChecks) {
        self.job = job
        findings = checks.flatMap { $0.findings(in: job) }
    }

    /// Whether anything should be done.
    package var needsMending: Bool { findings.contains { $0.severity.needsMending } }

    /// One JSON object on one line.
    package func json() throws -> String {
        struct Whole: Encodable {
            let needsMending: Bool
            let findings: [Finding]
            let job: JobFacts
        }
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        let bytes = try encoder.encode(Whole(needsMending: needsMending, findings: findings, job: job))
        return String(decoding: bytes, as: UTF8.self)
    }

    package var lines: [String] {
        [
            "\(job.program), \(job.library)",
            "\(counted(job.ranks.count, "rank")) on \(counted(job.hosts.count, "host"))"
        ]
            + job.hosts.indices.flatMap(hostLines) + directoryLines + job.links.map(linkLine) + needLines
            + [""]
            + findings.map(\.line) + [summary]
    }

    private func hostLines(_ host: Int) -> [String] {
        guard let first = job.hosts[host].first.map({ job.ranks[$0] }) else { return [] }
        var parts = [counted(first.onlineCores, "core")]
        if first.memoryNodes.count > 1 { parts.append("\(first.memoryNodes.count) NUMA nodes") }
        if let quota = first.coreQuota { parts.append("a quota of \(figure(quota)) cores") }
        parts.append(
            first.sharedMemory.map {
                "\($0.path) \(HumanText.bytes($0.freeBytes)) free of \(HumanText.bytes($0.totalBytes))"
            }
                ?? "no shared memory")
        let networks = first.interfaces.filter(\.isCandidate).map {
            "\($0.name) \($0.network ?? $0.address)"
        }
        parts.append(networks.isEmpty ? "no network" : networks.joined(separator: ", "))
        let ranks = job.hosts[host].map { job.ranks[$0] }
        return ["host \(first.host): " + parts.joined(separator: "; ")] + ranks.map(rankLine)
    }

    private func indented(_ text: String) -> String { "  \(text)" }

    private func rankLine(_ rank: RankFacts) -> String {
        let noise = rank.noise
        let steal = noise.stealNow.map { String(format: ", %.0f %% stolen", $0 * 100) } ?? ""
        return indented(
            "rank \(rank.rank): pid \(rank.process); \(coreText(rank)); \(counted(rank.threads, "thread")); "
                + String(
                    format: "%.0f GFLOP/s of multiply-adds, a loop %.2f times the fastest",
                    noise.peakRate / 1e9, noise.spread)
                + steal)
    }

    private func coreText(_ rank: RankFacts) -> String {
        guard !rank.cores.isEmpty else { return "cores unknown" }
        let list = "core\(rank.cores.count == 1 ? "" : "s") \(ranges(rank.cores))"
        return rank.cores.count == rank.onlineCores ? list + " (not bound)" : list
    }

    /// `0-3, 8`.
    private func ranges(_ numbers: [Int]) -> String {
        var parts: [ClosedRange<Int>] = []
        for number in numbers {
            if let last = parts.last, last.upperBound + 1 == number {
                parts[parts.count - 1] = last.lowerBound...number
            } else {
                parts.append(number...number)
            }
        }
        return parts.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
            .joined(separator: ", ")
    }

    private var directoryLines: [String] {
        guard let directory = job.directory else { return [] }
        let state =
            directory.failures.isEmpty
            ? "locks, rename and fsync work"
                + (directory.syncSeconds.map { " (fsync \(duration($0)))" } ?? "")
            : "not fit: " + directory.failures.joined(separator: "; ")
        let kind = directory.kind.isEmpty ? "of an unknown kind" : directory.kind
        return [
            "run directory: in \(directory.path), \(kind), \(HumanText.bytes(directory.freeBytes)) free; \(state)"
        ]
    }

    private func linkLine(_ link: LinkFacts) -> String {
        let place =
            link.isBetweenHosts
            ? "hosts \(job.ranks[link.from].host) and \(job.ranks[link.to].host)"
            : "one host, \(job.ranks[link.from].host)"
        let clock = link.clockOffsetSeconds.map { String(format: "; clock %+.1f ms", $0 * 1000) } ?? ""
        return
            "ranks \(link.from) and \(link.to) (\(place)): 4 KB in \(duration(link.latencySeconds)), 4 MB at "
            + "\(HumanText.bytes(Int(clamping: Int64(min(link.bandwidth, 1e18)))))/s" + clock
    }

    // MARK: - What a step needs

    /// Seconds of a step's products where every rank does nothing but multiply and add, as fast as it just did.
    package var leastComputingSeconds: Double? {
        guard let need = job.need else { return nil }
        let rate = job.ranks.reduce(0) { $0 + $1.noise.rate }
        return rate > 0 ? Double(need.operations) / rate : nil
    }

    /// Seconds that a step's gradients and weights are under way, of one host and between hosts; nil where it isn't measured or
    /// nothing is sent.
    package func exchangeSeconds(betweenHosts: Bool) -> Double? {
        guard let need = job.need else { return nil }
        let bytes = betweenHosts ? need.bytesBetweenHosts : need.bytesWithinHost
        let links = job.links.filter { $0.isBetweenHosts == betweenHosts }
        guard bytes > 0, let bandwidth = links.map(\.bandwidth).min(), bandwidth > 0,
            let latency = links.map(\.latencySeconds).max()
        else { return nil }
        // Gradients go to their owners, then weights come back.
        return 2 * latency + Double(bytes) / bandwidth
    }

    private var needLines: [String] {
        guard let need = job.need else { return [] }
        let computing =
            leastComputingSeconds.map { "\(duration($0)) or more of computing" } ?? "computing"
        var lines = [
            "a step of \(need.workload): \(HumanText.count(need.operations)) operations, \(computing)"
        ]
        for betweenHosts in [false, true] {
            let bytes = betweenHosts ? need.bytesBetweenHosts : need.bytesWithinHost
            guard bytes > 0 else { continue }
            let place = betweenHosts ? "between hosts" : "within a host"
            let time =
                exchangeSeconds(betweenHosts: betweenHosts).map { seconds in
                    let share =
                        leastComputingSeconds.map { String(format: ", %.1f times the computing", seconds / $0) }
                        ?? ""
                    return betweenHosts
                        ? "about \(duration(seconds))" + share
                        : "\(duration(seconds)) or less, as memory is shared"
                } ?? "a time that wasn't measured"
            lines.append(indented("exchange \(place): \(HumanText.bytes(bytes)) each way, \(time)"))
        }
        if let shared = need.sharedBytes.max(), shared > 0 {
            lines.append(indented("shared memory of a host: \(HumanText.bytes(shared))"))
        }
        return lines
    }

    /// `1.3 µs`, `4.2 ms`, `1.5 s`.
    private func duration(_ seconds: Double) -> String {
        switch seconds {
        case ..<1e-3: String(format: "%.1f µs", seconds * 1e6)
        case ..<1: String(format: "%.1f ms", seconds * 1e3)
        default: String(format: "%.1f s", seconds)
        }
    }

    private var summary: String {
        let counts = Finding.Severity.allCases.compactMap { severity -> String? in
            let count = findings.filter { $0.severity == severity }.count
            return count == 0 ? nil : counted(count, severity.rawValue)
        }
        return needsMending
            ? counts.joined(separator: ", ") : (["nothing to mend"] + counts).joined(separator: ", ")
    }
}
