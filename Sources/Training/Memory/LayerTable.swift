import Diagnostics
import Network
import Reporting

/// The layers of a network as a table: what each is, what comes out of it, what it costs.
package struct LayerTable {
    package static let header = ["layer", "kind", "output", "parameters", "operations", "kept"]
    /// A cell for each of `header`. Layers inside others stand two blanks further in. The input is the first row, the sums the last.
    package private(set) var rows: [[String]]
    /// What the columns mean, a line each.
    package let notes: [String]

    /// - Parameter microBatchSize: for how many samples the memory is reckoned that backward needs.
    package init(_ network: Network, microBatchSize: Int) {
        func kept(_ need: MemoryNeed?) -> String {
            let bytes = need?.bytes(rows: microBatchSize, leafRows: microBatchSize) ?? 0
            return bytes == 0 ? "" : HumanText.bytes(bytes)
        }
        let samples = microBatchSize == 1 ? "1 sample" : "\(HumanText.count(microBatchSize)) samples"
        notes =
            [
                "operations: of the products of one sample, forward and backward",
                "kept: for backward, of a micro-batch of \(samples); layers that are computed together show it at the first"
            ] + (network.fusedActivation.map { ["the final \($0.kind) is part of the loss"] } ?? [])
        rows = [["input", "", "\(network.inputShape)", "", "", ""]]
        add(network.layers, of: network, depth: 0, behindTrained: false, kept: kept)
        rows.append([
            "total", "", "", HumanText.count(network.layout.parameterCount), HumanText.count(network.productOperations),
            kept(network.layers.memory.kept)
        ])
    }

    /// Adds a row for each layer, and below it those of the layers inside it.
    ///
    /// - Parameters:
    ///   - behindTrained: whether something in front of them is trained, so that their input's gradient is computed.
    ///   - kept: what the memory that a layer keeps is as a cell.
    private mutating func add(
        _ layers: Sequential, of network: Network, depth: Int, behindTrained: Bool, kept: (MemoryNeed?) -> String
    ) {
        let space = String(repeating: " ", count: 2 * depth)
        var behindTrained = behindTrained
        for (stage, need) in zip(layers.configured, layers.keptByLayer) {
            let count = stage.slots.reduce(0) { $0 + network.layout.slots[$1].shape.count }
            let operations = stage.layer.productOperations(withInputGradient: behindTrained)
            rows.append([
                space + printable(stage.path), type(of: stage.layer).kind, "\(stage.layer.outputShape)",
                count == 0 ? "" : HumanText.count(count), operations == 0 ? "" : HumanText.count(operations), kept(need)
            ])
            for branch in stage.layer.branches {
                add(branch.layers, of: network, depth: depth + 1, behindTrained: behindTrained, kept: kept)
            }
            behindTrained = behindTrained || stage.slots.contains { network.layout.slots[$0].region == .trained }
        }
    }
}
