import Storage

/// How the partial gradients of the ranks reach the owners of the slices, and how the new weights get back.
///
/// Within a host everything lies in memory that all of its ranks map: one copy of the weights, the gradients of each
/// rank, a small record per rank. Owners read their neighbours' gradients in place and write weights in place; counters
/// say how far everybody is. Between hosts, partial sums and new weights travel as messages, each slice once per pair of
/// hosts. Where no memory can be shared every rank is a host, and the same scheme works by messages alone.
///
/// One step: `beginStep`; backward writes the sums of the rank's subtrees into `gradients` and says `finished` as far as
/// they are complete; the owner combines what is complete on every rank (`completeFrom`, `awaitMore`, or all after
/// `collect`), changes its slice of the weights, and `publish`es. A slice may be overwritten as soon as it is complete,
/// because a rank that has its gradients reads its weights no more.
package final class OwnerExchange {
    /// The elements that this rank owns.
    package let slice: Range<Int>
    /// Who shares memory.
    package let topology: Topology
    /// Why no memory is shared though ranks have a host in common; nil where all is as it should be.
    package let note: String?

    let communicator: any Communicator
    let layout: ParameterLayout
    let ownHost: Int
    /// Rooms for messages, made with the first plan that needs them.
    let staging = Staging()

    private let memory: any HostMemory
    private let flags: HostFlags
    private let regions: SegmentRegions
    private let recordSize: Int
    /// The records of all ranks, where they come by message.
    private let gatheredRecords: AlignedBuffer<Double>
    private var step: Int64 = 0

    /// Collective.
    ///
    /// - Parameters:
    ///   - subtrees: the most subtrees that this rank has in a step.
    ///   - recordSize: how many Doubles each rank shows the others in a step, the same for all.
    package init(communicator: any Communicator, layout: ParameterLayout, subtrees: Int, recordSize: Int) throws {
        self.communicator = communicator
        self.layout = layout
        self.recordSize = recordSize
        slice = layout.slice(of: communicator.rank, ownerCount: communicator.size)
        let regions = SegmentRegions(weights: layout.weightCount, gradients: layout.gradientCount, recordSize: recordSize)
        self.regions = regions
        let grant = try communicator.shareMemory { isFirst in regions.byteCount(subtrees: subtrees, hasWeights: isFirst) }
        memory = grant.memory
        topology = grant.topology
        note = grant.note
        ownHost = topology.host(of: communicator.rank)
        let ranks = topology.hosts[ownHost]
        flags = HostFlags(
            segments: ranks.indices.map { grant.memory.segment($0 - ranks.lowerBound) },
            localRank: communicator.rank - ranks.lowerBound, firstRank: ranks.lowerBound, pulse: communicator.pulse)
        gatheredRecords = AlignedBuffer(count: topology.hosts.count > 1 ? recordSize * communicator.size : 0)
    }

    // MARK: - What lies where

    /// The weights that this rank computes with: the host's, all of them valid after `publish`.
    package var weights: MutableParameterView {
        MutableParameterView(
            base: regions.weights(in: memory.segment(0)), count: layout.weightCount, regions: layout.regions,
            cached: sharesMemory ? 0..<0 : 0..<Int.max)
    }

    /// Whether this rank is the one of its host that writes the weights a run starts with.
    package var fillsWeights: Bool { topology.hosts[ownHost].lowerBound == communicator.rank }

    /// Where the k-th subtree's gradient of this rank is written.
    package func gradients(_ subtree: Int) -> MutableParameterView { gradients(subtree, of: communicator.rank) }

    /// Likewise of a rank of this host.
    func gradients(_ subtree: Int, of rank: Int) -> MutableParameterView {
        let localRank = rank - topology.hosts[ownHost].lowerBound
        return MutableParameterView(
            base: regions.gradients(subtree, in: memory.segment(localRank), hasWeights: localRank == 0),
            count: layout.gradientCount, laterUses: layout.trainedCount, cached: cachedGradients)
    }

    /// The part of this rank's gradients that is still in its caches when it comes to read them.
    private var cachedGradients: Range<Int> {
        let own = sharesMemory ? slice : 0..<layout.trainedCount
        return own.count * MemoryLayout<Float>.stride <= Self.cacheBytes ? own : 0..<0
    }

    /// What a core may hope to find in its caches again: a few megabytes of a last-level cache that it shares.
    private static let cacheBytes = 8 << 20

    /// Whether other ranks read what this one writes: all weights, and gradients outside its slice. That is written past
    /// the caches; a store to a line that another core has read would wait until that one has let go of it, and all later
    /// stores behind it.
    private var sharesMemory: Bool { topology.hosts[ownHost].count > 1 }

    /// What this rank shows the others in this step: `recordSize` numbers, to be written before `agree` or `publish`.
    package var record: UnsafeMutableBufferPointer<Double> {
        let localRank = communicator.rank - topology.hosts[ownHost].lowerBound
        return UnsafeMutableBufferPointer(start: regions.record(step, in: memory.segment(localRank)), count: recordSize)
    }

    /// What `rank` shows, after `agree` or `publish` until the next `beginStep`.
    package func record(of rank: Int) -> UnsafePointer<Double> {
        if topology.hosts.count > 1 { return UnsafePointer(gatheredRecords.base + rank * recordSize) }
        return UnsafePointer(regions.record(step, in: memory.segment(rank)))
    }

    // MARK: - A step

    /// Whether owners may combine what `completeFrom` says while backward still runs; else only after `collect`.
    package var combinesEarly: Bool { topology.hosts.count == 1 }

    /// Begins the next step. From here on gradients and record may be written.
    package func beginStep() { step += 1 }

    /// Says that this rank's gradients are complete, and its weights read, from `offset` of the flat buffer to its end.
    package func finished(from offset: Int) {
        flags.set(.gradients, to: firstCount + Int64(layout.trainedCount - offset))
    }

    /// From where on every rank of the host has finished; the buffer's end where somebody hasn't begun.
    package var completeFrom: Int {
        layout.trainedCount - Int(max(0, min(flags.lowest(.gradients) - firstCount, Int64(layout.trainedCount))))
    }

    /// From where on every rank of the host has finished; waits until that is before `offset`.
    package func awaitMore(before offset: Int) -> Int {
        flags.wait(.gradients, for: firstCount + Int64(layout.trainedCount - offset) + 1)
        return completeFrom
    }

    /// Returns when all subtrees are here that the owner combines, those of other hosts included.
    package func collect(_ plan: ExchangePlan) throws {
        flags.wait(.gradients, for: firstCount + Int64(layout.trainedCount))
        guard topology.hosts.count > 1 else { return }
        plan.combineForOthers()
        try communicator.exchange(sending: plan.sentGradients, receiving: plan.receivedGradients)
    }

    /// Shows everybody's record before any weight changes.
    package func agree() throws {
        flags.set(.records, to: step)
        try gatherRecords()
        if topology.hosts.count == 1 { flags.wait(.records, for: step) }
    }

    /// Makes this rank's slice of the weights everybody's, and shows the records unless `agree` did.
    ///
    /// - Parameter meanwhile: what this rank can do until the others are there; it must not touch weights or gradients.
    package func publish(_ plan: ExchangePlan, showsRecords: Bool, meanwhile: () -> Void) throws {
        if topology.hosts.count > 1 {
            try communicator.exchange(sending: plan.sentWeights, receiving: plan.receivedWeights)
            if showsRecords { try gatherRecords() }
        }
        flags.set(.weights, to: step)
        meanwhile()
        flags.wait(.weights, for: step)
    }

    /// Makes what the host's first rank has written into its copy of the buffers everybody's. Nobody may read buffers from
    /// the end of a step until here.
    package func shareBuffers() {
        flags.set(.buffers, to: step)
        flags.wait(.buffers, for: step)
    }

    /// Gives shared memory back. Collective, on the good path only.
    package func close() { memory.close() }

    private func gatherRecords() throws {
        guard topology.hosts.count > 1 else { return }
        try communicator.allGather(
            UnsafeRawBufferPointer(record),
            into: UnsafeMutableRawBufferPointer(gatheredRecords.elements))
    }

    /// The counter of a rank that has finished nothing of this step yet; above all of the last step.
    private var firstCount: Int64 { step * Int64(layout.trainedCount + 1) }
}

