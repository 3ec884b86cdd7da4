import Storage

/// Numbers that `optimizer.safetensors` holds, one for each parameter of a region: a state of the optimizer (`0.weight.exp_avg`), or
/// something of one of several workers (`worker.2.0.weight`, `worker.2.0.weight.exp_avg`).
struct StatePart: Equatable {
    /// In front of the parameters' names.
    var prefix = ""
    /// What it is called behind them; nil where it is the parameters themselves.
    var name: String?
    /// `trained` or `buffers`.
    var region = ParameterSlot.Region.trained

    func tensorName(of slot: ParameterSlot) -> String { prefix + slot.name + (name.map { "." + $0 } ?? "") }

    /// Elements of its flat buffer.
    func count(_ layout: ParameterLayout) -> Int {
        region == .trained ? layout.trainedCount : layout.weightCount - layout.regions.buffers
    }

    func slots(_ layout: ParameterLayout) -> [ParameterSlot] { layout.slots.filter { $0.region == region } }
}
