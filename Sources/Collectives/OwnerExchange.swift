import CProcessor
import Diagnostics
import Foundation
import Storage
import Synchronization
import Timing
import Watching

/// How the partial gradients of the ranks reach the owners of the slices, and how the new weights get back.
///
/// Within a host everything lies in memory that all of its ranks map: one copy of the weights, the gradients of each
/// rank, a small record per rank. Owners read their neighbours' gradients in place and write weights in place; counters
/// say how far everybody is. Between hosts, partial sums and new weights travel as messages, piece by piece, each once per
/// pair of hosts (`PieceExchange`). Where no memory can be shared every rank is a host, and the same scheme works by messages
/// alone.
///
/// One step: `beginStep`; backward writes the sums of the rank's subtrees into `gradients` and says `finished` as far as
/// they are complete; the owner combines what is complete on every rank, changes its slice of the weights, and `publish`es. A
/// slice may be overwritten as soon as it is complete, because a rank that has its gradients reads its weights no more.
/// On one host the caller combines what `completeFrom` and `awaitMore` say; on several it is called back for each piece whose
/// sums are here, while backward runs or in `finishGradients`, and weights may arrive as late as the next forward pass comes to
/// them (`awaitWeights`).
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

    /// Combines an own piece: told its index, its elements of the flat buffer, and whether it's the training thread that calls.
    /// Returns whether its weights are new.
    package typealias Combine = (_ index: Int, _ elements: Range<Int>, _ isTrainingThread: Bool) -> Bool

    private let rules: ExchangeRules
    var format: ExchangeFormat { rules.format }
    /// Which copy of the weights is the one to compute with.
    private var current = 0

    /// What goes to other hosts; nil where there is one alone.
    private let pieces: PieceExchange?
    private let combine: Combine
    /// Held by whoever lets `pieces` move on.
    private let gate = Mutex(())
    private var thread: ExchangeThread?
    /// What went wrong on the thread.
    private var failure: (any Error)?
    /// How often the weights that are to be read have been changed, and how many pieces of them are known to be here, from the
    /// first one on.
    private var weightsVersion: Int64 = 0
    private var piecesHere: Int
    /// When the step began, and how long this rank has waited for other hosts since.
    private var stepStart: UInt64 = 0
    private var waited: UInt64 = 0
    /// Whether the thread is of use.
    private var usesThread = false

    /// Collective.
    ///
    /// - Parameters:
    ///   - subtrees: the most subtrees that this rank has in a step.
    ///   - recordSize: how many Doubles each rank shows the others in a step, the same for all.
    ///   - rules: how it is done.
    ///   - combine: called where there are several hosts, one piece at a time.
    package init(
        communicator: any Communicator, layout: ParameterLayout, subtrees: Int, recordSize: Int,
        rules: ExchangeRules = ExchangeRules(), combine: @escaping Combine
    ) throws {
        self.rules = rules
        self.communicator = communicator
        self.layout = layout
        self.recordSize = recordSize
        self.combine = combine
        slice = layout.slice(of: communicator.rank, ownerCount: communicator.size)
        let all = Piece.all(of: layout, ownerCount: communicator.size)
        let regions = SegmentRegions(
            weights: layout.weightCount, gradients: layout.gradientCount, recordSize: recordSize, pieces: all.count,
            copies: rules.isDelayed ? 2 : 1)
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
        piecesHere = all.count
        guard topology.hosts.count > 1 else {
            pieces = nil
            return
        }
        let stamps = regions.stamps(in: memory.segment(0))
        pieces = try PieceExchange(
            communicator, topology: topology, pieces: all,
            weights: MutableParameterView(
                base: regions.weights(0, in: memory.segment(0)), count: layout.weightCount, regions: layout.regions),
            format: rules.format
        ) { piece in
            // One rank of a host alone counts a piece.
            Processor.finishStreaming()
            dtrain_store_release(stamps + piece, dtrain_load_acquire(stamps + piece) + 1)
        }
        if communicator.allowsThread {
            thread = ExchangeThread { [unowned self] in
                gate.withLockIfAvailable { _ in moveOn(isTrainingThread: false) } ?? true
            }
        }
    }

    // MARK: - What lies where

    /// The weights that this rank computes with: the host's, all of them valid after `settle`.
    package var weights: MutableParameterView { weights(current) }

    /// Where new weights go: the same place, unless gradients are applied late.
    package var nextWeights: MutableParameterView { weights(rules.isDelayed ? 1 - current : current) }

    private func weights(_ copy: Int) -> MutableParameterView {
        MutableParameterView(
            base: regions.weights(copy, in: memory.segment(0)), count: layout.weightCount, regions: layout.regions,
            cached: sharesMemory ? 0..<0 : 0..<Int.max)
    }

    /// Whether this rank is the one of its host that writes the weights a run starts with.
    package var fillsWeights: Bool { topology.hosts[ownHost].lowerBound == communicator.rank }

    /// Where the k-th subtree's gradient of this rank is written.
    package func gradients(_ subtree: Int) -> MutableParameterView {
        gradients(subtree, of: communicator.rank, set: gradientSet)
    }

    /// Which set of gradients this step writes: the other one holds those of the step before, where they are applied late.
    package var gradientSet: Int { rules.isDelayed ? Int(step & 1) : 0 }

    /// How many sets there are.
    package var gradientSets: Int { rules.isDelayed ? 2 : 1 }

    /// Likewise of a rank of this host, in one of the sets.
    func gradients(_ subtree: Int, of rank: Int, set: Int) -> MutableParameterView {
        let localRank = rank - topology.hosts[ownHost].lowerBound
        return MutableParameterView(
            base: regions.gradients(subtree, set: set, in: memory.segment(localRank), hasWeights: localRank == 0),
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

    /// Whether the caller combines what `completeFrom` says while backward still runs; else it is called back.
    package var combinesEarly: Bool { pieces == nil }

    /// The elements of this rank's slice as they travel, and of what this rank sees to for owners on other hosts.
    var ownedPieces: [Range<Int>] { pieces?.ownedElements ?? (slice.isEmpty ? [] : [slice]) }
    var foreignPieces: [Range<Int>] { pieces?.foreignElements ?? [] }

    /// Begins the next step. From here on gradients and record may be written.
    ///
    /// - Parameter plan: of the gradients that this step combines: its own, or where they are applied late those of the step
    ///   before; nil where there are none.
    package func beginStep(_ plan: ExchangePlan?) throws {
        guard pieces != nil else { return step += 1 }
        let now = MonotonicClock.nanoseconds
        chooseThread(stepTook: now - stepStart)
        stepStart = now
        if rules.isDelayed {
            // What is still to be sent of the last step lies where this one's new weights will go, and changes that arrive are
            // added to weights that will have moved.
            if format != .float32 { awaitWeights(before: layout.trainedCount) }
            try settleSending()
        }
        gate.withLock { _ in step += 1 }
        if let plan { try beginExchange(plan, bringsWeights: !rules.agreesFirst) }
        if rules.isDelayed, usesThread { thread?.wake() }
    }

    /// Begins to bring together the gradients that `plan` is about.
    private func beginExchange(_ plan: ExchangePlan, bringsWeights: Bool) throws {
        try gate.withLock { _ in
            try pieces?.begin(plan, old: weights, new: nextWeights, bringsWeights: bringsWeights)
        }
    }

    /// Brings the gradients that were computed last to their owners without changing weights, between two steps: `combine` must
    /// return false. Collective.
    package func collect(_ plan: ExchangePlan) throws {
        guard let pieces else { return }
        try settle()
        try beginExchange(plan, bringsWeights: false)
        try moveOn { pieces.areGradientsThrough }
    }

    /// Says that this rank's gradients are complete, and its weights read, from `offset` of the flat buffer to its end.
    package func finished(from offset: Int) {
        flags.set(.gradients, to: firstCount + Int64(layout.trainedCount - offset))
        if pieces != nil { summed(from: offset) }
    }

    /// Says that this rank's gradients are complete from `offset` of the flat buffer to its end: they may leave for other hosts.
    package func summed(from offset: Int) {
        flags.set(.sums, to: firstCount + Int64(layout.trainedCount - offset))
        moveOn()
        if usesThread { thread?.wake() }
    }

    /// From where on every rank of the host has finished; the buffer's end where somebody hasn't begun.
    package var completeFrom: Int { lowest(.gradients) }

    private func lowest(_ kind: HostFlags.Kind) -> Int {
        layout.trainedCount - Int(max(0, min(flags.lowest(kind) - firstCount, Int64(layout.trainedCount))))
    }

    /// From where on every rank of the host has finished; waits until that is before `offset`.
    package func awaitMore(before offset: Int) -> Int {
        flags.wait(.gradients, for: firstCount + Int64(layout.trainedCount - offset) + 1)
        return completeFrom
    }

    /// Returns when all own pieces are combined and nobody waits for this rank's gradients any more.
    package func finishGradients() throws {
        guard let pieces else { return }
        // A rank without leaves hasn't waited for them.
        awaitWeights(before: layout.trainedCount)
        try moveOn { pieces.areGradientsThrough }
    }

    /// Shows everybody's record before any weight changes.
    package func agree() throws {
        flags.set(.records, to: step)
        try gatherRecords()
        if pieces == nil { flags.wait(.records, for: step) }
    }

    /// Makes this rank's slice of the weights everybody's, and shows the records unless `agree` did.
    ///
    /// - Parameters:
    ///   - changesWeights: whether weights are new; they are not where ranks agreed to leave them.
    ///   - sendsWeights: whether they weren't changed by `combine`, but all of them by `changeWeights`.
    ///   - meanwhile: what this rank can do until the others are there; it must not touch weights or gradients.
    package func publish(
        showsRecords: Bool, changesWeights: Bool = true, sendsWeights: Bool = false, meanwhile: () -> Void
    ) throws {
        if let pieces, sendsWeights, changesWeights {
            try gate.withLock { _ in
                try pieces.awaitWeights()
                for index in pieces.ownedElements.indices { pieces.publish(index) }
            }
        }
        if showsRecords { try gatherRecords() }
        if changesWeights {
            weightsVersion += 1
            piecesHere = 0
        }
        flags.set(.weights, to: step)
        moveOn()
        meanwhile()
        if pieces == nil { flags.wait(.weights, for: step) } else { try moveOn { self.flags.lowest(.weights) >= self.step } }
        if changesWeights, rules.isDelayed { current = 1 - current }
        if usesThread { thread?.wake() }
    }

    /// Has `body` change the weights of each own piece, told its elements of the flat buffer, into `nextWeights`; `publish` sends
    /// them.
    package func changeWeights(_ body: (Range<Int>) -> Void) {
        guard let pieces else { return body(slice) }
        gate.withLock { _ in
            pieces.change(weights, into: nextWeights)
            for (index, elements) in pieces.ownedElements.enumerated() {
                pieces.change(index) {
                    body(elements)
                    return true
                }
            }
        }
    }

    /// Returns when the weights in front of `offset` of the flat buffer may be read. Where there are several hosts they arrive
    /// after `publish`.
    package func awaitWeights(before offset: Int) {
        guard let pieces else { return }
        let stamps = regions.stamps(in: memory.segment(0))
        while piecesHere < pieces.pieces.count, pieces.pieces[piecesHere].elements.lowerBound < offset {
            let stamp = stamps + piecesHere
            if dtrain_load_acquire(stamp) < weightsVersion {
                // What went wrong is told by the next call that can.
                do { try moveOn { dtrain_load_acquire(stamp) >= self.weightsVersion } } catch { return }
            }
            piecesHere += 1
        }
    }

    /// Returns when all weights may be read, and this rank has begun to send all that others wait for: before any call that
    /// waits for other ranks.
    package func settle() throws {
        awaitWeights(before: layout.trainedCount)
        try settleSending()
    }

    private func settleSending() throws {
        guard let pieces else { return }
        try moveOn { pieces.hasBegunAll }
    }

    /// Copies everything but what is trained to where the next weights go, where that is another place; by the rank that
    /// `fillsWeights`, before the first step.
    package func copyUntrained() {
        guard rules.isDelayed else { return }
        let elements = layout.trainedCount..<layout.weightCount
        weights(1 - current)[elements].copy(from: weights[elements].readOnly)
    }

    /// Has the weights' other copy take the buffers of the one before, after `publish` has changed copies.
    package func carryBuffers() {
        guard rules.isDelayed else { return }
        let elements = layout.regions.buffers..<layout.weightCount
        weights[elements].copy(from: weights(1 - current)[elements].readOnly)
    }

    /// Makes what the host's first rank has written into its copy of the buffers everybody's. Nobody may read buffers from
    /// the end of a step until here.
    package func shareBuffers() {
        flags.set(.buffers, to: step)
        guard pieces != nil else { return flags.wait(.buffers, for: step) }
        try? moveOn { self.flags.lowest(.buffers) >= self.step }
    }

    /// Bytes that this rank has sent to other hosts so far.
    package var sentBytes: Int { pieces?.sentBytes ?? 0 }

    /// Gives shared memory back. Collective, on the good path only.
    package func close() {
        if let pieces { try? moveOn { pieces.isIdle } }
        thread?.stop()
        memory.close()
    }

    // MARK: - Moving on

    /// Steps that take less, nanoseconds, end before a thread would be of use.
    private static let longStep: UInt64 = 2_000_000

    /// Has the thread look after messages where this rank would otherwise wait for a large part of the step: its looks, and what
    /// it does to the caches, cost a few percent of the computation. Which of the two does the work never shows in a result.
    private func chooseThread(stepTook duration: UInt64) {
        let share = duration / (usesThread ? 10 : 4)
        usesThread = duration > Self.longStep && (rules.isDelayed || waited > share)
        waited = 0
    }

    /// Does what there is to do for other hosts, once.
    private func moveOn() {
        guard pieces != nil else { return }
        gate.withLockIfAvailable { _ in _ = moveOn(isTrainingThread: true) }
    }

    /// Does what there is to do for other hosts until `isDone`. A rank that waits owes others messages meanwhile.
    private func moveOn(until isDone: () -> Bool) throws {
        var loop = WaitLoop(patience: flags.patience)
        let start = MonotonicClock.nanoseconds
        var isWaiting = false
        defer {
            waited += MonotonicClock.nanoseconds - start
            if isWaiting { communicator.pulse.endWait() }
        }
        while true {
            let isOver = gate.withLock { _ in
                if !isDone() { _ = moveOn(isTrainingThread: true) }
                return isDone() || failure != nil
            }
            if let failure { throw failure }
            if isOver { return }
            if !isWaiting {
                isWaiting = true
                communicator.pulse.beginWait(.messages)
            }
            loop.pause()
        }
    }

    /// Returns whether there was anything to do, or may soon be. With the gate held.
    private func moveOn(isTrainingThread: Bool) -> Bool {
        guard let pieces, failure == nil else { return false }
        do {
            try pieces.advance(
                summedFrom: rules.isDelayed ? 0 : lowest(.sums), completeFrom: rules.isDelayed ? 0 : completeFrom
            ) { [combine] index in
                combine(index, pieces.ownedElements(index), isTrainingThread)
            }
        } catch {
            failure = error
        }
        return failure == nil && !pieces.isIdle
    }

    private func gatherRecords() throws {
        guard pieces != nil else { return }
        try communicator.allGather(
            UnsafeRawBufferPointer(record),
            into: UnsafeMutableRawBufferPointer(gatheredRecords.elements))
    }

    /// The counter of a rank that has finished nothing of this step yet; above all of the last step.
    private var firstCount: Int64 { step * Int64(layout.trainedCount + 1) }
}
