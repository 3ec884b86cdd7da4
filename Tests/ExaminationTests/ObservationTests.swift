import Diagnostics
import Examination
import Files
import Foundation
import Synchronization
import TestSupport
import Testing

/// What is read from the system, and what is tried on it.
@Suite("Looking at a machine")
struct ObservationTests {
    private func view(_ files: [String: String]) -> SystemView { SystemView { files[$0] } }

    @Test("nothing of /proc and /sys need be there")
    func nothing() {
        let view = view([:])
        #expect(view.allowedCores.isEmpty && view.onlineCoreCount == 0 && view.memoryNodes.isEmpty)
        #expect(view.coreQuota == nil && view.machine.isEmpty && view.load == nil && view.coreTime == nil)
        #expect(view.governor(ofCore: 0) == nil && !view.isBridge("eth0"))
    }

    @Test(
        "lists of cores, and what is none",
        arguments: [
            ("0-3,8\n", [0, 1, 2, 3, 8]), ("5", [5]), ("", []), ("3-1", []), ("0-99999999", []), ("1-2-3", []), ("a,2", [2]),
            ("2,1,2", [1, 2]), ("-", [])
        ])
    func lists(text: String, numbers: [Int]) { #expect(SystemView.numbers(text) == numbers) }

    @Test("cores, nodes, quotas, load and stolen time")
    func values() {
        let view = view([
            "/proc/self/status": "Name:\tx\nCpus_allowed:\t3\nCpus_allowed_list:\t0,2-3\n",
            "/sys/devices/system/cpu/online": "0-7\n", "/sys/devices/system/node/online": "0-1",
            "/sys/devices/system/node/node0/cpulist": "0-3", "/sys/devices/system/node/node1/cpulist": "4-7",
            "/sys/fs/cgroup/cpu.max": "150000 100000\n", "/proc/loadavg": "3.25 1 1 2/99 1\n",
            "/proc/stat": "cpu  10 0 10 70 0 0 0 10 3 0\ncpu0 1 1 1 1 1 1 1 1\n"
        ])
        #expect(view.allowedCores == [0, 2, 3] && view.onlineCoreCount == 8)
        #expect(view.memoryNodes == [[0, 1, 2, 3], [4, 5, 6, 7]])
        #expect(view.coreQuota == 1.5 && view.load == 3.25)
        #expect(view.coreTime == CoreTime(all: 100, stolen: 10))
        #expect(CoreTime(all: 300, stolen: 60).stolenShare(since: CoreTime(all: 100, stolen: 10)) == 0.25)
        #expect(CoreTime(all: 101, stolen: 11).stolenShare(since: CoreTime(all: 100, stolen: 10)) == nil)
    }

    @Test("quotas: none, of version 1, damaged")
    func quotas() {
        #expect(view(["/sys/fs/cgroup/cpu.max": "max 100000"]).coreQuota == nil)
        #expect(view(["/sys/fs/cgroup/cpu.max": "5 0"]).coreQuota == nil)
        let old = ["/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "50000", "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"]
        #expect(view(old).coreQuota == 0.5)
        #expect(view(["/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1"]).coreQuota == nil)
    }

    @Test("the file system of a path is that of the longest mount above it, and of several the last")
    func mounts() {
        let table = MountTable(
            """
            1 0 8:1 / / rw - ext4 /dev/a rw
            2 1 0:2 / /data rw shared:1 - nfs4 server:/x rw
            3 1 0:3 / /data rw - tmpfs tmpfs rw
            4 1 0:4 / /with\\040blank rw - xfs /dev/b rw
            broken line
            """)
        #expect(table.kind(of: "/data/runs") == "tmpfs" && table.kind(of: "/data") == "tmpfs")
        #expect(table.kind(of: "/database") == "ext4" && table.kind(of: "/with blank/x") == "xfs")
        #expect(MountTable("").kind(of: "/x").isEmpty)
    }

    @Test("a directory is tried and left as it was")
    func directory() throws {
        try withTemporaryFolder { folder in
            let place = DirectoryTrial.place(forRun: folder + "/runs/x")
            #expect(place == folder)
            let facts = DirectoryTrial.run(in: place)
            #expect(facts.failures.isEmpty && facts.freeBytes > 0 && facts.syncSeconds != nil, "\(facts)")
            let left = try FileManager.default.contentsOfDirectory(atPath: folder)
            #expect(left.isEmpty)
        }
        #expect(DirectoryTrial.place(forRun: "no-such-folder-here/x") == ".")
    }

    @Test("what fails in a directory is named, and nothing is left", arguments: ["no folder", "fsync"])
    func brokenDirectory(what: String) throws {
        try withTemporaryFolder { folder in
            let facts =
                what == "fsync"
                ? DirectoryTrial.run(in: folder, fileSystem: FaultyDisk({ _, call, _ in call == "fsync" ? .fail(EIO) : .pass }))
                : DirectoryTrial.run(in: folder + "/none")
            #expect(!facts.failures.isEmpty && facts.failures[0].hasPrefix(what == "fsync" ? "fsync: " : "open: "), "\(facts)")
            let left = try FileManager.default.contentsOfDirectory(atPath: folder)
            #expect(left.isEmpty)
        }
    }

    @Test(
        "networks of addresses",
        arguments: [
            ("10.1.2.3", 24, "10.1.2.0/24"), ("10.1.2.3", 32, "10.1.2.3/32"), ("10.1.2.3", 0, "0.0.0.0/0"),
            ("192.168.77.5", 20, "192.168.64.0/20"), ("strange", 8, nil), ("1.2.3.4", 40, nil)
        ])
    func networks(address: String, prefix: Int, network: String?) {
        let interface = NetworkInterface(
            name: "x", address: address, prefixLength: prefix, isUp: true, isLoopback: false, isBridge: false)
        #expect(interface.network == network)
    }

    @Test("where ranks don't find each other, interfaces are named and a network is proposed")
    func advice() {
        func interface(_ name: String, _ address: String) -> NetworkInterface {
            NetworkInterface(name: name, address: address, prefixLength: 24, isUp: true, isLoopback: false, isBridge: false)
        }
        let advice = NetworkInterface.advice([interface("docker0", "172.17.0.1"), interface("eth0", "10.1.2.3")])
        #expect(advice.contains("docker0 (172.17.0.1), eth0 (10.1.2.3)") && advice.contains("btl_tcp_if_include 10.1.2.0/24"))
        #expect(NetworkInterface.advice([]).contains("none, lead to the others"))
    }

    @Test("this machine has a loopback interface, and computes")
    func machine() throws {
        #expect(
            NetworkInterface.all(SystemView()).contains { $0.isLoopback && $0.address == "127.0.0.1" && $0.prefixLength == 8 })
        let noise = try NoiseTrial.run(threads: 1, view: SystemView(), cores: [0])
        #expect(noise.fastest > 0 && noise.fastest <= noise.median && noise.median <= noise.slow && noise.peakRate > 1e8)
    }

    @Test("patience ends with a message that says what didn't come, and not before")
    func patience() throws {
        let said = Mutex<[String]>([])
        let patience = try Patience(seconds: 0.1) { message in said.withLock { $0.append(message) } }
        patience.begin("the first thing isn't there")
        patience.end()
        usleep(300_000)
        #expect(said.withLock { $0 }.isEmpty)
        patience.begin("the second thing isn't there", times: 2)
        usleep(600_000)
        #expect(said.withLock { $0 } == ["the second thing isn't there within 0.2 s (--timeout)"])
    }
}