/// What lies where in a rank's segment: counters, two records (one is read while the next step's is written), the host's
/// weights in the first rank's, and behind them the rank's gradients.
private struct SegmentRegions {
    /// Elements of the flat buffers.
    let weights: Int, gradients: Int
    let recordSize: Int

    private static let page = 4096
    private static func rounded(_ bytes: Int) -> Int { (bytes + page - 1) / page * page }

    private var recordBytes: Int { (recordSize * MemoryLayout<Double>.stride + 127) / 128 * 128 }
    private var weightsOffset: Int { Self.rounded(HostFlags.byteCount + 2 * recordBytes) }
    private var gradientBytes: Int { Self.rounded(gradients * MemoryLayout<Float>.stride) }

    private func gradientsOffset(hasWeights: Bool) -> Int {
        weightsOffset + (hasWeights ? Self.rounded(weights * MemoryLayout<Float>.stride) : 0)
    }

    func byteCount(subtrees: Int, hasWeights: Bool) -> Int {
        gradientsOffset(hasWeights: hasWeights) + subtrees * gradientBytes
    }

    func record(_ step: Int64, in segment: UnsafeMutableRawPointer) -> UnsafeMutablePointer<Double> {
        (segment + HostFlags.byteCount + Int(step & 1) * recordBytes).assumingMemoryBound(to: Double.self)
    }

    func weights(in segment: UnsafeMutableRawPointer) -> UnsafeMutablePointer<Float> {
        (segment + weightsOffset).assumingMemoryBound(to: Float.self)
    }

    func gradients(_ subtree: Int, in segment: UnsafeMutableRawPointer, hasWeights: Bool) -> UnsafeMutablePointer<Float> {
        (segment + gradientsOffset(hasWeights: hasWeights) + subtree * gradientBytes).assumingMemoryBound(to: Float.self)
    }
}
