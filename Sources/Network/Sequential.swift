import Diagnostics
import Settings
import Storage

/// Layers one behind the other, each one's output the next one's input.
///
/// Kept for backward: the outputs of all steps but the last, and what the steps keep themselves.
package struct Sequential: Sendable {
    /// A layer with its place in the activation memory.
    package struct Stage: Sendable {
        package let layer: any Layer
        /// `2`, `2.0`, or the layer's `name:`.
        package let path: String
        package let inputShape: Shape
        /// Slots that the layer, or the layers in it, reserved.
        package let slots: Range<Int>
        /// Where in the flat buffer the first of them begins; nil for a layer without parameters.
        fileprivate let firstOffset: Int?
        /// The layer's kept scratch, and behind it its output unless it is the last, per sample.
        fileprivate var keptOffset = 0
        fileprivate var outputOffset = 0

        /// `2 (dense)`, as messages name it.
        package var description: String { "\(path) (\(type(of: layer).kind))" }
    }

    /// Every layer as configured, for printing.
    package private(set) var listed: [Stage] = []
    /// The layers that compute.
    package private(set) var stages: [Stage] = []
    /// The same, neighbours fused where they can be: what runs.
    private var steps: [Stage] = []
    package private(set) var outputShape: Shape
    package private(set) var keptCount = 0
    package private(set) var workCount = 0
    /// The widest gradient between two stages.
    private var gradientWidth = 0

    init(_ variants: [Settings.Variant], options: Settings, path: String, inputShape: Shape, seed: UInt64,
         blueprint: inout LayerSite.Blueprint) throws {
        outputShape = inputShape
        var names: Set<String> = []
        for (index, variant) in variants.enumerated() {
            guard let type = layerCatalog.first(where: { $0.kind == variant.name }) else {
                throw variant.unknown("layer", known: layerCatalog.map { $0.kind })
            }
            let name = try variant.options.optionalString("name") ?? String(index)
            guard !name.isEmpty, !name.contains("."), names.insert(name).inserted else {
                throw variant.options.failure("name", "\"\(name)\" is empty, contains a \".\" or names another layer "
                    + "of this list already")
            }
            let ordinal = blueprint.nextOrdinal
            blueprint.nextOrdinal += 1
            let firstSlot = blueprint.layout.slots.count
            var site = LayerSite(inputShape: outputShape, path: path.isEmpty ? name : "\(path).\(name)",
                                 ordinal: ordinal, seed: seed, blueprint: blueprint)
            let layer = try type.init(options: variant.options, site: &site)
            blueprint = site.blueprint
            let slots = firstSlot..<blueprint.layout.slots.count
            let stage = Stage(layer: layer, path: site.path, inputShape: outputShape, slots: slots,
                              firstOffset: slots.isEmpty ? nil : blueprint.layout.slots[firstSlot].offset)
            listed.append(stage)
            if !layer.isIdentity { stages.append(stage) }
            outputShape = layer.outputShape
        }
        plan()
    }

    /// The same without its last computing stage, which must be of the kind `kind`.
    package func dropping(last kind: String) -> Sequential {
        var result = self
        precondition(result.stages.last.map { type(of: $0.layer).kind } == kind, "the last stage is no \(kind)")
        result.stages.removeLast()
        result.plan()
        return result
    }

    /// Fuses neighbours and lays out the activation memory: everything in Float32 per sample.
    private mutating func plan() {
        steps = []
        for stage in stages {
            if let last = steps.last, let fused = last.layer.fused(with: stage.layer) {
                steps[steps.count - 1] = Stage(layer: fused, path: last.path, inputShape: last.inputShape,
                                               slots: last.slots, firstOffset: last.firstOffset)
            } else {
                steps.append(stage)
            }
        }
        var offset = 0
        var work = 0
        gradientWidth = 0
        for index in steps.indices {
            let layer = steps[index].layer
            steps[index].keptOffset = offset
            offset += layer.keptCount
            steps[index].outputOffset = offset
            if index < steps.count - 1 {
                offset += layer.outputShape.count
                gradientWidth = max(gradientWidth, layer.outputShape.count)
            }
            work = max(work, layer.workCount)
        }
        keptCount = offset
        workCount = 2 * gradientWidth + work
    }

    /// Operations of the matrix products per sample: every stage but the first is asked for its input's gradient.
    func productOperations(withInputGradient: Bool) -> Int {
        stages.indices.reduce(0) {
            $0 + stages[$1].layer.productOperations(withInputGradient: $1 > 0 || withInputGradient)
        }
    }

    func forward(_ input: MatrixView, into output: MutableMatrixView, kept: Scratch, in pass: ForwardPass) {
        guard !steps.isEmpty else { return output.copy(from: input) }
        var current = input
        for (index, stage) in steps.enumerated() {
            let target = index == steps.count - 1 ? output : stageOutput(index, rows: input.rows, kept)
            stage.layer.forward(current, into: target,
                                kept: kept.part(offset: stage.keptOffset, count: stage.layer.keptCount), in: pass)
            current = target.readOnly
        }
    }

    func backward(_ outputGradient: MatrixView, into inputGradient: MutableMatrixView?, input: MatrixView,
                  output: MatrixView, kept: Scratch, work: Scratch, in pass: BackwardPass) {
        guard !steps.isEmpty else {
            inputGradient?.copy(from: outputGradient)
            return
        }
        let rows = input.rows
        var gradient = outputGradient
        for index in steps.indices.reversed() {
            let stage = steps[index]
            let stageInput = index == 0 ? input : stageOutput(index - 1, rows: rows, kept).readOnly
            let target = index == 0 ? inputGradient
                : work.matrix(rows: rows, columns: stage.inputShape.count, offset: index % 2 * gradientWidth)
            stage.layer.backward(
                gradient, into: target, input: stageInput,
                output: index == steps.count - 1 ? output : stageOutput(index, rows: rows, kept).readOnly,
                kept: kept.part(offset: stage.keptOffset, count: stage.layer.keptCount),
                work: work.part(offset: 2 * gradientWidth, count: stage.layer.workCount), in: pass)
            // The parameters of the stages before come before in the flat buffer. At the end the caller knows.
            if let firstOffset = stage.firstOffset, index > 0 { pass.finished?(firstOffset) }
            if let target { gradient = target.readOnly }
        }
    }

    private func stageOutput(_ index: Int, rows: Int, _ kept: Scratch) -> MutableMatrixView {
        kept.matrix(rows: rows, columns: steps[index].layer.outputShape.count, offset: steps[index].outputOffset)
    }
}
