import Checkpointing
import Collectives
import Diagnostics
import Network
import Storage

/// Puts weights, their average, optimizer state and training state into the files of a checkpoint, and back.
struct CheckpointContents {
    let layout: ParameterLayout
    let stateNames: [String]
    /// Whether there is an average of the weights.
    let hasAverage: Bool
    /// The shape of the states that streams go on with; nil where there are none.
    let streams: Shape?

    init(layout: ParameterLayout, stateNames: [String], hasAverage: Bool = false, streams: Shape? = nil) {
        self.layout = layout
        self.stateNames = stateNames
        self.hasAverage = hasAverage
        self.streams = streams
    }

    /// Numbers of the optimizer's states and, behind them, of the average and of the streams' states.
    var stateCount: Int { (stateNames.count + (hasAverage ? 1 : 0)) * layout.trainedCount + (streams?.count ?? 0) }

    /// The tensors of `model.safetensors`: of the flat buffer of weights.
    func modelTensors(_ weights: UnsafeBufferPointer<Float>) -> [TensorSource] {
        layout.slots.map { slot in
            TensorSource(
                name: slot.name, shape: slot.shape.dimensions,
                values: UnsafeBufferPointer(rebasing: weights[layout.range(of: slot)]))
        }
    }

    /// The tensors of `ema.safetensors`, those of `model.safetensors` with the average of what is trained; nil where there is none.
    /// `states` as in `optimizerTensors`.
    func averageTensors(
        _ states: UnsafeBufferPointer<Float>, weights: UnsafeBufferPointer<Float>
    ) -> [TensorSource]? {
        guard hasAverage else { return nil }
        let start = stateNames.count * layout.trainedCount
        let average = UnsafeBufferPointer(rebasing: states[start..<start + layout.trainedCount])
        // Trained slots lie in a flat buffer of states as in the weights, at its front.
        return zip(modelTensors(weights), layout.slots).map { tensor, slot in
            guard slot.region == .trained else { return tensor }
            return TensorSource(
                name: tensor.name, shape: tensor.shape, values: UnsafeBufferPointer(rebasing: average[slot.range]))
        }
    }

    /// The tensors of `optimizer.safetensors`: `0.weight.exp_avg`, … `states` holds one flat buffer per state, behind them the average
    /// of the weights, and the states of streams.
    func optimizerTensors(_ states: UnsafeBufferPointer<Float>) -> [TensorSource] {
        let ofStreams = streams.map { streams in
            TensorSource(
                name: CarriedStates.tensorName, shape: streams.dimensions,
                values: UnsafeBufferPointer(rebasing: states.suffix(streams.count)))
        }
        return stateNames.enumerated().flatMap { index, name in
            trainedSlots.map { slot in
                let start = index * layout.trainedCount + slot.offset
                return TensorSource(
                    name: "\(slot.name).\(name)", shape: slot.shape.dimensions,
                    values: UnsafeBufferPointer(rebasing: states[start..<start + slot.shape.count]))
            }
        } + (ofStreams.map { [$0] } ?? [])
    }

    /// Copies the states that streams go on with.
    func loadStreams(_ file: SafetensorsFile, into states: UnsafeMutableBufferPointer<Float>) throws {
        let name = CarriedStates.tensorName
        guard let streams, let tensor = file.tensor(named: name), tensor.shape == streams.dimensions else {
            throw Failure(
                .badData,
                "\(file.path): no tensor \"\(name)\" of shape \(streams?.description ?? "?"), the states of streams "
                    + "(training.stateful); the checkpoint was made by another configuration")
        }
        try file.copy(name, into: states)
        guard states.allSatisfy(\.isFinite) else {
            throw Failure(.badData, "\(file.path): \"\(name)\" holds NaN or infinity; states must be finite numbers")
        }
    }

    /// Only these have optimizer state.
    private var trainedSlots: [ParameterSlot] { layout.slots.filter { $0.region == .trained } }

    /// What PyTorch's wrappers (DistributedDataParallel, torch.compile) put in front of every name: the longest such
    /// prefix of the file's names; empty where the network's own names are in it.
    func wrapperPrefix(of file: SafetensorsFile) -> String {
        guard !file.tensors.isEmpty, !layout.slots.contains(where: { file.tensor(named: $0.name) != nil }) else { return "" }
        var prefix = ""
        while let next = ["module.", "_orig_mod."].first(where: { next in
            file.tensors.allSatisfy { $0.name.hasPrefix(prefix + next) }
        }) { prefix += next }
        return prefix
    }

