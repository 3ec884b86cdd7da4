import Foundation

/// What is run for `--ranks N`: mpirun, its arguments and its environment. The same choices as in `launch/local.sh`,
/// where they are explained to those who copy them.
package struct LaunchPlan: Equatable, Sendable {
    /// mpirun and its arguments.
    package let commandLine: [String]
    /// The whole environment, sorted `NAME=value`.
    package let environment: [String]

    /// - Parameters:
    ///   - mpirun: path of mpirun.
    ///   - library: whose mpirun it is.
    ///   - program: path of the program that becomes the ranks.
    ///   - arguments: its arguments.
    ///   - ranks: number of ranks, at least 1.
    ///   - threadsPerRank: a rank of several threads isn't tied to one core.
    ///   - cores: cores that may be used; with more ranks than cores, waiting ranks yield.
    ///   - hosts: where the ranks run; nil: here. What cores other hosts have isn't known here.
    ///   - session: directory for Open MPI's own files, which `HostAgent` makes on other hosts.
    ///   - hasAgents: whether `HostAgent` can be started on other hosts; without, Open MPI's files lie where it puts them.
    ///   - inherited: the environment to start from.
    ///   - isRoot: mpirun refuses root unless told twice.
    ///   - isTerminal: whether our own standard output is a terminal, and how wide.
    ///   - usesColor: whether what ranks print there may have colours.
    package init(
        mpirun: String, of library: MPILibrary = .built, program: String, arguments: [String], ranks: Int, threadsPerRank: Int,
        cores: Int, hosts: HostList? = nil, hasAgents: Bool = true, session: String, inherited: [String: String],
        isRoot: Bool, isTerminal: Bool, columns: Int, usesColor: Bool = false
    ) {
        precondition(ranks > 0 && threadsPerRank > 0, "\(ranks) ranks of \(threadsPerRank) threads")
        let isOversubscribed = hosts == nil && ranks > cores

        var variables = inherited
        func set(_ name: String, unlessSet value: String) {
            if variables[name, default: ""].isEmpty { variables[name] = value }
        }
        if isRoot {
            variables["OMPI_ALLOW_RUN_AS_ROOT"] = "1"
            variables["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"
        }
        if isOversubscribed { set("OMPI_MCA_mpi_yield_when_idle", unlessSet: "1") }
        // Seconds between SIGTERM and SIGKILL when a job is torn down; Open MPI waits for them twice.
        set("OMPI_MCA_odls_base_sigkill_timeout", unlessSet: "0")
        set("OMP_NUM_THREADS", unlessSet: "1")
        set("OPENBLAS_NUM_THREADS", unlessSet: "1")
        set("DTRAIN_TERMINAL", unlessSet: isTerminal ? "1" : "0")
        set("DTRAIN_COLOR", unlessSet: usesColor ? "1" : "0")
        set("DTRAIN_COLUMNS", unlessSet: String(columns))
        variables[Session.variable] = session
        if hosts != nil, library == .openMPI {
            // Seconds until a connection counts as broken that brings nothing any more: 300 + 9 * 20 unless told.
            set("OMPI_MCA_oob_tcp_keepalive_time", unlessSet: "1")
            set("OMPI_MCA_oob_tcp_keepalive_intvl", unlessSet: "1")
            set("OMPI_MCA_oob_tcp_keepalive_probes", unlessSet: "3")
            if hasAgents { set("OMPI_MCA_orte_launch_agent", unlessSet: HostAgent.commandLine(program, session: session)) }
        }
        // ssh carries none of the environment, and Open MPI's mpirun only what is its own.
        let carried = variables.keys.filter { $0.hasPrefix("DTRAIN_") } + ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"]
        let isTold = !inherited["OMPI_MCA_hwloc_base_binding_policy", default: ""].isEmpty
        // Not quiet: what mpirun says of the end is taken out of the output, and used.
        let options = library.options(
            ranks: ranks, hosts: hosts?.argument, carrying: carried.sorted().filter { $0 != Session.variable },
            binding: isTold ? nil : !isOversubscribed && threadsPerRank == 1)
        commandLine = [mpirun] + options + [program] + arguments
        for name in hosts != nil && !hasAgents
            ? []
            : [
                "orte_tmpdir_base", "btl_vader_backing_directory", "osc_sm_backing_directory",
                "osc_rdma_backing_directory"
            ]
        {
            variables["OMPI_MCA_\(name)"] = session
        }
        environment = variables.map { "\($0.key)=\($0.value)" }.sorted()
    }
}
