import CMPI
import Diagnostics

/// Which ranks run where, and communicators that follow from it.
struct Placement {
    /// All ranks, numbered host by host.
    let world: MPI_Comm
    /// The ranks of this one's host.
    let host: MPI_Comm
    /// The ranks of this one's machine: the same, unless a test cuts it into hosts.
    let machine: MPI_Comm
    let topology: Topology

    /// Collective over `all`.
    ///
    /// - Parameters:
    ///   - all: the ranks that there are to be: those of the job, or some of them.
    ///   - hostSize: for tests: machines are cut into hosts of so many ranks.
    init(of all: MPI_Comm, hostSize: Int?) throws {
        let rank = try MPICommunicator.rank(in: all)
        let size = try MPICommunicator.size(of: all)
        func check(_ code: Int32, _ call: String) throws { try MPICommunicator.check(code, call, rank: rank) }

        var splitMachine: MadeCommunicator = all
        try check(
            MPI_Comm_split_type(all, dtrain_mpi_comm_type_shared(), Int32(rank), dtrain_mpi_info_null(), &splitMachine),
            "MPI_Comm_split_type")
        let machine = try made(splitMachine, by: "MPI_Comm_split_type")
        var splitHost: MadeCommunicator = machine
        if let hostSize, hostSize > 0 {
            let color = try MPICommunicator.rank(in: machine) / hostSize
            try check(MPI_Comm_split(machine, Int32(color), Int32(rank), &splitHost), "MPI_Comm_split")
        }
        let host = try made(splitHost, by: "MPI_Comm_split")

        // A host is known by its lowest rank.
        var lowest = Int32(rank)
        try check(MPI_Bcast(&lowest, 4, dtrain_mpi_byte(), 0, host), "MPI_Bcast")
        var lowestOfAll = [Int32](repeating: 0, count: size)
        try check(MPI_Allgather(&lowest, 4, dtrain_mpi_byte(), &lowestOfAll, 4, dtrain_mpi_byte(), all), "MPI_Allgather")
        let order = lowestOfAll.indices.sorted { (lowestOfAll[$0], $0) < (lowestOfAll[$1], $1) }
        var ordered: MadeCommunicator = all
        if order != Array(order.indices) {
            let position = order.firstIndex(of: rank) ?? rank
            try check(MPI_Comm_split(all, 0, Int32(position), &ordered), "MPI_Comm_split")
        }
        var sizes: [Int] = []
        for (index, rank) in order.enumerated() {
            if index > 0, lowestOfAll[rank] == lowestOfAll[order[index - 1]] {
                sizes[sizes.count - 1] += 1
            } else {
                sizes.append(1)
            }
        }
        self.world = try made(ordered, by: "MPI_Comm_split")
        self.host = host
        self.machine = machine
        topology = Topology(hostSizes: sizes)
    }
}
