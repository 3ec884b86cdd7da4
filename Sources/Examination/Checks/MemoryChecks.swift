import Reporting

/// Whether the memory that ranks of a host share has room.
package struct SharedMemoryCheck: Check {
    package let name = "shared_memory"

    package init() {}

    /// What Open MPI itself takes there for so many ranks, bytes.
    private func libraryBytes(_ ranks: Int) -> Int { (ranks * 8 + 16) << 20 }

    package func findings(in job: JobFacts) -> [Finding] {
        job.hosts.indices.filter { job.hosts[$0].count > 1 }.compactMap { host in
            let place = "host \(job.hostName(host))"
            guard let memory = job.hosts[host].compactMap({ job.ranks[$0].sharedMemory }).first else {
                return finding(
                    .error, place, "the directory for memory that ranks share can't be looked at",
                    mend: "mount a tmpfs at /dev/shm, or name a local directory (OMPI_MCA_osc_sm_backing_directory)")
            }
            let mend =
                "make it larger (docker run --shm-size, Kubernetes: an emptyDir of medium Memory at /dev/shm), or name another local "
                + "directory (OMPI_MCA_osc_sm_backing_directory)"
            let own = libraryBytes(job.hosts[host].count)
            let free = "\(memory.path) has \(HumanText.bytes(memory.freeBytes)) free"
            if memory.freeBytes < own {
                return finding(
                    .error, place,
                    "\(free), but Open MPI takes up to \(HumanText.bytes(own)) for \(job.hosts[host].count) ranks",
                    mend: mend)
            }
            let shared = job.need.map { $0.sharedBytes.indices.contains(host) ? $0.sharedBytes[host] : 0 }
            if let need = job.need, let shared, memory.freeBytes < own + shared {
                return finding(
                    .warning, place,
                    "\(free), but the ranks of \(need.workload) share \(HumanText.bytes(shared)); else they exchange messages, slower",
                    mend: mend)
            }
            // What containers get unless told otherwise; enough for small networks.
            if shared == nil, memory.totalBytes <= 64 << 20 {
                return finding(
                    .warning, place,
                    "\(memory.path) has \(HumanText.bytes(memory.totalBytes)) in all, too little for large networks, whose ranks then "
                        + "exchange messages, slower", mend: mend)
            }
            return nil
        }
    }
}

/// Whether a rank may read memory of its neighbours, as Open MPI does for messages on one host.
package struct DirectReadCheck: Check {
    package let name = "direct_reads"

    package init() {}

    package func findings(in job: JobFacts) -> [Finding] {
        job.links.compactMap { link in
            link.readFailure.map {
                finding(
                    .warning, "host \(job.ranks[link.from].host)",
                    "rank \(link.from) can't read memory of rank \(link.to) (process_vm_readv, CMA): \($0)",
                    mend: "allow it (docker run --cap-add SYS_PTRACE, kernel.yama.ptrace_scope 0), or tell Open MPI: "
                        + "OMPI_MCA_btl_vader_single_copy_mechanism=none")
            }
        }
    }
}
