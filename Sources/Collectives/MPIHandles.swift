import CMPI
import Diagnostics

// All that tells Open MPI and MPICH apart for those who call them. Handles are pointers in Open MPI, and optional where the library
// writes them; in MPICH they are numbers. DTRAIN_MPI chooses (Package.swift).

#if MPICH
    /// A communicator, window, set of hints or request in the place where MPI writes it.
    typealias MadeCommunicator = MPI_Comm
    typealias MadeWindow = MPI_Win
    typealias MadeInfo = MPI_Info
    typealias PendingRequest = MPI_Request
#else
    /// A communicator, window, set of hints or request in the place where MPI writes it.
    typealias MadeCommunicator = MPI_Comm?
    typealias MadeWindow = MPI_Win?
    typealias MadeInfo = MPI_Info?
    typealias PendingRequest = MPI_Request?
#endif

/// The communicator that a call has written.
func made(_ handle: MadeCommunicator, by call: String) throws -> MPI_Comm {
    let handle: MPI_Comm? = handle
    guard let handle, handle != dtrain_mpi_comm_null() else {
        throw Failure(.internalError, "\(call) gave no communicator")
    }
    return handle
}

extension MPISession {
    /// Name and version, of what `MPI_Get_library_version` says: "Open MPI v4.1.4, package: …", "MPICH Version:\t4.0.2\nMPICH …".
    static func name(ofLibrary text: String) -> String {
        let first = text.split { $0 == "," || $0.isNewline }.first ?? "MPI"
        let words = first.split { $0.isWhitespace }.map { $0 == "Version:" ? "" : $0 }
        return words.filter { !$0.isEmpty }.joined(separator: " ")
    }
}
