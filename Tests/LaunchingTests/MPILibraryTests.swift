import Launching
import Testing

@Suite("The launchers of two MPI libraries")
struct MPILibraryTests {
    private func commandLine(_ library: MPILibrary, ranks: Int, hosts: HostList? = nil, binding: String = "") -> [String] {
        LaunchPlan(
            mpirun: "mpirun", of: library, program: "dtrain", arguments: [], ranks: ranks, threadsPerRank: 1, cores: 4,
            hosts: hosts, session: "/s", inherited: ["OMPI_MCA_hwloc_base_binding_policy": binding], isRoot: false,
            isTerminal: false, columns: 80
        ).commandLine
    }

    @Test("MPICH's gets options of its own")
    func mpich() throws {
        #expect(commandLine(.mpich, ranks: 2) == ["mpirun", "-np", "2", "-bind-to", "core", "dtrain"])
        #expect(commandLine(.mpich, ranks: 5) == ["mpirun", "-np", "5", "-bind-to", "none", "dtrain"])
        #expect(
            commandLine(.mpich, ranks: 6, hosts: try HostList("a:2,b:4"), binding: "none") == [
                "mpirun", "-np", "6", "-hosts", "a:2,b:4", "dtrain"
            ])
    }

    @Test("the signal that killed a rank of MPICH's is told as a shell tells it")
    func exitCodes() {
        #expect([0, 1, 9, 15, 65, 75, 130].map(MPILibrary.mpich.exitCode) == [0, 1, 137, 143, 65, 75, 130])
        #expect([0, 1, 9, 65, 137].map(MPILibrary.openMPI.exitCode) == [0, 1, 9, 65, 137])
    }
}
