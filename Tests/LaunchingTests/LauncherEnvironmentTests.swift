import Diagnostics
import Launching
import Testing

@Suite("The launcher's environment")
struct LauncherEnvironmentTests {
    @Test("Open MPI's variables give size and rank")
    func openMPI() {
        let environment = LauncherEnvironment(
            ["OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "3", "OMPI_COMM_WORLD_LOCAL_RANK": "1"],
            outputIsTerminal: true)
        #expect(environment.isUnderLauncher)
        #expect(environment.declaredSize == 4)
        #expect(environment.declaredRank == 3)
    }

    /// As Slurm 22.05 sets them.
    private static let batch = ["SLURM_JOB_ID": "5", "SLURM_NTASKS": "8", "SLURM_PROCID": "0", "SLURM_LOCALID": "0"]

    private static func step(task: Int, of count: Int) -> [String: String] {
        [
            "SLURM_JOB_ID": "5", "SLURM_STEP_ID": "0", "SLURM_NTASKS": "8", "SLURM_STEP_NUM_TASKS": String(count),
            "SLURM_PROCID": String(task), "SLURM_LOCALID": String(task)
        ]
    }

    @Test(
        "Slurm's variables around a program that was started once mean nothing",
        arguments: [
            batch,  // a batch script
            ["SLURM_JOB_ID": "5", "SLURM_NTASKS": "8"],  // the shell of salloc
            step(task: 0, of: 1),  // srun --ntasks=1
            step(task: 0, of: 4).merging(["SLURM_PTY_PORT": "39937"]) { $1 },  // a shell of srun --pty
            ["SLURM_PROCID": "x", "SLURM_STEP_NUM_TASKS": ""]
        ])
    func slurm(variables: [String: String]) throws {
        let environment = LauncherEnvironment(variables, outputIsTerminal: true)
        #expect(!environment.isUnderLauncher)
        #expect(environment.declaredSize == nil)
        #expect(environment.isTerminal)
        try environment.check(size: 1)
    }

    @Test(
        "a task among several that knows nothing of MPI is refused, with the command that works",
        arguments: [
            step(task: 0, of: 4), step(task: 3, of: 4), ["SLURM_PROCID": "2"], ["PALS_RANKID": "1"], ["ALPS_APP_PE": "7"],
            ["JSM_NAMESPACE_RANK": "1"], ["FLUX_TASK_RANK": "5"], ["PBS_VNODENUM": "1"],
            step(task: 1, of: 4).merging(["SLURM_PTY_PORT": "39937"]) { $1 }
        ])
    func loneTasks(variables: [String: String]) throws {
        let environment = LauncherEnvironment(variables, outputIsTerminal: false)
        let failure = #expect(throws: Failure.self) { try environment.check(size: 1) }
        #expect(failure?.code == .usage)
        #expect(failure?.message.contains(variables["SLURM_PROCID"] == nil ? "mpirun" : "srun --mpi=pmix") == true)
        // Nor can such a task start ranks of its own.
        let launcher = RankLauncher(
            ranks: .count(2), arguments: [], program: "/bin/true",
            environment: variables.merging(["PATH": "/usr/bin:/bin"]) { $1 })
        #expect(throws: Failure(.usage, failure?.message ?? "")) { try launcher.run() }
    }

    @Test(
        "ranks of MPI inside Slurm are ranks, whatever Slurm says of the processes that started them",
        arguments: [
            ["PMIX_RANK": "2"], ["OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "2"], ["PMI_SIZE": "4", "PMI_RANK": "2"]
        ])
    func ranksInSlurm(variables: [String: String]) throws {
        let environment = LauncherEnvironment(Self.step(task: 2, of: 4).merging(variables) { $1 }, outputIsTerminal: false)
        #expect(environment.isUnderLauncher)
        try environment.check(size: 4)
        // One rank that mpirun started on another node of the allocation.
        try LauncherEnvironment(
            Self.step(task: 1, of: 2).merging(["OMPI_COMM_WORLD_SIZE": "1"]) { $1 },
            outputIsTerminal: false
        ).check(size: 1)
    }

    @Test(
        "several declared ranks with a lone MPI are refused",
        arguments: [
            ["OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "0"], ["PMI_SIZE": "2", "PMI_RANK": "0"],
            ["PMIX_RANK": "1"]
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

    @Test(
        "NO_COLOR goes before CLICOLOR_FORCE, that before the terminal, CLICOLOR=0 and TERM=dumb",
        arguments: [
            ([:], true), (["TERM": "xterm"], true), (["TERM": "dumb"], false), (["CLICOLOR": "0"], false),
            (["CLICOLOR": "1"], true), (["NO_COLOR": "1"], false), (["NO_COLOR": ""], true),
            (["NO_COLOR": "1", "CLICOLOR_FORCE": "1"], false), (["CLICOLOR_FORCE": "1", "CLICOLOR": "0", "TERM": "dumb"], true),
            (["CLICOLOR_FORCE": "0", "CLICOLOR": "0"], false),
            (["OMPI_COMM_WORLD_SIZE": "2", "DTRAIN_TERMINAL": "1", "DTRAIN_COLOR": "0"], false)
        ] as [([String: String], Bool)])
    func colors(_ environment: [String: String], onTerminal: Bool) {
        #expect(LauncherEnvironment(environment, outputIsTerminal: true).usesColor == onTerminal)
        let forced = onTerminal && environment["CLICOLOR_FORCE"] == "1"
        #expect(LauncherEnvironment(environment, outputIsTerminal: false).usesColor == forced)
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
        let environment = LauncherEnvironment(
            ["OMPI_COMM_WORLD_SIZE": text, "DTRAIN_COLUMNS": text],
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
