import Examination
import Foundation
import Testing

/// Each check on a job with one fault: it finds that, names the place, says what helps, and nothing else is found.
@Suite("Checks of a set-up")
struct CheckTests {
    /// A job in which one thing is wrong.
    struct Spoilt: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let check: String
        var severity = Finding.Severity.warning
        /// What the finding's line must say.
        let says: [String]
        var hosts = [2, 2]
        var threads = 1
        let spoil: @Sendable (inout JobFacts) -> Void
    }

    static let spoilt: [Spoilt] = [
        Spoilt(
            testDescription: "more ranks than cores", check: "cores",
            says: ["host host-0", "4 ranks share 2 cores", "at most 2"], hosts: [4]
        ) {
            for rank in 0..<4 { $0.ranks[rank].cores = [0, 1] }
            for rank in 0..<4 { $0.ranks[rank].onlineCores = 8 }
        },
        Spoilt(
            testDescription: "hosts that are one machine and share its core", check: "cores",
            says: ["host-0, host-1 (one machine)", "2 ranks share 1 core"], hosts: [1, 1]
        ) {
            for rank in 0..<2 { $0.ranks[rank].machine = "the same" }
        },
        Spoilt(
            testDescription: "two ranks bound to one core", check: "cores", says: ["ranks 0, 1", "one core, 0", "--bind-to"],
            hosts: [3]
        ) {
            $0.ranks[1].cores = [0]
            $0.ranks[2].cores = [1, 2]
        },
        Spoilt(testDescription: "a control group's quota", check: "cores", says: ["2 computing threads", "1.5 cores", "--cpus"])
        {
            for rank in 0..<2 { $0.ranks[rank].coreQuota = 1.5 }
        },
        Spoilt(
            testDescription: "ranks × threads over the cores", check: "threads",
            says: ["2 ranks of up to 4 threads compute on 4 cores", "training.threads to 2"], hosts: [2]
        ) {
            for rank in 0..<2 {
                $0.ranks[rank].threads = 4
                $0.ranks[rank].cores = [0, 1, 2, 3]
            }
        },
        Spoilt(
            testDescription: "threads bound to one core", check: "threads",
            says: ["rank 0 on host-0", "2 threads are bound to 1 core", "PE=2"],
            hosts: [2], threads: 2
        ) {
            $0.ranks[0].cores = [0]
            $0.ranks[1].cores = [1, 2, 3]
        },
        Spoilt(
            testDescription: "cores of several NUMA nodes", check: "threads", severity: .note, says: ["rank 0", "NUMA"],
            threads: 2
        ) {
            $0.ranks[0].memoryNodes = [[0], [1]]
        },
        Spoilt(
            testDescription: "a container's /dev/shm", check: "shared_memory",
            says: ["host host-1", "/dev/shm has 67.1 MB in all", "--shm-size"]
        ) {
            $0.ranks[2].sharedMemory = SharedMemoryFacts(path: "/dev/shm", totalBytes: 64 << 20, freeBytes: 64 << 20)
        },
        Spoilt(
            testDescription: "less shared memory than the configuration's ranks share", check: "shared_memory",
            says: ["host host-0", "100.0 MB free", "large share 240.0 MB"]
        ) {
            $0.need = need
            $0.ranks[0].sharedMemory?.freeBytes = 100_000_000
        },
        Spoilt(
            testDescription: "less shared memory than MPI takes", check: "shared_memory", severity: .error,
            says: ["Open MPI takes up to 33.6 MB"]
        ) {
            $0.ranks[0].sharedMemory?.freeBytes = 1 << 20
        },
        Spoilt(
            testDescription: "no reading of neighbours' memory", check: "direct_reads",
            says: ["Operation not permitted", "SYS_PTRACE"]
        ) {
            $0.links[0].readFailure = "Operation not permitted"
        },
        Spoilt(testDescription: "runs in memory", check: "run_directory", says: ["directory runs", "tmpfs", "--run"]) {
            $0.directory?.kind = "tmpfs"
        },
        Spoilt(testDescription: "runs inside a container", check: "run_directory", says: ["overlay", "docker run -v"]) {
            $0.directory?.kind = "overlay"
        },
        Spoilt(
            testDescription: "a file system without locks", check: "run_directory", severity: .error,
            says: ["lock: No locks available", "--run"]
        ) {
            $0.directory?.failures = ["lock: No locks available"]
        },
        Spoilt(testDescription: "no room for checkpoints", check: "run_directory", says: ["500.0 MB are free", "240.0 MB"]) {
            $0.need = need
            $0.directory?.freeBytes = 500_000_000
        },
        Spoilt(testDescription: "a slow fsync", check: "run_directory", severity: .note, says: ["fsync", "2.5 s"]) {
            $0.directory?.syncSeconds = 2.5
        },
        Spoilt(
            testDescription: "another build on one host", check: "equality", severity: .error,
            says: ["ranks 2, 3", "the program's file", "found cc, expected aa"]
        ) {
            for rank in 2..<4 { $0.ranks[rank].identities[0].value = "cc" }
        },
        Spoilt(
            testDescription: "other data on one rank", check: "equality", severity: .error,
            says: ["rank 3 on host-1", "the training data"]
        ) {
            $0.ranks[3].identities[1].value = "dd"
        },
        Spoilt(
            testDescription: "another configuration, of which the line that differs is shown", check: "equality",
            severity: .error,
            says: ["rank 1 on host-0", "found units: 5, expected units: 4"]
        ) {
            for rank in $0.ranks.indices {
                $0.ranks[rank].identities.append(.init("the configuration", "model:\n  units: \(rank == 1 ? 5 : 4)\n"))
            }
        },
        Spoilt(
            testDescription: "data that one host lacks", check: "equality", severity: .error,
            says: ["rank 2 on host-1", "no such file"]
        ) {
            $0.ranks[2].loadFailure = "train.csv: no such file"
            $0.ranks[2].identities = []
        },
        Spoilt(
            testDescription: "a program that compares other things", check: "equality", severity: .error,
            says: ["rank 1", "the training data"]
        ) {
            $0.ranks[1].identities.removeLast()
        },
        Spoilt(testDescription: "a clock that is behind", check: "clocks", says: ["host host-1", "90.0 s behind", "chrony"]) {
            $0.links[2].clockOffsetSeconds = -90
        },
        Spoilt(
            testDescription: "docker0 between hosts", check: "interfaces",
            says: ["host host-0", "docker0 (172.17.0.1)", "btl_tcp_if_include 10.0.0.0/24"]
        ) {
            $0.ranks[0].interfaces.append(
                NetworkInterface(
                    name: "docker0", address: "172.17.0.1", prefixLength: 16, isUp: true, isLoopback: false, isBridge: true))
        },
        Spoilt(
            testDescription: "docker0 on one host", check: "interfaces", severity: .note,
            says: ["docker0", "btl_tcp_if_exclude=lo,docker0"], hosts: [2]
        ) {
            $0.ranks[0].interfaces.append(
                NetworkInterface(
                    name: "docker0", address: "172.17.0.1", prefixLength: 16, isUp: true, isLoopback: false, isBridge: true))
        },
        Spoilt(
            testDescription: "an interface that isn't there", check: "interfaces", severity: .error,
            says: ["host host-1", "names ib0"]
        ) {
            for rank in 0..<4 { $0.ranks[rank].includedInterfaces = "ib0" }
            $0.ranks[0].interfaces[1].name = "ib0"
        },
        Spoilt(
            testDescription: "hosts without a common network", check: "interfaces", severity: .note,
            says: ["all hosts", "routed"]
        ) {
            $0.ranks[2].interfaces[1].address = "10.0.7.2"
        },
        Spoilt(testDescription: "a hypervisor that takes time", check: "noise", says: ["host host-1", "20 %", "dedicated"]) {
            $0.ranks[2].noise.stealNow = 0.2
        },
        Spoilt(
            testDescription: "loops that take unequally long", check: "noise",
            says: ["host host-0", "rank 1 computes unsteadily", "1.4 times its fastest"]
        ) {
            $0.ranks[1].noise.mean = 1.4e-3
        },
        Spoilt(testDescription: "a slow rank", check: "noise", says: ["rank 3 on host-1", "2.0 times slower"]) {
            $0.ranks[3].noise = NoiseFacts(times: [2e-3, 2e-3], operations: 1_000_000)
        },
        Spoilt(testDescription: "root", check: "root", severity: .note, says: ["all ranks", "OMPI_ALLOW_RUN_AS_ROOT"]) {
            for rank in $0.ranks.indices { $0.ranks[rank].isRoot = true }
        }
    ]

    @Test("a healthy job has no findings", arguments: [[1], [2], [2, 2], [1, 1, 1]])
    func healthy(hosts: [Int]) {
        let report = ExaminationReport(healthyJob(hosts: hosts))
        #expect(report.findings.isEmpty, "\(report.findings)")
        #expect(!report.needsMending && report.lines.last == "nothing to mend")
    }

    @Test("one fault is one finding, of the right check, with place and mend", arguments: spoilt)
    func findsOne(_ spoilt: Spoilt) throws {
        var job = healthyJob(hosts: spoilt.hosts, threads: spoilt.threads)
        spoilt.spoil(&job)
        let report = ExaminationReport(job)
        #expect(report.findings.count == 1, "\(report.findings)")
        let finding = try #require(report.findings.first)
        #expect(finding.check == spoilt.check && finding.severity == spoilt.severity, "\(finding)")
        #expect(finding.line.hasPrefix("\(spoilt.severity.rawValue): ") && !finding.mend.isEmpty)
        for part in spoilt.says { #expect(finding.line.contains(part), "\"\(part)\" is not in: \(finding.line)") }
        #expect(report.needsMending == (spoilt.severity != .note))
        #expect(report.lines.contains(finding.line))
    }

    @Test("every check has a spoilt job here")
    func complete() { #expect(Set(allChecks.map(\.name)) == Set(Self.spoilt.map(\.check))) }

    @Test("facts that the system doesn't show are no findings, and nothing traps on them")
    func unknown() {
        var job = healthyJob()
        for rank in job.ranks.indices {
            job.ranks[rank].cores = []
            job.ranks[rank].onlineCores = 0
            job.ranks[rank].memoryNodes = []
            job.ranks[rank].machine = ""
            job.ranks[rank].interfaces = []
            job.ranks[rank].noise = NoiseFacts(times: [0], operations: 0)
        }
        job.directory = nil
        job.links = []
        job.need = need
        let report = ExaminationReport(job)
        #expect(report.findings.isEmpty, "\(report.findings)")
        #expect(report.lines.contains { $0.contains("a time that wasn't measured") })
    }

    @Test("the estimate for a step is bytes over the slowest link's bandwidth, and operations over all ranks' rate")
    func estimate() throws {
        var job = healthyJob()
        job.need = need
        job.links[2].bandwidth = 1e8
        let report = ExaminationReport(job)
        // Four ranks of 1e6 operations in 1 ms: 4e9 a second.
        #expect(abs(try #require(report.leastComputingSeconds) - 0.75) < 1e-9)
        #expect(abs(try #require(report.exchangeSeconds(betweenHosts: true)) - (0.8 + 2e-5)) < 1e-9)
        #expect(abs(try #require(report.exchangeSeconds(betweenHosts: false)) - (0.04 + 2e-5)) < 1e-9)
        #expect(
            report.lines.contains { $0.contains("between hosts: 80.0 MB each way, about 800.0 ms, 1.1 times the computing") })
    }

    @Test("the JSON object says the same")
    func json() throws {
        var job = healthyJob()
        job.ranks[3].identities[1].value = "dd"
        let text = try ExaminationReport(job).json()
        #expect(!text.contains("\n"))
        let object = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        #expect(object["needs_mending"] as? Bool == true)
        let findings = try #require(object["findings"] as? [[String: Any]])
        #expect(
            findings.count == 1 && findings[0]["severity"] as? String == "error"
                && findings[0]["check"] as? String == "equality")
        let facts = try #require(object["job"] as? [String: Any])
        #expect((facts["ranks"] as? [[String: Any]])?.count == 4)
        #expect((facts["links"] as? [[String: Any]])?.first?["latency_seconds"] as? Double == 1e-5)
    }
}
