import Collectives
import Diagnostics
import Network
import Reporting
import Storage

/// What `inspect --plan` prints: how the passes of a network use memory, in lines of at most 80 columns.
package struct PlanReport {
    package private(set) var lines: [String] = []

    private static let width = 80
    private static let columnWidth = 13

    /// The layers: their three lists, and what each fused stage takes.
    package init(_ network: Network) {
        lines.append("plan of memory: numbers (Float32) per sample, and per leaf (a micro-batch)")
        addLists(network.layers.plan, indent: 0)
        lines.append("")
        addRow("", ["kept", "training", "evaluation", "backward"])
        addStages(network.layers.plan, indent: 0)
        lines.append("kept: for backward, in training; other columns: what a stage needs for itself.")
        lines.append("In all that includes outputs and gradients between stages; what is needed at")
        lines.append("different times has one place, and so less than the sum is needed.")
    }

    /// The same, and what the passes of `rank` of `rankCount` on one machine take in all, which `MemoryForecast` calls
    /// activations and validation.
    package init(_ experiment: Experiment, rank: Int, rankCount: Int, availableCores: Int) {
        self.init(experiment.network)
        let shares = experiment.shares(rankCount: rankCount)
        let gathersAhead = experiment.gathersAhead(Topology(hostSizes: [rankCount]), availableCores: availableCores)
        let training = experiment.rowMemory(shares, rank: rank, gathersAhead: gathersAhead)
        let validation = experiment.evaluationMemory
        lines.append("")
        addRow("rank \(rank) of \(rankCount), bytes", ["activations"] + (validation == nil ? [] : ["validation"]))
        func row(_ label: String, _ first: Int, _ second: Int?) {
            addRow(label, ([first] + (validation == nil ? [] : [second ?? 0])).map(Self.number))
        }
        row("samples at once", training.rowCapacity, validation?.rows.rowCapacity)
        row("micro-batches at once", training.leafCount, validation?.rows.leafCount)
        for (index, part) in training.parts.enumerated() {
            row(part.name, part.bytes, validation?.rows.parts[index].bytes)
        }
        if let validation { row("order of the samples", 0, validation.samples) }
        row("in all", training.byteCount, validation.map { $0.rows.byteCount + $0.samples })
        lines.append("Room is for whole cache lines; where that is little, for samples in sixteens.")
    }

    private mutating func addLists(_ plan: MemoryPlan, indent: Int) {
        addList("as configured:", plan.configured, indent)
        addList("as computed:", plan.computed, indent)
        addList("as fused:", plan.fused.map { $0.layers.joined(separator: " + ") }, indent)
        for stage in plan.fused {
            for branch in stage.branches {
                lines.append(Self.cut(Self.space(indent) + "\(Self.label(stage)), \(branch.name):"))
                addLists(branch.plan, indent: indent + 2)
            }
        }
    }

    private mutating func addStages(_ plan: MemoryPlan, indent: Int) {
        for stage in plan.fused {
            addNeeds(Self.label(stage), stage.memory, indent)
            for branch in stage.branches {
                lines.append(Self.cut(Self.space(indent + 2) + branch.name + ":"))
                addStages(branch.plan, indent: indent + 4)
            }
        }
        addNeeds("in all", plan.total, indent)
    }

    /// Numbers and bytes, per sample and, where there are some, per leaf.
    private mutating func addNeeds(_ label: String, _ memory: LayerMemory, _ indent: Int) {
        let needs = [memory.kept, memory.training, memory.evaluation, memory.backward]
        func add(_ label: String, _ counts: [Int], _ indent: Int) {
            addRow(label, counts.map(Self.number), indent)
            let bytes = counts.map { $0.multipliedReportingOverflow(by: MemoryLayout<Float>.stride).partialValue }
            if counts.contains(where: { $0 > 0 }) { addRow("bytes", bytes.map(Self.number), indent + 2) }
        }
        add(label, needs.map(\.perSample), indent)
        if needs.contains(where: { $0.perLeaf > 0 }) { add("per leaf", needs.map(\.perLeaf), indent + 2) }
    }

    private mutating func addRow(_ label: String, _ cells: [String], _ indent: Int = 0) {
        let room = Self.width - 4 * Self.columnWidth
        var head = Self.cut(Self.space(indent) + label)
        if head.count >= room {
            lines.append(head)
            head = ""
        }
        let columns = cells.map { Self.space(Self.columnWidth - $0.count) + $0 }
        lines.append(head + Self.space(room - head.count) + columns.joined())
    }

    /// Names behind each other, as many in a line as it holds.
    private mutating func addList(_ title: String, _ names: [String], _ indent: Int) {
        var line = Self.space(indent) + title + (names.isEmpty ? " none" : "")
        for (index, name) in names.enumerated() {
            let text = printable(name) + (index == names.count - 1 ? "" : ",")
            if line.count + 1 + text.count > Self.width {
                lines.append(Self.cut(line))
                line = Self.space(indent + 2) + text
            } else {
                line += " " + text
            }
        }
        lines.append(Self.cut(line))
    }

    private static func label(_ stage: MemoryPlan.Stage) -> String { printable(stage.layers.joined(separator: " + ")) }

    private static func number(_ count: Int) -> String {
        switch count {
        case 0: "-"
        case ..<1_000_000_000: HumanText.count(count)
        default: "\(HumanText.count(count / 1_000_000)) M"
        }
    }

    private static func space(_ count: Int) -> String { String(repeating: " ", count: max(0, count)) }

    private static func cut(_ line: String) -> String { line.count <= width ? line : line.prefix(width - 1) + "…" }
}
