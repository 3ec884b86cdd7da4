import Storage

/// How a pass through layers one behind the other uses memory, stage by stage: a `Sequential`'s own numbers, for people to
/// read (`inspect --plan`).
package struct MemoryPlan: Sendable, Equatable {
    /// A layer of the fused list.
    package struct Stage: Sendable, Equatable {
        /// The computing layers that it does the work of, by path and kind: `["1 dense", "2 relu"]`.
        package let layers: [String]
        /// What its passes take. Among what is kept is its output, where backward reads that; the last one belongs to the caller.
        package let memory: LayerMemory
        /// The lists of layers inside it, whose memory is part of its own.
        package let branches: [Branch]
    }

    /// A list of layers inside a layer.
    package struct Branch: Sendable, Equatable {
        /// The option that it stands under: `shortcut`.
        package let name: String
        package let plan: MemoryPlan
    }

    /// The layers as configured, as `Stage.layers` names them.
    package let configured: [String]
    /// Those of them that compute.
    package let computed: [String]
    /// The same, neighbours fused where they can be.
    package let fused: [Stage]
    /// What all passes take. What stages keep adds up. Work memory is for what they need for themselves, and for outputs and
    /// gradients on their way, as far as that has no room in what is kept while the same isn't needed.
    package let total: LayerMemory
}

extension Sequential {
    /// How the passes use memory.
    package var plan: MemoryPlan {
        let stages = fused.indices.map { index in
            let layer = fused[index].layer
            var memory = layer.memory
            memory.kept = keptWithOutput(index)
            return MemoryPlan.Stage(
                layers: fused[index].parts, memory: memory,
                branches: layer.branches.map { MemoryPlan.Branch(name: $0.name, plan: $0.layers.plan) })
        }
        return MemoryPlan(
            configured: configured.flatMap(\.parts), computed: computed.flatMap(\.parts), fused: stages,
            total: memory)
    }

    /// What each of the `configured` layers keeps for backward while training, its output included where that is kept; nil for
    /// one that is computed with another in front of it, or not at all.
    package var keptByLayer: [MemoryNeed?] {
        let kept = Dictionary(uniqueKeysWithValues: fused.indices.map { (fused[$0].ordinal, keptWithOutput($0)) })
        return configured.map { kept[$0.ordinal] }
    }

    private func keptWithOutput(_ index: Int) -> MemoryNeed {
        var kept = fused[index].layer.memory.kept
        if fused[index].keepsOutput { kept.perSample += fused[index].layer.outputShape.count }
        return kept
    }
}
