import Foundation

/// What tells the ranks of one job from those of another: the launcher's name for the job, which all its ranks see
/// before `MPI_Init`; for a lone process, the process.
package struct JobIdentity: Sendable, Equatable, CustomStringConvertible {
    package let name: String

    package init(name: String) { self.name = name }

    /// Reads the launcher's variables: `DTRAIN_JOB`, which dtrain's own launchers set; `PMIX_NAMESPACE` and
    /// `OMPI_MCA_ess_base_jobid` (Open MPI); `PMI_JOBID` and `PMI_KVSNAME` (MPICH and its kin); Slurm's job and step
    /// where `srun` started several tasks. What Slurm says of a batch script means nothing.
    /// - Parameter process: names a lone process; unique among those that are alive.
    package init(
        environment: [String: String] = ProcessInfo.processInfo.environment,
        process: String = "process \(getpid()) on \(ProcessInfo.processInfo.hostName)"
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
        name = process
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
