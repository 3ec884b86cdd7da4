import Diagnostics
import Kernels
import Settings
import Storage
import Timing

/// Layers one behind the other, each one's output the next one's input.
///
/// There are three lists of them: as configured (what is printed), as computed (without those that change nothing in
/// memory), and as fused (neighbours made one where a layer can do both: what runs). Kept for backward: what the stages keep
/// themselves, and the outputs between them that backward reads. Everything else, other outputs, gradients on their way and what
/// a stage needs for itself, has places that `RoomPlan` finds: where nothing is kept yet, or no longer, and in the work memory.
package struct Sequential: Sendable {
    /// A layer with its place in the network.
    package struct Stage: Sendable {
        package let layer: any Layer
        /// `2`, `2.0`, or the layer's `name:`.
        package let path: String
        package let inputShape: Shape
        /// Slots that the layer, or the layers in it, reserved.
        package let slots: Range<Int>
        /// `2 dense`; behind the first, layers that are fused with it.
        let parts: [String]
        /// Its number, or that of the first of them, in building order.
        let ordinal: Int
        /// Where in the flat buffer the first of them that is trained begins; nil for a layer with nothing to train.
        let firstOffset: Int?
        /// Where the last of them that is trained ends; a pass may need weights from here on only later.
        var trainedEnd: Int?
        /// Where in what is kept the layer's own part begins.
        var keptOffset = MemoryNeed.none
        var kept = MemoryNeed.none
        /// Whether its output is kept, behind that part.
        var keepsOutput = false
        /// Numbers of its output; a shape is not to be made anew in every step.
        var outputCount = 0
        /// Where the rest lies while training, in evaluation and backward.
        var training = Places()
        var evaluation = Places()
        var backward = Places()
        /// The layer where it can end a residual; found once, since the question takes memory.
        var ending: (any ResidualEnding)?
        /// Whether it is called once for all segments of a pass: where it joins leaves, and where it has layers inside, since these use
        /// each other's memory one behind the other. The others are called for each segment.
        var takesAllSegments = false

        /// Where in the memory of a pass, as `RoomPlan` numbers it, a stage's part begins.
        struct Places {
            /// Forward its output, backward the gradient of its input, unless that is the caller's.
            var result = 0
            /// What it needs for itself.
            var work = 0
            var need = MemoryNeed.none
        }

        /// Whether the layer, or one in it, has something to train.
        var isTrained: Bool { firstOffset != nil }

        /// - Parameter sum: what the layer adds to its output, which it must be able to.
        func forward(
            _ input: MatrixView, adding sum: ResidualSum?, into output: MutableMatrixView, memory: PassMemory,
            in pass: ForwardPass
        ) {
            if let sum, let ending {
                ending.forward(input, adding: sum, into: output, memory: memory, in: pass)
            } else {
                layer.forward(input, into: output, memory: memory, in: pass)
            }
        }

        /// - Parameter rectified: the sum to which the layer's output was added, where that was rectified.
        func backward(
            _ outputGradient: MatrixView, rectified: MatrixView?, into inputGradient: MutableMatrixView?, input: MatrixView,
            output: MatrixView, memory: PassMemory, in pass: BackwardPass
        ) {
            if let rectified, let ending {
                ending.backward(
                    outputGradient, rectified: rectified, into: inputGradient, input: input, memory: memory, in: pass)
            } else {
                layer.backward(outputGradient, into: inputGradient, input: input, output: output, memory: memory, in: pass)
            }
        }

        /// `2 (dense)`, as messages name it.
        package var description: String { "\(path) (\(type(of: layer).kind))" }
    }

    /// Every layer as configured.
    package private(set) var configured: [Stage] = []
    /// The layers that compute.
    package private(set) var computed: [Stage] = []
    /// The same, neighbours fused where they can be.
    package internal(set) var fused: [Stage] = []
    package private(set) var inputShape: Shape
    package private(set) var outputShape: Shape
    /// Where the steps of sequences lie in the output, where samples have lengths; nil where it is no sequence.
    package private(set) var sequence: SequenceSteps?
    /// What all passes take.
    package internal(set) var memory = LayerMemory()
    private var backwardFront = 0
    /// Which of what goes into the layers and of what they make backward reads.
    private(set) var backwardOperands: BackwardOperands = []

    init(
        _ variants: [Settings.Variant], times: Int? = nil, options: Settings, path: String, inputShape: Shape,
        tokenKinds: Int? = nil, sequence: SequenceSteps? = nil, seed: UInt64, blueprint: inout LayerSite.Blueprint
    ) throws {
        var tokenKinds = tokenKinds
        self.sequence = sequence
        self.inputShape = inputShape
        outputShape = inputShape
        for turn in 0..<(times ?? 1) {
            try append(
                variants, path: times == nil ? path : "\(path).\(turn)", tokenKinds: &tokenKinds, seed: seed,
                blueprint: &blueprint)
        }
        layOut()
    }

    /// A layer that a composite has: the name that its parameters get, none where they are named as the composite's own; and how
    /// it is built.
    typealias Part = (name: String?, make: (inout LayerSite) throws -> any Layer)

    /// Layers of a composite that it says itself.
    init(parts: [Part], of site: inout LayerSite) throws {
        inputShape = site.inputShape
        outputShape = site.inputShape
        sequence = site.sequence
        var tokenKinds = site.tokenKinds
        for part in parts {
            let path = part.name.map { site.path.isEmpty ? $0 : "\(site.path).\($0)" } ?? site.path
            try append(path: path, tokenKinds: &tokenKinds, seed: site.seed, blueprint: &site.blueprint, part.make)
        }
        layOut()
    }

    /// Builds layers behind those that there are.
    private mutating func append(
        _ variants: [Settings.Variant], path: String, tokenKinds: inout Int?, seed: UInt64,
        blueprint: inout LayerSite.Blueprint
    ) throws {
        var names: Set<String> = []
        for (index, variant) in variants.enumerated() {
            let type = try blueprint.layers.choice(for: variant)
            try Self.check(type, gets: tokenKinds, variant.options)
            let name = try variant.options.optionalString("name") ?? String(index)
            guard !name.isEmpty, !name.contains("."), names.insert(name).inserted else {
                throw variant.options.failure(
                    "name",
                    "\"\(name)\" is empty, contains a \".\" or names another layer "
                        + "of this list already")
            }
            let first = blueprint.layout.slots.count
            try append(
                path: path.isEmpty ? name : "\(path).\(name)", tokenKinds: &tokenKinds, seed: seed, blueprint: &blueprint
            ) { try type.init(options: variant.options, site: &$0) }
            if variant.options.has("initializer") { blueprint.initialized.formUnion(first..<blueprint.layout.slots.count) }
        }
    }

    private mutating func append(
        path: String, tokenKinds: inout Int?, seed: UInt64, blueprint: inout LayerSite.Blueprint,
        _ make: (inout LayerSite) throws -> any Layer
    ) throws {
        let ordinal = blueprint.nextOrdinal
        blueprint.nextOrdinal += 1
        let firstSlot = blueprint.layout.slots.count
        var site = LayerSite(
            inputShape: outputShape, tokenKinds: tokenKinds, sequence: sequence, path: path, ordinal: ordinal, seed: seed,
            blueprint: blueprint)
        let layer = try make(&site)
        blueprint = site.blueprint
        let slots = firstSlot..<blueprint.layout.slots.count
        let trained = blueprint.layout.slots[slots].filter { $0.region == .trained }
        let stage = Stage(
            layer: layer, path: site.path, inputShape: outputShape, slots: slots,
            parts: ["\(site.path) \(type(of: layer).kind)"], ordinal: ordinal, firstOffset: trained.first?.offset,
            trainedEnd: layer.computesBesideBranches ? trained.last?.range.upperBound : nil)
        configured.append(stage)
        if !layer.isIdentity {
            computed.append(stage)
            tokenKinds = nil
        }
        sequence = sequence.flatMap { layer.sequence(behind: $0, of: outputShape) }
        outputShape = layer.outputShape
    }

    /// Refuses a layer that takes numbers where there are tokens, and the other way round.
    private static func check(_ type: any Layer.Type, gets tokenKinds: Int?, _ options: Settings) throws {
        switch (type.inputElements, tokenKinds) {
        case (.numbers, let kinds?):
            throw options.failure(
                "\(type.kind) takes numbers, but gets tokens (of \(kinds) kinds); put embedding: "
                    + "{embedding_dim: N} in front of it")
        case (.tokens, nil):
            throw options.failure(
                "\(type.kind) takes tokens, but gets numbers; tokens come from data.format: text or texts, and go "
                    + "to the first layer")
        default: break
        }
    }

    /// The same without its last computing stage.
    func droppingLast() -> Sequential {
        var result = self
        precondition(!computed.isEmpty, "no stage to leave out")
        result.computed.removeLast()
        result.layOut()
        return result
    }

    /// The layers up to the one of this path in the list as configured, that one included; nil where there is none. A final activation
    /// that the loss contains is no layer of a network's.
    package func prefix(through path: String) -> Sequential? {
        guard let place = configured.firstIndex(where: { $0.path == path }) else { return nil }
        let count = configured[...place].count { !$0.layer.isIdentity }
        guard count <= computed.count else { return nil }
        var result = self
        result.computed.removeLast(computed.count - count)
        result.outputShape = configured[place].layer.outputShape
        result.layOut()
        return result
    }

    /// The last fused stage for one of `parts` equal parts of a sample, and the layers in front of it as a network of their
    /// own; nil where that stage can't be cut into parts.
    package func splittingLast(into parts: Int) -> (body: Sequential, head: Sequential)? {
        guard let last = fused.last, let layer = last.layer.forPart(of: parts) else { return nil }
        var body = self
        body.computed.removeLast(last.parts.count)
        body.outputShape = last.inputShape
        body.layOut()
        var head = self
        head.inputShape = Shape([last.inputShape.count / parts])
        head.outputShape = layer.outputShape
        head.computed = [
            Stage(
                layer: layer, path: last.path, inputShape: head.inputShape, slots: last.slots, parts: last.parts,
                ordinal: last.ordinal, firstOffset: last.firstOffset, trainedEnd: last.trainedEnd)
        ]
        head.layOut()
        return (body, head)
    }

    /// Whether any of the layers needs sums over all rows of a step.
    package internal(set) var joinsLeaves = false

    /// Whether all of them can be run on the next steps of a sequence.
    var isStepwise: Bool { computed.allSatisfy(\.layer.isStepwise) }

    /// Whether any of the layers has something to train, so that they have to be run backward.
    package var isTrained: Bool { backwardFront < fused.count }

    /// Where in the flat buffer what the layers train begins; nil where they train nothing of their own.
    package var firstOffset: Int? { isTrained ? fused[backwardFront].firstOffset : nil }

    /// Fuses neighbours and lays out the activation memory.
    private mutating func layOut() {
        fused = []
        // From the end, so that a layer that two neighbours could take goes to the one behind it.
        for stage in computed.reversed() {
            if let next = fused.last, let layer = stage.layer.fused(with: next.layer) {
                fused[fused.count - 1] = Stage(
                    layer: layer, path: stage.path, inputShape: stage.inputShape,
                    slots: stage.slots, parts: stage.parts + next.parts,
                    ordinal: stage.ordinal, firstOffset: stage.firstOffset,
                    trainedEnd: next.trainedEnd ?? stage.trainedEnd)
            } else {
                fused.append(stage)
            }
        }
        fused.reverse()
        backwardFront = Self.frontOfBackward(fused)
        backwardOperands = (fused.first?.layer.backwardOperands ?? []).intersection(.input)
        backwardOperands.formUnion((fused.last?.layer.backwardOperands ?? []).intersection(.output))
        planMemory()
    }

    /// Whether the last layer can add what a residual adds.
    var canEndResidual: Bool { fused.last?.ending != nil }

    /// Operations of the matrix products per sample: every stage behind the first that is trained is asked for its input's
    /// gradient.
    func productOperations(withInputGradient: Bool) -> Int {
        let last = withInputGradient ? -1 : Self.frontOfBackward(computed)
        return computed.indices.reduce(0) { $0 + computed[$1].layer.productOperations(withInputGradient: $1 > last) }
    }

    /// What the kernels of all stages take, one after the other.
    package func kernelScratch(rows: Int, leafRows: Int, threads: Int) -> KernelScratch {
        fused.reduce(.none) { .larger($0, $1.layer.kernelScratch(rows: rows, leafRows: leafRows, threads: threads)) }
    }

    /// The front-most stage with something to train; none in front of it is run backward, unless the input's gradient is
    /// wanted.
    private static func frontOfBackward(_ stages: [Stage]) -> Int {
        stages.firstIndex { $0.firstOffset != nil } ?? stages.count
    }

    /// - Parameter sum: what the last layer adds to its output, which it must be able to.
    func forward(
        _ input: MatrixView, adding sum: ResidualSum? = nil, into output: MutableMatrixView, memory: PassMemory,
        in pass: ForwardPass
    ) {
        guard !fused.isEmpty else { return output.copy(from: input) }
        var current = input
        for (index, stage) in fused.enumerated() {
            let target = index == fused.count - 1 ? output : stageOutput(index, rows: input.rows, memory)
            let start = pass.clock == nil ? 0 : MonotonicClock.nanoseconds
            let part = part(of: stage, memory, memory.kept == nil ? stage.evaluation : stage.training)
            if let end = stage.trainedEnd { pass.awaitWeights?(end) }
            let added = index == fused.count - 1 ? sum : nil
            if let segments = pass.segments, !stage.takesAllSegments {
                for rows in segments.lazy.map(\.rows) {
                    stage.forward(
                        current[rows: rows], adding: added?[rows: rows], into: target[rows: rows],
                        memory: part.rows(rows, leafRows: pass.leafRows), in: pass.part(rows: rows))
                }
            } else {
                stage.forward(current, adding: added, into: target, memory: part, in: pass)
            }
            pass.clock?.add(stage.ordinal, since: start, isBackward: false)
            current = target.readOnly
        }
    }

    /// Once for each `forward`, since gradients lie where outputs were that are read no more.
    ///
    /// - Parameter rectified: the sum to which the last layer's output was added, where that was rectified.
    func backward(
        _ outputGradient: MatrixView, rectified: MatrixView? = nil, into inputGradient: MutableMatrixView?,
        input: MatrixView, output: MatrixView, memory: PassMemory, in pass: BackwardPass
    ) {
        guard !fused.isEmpty else {
            inputGradient?.copy(from: outputGradient)
            return
        }
        let rows = input.rows
        let front = inputGradient == nil ? backwardFront : 0
        var gradient = outputGradient
        for index in fused.indices.reversed() where index >= front {
            let stage = fused[index]
            let stageInput = index == 0 ? input : stageOutput(index - 1, rows: rows, memory).readOnly
            let target =
                index == front
                ? inputGradient
                : matrix(memory, at: stage.backward.result, rows: rows, columns: fused[index - 1].outputCount)
            let start = pass.clock == nil ? 0 : MonotonicClock.nanoseconds
            let part = part(of: stage, memory, stage.backward)
            let made = index == fused.count - 1 ? output : stageOutput(index, rows: rows, memory).readOnly
            let mask = index == fused.count - 1 ? rectified : nil
            if pass.segments != nil, !stage.takesAllSegments {
                pass.eachSegment(rows: rows) { rows, segment in
                    stage.backward(
                        gradient[rows: rows], rectified: mask?[rows: rows], into: target?[rows: rows],
                        input: stageInput[rows: rows], output: made[rows: rows],
                        memory: part.rows(rows, leafRows: pass.leafRows), in: segment)
                }
            } else {
                stage.backward(
                    gradient, rectified: mask, into: target, input: stageInput, output: made, memory: part, in: pass)
            }
            pass.clock?.add(stage.ordinal, since: start, isBackward: true)
            // The parameters of the stages before come before in the flat buffer. At the end the caller knows.
            if let firstOffset = stage.firstOffset, index > front { pass.finished?(firstOffset) }
            if let target { gradient = target.readOnly }
        }
    }
}
