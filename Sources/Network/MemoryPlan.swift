import Storage

/// How a pass through layers one behind the other uses memory, stage by stage: a `Sequential`'s own numbers, for people to
/// read (`inspect --plan`).
package struct MemoryPlan: Sendable, Equatable {
    /// A layer of the fused list.
    package struct Stage: Sendable, Equatable {
        /// The computing layers that it does the work of, by path and kind: `["1 dense", "2 relu"]`.
        package let layers: [String]
        /// What its passes take. Among what is kept is its output, unless that is the last one, which belongs to the caller.
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
    /// The two places in which outputs take turns in evaluation, and gradients backward.
    package let turns: MemoryNeed
    /// What all passes take: what stages keep adds up, what they need for themselves they need one after the other.
    package let total: LayerMemory
}

extension Sequential {
    /// How the passes use memory.
    package var plan: MemoryPlan {
        let stages = fused.indices.map { index in
            let layer = fused[index].layer
            var memory = layer.memory
            if index < fused.count - 1 { memory.kept.perSample += layer.outputShape.count }
            return MemoryPlan.Stage(
                layers: fused[index].parts, memory: memory,
                branches: layer.branches.map { MemoryPlan.Branch(name: $0.name, plan: $0.layers.plan) })
        }
        return MemoryPlan(
            configured: configured.flatMap(\.parts), computed: computed.flatMap(\.parts), fused: stages,
            turns: turns, total: memory)
    }
}
