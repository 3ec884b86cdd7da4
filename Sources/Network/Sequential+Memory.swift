import Storage

/// Where stages find their memory.
extension Sequential {
    /// What all stages keep, one behind the other, and where the rest lies.
    mutating func planMemory() {
        memory = LayerMemory()
        for index in fused.indices {
            let layer = fused[index].layer
            let own = layer.memory
            fused[index].outputCount = layer.outputShape.count
            fused[index].ending = (layer as? any ResidualEnding).flatMap { $0.canEndResidual ? $0 : nil }
            fused[index].takesAllSegments = layer.joinsLeaves || !layer.branches.isEmpty
            fused[index].keptOffset = memory.kept
            fused[index].kept = own.kept
            fused[index].training.need = own.training
            fused[index].evaluation.need = own.evaluation
            fused[index].backward.need = own.backward
            fused[index].keepsOutput =
                index < fused.count - 1
                && (layer.backwardOperands.contains(.output) || fused[index + 1].layer.backwardOperands.contains(.input))
            memory.kept = memory.kept + own.kept
            memory.training.perLeaf = max(memory.training.perLeaf, own.training.perLeaf)
            memory.evaluation.perLeaf = max(memory.evaluation.perLeaf, own.evaluation.perLeaf)
            memory.backward.perLeaf = max(memory.backward.perLeaf, own.backward.perLeaf)
            if fused[index].keepsOutput { memory.kept.perSample += fused[index].outputCount }
        }
        joinsLeaves = fused.contains(where: \.layer.joinsLeaves)
        memory.training.perSample = placeOutputs(\.training, keeps: true)
        memory.evaluation.perSample = placeOutputs(\.evaluation, keeps: false)
        // Backward is handed outputs that nobody keeps, though nobody reads them either.
        memory.backward.perSample = max(placeGradients(), memory.training.perSample)
    }

    /// Finds the places of a forward pass.
    ///
    /// - Returns: the work memory that it takes per sample.
    private mutating func placeOutputs(_ places: WritableKeyPath<Stage, Stage.Places>, keeps: Bool) -> Int {
        var plan = RoomPlan(boundary: keeps ? memory.kept.perSample : 0)
        for index in fused.indices {
            _ = plan.need(
                fused[index][keyPath: places].need.perSample, during: index...index, above: keeps ? filled(index) : 0)
            let next = min(index + 1, fused.count - 1)
            let isOurs = index < next && !(keeps && fused[index].keepsOutput)
            _ = plan.need(isOurs ? fused[index].outputCount : 0, during: index...next, above: keeps ? filled(next) : 0)
        }
        let (offsets, work) = plan.places()
        for index in fused.indices {
            fused[index][keyPath: places].work = offsets[2 * index]
            fused[index][keyPath: places].result =
                keeps && fused[index].keepsOutput ? outputOffset(index) : offsets[2 * index + 1]
        }
        return work
    }

    /// Likewise of a backward pass.
    private mutating func placeGradients() -> Int {
        var plan = RoomPlan(boundary: memory.kept.perSample)
        for index in fused.indices {
            let readsOutput = fused[index].layer.backwardOperands.contains(.output)
            let needed = readsOutput ? filled(index) : outputOffset(index)
            _ = plan.need(fused[index].backward.need.perSample, during: index...index, above: needed)
            let previous = max(index - 1, 0)
            _ = plan.need(index == 0 ? 0 : fused[previous].outputCount, during: previous...index, above: needed)
        }
        let (offsets, work) = plan.places()
        for index in fused.indices {
            fused[index].backward.work = offsets[2 * index]
            fused[index].backward.result = offsets[2 * index + 1]
        }
        return work
    }

    /// Where in what is kept the output of a stage begins, if it is kept.
    private func outputOffset(_ index: Int) -> Int { fused[index].keptOffset.perSample + fused[index].kept.perSample }

    /// How far what is kept is filled with the stage and those in front of it.
    private func filled(_ index: Int) -> Int { outputOffset(index) + (fused[index].keepsOutput ? fused[index].outputCount : 0) }

    /// The memory of a stage.
    func part(of stage: Stage, _ memory: PassMemory, _ places: Stage.Places) -> PassMemory {
        guard let kept = memory.kept else {
            return PassMemory(kept: nil, work: memory.work.part(from: MemoryNeed(perSample: places.work), places.need))
        }
        let own = kept.part(from: stage.keptOffset, stage.kept)
        let boundary = self.memory.kept.perSample
        guard places.work < boundary else {
            return PassMemory(
                kept: own, work: memory.work.part(from: MemoryNeed(perSample: places.work - boundary), places.need))
        }
        let samples = kept.part(from: MemoryNeed(perSample: places.work), MemoryNeed(perSample: places.need.perSample))
        let leaves = memory.work.part(from: .none, MemoryNeed(perLeaf: places.need.perLeaf))
        return PassMemory(kept: own, work: Scratch(samplesOf: samples, leavesOf: leaves))
    }

    func stageOutput(_ index: Int, rows: Int, _ memory: PassMemory) -> MutableMatrixView {
        let places = memory.kept == nil ? fused[index].evaluation : fused[index].training
        return matrix(memory, at: places.result, rows: rows, columns: fused[index].outputCount)
    }

    /// The numbers at a place that `RoomPlan` found.
    func matrix(_ memory: PassMemory, at place: Int, rows: Int, columns: Int) -> MutableMatrixView {
        guard let kept = memory.kept else { return memory.work.matrix(rows: rows, columns: columns, offset: place) }
        let boundary = self.memory.kept.perSample
        return place < boundary
            ? kept.matrix(rows: rows, columns: columns, offset: place)
            : memory.work.matrix(rows: rows, columns: columns, offset: place - boundary)
    }
}
