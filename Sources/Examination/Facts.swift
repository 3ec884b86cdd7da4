import Training

/// What one rank found out about itself and its host.
package struct RankFacts: Codable, Equatable, Sendable {
    package var rank: Int
    /// The host's name.
    package var host: String
    /// The running kernel (its boot id): containers and namespaces of one machine have it in common. Empty if unknown.
    package var machine: String = ""
    package var process: Int = 0
    package var isRoot: Bool = false
    /// The cores in the affinity mask; empty if unknown.
    package var cores: [Int] = []
    /// How many cores the machine has online.
    package var onlineCores: Int = 0
    /// The cores' time that control groups leave, in cores; nil where nothing bounds it.
    package var coreQuota: Double?
    /// The cores of each NUMA node.
    package var memoryNodes: [[Int]] = []
    /// How many threads compute on this rank (`training.threads`).
    package var threads: Int = 1
    package var sharedMemory: SharedMemoryFacts?
    package var interfaces: [NetworkInterface] = []
    /// What Open MPI was told of interfaces (`btl_tcp_if_include`, `btl_tcp_if_exclude`); nil where nothing.
    package var includedInterfaces: String?
    package var excludedInterfaces: String?
    /// What must be the same on all ranks.
    package var identities: [Identity] = []
    /// Why this rank can't read configuration or data; nil where it can, or where there is none.
    package var loadFailure: String?
    package var noise: NoiseFacts

    package init(rank: Int, host: String, noise: NoiseFacts) {
        self.rank = rank
        self.host = host
        self.noise = noise
    }

    /// Something that all ranks must have alike, and its hash or text here.
    package struct Identity: Codable, Equatable, Sendable {
        package var name: String
        package var value: String?

        package init(_ name: String, _ value: String?) {
            self.name = name
            self.value = value
        }
    }
}

/// The file system that Open MPI takes for what ranks of a host share.
package struct SharedMemoryFacts: Codable, Equatable, Sendable {
    package var path: String
    package var totalBytes: Int
    package var freeBytes: Int

    package init(path: String, totalBytes: Int, freeBytes: Int) {
        self.path = path
        self.totalBytes = totalBytes
        self.freeBytes = freeBytes
    }
}

/// How steadily a rank computes: a fixed loop of multiply-adds, timed many times while all ranks do the same.
package struct NoiseFacts: Codable, Equatable, Sendable {
    /// Seconds of the loop.
    package var fastest: Double
    package var median: Double
    package var mean: Double
    /// Nineteen of twenty took at most so long.
    package var slow: Double
    /// Operations a second of the fastest loop.
    package var peakRate: Double
    /// Share of the cores' time that the hypervisor gave to others, while dtrain looked and since the machine started; nil
    /// where the system doesn't tell.
    package var stealNow: Double?
    package var stealSinceStart: Double?
    /// How many programs wanted to run in the last minute, on average.
    package var load: Double?
    /// How the processor's frequency is chosen (`scaling_governor`); nil where the system has no say in it.
    package var governor: String?
}

/// A network interface with an address of IPv4.
package struct NetworkInterface: Codable, Equatable, Sendable {
    package var name: String
    /// Four bytes, dotted.
    package var address: String
    /// How many bits of it name the network.
    package var prefixLength: Int
    package var isUp: Bool
    package var isLoopback: Bool
    /// Whether it is a bridge of this machine, as containers and virtual machines have.
    package var isBridge: Bool

    package init(name: String, address: String, prefixLength: Int, isUp: Bool, isLoopback: Bool, isBridge: Bool) {
        self.name = name
        self.address = address
        self.prefixLength = prefixLength
        self.isUp = isUp
        self.isLoopback = isLoopback
        self.isBridge = isBridge
    }
}