    /// Checks that a file holds the network's weights, or the chosen ones of them, beside which there may be others: names and
    /// shapes, before memory is taken for them.
    func checkModel(_ file: SafetensorsFile, prefix: String = "", choosing choice: ParameterChoice? = nil) throws {
        let known = layout.slots.map(\.name)
        if let idle = choice?.idlePattern(among: known) {
            throw Failure(
                .badConfiguration,
                "initialize: no parameter is called \"\(idle)\""
                    + suggestion(for: idle.description, among: known) + "; the network's: \(Network.list(known))")
        }
        if let choice, !known.contains(where: choice.contains) {
            throw Failure(.badConfiguration, "initialize: only and skip leave nothing to load; take something out of skip")
        }
        for slot in layout.slots where choice?.contains(slot.name) ?? true {
            let name = prefix + slot.name
            guard let tensor = file.tensor(named: name) else {
                throw Failure(
                    .badData,
                    "\(file.path): no tensor \"\(name)\" of shape \(slot.shape)"
                        + suggestion(for: name, among: file.tensors.prefix(1000).map(\.name))
                        + "; it belongs to another network (its tensors: \(names(file)))")
            }
            guard tensor.shape == slot.shape.dimensions else {
                throw Failure(
                    .badData,
                    "\(file.path): \"\(name)\" has the shape \(tensor.shape), but the network's has "
                        + "\(slot.shape); it belongs to another network")
            }
        }
        guard choice == nil else { return }
        let expected = Set(layout.slots.map { prefix + $0.name })
        if let extra = file.tensors.first(where: { !expected.contains($0.name) }) {
            throw Failure(
                .badData,
                "\(file.path): the tensor \"\(extra.name)\" has no place in this network; it belongs "
                    + "to another one")
        }
    }

    /// Copies the weights of a safetensors file into the flat buffer. Names and shapes must be those of the network, the
    /// names behind `prefix`, and all numbers finite. Returns the names of the parameters that were loaded.
    @discardableResult
    func loadModel(
        _ file: SafetensorsFile, prefix: String = "", choosing choice: ParameterChoice? = nil,
        into weights: MutableParameterView
    ) throws -> [String] {
        try checkModel(file, prefix: prefix, choosing: choice)
        let chosen = layout.slots.filter { choice?.contains($0.name) ?? true }
        for slot in chosen {
            let elements = weights.matrix(slot).elements
            if slot.region == .buffers, file.tensor(named: prefix + slot.name)?.type == .i64 {
                // PyTorch counts batches in whole numbers.
                var counts = [Int64](repeating: 0, count: elements.count)
                try counts.withUnsafeMutableBufferPointer { try file.copy(prefix + slot.name, into: $0) }
                for index in counts.indices { elements[index] = Float(counts[index]) }
            } else {
                try file.copy(prefix + slot.name, into: elements)
            }
            if let bad = elements.firstIndex(where: { !$0.isFinite }) {
                throw Failure(
                    .badData,
                    "\(file.path): \"\(prefix + slot.name)\" holds "
                        + "\(elements[bad].isNaN ? "NaN" : "infinity") (element \(bad)); weights must be finite numbers")
            }
        }
        return chosen.map(\.name)
    }

    /// Copies the part of the optimizer's state that `engine` keeps.
    func loadOptimizer(_ file: SafetensorsFile, into engine: UpdateEngine) throws {
        for (index, name) in stateNames.enumerated() {
            for slot in trainedSlots {
                let tensorName = "\(slot.name).\(name)"
                guard let tensor = file.tensor(named: tensorName), tensor.shape == slot.shape.dimensions else {
                    throw Failure(
                        .badData,
                        "\(file.path): no tensor \"\(tensorName)\" of shape \(slot.shape); the "
                            + "checkpoint was made by another optimizer or network")
                }
                try copy(tensorName, of: slot, from: file, into: engine.stateSlice(index), of: engine.slice)
            }
        }
    }

    /// Copies the part of an average that `engine` keeps from `ema.safetensors`, or from `model.safetensors`, with which one begins.
    func loadAverage(_ file: SafetensorsFile, into engine: UpdateEngine) throws {
        guard let average = engine.averageSlice else { return }
        try checkModel(file)
        for slot in trainedSlots { try copy(slot.name, of: slot, from: file, into: average, of: engine.slice) }
        guard average.elements.allSatisfy(\.isFinite) else {
            throw Failure(.badData, "\(file.path): it holds NaN or infinity; weights must be finite numbers")
        }
    }

    /// Copies what `slice` has of a slot; `target` shows the slice.
    private func copy(
        _ name: String, of slot: ParameterSlot, from file: SafetensorsFile, into target: MutableMatrixView, of slice: Range<Int>
    ) throws {
        let part = slot.range.clamped(to: slice)
        guard !part.isEmpty else { return }
        let values = try file.floats(name)
        for element in part { target.elements[element - slice.lowerBound] = values[element - slot.offset] }
    }

    private func names(_ file: SafetensorsFile) -> String {
        let names = file.tensors.prefix(4).map { "\"\($0.name)\"" }.joined(separator: ", ")
        return file.tensors.count > 4 ? names + ", …" : names
    }
}
