import Diagnostics
import Launching
import Testing

@Suite("The plan for --ranks")
struct LaunchPlanTests {
    private func plan(
        ranks: Int, cores: Int = 4, threads: Int = 1, hosts: HostList? = nil, hasAgents: Bool = true,
        inherited: [String: String] = [:],
        isRoot: Bool = false
    ) -> LaunchPlan {
        LaunchPlan(
            mpirun: "/usr/bin/mpirun", program: "/opt/dtrain", arguments: ["train", "a b.yaml"], ranks: ranks,
            threadsPerRank: threads, cores: cores, hosts: hosts, hasAgents: hasAgents, session: "/dev/shm/dtrain-0-1",
            inherited: inherited,
            isRoot: isRoot, isTerminal: false, columns: 90)
    }

    @Test("ranks that fit are bound to cores")
    func fitting() {
        let plan = plan(ranks: 4)
        #expect(
            plan.commandLine == [
                "/usr/bin/mpirun", "-np", "4", "--oversubscribe", "--bind-to",
                "core:overload-allowed", "/opt/dtrain", "train", "a b.yaml"
            ])
        #expect(!plan.environment.contains { $0.hasPrefix("OMPI_MCA_mpi_yield_when_idle") })
        // What mpirun says of a rank's end is used.
        #expect(!plan.environment.contains { $0.hasPrefix("OMPI_MCA_orte_execute_quiet") })
    }

    @Test("more ranks than cores yield when idle and aren't bound")
    func oversubscribed() {
        let plan = plan(ranks: 5)
        #expect(plan.commandLine.contains("none"))
        #expect(plan.environment.contains("OMPI_MCA_mpi_yield_when_idle=1"))
    }

    @Test("ranks of several threads aren't bound")
    func threaded() {
        #expect(plan(ranks: 2, threads: 2).commandLine.contains("none"))
    }

    @Test("who has said how ranks are bound is not contradicted")
    func toldBinding() {
        #expect(!plan(ranks: 2, inherited: ["OMPI_MCA_hwloc_base_binding_policy": "none"]).commandLine.contains("--bind-to"))
    }

    @Test(
        "on several hosts mpirun keeps to the slots, takes our variables along, notices broken connections, and starts our agent"
    )
    func hosts() throws {
        let plan = plan(ranks: 6, hosts: try HostList("a:2,b:4"), inherited: ["DTRAIN_SIMD": "256", "OTHER": "x"])
        #expect(
            plan.commandLine == [
                "/usr/bin/mpirun", "-np", "6", "--host", "a:2,b:4", "-x", "DTRAIN_COLOR", "-x", "DTRAIN_COLUMNS", "-x",
                "DTRAIN_SIMD", "-x",
                "DTRAIN_TERMINAL", "-x", "OMP_NUM_THREADS", "-x", "OPENBLAS_NUM_THREADS", "--bind-to", "core:overload-allowed",
                "/opt/dtrain", "train", "a b.yaml"
            ])
        for line in [
            "OMPI_MCA_orte_launch_agent=/opt/dtrain host-agent /dev/shm/dtrain-0-1 orted", "OMPI_MCA_oob_tcp_keepalive_time=1",
            "OMPI_MCA_orte_tmpdir_base=/dev/shm/dtrain-0-1", "OMPI_MCA_btl_vader_backing_directory=/dev/shm/dtrain-0-1"
        ] {
            #expect(plan.environment.contains(line), "\(line)")
        }
        let without = self.plan(ranks: 2, hosts: try HostList("a,b"), hasAgents: false).environment
        #expect(!without.contains { $0.contains("backing_directory") || $0.contains("tmpdir") || $0.contains("launch_agent") })
        #expect(plan.environment.contains("DTRAIN_SESSION=/dev/shm/dtrain-0-1"))
    }

    @Test("mpirun's refusal of root is lifted for root only")
    func root() {
        #expect(plan(ranks: 1, isRoot: true).environment.contains("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1"))
        #expect(!plan(ranks: 1).environment.contains { $0.contains("ROOT") })
    }

    @Test("what the user has set stays, the rest has the launcher's values")
    func environment() {
        let environment = plan(ranks: 1, inherited: ["OMP_NUM_THREADS": "3", "HOME": "/h"]).environment
        #expect(environment.contains("OMP_NUM_THREADS=3"))
        #expect(environment.contains("OPENBLAS_NUM_THREADS=1"))
        #expect(environment.contains("HOME=/h"))
        #expect(environment.contains("OMPI_MCA_odls_base_sigkill_timeout=0"))
        #expect(environment.contains("DTRAIN_TERMINAL=0"))
        #expect(environment.contains("DTRAIN_COLUMNS=90"))
        #expect(environment.contains("OMPI_MCA_btl_vader_backing_directory=/dev/shm/dtrain-0-1"))
    }

    @Test(
        "the option is taken out of the arguments in both forms",
        arguments: [
            (["train", "--ranks", "4", "--quiet"], ["train", "--quiet"]), (["--ranks=auto", "x"], ["x"]),
            (["x", "--ranks"], ["x"]), (["--hosts", "a,b", "--ranks=2", "x", "--hosts=c"], ["x"]),
            (["--", "--ranks", "4"], ["--", "--ranks", "4"]), (["--ranksx"], ["--ranksx"])
        ])
    func arguments(given: [String], kept: [String]) {
        #expect(RankLauncher.argumentsWithoutRanks(given) == kept)
    }

    @Test("--ranks takes a number or auto")
    func rankCount() throws {
        #expect(try RankCount("auto") == .automatic)
        #expect(try RankCount("7").resolved == 7)
        for text in ["0", "-1", "", "4x", "4097", "1e3", "Auto"] {
            let failure = #expect(throws: Failure.self, "\(text)") { try RankCount(text) }
            #expect(failure?.code == .usage)
        }
    }

    @Test("cores are the set bits of the affinity mask")
    func affinityMask() {
        #expect(cores(inStatus: "Name:\tx\nCpus_allowed:\tff,0000000f\nCpus_allowed_list:\t0-3\n") == 12)
        #expect(cores(inStatus: "Cpus_allowed:\t1") == 1)
        #expect(cores(inStatus: "") == nil)
        #expect(availableCores() > 0)
    }
}
