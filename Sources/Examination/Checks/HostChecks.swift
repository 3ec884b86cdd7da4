import Foundation

/// Clocks of different hosts.
package struct ClockCheck: Check {
    package let name = "clocks"
    /// Seconds. Results don't depend on clocks; times in logs and the order of files do.
    static let largestOffset = 1.0

    package init() {}

    package func findings(in job: JobFacts) -> [Finding] {
        job.links.compactMap { link in
            guard let offset = link.clockOffsetSeconds, offset.magnitude > Self.largestOffset else { return nil }
            return finding(
                .warning, "host \(job.ranks[link.to].host)",
                "its clock is \(String(format: "%.1f", offset.magnitude)) s \(offset > 0 ? "ahead of" : "behind") that of "
                    + "\(job.ranks[link.from].host)",
                mend: "let both keep time by the network (chrony, systemd-timesyncd): logs and new files would be out of order")
        }
    }
}

/// Cores that are slow or unsteady: others on the machine, a busy hypervisor, a processor that saves power.
package struct NoiseCheck: Check {
    package let name = "noise"
    /// Share of time that a hypervisor may take without a word.
    static let largestSteal = 0.05
    /// A mean so many times the fastest loop is unsteady.
    static let largestSpread = 1.3
    /// A rank so many times slower than the median rank is slow.
    static let largestDelay = 1.5

    package init() {}

    package func findings(in job: JobFacts) -> [Finding] {
        job.hostSpeakers.flatMap { host, facts in
            steal(facts) + unsteady(job, host) + governor(facts)
        } + slowRanks(job)
    }

    private func steal(_ host: RankFacts) -> [Finding] {
        let now = host.noise.stealNow ?? 0
        let always = host.noise.stealSinceStart ?? 0
        guard max(now, always) > Self.largestSteal else { return [] }
        return [
            finding(
                .warning, "host \(host.host)",
                "the hypervisor gives \(percent(now)) of its cores' time to others now, \(percent(always)) since it was started",
                mend: "use a machine with cores of its own (dedicated, not burstable); every rank waits for the slowest")
        ]
    }

    private func unsteady(_ job: JobFacts, _ host: Int) -> [Finding] {
        let ranks = job.hosts[host].filter(job.unhurriedRanks.contains).map { job.ranks[$0] }.filter {
            $0.noise.spread > Self.largestSpread
        }
        guard let worst = ranks.max(by: { $0.noise.spread < $1.noise.spread }) else { return [] }
        let load = worst.noise.load.map { "; the host's load is \(figure($0))" } ?? ""
        let which = ranks.count == 1 ? "rank \(ranks[0].rank) computes" : "\(ranks.count) ranks compute"
        return [
            finding(
                .warning, "host \(job.hostName(host))",
                "\(which) unsteadily: one loop takes \(String(format: "%.1f", worst.noise.spread)) times its fastest on average"
                    + load,
                mend: "stop what else runs there (top), bind ranks to cores, or use fewer ranks")
        ]
    }

    private func slowRanks(_ job: JobFacts) -> [Finding] {
        // Threads compute side by side, so a loop's time compares as it is.
        let ranks = job.ranks.filter { job.unhurriedRanks.contains($0.rank) }
        let means = ranks.map(\.noise.mean).sorted()
        guard means.count > 1, case let typical = means[(means.count - 1) / 2], typical > 0 else { return [] }
        return ranks.filter { $0.noise.mean > Self.largestDelay * typical }.map { rank in
            finding(
                .warning, "rank \(rank.rank) on \(rank.host)",
                "it computes \(String(format: "%.1f", rank.noise.mean / typical)) times slower than the median rank",
                mend: "every step waits for it; look at its host (top, frequencies), or leave the host out")
        }
    }

    private func governor(_ host: RankFacts) -> [Finding] {
        guard host.noise.governor == "powersave" else { return [] }
        return [
            finding(
                .note, "host \(host.host)", "the processor's frequency is chosen to save power (scaling_governor: powersave)",
                mend: "cpupower frequency-set -g performance, where the step times vary")
        ]
    }

    private func percent(_ share: Double) -> String { String(format: "%.0f %%", share * 100) }
}

/// Ranks of the superuser.
package struct RootCheck: Check {
    package let name = "root"

    package init() {}

    package func findings(in job: JobFacts) -> [Finding] {
        let hosts = job.hostSpeakers.map(\.facts).filter(\.isRoot)
        guard !hosts.isEmpty else { return [] }
        return [
            finding(
                .note, hosts.count == job.hosts.count ? "all ranks" : "hosts " + hosts.map(\.host).joined(separator: ", "),
                "run as root",
                mend:
                    "bare mpirun refuses that without OMPI_ALLOW_RUN_AS_ROOT=1 and OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1, which dtrain "
                    + "--ranks and launch/local.sh set; an ordinary user is safer")
        ]
    }
}
