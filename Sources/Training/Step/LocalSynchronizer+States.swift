import Checkpointing
import Collectives
import Storage

/// What a checkpoint keeps besides the outer weights: the outer step's momentum, and of every worker weights, buffers and the
/// optimizer's states.
extension LocalSynchronizer {
    var stateParts: [StatePart] {
        outerParts
            + (0..<rules.workers).flatMap { worker in
                let prefix = "worker.\(worker)."
                return [StatePart(prefix: prefix), StatePart(prefix: prefix, region: .buffers)]
                    + stateNames.map { StatePart(prefix: prefix, name: $0) }
            }
    }

    private var outerParts: [StatePart] { rules.outer.stateName.map { [StatePart(name: $0)] } ?? [] }

    /// What this rank has of a worker, in the order of its parts; nil where another rank carries it.
    private func views(ofWorker worker: Int) -> [MutableMatrixView]? {
        guard meeting.carried.contains(worker) else { return nil }
        let replica = replicas[worker - meeting.carried.lowerBound]
        return [replica.weights[0..<layout.trainedCount], replica.weights[layout.regions.buffers..<layout.weightCount]]
            + stateNames.indices.map { replica.engine.stateSlice($0) }
    }

    func gatherStates(into states: UnsafeMutableBufferPointer<Float>?) throws {
        begin()
        var start = 0
        func room(_ part: StatePart) -> UnsafeMutableBufferPointer<Float>? {
            let range = start..<start + part.count(layout)
            start = range.upperBound
            return states.map { UnsafeMutableBufferPointer(rebasing: $0[range]) }
        }
        for part in outerParts {
            let own = meeting.momentum?.readOnly
            try communicator.gather(own, into: room(part)) { meeting.trainedSlice(of: $0) }
        }
        let parts = stateParts.dropFirst(outerParts.count)
        for (index, part) in parts.enumerated() {
            let (worker, place) = index.quotientAndRemainder(dividingBy: parts.count / rules.workers)
            let own = views(ofWorker: worker)?[place].readOnly
            try communicator.gather(own, into: room(part)) { rank in
                rules.workers(of: rank, rankCount: communicator.size).contains(worker) ? 0..<part.count(layout) : 0..<0
            }
        }
    }

    func loadStates(_ contents: CheckpointContents, from file: SafetensorsFile) throws {
        for part in outerParts {
            try contents.load(part, from: file, meeting.trainedSlice(of: communicator.rank), into: meeting.momentum?.elements)
        }
        for worker in 0..<rules.workers {
            let parts = stateParts.filter { $0.prefix == "worker.\(worker)." }
            let views = views(ofWorker: worker)
            for (index, part) in parts.enumerated() {
                try contents.load(
                    part, from: file, 0..<part.count(layout), into: views?[index].elements, isFinite: part.name == nil)
            }
        }
        hasOwnWeights = true
    }

    func nonFiniteSlot() throws -> ParameterSlot? {
        let own = replicas.reduce(layout.lastNonFiniteSlot(in: weights.readOnly)?.index) { last, replica in
            let slot = layout.lastNonFiniteSlot(in: replica.weights.readOnly)?.index
            return [last, slot].compactMap { $0 }.max()
        }
        let found = try communicator.allGather(own.map(String.init) ?? "").compactMap { Int($0) }.max()
        return found.map { layout.slots[$0] }
    }
}
