import Diagnostics
import Launching
import Testing

@Suite("The launcher's environment")
struct LauncherEnvironmentTests {
    @Test("Open MPI's variables give size, rank and local rank")
    func openMPI() {
        let environment = LauncherEnvironment(
            ["OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "3", "OMPI_COMM_WORLD_LOCAL_RANK": "1"],
            outputIsTerminal: true)
        #expect(environment.isUnderLauncher)
        #expect(environment.declaredSize == 4)
        #expect(environment.declaredRank == 3)
        #expect(environment.declaredLocalRank == 1)
    }

    @Test("Slurm's variables alone mean nothing")
    func slurm() throws {
        let environment = LauncherEnvironment(["SLURM_NTASKS": "8", "SLURM_PROCID": "3"], outputIsTerminal: true)
        #expect(!environment.isUnderLauncher)
        #expect(environment.declaredSize == nil)
        #expect(environment.isTerminal)
        try environment.check(size: 1)
    }

    @Test("several declared ranks with a lone MPI are refused", arguments: [
        ["OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "0"], ["PMI_SIZE": "2", "PMI_RANK": "0"],
        ["PMIX_RANK": "1"],
    ])
    func loneRanks(variables: [String: String]) throws {
        let environment = LauncherEnvironment(variables, outputIsTerminal: false)
        let failure = #expect(throws: Failure.self) { try environment.check(size: 1) }
        #expect(failure?.code == .usage)
        try environment.check(size: 2)
    }

    @Test("one declared rank is not refused")
    func oneRank() throws {
        try LauncherEnvironment(["OMPI_COMM_WORLD_SIZE": "1", "PMIX_RANK": "0"], outputIsTerminal: false).check(size: 1)
    }

    @Test("under a launcher only DTRAIN_TERMINAL makes the output a terminal")
    func terminal() {
        let rank = ["OMPI_COMM_WORLD_SIZE": "2"]
        #expect(!LauncherEnvironment(rank, outputIsTerminal: true).isTerminal)
        #expect(LauncherEnvironment(rank.merging(["DTRAIN_TERMINAL": "1"]) { $1 }, outputIsTerminal: false).isTerminal)
        #expect(!LauncherEnvironment(["DTRAIN_TERMINAL": "0"], outputIsTerminal: true).isTerminal)
        #expect(LauncherEnvironment([:], outputIsTerminal: true).isTerminal)
        #expect(!LauncherEnvironment([:], outputIsTerminal: false).isTerminal)
    }

    @Test("numbers that are none are ignored", arguments: ["", "x", "-1", "0", "99999999999999999999"])
    func nonsense(text: String) {
        let environment = LauncherEnvironment(["OMPI_COMM_WORLD_SIZE": text, "DTRAIN_COLUMNS": text],
                                              outputIsTerminal: false)
        #expect(environment.declaredSize == nil)
        #expect(environment.columns > 0)
    }

    @Test("DTRAIN_COLUMNS gives the width; under a launcher, without it, COLUMNS or 80")
    func columns() {
        #expect(LauncherEnvironment(["DTRAIN_COLUMNS": "133"], outputIsTerminal: true).columns == 133)
        #expect(LauncherEnvironment(["PMIX_RANK": "0"], outputIsTerminal: true).columns == 80)
        #expect(LauncherEnvironment(["PMIX_RANK": "0", "COLUMNS": "132"], outputIsTerminal: true).columns == 132)
        #expect(LauncherEnvironment(["PMIX_RANK": "0", "COLUMNS": "-3"], outputIsTerminal: true).columns == 80)
        #expect(LauncherEnvironment(["DTRAIN_COLUMNS": "133", "COLUMNS": "132"], outputIsTerminal: true).columns == 133)
    }
}
