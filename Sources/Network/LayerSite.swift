import Diagnostics
import Settings
import Storage

/// Where a layer is being built: the shape that comes in, the name its parameters get, and the layout to reserve them in.
package struct LayerSite {
    /// The shape of one sample of the input.
    package let inputShape: Shape
    /// How many different tokens the input is made of; nil where it is made of numbers.
    package let tokenKinds: Int?
    /// Where the steps of sequences lie in the input, where samples have lengths.
    package let sequence: SequenceSteps?
    /// `2` or `2.0`: the layer's index, or its `name:`, behind those of the layers around it.
    package let path: String
    /// The number of the layer in building order; keys its random numbers.
    package let ordinal: Int
    /// The seed of the run, for layers that draw random numbers while training.
    package let seed: UInt64
    var blueprint: Blueprint

    /// What building collects.
    struct Blueprint {
        /// The layers that the configuration can name.
        let layers: LayerChoices
        var layout = ParameterLayout()
        var initializers: [(slot: ParameterSlot, initializer: Initializer)] = []
        var nextOrdinal = 0
        /// What layers sum over a batch besides gradients, and what they make of it.
        var updates: [BufferUpdate] = []
        var statisticsCount = 0
        /// Slots that their layer's configuration says how to initialise.
        var initialized: Set<Int> = []
        /// Slots that end a branch whose output is added to a residual stream, and how many Transformer blocks there are.
        var residualProjections: Set<Int> = []
        var blockCount = 0
        /// How many different tokens the samples are made of; nil where they are made of numbers.
        var vocabulary: Int?
        /// Steps of the whole sequence, where the network is built for some of them.
        var context: Int?
        /// Numbers that are remembered of each position of a sample.
        var cacheCount = 0
        var leastLeafRows = 1
        var leastBatchRows = 1
        /// Whether layers go on with the state that a step left them, and how many numbers of a sample that is.
        var carriesState = false
        var stateCount = 0
        /// Slots that have a row for each token.
        var tokenTables: [ParameterSlot] = []
        /// Whose parameters stay as they were at the start.
        var frozen: [NamePattern] = []

        init(layers: LayerChoices) { self.layers = layers }
    }

    /// The shape of an input of sequences, [channels, steps], for layers that move over the steps.
    package func channelsAndSteps(kind: String, _ options: Settings) throws -> (channels: Int, steps: Int) {
        guard inputShape.dimensions.count == 2, inputShape.count > 0 else {
            throw options.failure("\(kind) takes sequences, [channels, steps], but this one gets \(inputShape)")
        }
        if let sequence, sequence.axis != 1 {
            throw options.failure(
                "\(kind) takes sequences, [channels, steps], but the steps of \(inputShape) lie on its first axis; put "
                    + "permute: {dimensions: [2, 1]} in front of it")
        }
        return (inputShape.dimensions[0], inputShape.dimensions[1])
    }

    /// Reserves a parameter of the layer; `initializer` says what it starts as. Whether it is trained or frozen is the
    /// configuration's to say.
    package mutating func reserve(
        _ name: String, shape: Shape, role: ParameterSlot.Role,
        initializer: Initializer
    ) -> ParameterSlot {
        let name = "\(path).\(name)"
        let isFrozen = blueprint.frozen.contains { $0.matches(name) }
        let slot = blueprint.layout.reserve(name: name, shape: shape, role: role, region: isFrozen ? .frozen : .trained)
        blueprint.initializers.append((slot, initializer))
        return slot
    }

    /// Another use of the weight of a layer in front of this one, `torch`'s tied weights: the same numbers, of which each use
    /// has a gradient of its own (`ParameterLayout`); nil where no layer of that path has a weight.
    package mutating func reuse(_ name: String, of path: String) -> ParameterSlot? {
        guard let slot = blueprint.layout.slots.first(where: { $0.name == "\(path).\(name)" }) else { return nil }
        return blueprint.layout.reserveUse(of: slot, as: "\(self.path).\(name)")
    }

    /// The layers in front of this one that have a parameter of this name.
    package func owners(of name: String) -> [String] {
        blueprint.layout.slots.filter { $0.name.hasSuffix(".\(name)") }.map { String($0.name.dropLast(name.count + 1)) }
    }

    /// Reserves numbers that the layer computes on the way, such as running averages: no gradient, no optimizer.
    package mutating func reserveBuffer(_ name: String, shape: Shape, initialValue: Float) -> ParameterSlot {
        let slot = blueprint.layout.reserve(name: "\(path).\(name)", shape: shape, role: .other, region: .buffers)
        blueprint.initializers.append((slot, .constant(initialValue)))
        return slot
    }

    /// Reserves `count` sums over the rows of each leaf, which `forward` assigns while training. They are summed over all
    /// leaves of a step along the tree; from the sums of a step that isn't skipped `update` makes new buffers.
    ///
    /// - Parameters:
    ///   - leastLeafRows: the fewest rows of a leaf with which that can be done; `leastBatchRows`: those of a step.
    /// - Returns: where in `ForwardPass.statistics` they begin.
    package mutating func reserveStatistics(
        _ count: Int, leastLeafRows: Int, leastBatchRows: Int,
        update: @escaping @Sendable (_ sums: UnsafeBufferPointer<Double>, _ weights: MutableParameterView) -> Void
    ) -> Int {
        let first = blueprint.statisticsCount
        blueprint.statisticsCount += count
        blueprint.leastLeafRows = max(blueprint.leastLeafRows, leastLeafRows)
        blueprint.leastBatchRows = max(blueprint.leastBatchRows, leastBatchRows)
        blueprint.updates.append(BufferUpdate(sums: first..<first + count, apply: update))
        return first
    }

    /// Whether layers with a state go on with what the step before left of it, `training.stateful`.
    package var carriesState: Bool { blueprint.carriesState }

    /// Reserves `count` numbers of a state that is carried from step to step, for each sample of a batch.
    ///
    /// - Returns: where in `ForwardPass.states` they begin.
    package mutating func reserveState(_ count: Int) -> Int {
        defer { blueprint.stateCount += count }
        return blueprint.stateCount
    }

    /// Builds the layers of a list one behind the other, for a composite. `name` tells its branches apart in the names of
    /// parameters: `2.shortcut.0.weight`.
    ///
    /// - Parameter times: how often the list is built, behind itself; the turns are numbered in the names: `2.0.1.weight`.
    package mutating func build(
        _ variants: [Settings.Variant], in options: Settings, name: String? = nil, times: Int? = nil
    ) throws -> Sequential {
        try Sequential(
            variants, times: times, options: options, path: name.map { "\(path).\($0)" } ?? path, inputShape: inputShape,
            sequence: sequence, seed: seed, blueprint: &blueprint)
    }

    /// How many different tokens the samples are made of, before any layer; nil where they are made of numbers.
    package var vocabulary: Int? { blueprint.vocabulary }

    /// Steps of the whole sequence, where the network is built for some of them to be run on the next ones; nil where samples are whole.
    package var context: Int? { blueprint.context }

    /// Reserves `count` numbers per position of what is remembered of the steps before.
    ///
    /// - Returns: where in `StepCache` they begin.
    mutating func reserveCache(_ count: Int) -> Int {
        defer { blueprint.cacheCount += count }
        return blueprint.cacheCount
    }

    /// Says that a parameter has a row for each token.
    mutating func noteTokenTable(_ slot: ParameterSlot) { blueprint.tokenTables.append(slot) }

    /// Counts a Transformer block, and says which of its weights end a branch (`model.initializer: gpt2`).
    package mutating func countBlock(residualProjections names: [String]) {
        blueprint.blockCount += 1
        for slot in blueprint.layout.slots where names.contains(where: { slot.name == "\(path).\($0)" }) {
            blueprint.residualProjections.insert(slot.index)
        }
    }

    /// The shape of a sample of the layer's output, unless it holds more numbers than can be counted.
    package func shape(_ dimensions: [Int], otherwise failure: (String) -> Failure) throws -> Shape {
        var count = 1
        for dimension in dimensions {
            let (product, overflows) = count.multipliedReportingOverflow(by: dimension)
            guard !overflows, product <= 1 << 40 else { throw failure("\(dimensions) is more than a sample can hold") }
            count = product
        }
        return Shape(dimensions)
    }
}

/// How a layer's buffers follow from what it summed over the batch of a step.
struct BufferUpdate: Sendable {
    let sums: Range<Int>
    let apply: @Sendable (_ sums: UnsafeBufferPointer<Double>, _ weights: MutableParameterView) -> Void
}
