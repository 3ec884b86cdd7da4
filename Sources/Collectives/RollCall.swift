import CMPI
import Foundation

extension MPICommunicator {
    private static let rollCallTag: Int32 = 2

    package func missingRanks(withinSeconds seconds: Double) throws -> [Int] {
        var byte: UInt8 = 0
        guard rank == 0 else {
            try check(MPI_Send(&byte, 1, dtrain_mpi_byte(), 0, Self.rollCallTag, handle), "MPI_Send")
            // Asleep between looks: the others may be measuring.
            try withUnsafeMutablePointer(to: &byte) { byte in
                var request: PendingRequest = dtrain_mpi_request_null()
                try check(MPI_Irecv(byte, 1, dtrain_mpi_byte(), 0, Self.rollCallTag, handle, &request), "MPI_Irecv")
                while try !isComplete(&request) { usleep(200) }
            }
            return []
        }
        guard size > 1 else { return [] }
        // A request that is never answered must not write into memory that is gone: the process ends with it.
        let answers = UnsafeMutablePointer<UInt8>.allocate(capacity: size)
        answers.initialize(repeating: 0, count: size)
        var requests = [PendingRequest](repeating: dtrain_mpi_request_null(), count: size)
        for other in 1..<size {
            try check(
                MPI_Irecv(answers + other, 1, dtrain_mpi_byte(), Int32(other), Self.rollCallTag, handle, &requests[other]),
                "MPI_Irecv")
        }
        var missing = Array(1..<size)
        let end = DispatchTime.now().uptimeNanoseconds + UInt64(seconds * 1e9)
        while true {
            missing = try missing.filter { try !isComplete(&requests[$0]) }
            if missing.isEmpty { break }
            guard DispatchTime.now().uptimeNanoseconds < end else { return missing }
            usleep(200)
        }
        answers.deallocate()
        for other in 1..<size {
            try check(MPI_Send(&byte, 1, dtrain_mpi_byte(), Int32(other), Self.rollCallTag, handle), "MPI_Send")
        }
        return []
    }

    private func isComplete(_ request: inout PendingRequest) throws -> Bool {
        var done: Int32 = 0
        try check(MPI_Test(&request, &done, dtrain_mpi_status_ignore()), "MPI_Test")
        return done != 0
    }
}

extension Communicator {
    /// Nobody else to wait for.
    package func missingRanks(withinSeconds seconds: Double) throws -> [Int] { [] }
}
