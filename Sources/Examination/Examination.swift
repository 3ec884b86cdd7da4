import Collectives
import Diagnostics
import Files
import Foundation
import Training

/// Looks at a job's ranks, hosts and links, and at nothing that can't be undone: all it leaves is what it returns.
///
/// Ranks meet at a roll call after each part of the work, so that one that doesn't answer is named.
package struct Examination {
    private let communicator: any Communicator
    private let patience: Patience
    /// How long ranks wait for each other.
    private let seconds: Double
    private let view = SystemView()

    /// What is looked at beside the machine.
    package struct Subject {
        /// What must be the same on all ranks.
        package var identities: [RankFacts.Identity] = []
        package var threads = 1
        package var need: StepNeed?
        package var loadFailure: Failure?

        package init() {}
    }

    package init(_ communicator: any Communicator, patience: Patience, seconds: Double) {
        self.communicator = communicator
        self.patience = patience
        self.seconds = seconds
    }

    /// Collective; all ranks get the same facts.
    ///
    /// - Parameters:
    ///   - program, library: their names and versions, for the report.
    ///   - runDirectory: the path that a run directory would have.
    ///   - read: reads configuration and data, which may take a while.
    package func run(
        program: String, library: String, runDirectory: String, read: (Topology) throws -> Subject
    ) throws -> JobFacts {
        let time = view.coreTime
        try meet("after the start")
        patience.begin("rank \(communicator.rank): configuration and data are not read", times: 30)
        let subject = try read(communicator.topology)
        try meet("when configuration and data were read", times: 30)
        try communicator.agree {
            // Nothing to compare the others with.
            if communicator.rank == 0, let failure = subject.loadFailure { throw failure }
        }
        let directory = try tryDirectory(runDirectory)
        try meet("when rank 0 had tried the run directory")
        patience.begin("rank \(communicator.rank): the loop that shows how steadily it computes isn't through")
        var own = try facts(subject)
        try meet("when each had computed for a moment")
        let links = try measureLinks()
        if let time, let later = view.coreTime {
            own.noise.stealNow = later.stolenShare(since: time)
            own.noise.stealSinceStart = later.stolenShare(since: CoreTime(all: 0, stolen: 0))
        }
        patience.begin("rank \(communicator.rank): what the ranks found isn't gathered")
        let ranks = try communicator.allGather(Self.encoded(own)).enumerated().map { rank, bytes in
            // Another program may say it in other words.
            (try? JSONDecoder().decode(RankFacts.self, from: Data(bytes))) ?? own.strange(rank: rank)
        }
        let allLinks = try communicator.allGather(Self.encoded(links)).flatMap { bytes in
            (try? JSONDecoder().decode([LinkFacts].self, from: Data(bytes))) ?? []
        }
        let firsts = try communicator.allGather(Self.encoded(First(directory: directory, need: subject.need)))
        let first = try JSONDecoder().decode(First.self, from: Data(firsts[0]))
        patience.end()
        return JobFacts(
            program: program, library: library, ranks: ranks, hosts: communicator.topology.hosts.map(Array.init),
            links: allLinks, directory: first.directory, need: first.need)
    }

    /// What rank 0 alone finds out, or better than the others.
    private struct First: Codable {
        let directory: DirectoryFacts?
        let need: StepNeed?
    }

    /// The last roll call, when all is said. From here on MPI has to come to its end. Collective.
    package func finish() throws {
        try meet("after the report")
        patience.begin("rank \(communicator.rank): MPI hasn't come to its end")
    }

    private static func encoded(_ value: some Encodable) throws -> [UInt8] { Array(try JSONEncoder().encode(value)) }

    /// A roll call: ends the job where a rank doesn't come.
    ///
    /// - Parameter moment: when it took place, as a message says it.
    private func meet(_ moment: String, times: Double = 1) throws {
        // Rank 0 knows more than that somebody is missing; the others let it speak.
        patience.begin("rank \(communicator.rank): no answer from rank 0 \(moment)", times: 3 * times)
        let missing = try communicator.missingRanks(withinSeconds: seconds * times)
        patience.end()
        guard !missing.isEmpty else { return }
        let names = missing.map(String.init).joined(separator: ", ")
        StandardStream.tell(
            "dtrain: error",
            "rank\(missing.count == 1 ? "" : "s") \(names): no answer within \(String(format: "%g", seconds * times)) s (--timeout) "
                + "\(moment); see whether the process is stopped (ps, top), its host is gone, or a firewall or an interface "
                + "that leads nowhere keeps its messages back (mpirun --mca btl_tcp_if_include NETWORK)")
        communicator.abort(.inputOutput)
    }

    private func tryDirectory(_ path: String) throws -> DirectoryFacts? {
        guard communicator.rank == 0 else { return nil }
        let place = DirectoryTrial.place(forRun: path)
        // A network file system whose server is gone waits for ever.
        patience.begin("rank 0: the file system of \(place) doesn't answer")
        return DirectoryTrial.run(in: place)
    }

    private func facts(_ subject: Subject) throws -> RankFacts {
        let environment = ProcessInfo.processInfo.environment
        let cores = view.allowedCores
        var facts = RankFacts(
            rank: communicator.rank, host: printable(view.hostName),
            noise: try NoiseTrial.run(threads: subject.threads, view: view, cores: cores))
        facts.machine = view.machine
        facts.process = Int(getpid())
        facts.isRoot = geteuid() == 0
        facts.cores = cores
        facts.onlineCores = view.onlineCoreCount
        facts.coreQuota = view.coreQuota
        facts.memoryNodes = view.memoryNodes
        facts.threads = subject.threads
        facts.sharedMemory = SharedMemoryFacts.current(environment)
        facts.interfaces = NetworkInterface.all(view)
        facts.includedInterfaces = environment["OMPI_MCA_btl_tcp_if_include"]
        facts.excludedInterfaces = environment["OMPI_MCA_btl_tcp_if_exclude"]
        facts.identities = subject.identities
        facts.loadFailure = subject.loadFailure?.message
        return facts
    }

    /// A pair of each host at once, then the first rank of the first host with that of each other host, one after the other.
    private func measureLinks() throws -> [LinkFacts] {
        let hosts = communicator.topology.hosts
        guard communicator.size > 1 else { return [] }
        let trial = LinkTrial(communicator)
        let inner = hosts.filter { $0.count > 1 }.map { ($0.lowerBound, $0.lowerBound + 1) }
        let outer = hosts.dropFirst().prefix(Self.mostHosts).map { (hosts[0].lowerBound, $0.lowerBound) }
        var found: [LinkFacts] = []
        for pairs in (inner.isEmpty ? [] : [inner]) + outer.map({ [$0] }) {
            for (from, to) in pairs where communicator.rank == from || communicator.rank == to {
                let other = communicator.rank == from ? to : from
                patience.begin("rank \(communicator.rank): rank \(other) hasn't answered its messages")
                let isBetweenHosts = communicator.topology.host(of: from) != communicator.topology.host(of: to)
                found += [try trial.run(from: from, to: to, isBetweenHosts: isBetweenHosts)].compactMap { $0 }
            }
            try meet("when ranks \(pairs.map { "\($0.0) and \($0.1)" }.joined(separator: ", ")) had exchanged messages")
        }
        return found
    }

    /// With more hosts than these, the others' links are not measured: it would take longer than a few seconds.
    private static let mostHosts = 32
}

extension RankFacts {
    /// What is known of a rank that runs another program.
    fileprivate func strange(rank: Int) -> RankFacts {
        var facts = self
        facts.rank = rank
        facts.host = "an unknown host"
        facts.identities = [Identity(identities.first?.name ?? "the program", "another one")]
        return facts
    }
}

extension SharedMemoryFacts {
    /// Of the directory that Open MPI puts shared memory into; nil where there is none.
    package static func current(_ environment: [String: String]) -> SharedMemoryFacts? {
        let path = environment["OMPI_MCA_osc_sm_backing_directory"] ?? "/dev/shm"
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { return nil }
        func bytes(_ blocks: fsblkcnt_t) -> Int {
            let product = UInt64(blocks).multipliedReportingOverflow(by: UInt64(status.f_frsize))
            return product.overflow ? Int.max : Int(clamping: product.partialValue)
        }
        return SharedMemoryFacts(path: printable(path), totalBytes: bytes(status.f_blocks), freeBytes: bytes(status.f_bavail))
    }
}
