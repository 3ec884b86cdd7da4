import CMPI
import Diagnostics
import Foundation

/// MPI from start to finish. It has one owner and finishes with it; a failing rank doesn't get there, but aborts.
package struct MPISession: ~Copyable {
    /// All ranks of the job: in MPI's own order until `place`, for what they must agree on first.
    package private(set) var world: MPICommunicator

    /// The most threads of its own that MPI starts, which Open MPI does: they look after what the launcher says.
    package static var threadCount: Int { 3 }

    /// Starts MPI. Threads may communicate one at a time, where the library can do that.
    package init() throws {
        // Over TCP, longer messages ask first whether they may come, and behind a full socket that question waits. Pieces of
        // weights and gradients don't have to ask: rooms are ready for them. (Measured at 1 Gbit/s: 740 ms a step, else 830.)
        setenv("OMPI_MCA_btl_tcp_eager_limit", String((1 << 20) + 4096), 0)
        var provided: Int32 = 0
        let code = MPI_Init_thread(nil, nil, Int32(MPI_THREAD_SERIALIZED), &provided)
        guard code == MPI_SUCCESS else {
            throw Failure(.internalError, "MPI_Init_thread failed with code \(code); is MPI installed completely?")
        }
        world = try MPICommunicator()
    }

    /// Finds out which ranks share a machine; from here on `world` numbers them host by host. Collective, and the same
    /// environment on all ranks is a condition.
    ///
    /// - Parameters:
    ///   - hostSize: for tests: cuts machines into hosts of so many ranks, which share no memory with each other. The
    ///     environment's DTRAIN_NODE_SIZE unless given.
    ///   - largestPart: messages are split into parts of at most this many bytes, since MPI counts in Int32. Tests lower it.
    package mutating func place(
        hostSize: Int? = ProcessInfo.processInfo.environment["DTRAIN_NODE_SIZE"].flatMap { Int($0) },
        largestPart: Int = MPICommunicator.largestPart
    ) throws {
        world = try MPICommunicator(world.handle, hostSize: hostSize, largestPart: largestPart)
    }

    deinit { MPI_Finalize() }

    /// The name and version of the library.
    package static var libraryVersion: String {
        var text = [CChar](repeating: 0, count: Int(MPI_MAX_LIBRARY_VERSION_STRING))
        var length: Int32 = 0
        guard MPI_Get_library_version(&text, &length) == MPI_SUCCESS else { return "MPI" }
        let bytes = text.prefix(Int(length)).map { UInt8(bitPattern: $0) }
        return name(ofLibrary: String(decoding: bytes, as: UTF8.self))
    }
}
