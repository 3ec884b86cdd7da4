import Foundation

/// What tells the ranks of one job from those of another: the launcher's name for the job, which all its ranks see
/// before `MPI_Init`; for a lone process, the process.
package struct JobIdentity: Sendable, Equatable, CustomStringConvertible {
    package let name: String

    package init(name: String) { self.name = name }

    /// Reads the launcher's variables: `DTRAIN_JOB`, which dtrain's own launchers set; `PMIX_NAMESPACE` and
    /// `OMPI_MCA_ess_base_jobid` (Open MPI); `PMI_JOBID` and `PMI_KVSNAME` (MPICH's kin); Slurm's job and step
    /// where `srun` started several tasks. What Slurm says of a batch script means nothing. MPICH's own launcher, Hydra, has no
    /// variable for it: there the address counts by which its proxies reach it, which is on the command line of each.
    /// - Parameters:
    ///   - process: names a lone process; unique among those that are alive.
    ///   - ancestors: the command lines of the processes that this one comes from, the parent's first.
    package init(
        environment: [String: String] = ProcessInfo.processInfo.environment,
        process: String = "process \(getpid()) on \(ProcessInfo.processInfo.hostName)",
        ancestors: @autoclosure () -> [[String]] = Self.commandLinesOfAncestors()
    ) {
        for variable in ["DTRAIN_JOB", "PMIX_NAMESPACE", "OMPI_MCA_ess_base_jobid", "PMI_JOBID", "PMI_KVSNAME"] {
            if let value = environment[variable], !value.isEmpty {
                name = "job \(value)"
                return
            }
        }
        if let job = environment["SLURM_JOB_ID"], let step = environment["SLURM_STEP_ID"],
            let tasks = environment["SLURM_STEP_NUM_TASKS"].flatMap({ Int($0) }), tasks > 1
        {
            name = "job \(job).\(step)"
            return
        }
        if environment["PMI_RANK"] != nil, let address = ancestors().lazy.compactMap(Self.hydraAddress).first {
            name = "job \(address)"
            return
        }
        name = process
    }

    /// The address of Hydra in the command line of one of its proxies; nil for what is none.
    private static func hydraAddress(_ commandLine: [String]) -> String? {
        guard commandLine.first?.hasSuffix("hydra_pmi_proxy") == true else { return nil }
        return zip(commandLine, commandLine.dropFirst()).first { $0.0 == "--control-port" }?.1
    }

    /// Those that the kernel tells of, the parent's first; shells may stand between a rank and what started it.
    private static func commandLinesOfAncestors() -> [[String]] {
        var lines: [[String]] = []
        var process = getppid()
        while process > 1, lines.count < 16 {
            guard let line = FileManager.default.contents(atPath: "/proc/\(process)/cmdline"),
                let status = FileManager.default.contents(atPath: "/proc/\(process)/stat")
            else { break }
            lines.append(line.split(separator: 0).map { String(decoding: $0, as: UTF8.self) })
            // "PID (NAME) STATE PARENT …", where the name may hold anything.
            let fields = String(decoding: status, as: UTF8.self).split(separator: ")").last?.split(separator: " ") ?? []
            process = fields.dropFirst().first.flatMap { pid_t($0) } ?? 0
        }
        return lines
    }

    package var description: String { name }

    /// The byte of the lock file that stands for this job: FNV-1a over the name (Fowler, Noll, Vo), in the upper part
    /// of the 62-bit range, where no control byte is. Two jobs share one with probability 2⁻⁶¹.
    var lockByte: Int {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return Int(hash >> 3) | 1 << 61
    }
}
