import Diagnostics
import Foundation

/// What the environment says about how this process was started.
package struct LauncherEnvironment: Sendable {
    /// Whether an MPI launcher started this process.
    package let isUnderLauncher: Bool
    /// The number of ranks that the launcher declares; nil where none does.
    package let declaredSize: Int?
    /// This process's rank as the launcher declares it; nil where none does.
    package let declaredRank: Int?
    /// Whether a person watches the output. Under a launcher a rank's standard output is a terminal of the launcher's
    /// making, so there only the launcher's word counts (`DTRAIN_TERMINAL`), and without it the answer is no.
    package let isTerminal: Bool
    /// Whether what is printed may have colours: NO_COLOR forbids them (<https://no-color.org>), CLICOLOR_FORCE asks for them, also in
    /// a file, CLICOLOR=0 forbids them on a terminal, and so does TERM=dumb. Under a launcher `DTRAIN_COLOR` tells what it found.
    package let usesColor: Bool
    /// Whether the terminal can't draw over what stands there (TERM=dumb).
    package let isDumb: Bool
    /// What the environment says of its width in columns, which a launcher passes on.
    private let declaredColumns: Int?
    private let fallbackColumns: Int?
    /// This process as one of several tasks that were started without MPI; nil where it was started once.
    private let task: LoneTask?

    /// Variables by which launchers say how many ranks there are: Open MPI, MPICH and its relatives, MVAPICH.
    private static let sizes = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE"]
    private static let ranks = ["OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "MV2_COMM_WORLD_RANK"]

    /// Reads `environment`. `outputIsTerminal` is what `isatty` says about standard output.
    package init(
        _ environment: [String: String] = ProcessInfo.processInfo.environment,
        outputIsTerminal: @autoclosure () -> Bool = isatty(STDOUT_FILENO) == 1
    ) {
        func number(_ names: [String]) -> Int? {
            names.lazy.compactMap { environment[$0].flatMap { Int($0) } }.first { $0 >= 0 }
        }
        declaredSize = number(Self.sizes).flatMap { $0 > 0 ? $0 : nil }
        declaredRank = number(Self.ranks)
        isUnderLauncher = declaredSize != nil || declaredRank != nil
        task = isUnderLauncher ? nil : LoneTask(environment)
        switch environment["DTRAIN_TERMINAL"] {
        case "1": isTerminal = true
        case "0": isTerminal = false
        default: isTerminal = isUnderLauncher ? false : outputIsTerminal()
        }
        isDumb = environment["TERM"] == "dumb"
        func isSet(_ name: String) -> Bool { !(environment[name] ?? "").isEmpty }
        if isUnderLauncher, let declared = environment["DTRAIN_COLOR"], !declared.isEmpty {
            usesColor = declared == "1"
        } else if isSet("NO_COLOR") {
            usesColor = false
        } else if isSet("CLICOLOR_FORCE"), environment["CLICOLOR_FORCE"] != "0" {
            usesColor = true
        } else {
            usesColor = isTerminal && !isDumb && environment["CLICOLOR"] != "0"
        }
        func width(_ name: String) -> Int? { number([name]).flatMap { (1...10_000).contains($0) ? $0 : nil } }
        declaredColumns = width("DTRAIN_COLUMNS")
        fallbackColumns = width("COLUMNS")
    }

    /// Width of the terminal that a person watches, in columns: as the launcher declares it, as the terminal itself tells
    /// it (it may change), as `COLUMNS` has it, else 80. Under a launcher on the terminal's own machine a terminal that has become
    /// narrower since the start is seen too.
    package var columns: Int {
        if isUnderLauncher, isTerminal, let declaredColumns {
            return min(declaredColumns, StandardStream.controllingTerminalColumns ?? declaredColumns)
        }
        return declaredColumns ?? (isUnderLauncher ? nil : StandardStream.output.columns) ?? fallbackColumns ?? 80
    }

    /// Refuses to go on when several ranks or tasks were started and MPI knows of one: each of them would take itself for
    /// the whole job, in the same run directory.
    ///
    /// - Parameter size: what `MPI_Comm_size` says, or 1 where MPI is not used.
    package func check(size: Int) throws {
        if let declaredSize, declaredSize > 1, size == 1 {
            throw Failure(
                .usage,
                "the launcher started \(declaredSize) ranks, but MPI says that this one is alone; "
                    + "start with the mpirun of \(MPILibrary.built), which dtrain was built with (not with another MPI's), without "
                    + "--no-mpi, or start one process only")
        }
        // PMIx alone names the rank and not the size; a rank above 0 still tells of others.
        if declaredSize == nil, let declaredRank, declaredRank > 0, size == 1 {
            throw Failure(
                .usage,
                "the launcher calls this rank \(declaredRank), but MPI says that it is alone; start "
                    + "with the mpirun of \(MPILibrary.built), which dtrain was built with (under Slurm: srun --mpi=pmix)")
        }
        if size == 1, let task { throw Failure(.usage, task.refusal) }
    }
}
