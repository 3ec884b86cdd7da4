/// A process that a launcher of tasks started as one of several without telling it how to reach the others: `srun`
/// without PMIx or PMI (`--mpi=none`, the default of many clusters), and its like on other systems.
///
/// Most of Slurm's variables say nothing of it. They stand in every batch script and `salloc` shell, around programs that
/// are started once, also for a job of many tasks; there SLURM_PROCID is 0 and SLURM_STEP_NUM_TASKS is 1 or not set.
struct LoneTask {
    /// What is wrong, and the command that works.
    let refusal: String

    /// Nil where `environment` tells of one task.
    init?(_ environment: [String: String]) {
        func number(_ name: String) -> Int? { environment[name].flatMap { Int($0) } }
        let task = number("SLURM_PROCID") ?? 0
        let taskCount = number("SLURM_STEP_NUM_TASKS") ?? 1
        // In the shell of `srun --pty` with several tasks a program is started once, by hand; it runs in the first task.
        let isInteractive = environment["SLURM_PTY_PORT"] != nil
        if task > 0 || taskCount > 1 && !isInteractive {
            let place = taskCount > 1 ? "task \(task) of \(taskCount)" : "task \(task)"
            refusal =
                "srun started this as \(place), but MPI was not asked for, so that each would train alone; start "
                + "ranks with srun --mpi=pmix (srun --mpi=list shows what this cluster has) or with mpirun, or one "
                + "process with srun --ntasks=1"
            return
        }
        // Others give a number to each task: a number above 0 tells of others.
        let others = [
            ("PALS_RANKID", "PALS"), ("ALPS_APP_PE", "aprun"), ("JSM_NAMESPACE_RANK", "jsrun"),
            ("FLUX_TASK_RANK", "Flux"), ("PBS_VNODENUM", "pbsdsh")
        ]
        guard let (name, launcher) = others.first(where: { number($0.0) ?? 0 > 0 }) else { return nil }
        refusal =
            "\(launcher) started this as task \(number(name) ?? 0) (\(name)), but MPI was not asked for, so that each "
            + "would train alone; start ranks with mpirun, or one process only"
    }
}