/// What a pair of ranks measured.
package struct LinkFacts: Codable, Equatable, Sendable {
    package var from: Int
    package var to: Int
    package var isBetweenHosts: Bool
    /// Seconds that 4 KB take one way, half of a way there and back: the median.
    package var latencySeconds: Double
    /// Bytes a second of messages of 4 MB: the median.
    package var bandwidth: Double
    /// How far the clock of `to` is ahead of that of `from`, seconds; nil on one host.
    package var clockOffsetSeconds: Double?
    /// Why `from` can't read memory of `to` (`process_vm_readv`), as Open MPI does on one host; nil where it can, or between
    /// hosts.
    package var readFailure: String?

    package init(
        from: Int, to: Int, isBetweenHosts: Bool, latencySeconds: Double, bandwidth: Double, clockOffsetSeconds: Double?,
        readFailure: String?
    ) {
        self.from = from
        self.to = to
        self.isBetweenHosts = isBetweenHosts
        self.latencySeconds = latencySeconds
        self.bandwidth = bandwidth
        self.clockOffsetSeconds = clockOffsetSeconds
        self.readFailure = readFailure
    }
}

/// What was found out about the place of run directories, on rank 0.
package struct DirectoryFacts: Codable, Equatable, Sendable {
    package var path: String
    /// `ext4`, `nfs4`, `tmpfs`, …; empty if unknown.
    package var kind: String
    package var freeBytes: Int
    package var syncSeconds: Double?
    /// The steps that failed, and why: `lock`, `rename`, `fsync`, or what came before them.
    package var failures: [String]

    package init(path: String, kind: String, freeBytes: Int, syncSeconds: Double?, failures: [String]) {
        self.path = path
        self.kind = kind
        self.freeBytes = freeBytes
        self.syncSeconds = syncSeconds
        self.failures = failures
    }
}

/// All that is known of a job: what the checks look at, and what `--json` prints.
package struct JobFacts: Codable, Equatable, Sendable {
    package var program: String
    package var library: String
    package var ranks: [RankFacts]
    /// The ranks of each host.
    package var hosts: [[Int]]
    package var links: [LinkFacts]
    package var directory: DirectoryFacts?
    /// What a step of the configuration takes; nil without one.
    package var need: StepNeed?

    /// The ranks of machines that have a core for each of their computing threads: only there speeds mean something.
    var unhurriedRanks: Set<Int> {
        Set(
            machines.filter { machine in
                let cores = Set(machine.ranks.flatMap(\.cores))
                return cores.isEmpty || machine.ranks.reduce(0) { $0 + $1.threads } <= cores.count
            }.flatMap { $0.ranks.map(\.rank) })
    }

    package func hostName(_ index: Int) -> String { hosts[index].first.map { ranks[$0].host } ?? "" }

    /// The first rank of each host, which speaks for it.
    var hostSpeakers: [(index: Int, facts: RankFacts)] {
        hosts.indices.compactMap { index in hosts[index].first.map { (index, ranks[$0]) } }
    }

    /// The ranks of each machine: hosts that are namespaces or containers of one share its cores.
    var machines: [(name: String, ranks: [RankFacts])] {
        var order: [String] = []
        var members: [String: [RankFacts]] = [:]
        for (index, speaker) in hostSpeakers {
            let key = speaker.machine.isEmpty ? "host \(index)" : speaker.machine
            if members[key] == nil { order.append(key) }
            members[key, default: []] += hosts[index].map { ranks[$0] }
        }
        return order.map { key in
            let all = members[key] ?? []
            var names: [String] = []
            for name in all.map(\.host) where !names.contains(name) { names.append(name) }
            return (Self.named(names), all)
        }
    }

    static func named(_ hosts: [String]) -> String {
        hosts.count == 1 ? "host \(hosts[0])" : "hosts " + hosts.joined(separator: ", ") + " (one machine)"
    }

    package init(
        program: String, library: String, ranks: [RankFacts], hosts: [[Int]], links: [LinkFacts], directory: DirectoryFacts?,
        need: StepNeed?
    ) {
        self.program = program
        self.library = library
        self.ranks = ranks
        self.hosts = hosts
        self.links = links
        self.directory = directory
        self.need = need
    }
}
