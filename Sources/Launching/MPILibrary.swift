/// The MPI that the program is built with, as far as its launcher goes; DTRAIN_MPI chooses (Package.swift).
package enum MPILibrary: Sendable, CustomStringConvertible {
    case openMPI, mpich

    /// That of this program.
    package static var built: MPILibrary {
        #if MPICH
            .mpich
        #else
            .openMPI
        #endif
    }

    package var description: String { self == .mpich ? "MPICH" : "Open MPI" }

    /// The names of its launcher, the surest first: where both libraries are installed, mpirun is that of either.
    var launchers: [String] { self == .mpich ? ["mpirun.mpich", "mpiexec.hydra", "mpirun"] : ["mpirun"] }

    /// Debian's and Ubuntu's package of the launcher.
    var package: String { self == .mpich ? "mpich" : "openmpi-bin" }

    /// What a job ended with, from what its launcher ended with: MPICH's ends with the number of the signal that killed a rank,
    /// where a shell and Open MPI say 128 more. No exit code of dtrain's is that small but 0 and 1.
    package func exitCode(_ code: Int32) -> Int32 { self == .mpich && (2..<32).contains(code) ? 128 + code : code }

    /// The launcher's options.
    ///
    /// - Parameters:
    ///   - hosts: as its option for hosts takes them (`a:2,b:4`); nil: all ranks run here.
    ///   - carried: the variables that ranks elsewhere need.
    ///   - binding: whether ranks are bound to cores; nil: whoever starts the job has said so.
    func options(ranks: Int, hosts: String?, carrying carried: [String], binding: Bool?) -> [String] {
        switch self {
        case .openMPI:
            let place =
                hosts.map { hosts in ["--host", hosts] + carried.flatMap { ["-x", $0] } } ?? ["--oversubscribe"]
            let bound = binding.map { ["--bind-to", $0 ? "core:overload-allowed" : "none"] } ?? []
            return ["-np", String(ranks)] + place + bound
        case .mpich:
            // It takes the whole environment along, and doesn't count cores.
            return ["-np", String(ranks)] + (hosts.map { ["-hosts", $0] } ?? [])
                + (binding.map { ["-bind-to", $0 ? "core" : "none"] } ?? [])
        }
    }
}
