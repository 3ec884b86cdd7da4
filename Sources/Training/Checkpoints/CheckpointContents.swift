import Checkpointing
import Collectives
import Diagnostics
import Network
import Storage

/// Puts weights, their average, optimizer state and training state into the files of a checkpoint, and back.
struct CheckpointContents {
    let layout: ParameterLayout
    /// What `optimizer.safetensors` holds, one behind the other.
    let parts: [StatePart]
    /// Whether there is an average of the weights, behind the parts.
    let hasAverage: Bool
    /// The shape of the states that streams go on with; nil where there are none.
    let streams: Shape?

    init(layout: ParameterLayout, parts: [StatePart], hasAverage: Bool = false, streams: Shape? = nil) {
        self.layout = layout
        self.parts = parts
        self.hasAverage = hasAverage
        self.streams = streams
    }

    /// Numbers of its parts and, behind them, of the average and of the streams' states.
    var stateCount: Int { partCount + (hasAverage ? layout.trainedCount : 0) + (streams?.count ?? 0) }

    private var partCount: Int { parts.reduce(0) { $0 + $1.count(layout) } }

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
        let start = partCount
        let average = UnsafeBufferPointer(rebasing: states[start..<start + layout.trainedCount])
        // Trained slots lie in a flat buffer of states as in the weights, at its front.
        return zip(modelTensors(weights), layout.slots).map { tensor, slot in
            guard slot.region == .trained else { return tensor }
            return TensorSource(
                name: tensor.name, shape: tensor.shape, values: UnsafeBufferPointer(rebasing: average[slot.range]))
        }
    }

    /// The tensors of `optimizer.safetensors`: `0.weight.exp_avg`, … `states` holds one flat buffer per part, behind them the average of
    /// the weights, and the states of streams.
    func optimizerTensors(_ states: UnsafeBufferPointer<Float>) -> [TensorSource] {
        let ofStreams = streams.map { streams in
            TensorSource(
                name: CarriedStates.tensorName, shape: streams.dimensions,
                values: UnsafeBufferPointer(rebasing: states.suffix(streams.count)))
        }
        var tensors: [TensorSource] = []
        var start = 0
        for part in parts {
            for slot in part.slots(layout) {
                let first = start + slot.offset
                tensors.append(
                    TensorSource(
                        name: part.tensorName(of: slot), shape: slot.shape.dimensions,
                        values: UnsafeBufferPointer(rebasing: states[first..<first + slot.shape.count])))
            }
            start += part.count(layout)
        }
        return tensors + (ofStreams.map { [$0] } ?? [])
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

    /// What PyTorch's wrappers (DistributedDataParallel, torch.compile) put in front of every name: the longest such
    /// prefix of the file's names; empty where the network's own names are in it.
    func wrapperPrefix(of file: SafetensorsFile) -> String {
        guard !file.tensors.isEmpty,
            !layout.slots.contains(where: { slot in names(of: slot).contains { file.tensor(named: $0) != nil } })
        else { return "" }
        var prefix = ""
        while let next = ["module.", "_orig_mod."].first(where: { next in
            file.tensors.allSatisfy { $0.name.hasPrefix(prefix + next) }
        }) { prefix += next }
        return prefix
    }

    /// What a slot may be called in a file: by its own name, or as PyTorch calls another use of the same weight.
    private func names(of slot: ParameterSlot) -> [String] {
        [slot.name] + layout.aliases.lazy.filter { $0.slot == slot.name }.map(\.name)
    }

    /// The tensor of a slot: under its own name, or under another one that PyTorch has for it. Where there are several, they are
    /// the same numbers.
    private func tensor(of slot: ParameterSlot, in file: SafetensorsFile, _ prefix: String) throws -> SafetensorsFile.Tensor? {
        let found = names(of: slot).compactMap { file.tensor(named: prefix + $0) }
        for other in found.dropFirst() where try !file.holdsEqual(found[0].name, other.name) {
            throw Failure(
                .badData,
                "\(file.path): \"\(found[0].name)\" and \"\(other.name)\" aren't the same numbers, but the network has one weight "
                    + "for both; leave out tie, or make them equal")
        }
        return found.first
    }

    /// Checks that a file holds the network's weights, or the chosen ones of them, beside which there may be others: names and
    /// shapes, before memory is taken for them.
    func checkModel(_ file: SafetensorsFile, prefix: String = "", choosing choice: ParameterChoice? = nil) throws {
        let known = layout.slots.map(\.name)
        try choice?.check(known)
        for slot in layout.slots where choice?.contains(slot.name) ?? true {
            let name = prefix + slot.name
            guard let tensor = try tensor(of: slot, in: file, prefix) else {
                throw Failure(
                    .badData,
                    "\(file.path): no tensor \"\(name)\" of shape \(slot.shape)"
                        + suggestion(for: name, among: file.tensors.prefix(1000).map(\.name))
                        + "; it belongs to another network (its tensors: \(names(file)))")
            }
            guard tensor.shape == slot.shape.dimensions else {
                throw Failure(
                    .badData,
                    "\(file.path): \"\(tensor.name)\" has the shape \(tensor.shape), but the network's has "
                        + "\(slot.shape); it belongs to another network")
            }
        }
        guard choice == nil else { return }
        let expected = Set(layout.slots.flatMap { names(of: $0) }.map { prefix + $0 })
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
            let name = names(of: slot).map { prefix + $0 }.first { file.tensor(named: $0) != nil } ?? prefix + slot.name
            if slot.region == .buffers, file.tensor(named: name)?.type == .i64 {
                // PyTorch counts batches in whole numbers.
                var counts = [Int64](repeating: 0, count: elements.count)
                try counts.withUnsafeMutableBufferPointer { try file.copy(name, into: $0) }
                for index in counts.indices { elements[index] = Float(counts[index]) }
            } else {
                try file.copy(name, into: elements)
            }
            try Self.requireFinite(elements, name, file)
        }
        return chosen.map(\.name)
    }

    /// Refuses weights that are no numbers.
    static func requireFinite(_ elements: UnsafeMutableBufferPointer<Float>, _ name: String, _ file: SafetensorsFile) throws {
        guard let bad = elements.firstIndex(where: { !$0.isFinite }) else { return }
        throw Failure(
            .badData,
            "\(file.path): \"\(name)\" holds "
                + "\(elements[bad].isNaN ? "NaN" : "infinity") (element \(bad)); weights must be finite numbers")
    }

    /// Copies the part of the optimizer's state that `engine` keeps.
    func loadOptimizer(_ file: SafetensorsFile, into engine: UpdateEngine) throws {
        for (index, part) in engine.stateParts.enumerated() {
            try load(part, from: file, engine.slice, into: engine.stateSlice(index).elements)
        }
    }

    /// Copies the elements `range` of a part's flat buffer.
    ///
    /// - Parameters:
    ///   - target: where the first of them goes; nil: what the file holds is only checked.
    ///   - isFinite: whether the numbers must be.
    func load(
        _ part: StatePart, from file: SafetensorsFile, _ range: Range<Int>, into target: UnsafeMutableBufferPointer<Float>?,
        isFinite: Bool = false
    ) throws {
        for slot in part.slots(layout) {
            let name = part.tensorName(of: slot)
            guard let tensor = file.tensor(named: name), tensor.shape == slot.shape.dimensions else {
                throw Failure(
                    .badData,
                    "\(file.path): no tensor \"\(name)\" of shape \(slot.shape); the "
                        + "checkpoint was made by another optimizer or network")
            }
            guard let target, slot.range.overlaps(range) else { continue }
            let own = slot.range.clamped(to: range)
            let values = try file.floats(name)
            for element in own { target[element - range.lowerBound] = values[element - slot.offset] }
            guard isFinite, let bad = own.first(where: { !values[$0 - slot.offset].isFinite }) else { continue }
            throw Failure(
                .badData,
                "\(file.path): \"\(name)\" holds \(values[bad - slot.offset].isNaN ? "NaN" : "infinity") (element "
                    + "\(bad - slot.offset)); weights must be finite numbers")
        }
    }

    /// Copies the part of an average that `engine` keeps from `ema.safetensors`, or from `model.safetensors`, with which one begins.
    func loadAverage(_ file: SafetensorsFile, into engine: UpdateEngine) throws {
        guard let average = engine.averageSlice else { return }
        try checkModel(file)
        try load(StatePart(), from: file, engine.slice, into: average.elements, isFinite: true)
    }

    private func names(_ file: SafetensorsFile) -> String {
        let names = file.tensors.prefix(4).map { "\"\($0.name)\"" }.joined(separator: ", ")
        return file.tensors.count > 4 ? names + ", …" : names
    }
}
