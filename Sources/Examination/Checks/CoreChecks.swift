/// More ranks than cores, ranks bound to one core, and bounds of control groups.
package struct CoreCheck: Check {
    package let name = "cores"

    package init() {}

    package func findings(in job: JobFacts) -> [Finding] {
        job.machines.flatMap { machine in placement(machine.name, machine.ranks) }
            + job.hosts.indices.flatMap { quota(job, $0) }
    }

    private func placement(_ name: String, _ ranks: [RankFacts]) -> [Finding] {
        let cores = Set(ranks.flatMap(\.cores))
        guard !cores.isEmpty else { return [] }
        let online = ranks.map(\.onlineCores).max() ?? cores.count
        if ranks.count > cores.count {
            let others =
                online > cores.count
                ? ", or give them more of its \(counted(online, "core")) (mpirun --bind-to none, srun --cpus-per-task, the "
                    + "container's cpuset)" : ""
            return [
                finding(
                    .warning, name,
                    "\(counted(ranks.count, "rank")) share \(counted(cores.count, "core")), so that they wait in turn",
                    mend: "start at most \(cores.count) there" + others)
            ]
        }
        let bound = Dictionary(grouping: ranks.filter { $0.cores.count == 1 }) { $0.cores[0] }
        return bound.filter { $0.value.count > 1 }.sorted { $0.key < $1.key }.map { core, ranks in
            finding(
                .warning, name, "ranks \(ranks.map { String($0.rank) }.joined(separator: ", ")) are bound to one core, \(core)",
                mend: "bind each to its own (mpirun --bind-to core, dtrain --ranks), on one machine in one job")
        }
    }

    private func quota(_ job: JobFacts, _ host: Int) -> [Finding] {
        let ranks = job.hosts[host].map { job.ranks[$0] }
        let threads = ranks.reduce(0) { $0 + $1.threads }
        guard let quota = ranks.compactMap(\.coreQuota).min(), quota < Double(threads) - 0.01 else { return [] }
        return [
            finding(
                .warning, "host \(job.hostName(host))",
                "\(counted(threads, "computing thread")), but its control group (cpu.max) has the time of \(figure(quota)) cores",
                mend: "raise the limit (docker run --cpus, Kubernetes limits.cpu), or use fewer ranks or threads")
        ]
    }
}

/// Ranks × threads against cores, and each rank's threads against its own mask and memory.
package struct ThreadCheck: Check {
    package let name = "threads"

    package init() {}

    package func findings(in job: JobFacts) -> [Finding] {
        job.machines.flatMap { machine -> [Finding] in
            let cores = Set(machine.ranks.flatMap(\.cores))
            let threads = machine.ranks.reduce(0) { $0 + $1.threads }
            guard !cores.isEmpty, machine.ranks.count <= cores.count else { return [] }
            if threads > cores.count {
                let most = machine.ranks.map(\.threads).max() ?? 1
                return [
                    finding(
                        .warning, machine.name,
                        "\(counted(machine.ranks.count, "rank")) of up to \(counted(most, "thread")) compute on "
                            + counted(cores.count, "core"),
                        mend:
                            "set training.threads to \(max(1, cores.count / machine.ranks.count)) or less, or start fewer ranks"
                    )
                ]
            }
            return machine.ranks.filter { !$0.cores.isEmpty && $0.threads > $0.cores.count }.map { rank in
                finding(
                    .warning, "rank \(rank.rank) on \(rank.host)",
                    "\(counted(rank.threads, "thread")) are bound to \(counted(rank.cores.count, "core"))",
                    mend:
                        "bind the rank to as many cores as it has threads (mpirun --map-by slot:PE=\(rank.threads)), or to none "
                        + "(--bind-to none)")
            }
        }
            + job.ranks.filter(spansNodes).map { rank in
                finding(
                    .note, "rank \(rank.rank) on \(rank.host)", "its cores belong to several NUMA nodes",
                    mend: "where memory is far from its core it is slower; mpirun --bind-to numa keeps a rank on one node")
            }
    }

    private func spansNodes(_ rank: RankFacts) -> Bool {
        rank.memoryNodes.filter { node in rank.cores.contains { node.contains($0) } }.count > 1
    }
}

/// One decimal, and none where it is zero.
func figure(_ number: Double) -> String {
    let tenths = (number * 10).rounded() / 10
    return tenths == tenths.rounded() && tenths.magnitude < 1e15 ? String(Int(tenths)) : String(tenths)
}
