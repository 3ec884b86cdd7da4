import Checkpointing
import Collectives
import Diagnostics

/// Brings the checkpoint that rank 0 goes on from to the ranks that don't see it.
struct CheckpointCourier {
    private static let pieceBytes = 4 << 20

    let communicator: any Communicator

    /// The same checkpoint on every rank; nil on all where rank 0 has none. Collective.
    ///
    /// A rank that finds the same one under the same path reads it there. Elsewhere the first of a host's ranks that don't gets
    /// the files from rank 0, puts them into its own run directory, and removes them when all of the host's have opened them.
    ///
    /// - Parameter find: what rank 0 goes on from.
    func share(in run: RunDirectory, find: () throws -> LoadedCheckpoint?) throws -> LoadedCheckpoint? {
        let isFirst = communicator.rank == 0
        var checkpoint = try communicator.agree { isFirst ? try find() : nil }
        let path = try communicator.broadcast(checkpoint?.path ?? "", from: 0)
        guard !path.isEmpty else { return nil }
        let seal = try communicator.broadcast(try communicator.agree { try checkpoint?.seal ?? "" }, from: 0)
        if !isFirst { checkpoint = try communicator.agree { try visible(path, seal) } } else { try communicator.agree {} }
        let away = try communicator.allGather(checkpoint == nil ? "away" : "").map { !$0.isEmpty }
        guard away.contains(true) else { return checkpoint }
        let rank = communicator.rank
        let receivers = communicator.topology.hosts.compactMap { host in host.first { away[$0] } }
        var copy: CheckpointCopy?
        defer { copy?.remove() }
        try communicator.agree { if receivers.contains(rank) { copy = try CheckpointCopy(in: run) } }
        let files = try communicator.agree { isFirst ? try checkpoint?.openFiles() ?? [] : [] }
        let names = try communicator.broadcast(
            files.map { "\($0.name) \($0.input.byteCount)" }.joined(separator: "\n"), from: 0)
        var failure: Failure?
        for (index, line) in names.split(separator: "\n").enumerated() {
            let words = line.split(separator: " ")
            guard words.count == 2, let byteCount = Int(words[1]) else { preconditionFailure("\"\(line)\" of rank 0") }
            // What goes wrong on one rank doesn't stop the exchange, which all take part in.
            func attempt(_ body: () throws -> Void) {
                guard failure == nil else { return }
                do { try body() } catch { failure = error as? Failure ?? Failure(.internalError, "\(error)") }
            }
            attempt { try copy?.begin(String(words[0])) }
            var piece = [UInt8](repeating: 0, count: isFirst || copy != nil ? min(Self.pieceBytes, byteCount) : 0)
            for start in stride(from: 0, to: byteCount, by: Self.pieceBytes) {
                let count = min(Self.pieceBytes, byteCount - start)
                try piece.withUnsafeMutableBytes { all in
                    let bytes = UnsafeMutableRawBufferPointer(rebasing: all.prefix(count))
                    if isFirst {
                        attempt { try files[index].input.read(into: bytes, at: start) }
                        try communicator.exchange(
                            sending: receivers.map { Outgoing(to: $0, UnsafeRawBufferPointer(bytes)) }, receiving: [])
                    } else if copy != nil {
                        try communicator.exchange(sending: [], receiving: [Incoming(from: 0, bytes)])
                        attempt { try copy?.append(UnsafeRawBufferPointer(bytes)) }
                    }
                }
            }
        }
        try communicator.agree {
            if let failure { throw failure }
            try copy?.end()
        }
        if away[rank] {
            checkpoint = try communicator.agree { try CheckpointCopy.open(in: run) }
        } else {
            try communicator.agree {}
        }
        return checkpoint
    }

    /// The checkpoint at a path, if it is the one with this seal. One that is missing or damaged here, or another, isn't; what
    /// can't be read may be.
    private func visible(_ path: String, _ seal: String) throws -> LoadedCheckpoint? {
        do {
            let checkpoint = try LoadedCheckpoint(path: path)
            return try checkpoint.seal == seal ? checkpoint : nil
        } catch let failure as Failure where failure.code == .missingInput || failure.code == .badData {
            return nil
        }
    }
}
