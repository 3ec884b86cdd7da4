import Examination
import Training

/// A healthy job of so many ranks on each host, a core for each.
func healthyJob(hosts: [Int] = [2, 2], threads: Int = 1) -> JobFacts {
    var ranks: [RankFacts] = []
    var members: [[Int]] = []
    for (host, count) in hosts.enumerated() {
        members.append(Array(ranks.count..<ranks.count + count))
        for local in 0..<count {
            var rank = RankFacts(
                rank: ranks.count, host: "host-\(host)",
                noise: NoiseFacts(times: [1e-3, 1e-3, 1e-3], operations: 1_000_000))
            rank.machine = "machine \(host)"
            rank.process = 100 + ranks.count
            rank.cores = Array(local * threads..<(local + 1) * threads)
            rank.onlineCores = count * threads
            rank.memoryNodes = [Array(0..<count * threads)]
            rank.threads = threads
            rank.sharedMemory = SharedMemoryFacts(path: "/dev/shm", totalBytes: 8 << 30, freeBytes: 8 << 30)
            rank.interfaces = [
                NetworkInterface(
                    name: "lo", address: "127.0.0.1", prefixLength: 8, isUp: true, isLoopback: true, isBridge: false),
                NetworkInterface(
                    name: "eth0", address: "10.0.0.\(host + 1)", prefixLength: 24, isUp: true, isLoopback: false,
                    isBridge: false)
            ]
            rank.identities = [.init("the program's file", "aa"), .init("the training data", "bb")]
            ranks.append(rank)
        }
    }
    var links = members.filter { $0.count > 1 }.map { link($0[0], $0[1], isBetweenHosts: false) }
    links += members.dropFirst().map { link(0, $0[0], isBetweenHosts: true) }
    return JobFacts(
        program: "dtrain", library: "MPI", ranks: ranks, hosts: members, links: links,
        directory: DirectoryFacts(path: "runs", kind: "ext4", freeBytes: 1 << 40, syncSeconds: 0.001, failures: []), need: nil)
}

private func link(_ from: Int, _ to: Int, isBetweenHosts: Bool) -> LinkFacts {
    LinkFacts(
        from: from, to: to, isBetweenHosts: isBetweenHosts, latencySeconds: 1e-5, bandwidth: 1e9,
        clockOffsetSeconds: isBetweenHosts ? 0.001 : nil, readFailure: nil)
}

let need = StepNeed(
    workload: "large", operations: 3_000_000_000, bytesWithinHost: 40_000_000, bytesBetweenHosts: 80_000_000,
    sharedBytes: [240_000_000, 240_000_000], checkpointBytes: 240_000_000)
