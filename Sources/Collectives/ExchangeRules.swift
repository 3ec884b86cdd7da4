/// How weights and gradients are exchanged.
package struct ExchangeRules: Sendable {
    /// Whether ranks agree on something before any weight changes; else every step brings new weights.
    package var agreesFirst = false
    /// Whether a gradient is applied one step after it was computed: there are two copies of weights and gradients.
    package var isDelayed = false
    package var format = ExchangeFormat.float32

    package init(agreesFirst: Bool = false, isDelayed: Bool = false, format: ExchangeFormat = .float32) {
        self.agreesFirst = agreesFirst
        self.isDelayed = isDelayed
        self.format = format
    }
}

/// What numbers look like on their way between hosts.
package enum ExchangeFormat: String, CaseIterable, Sendable {
    case float32
    /// Half as many bytes. Sums of gradients are rounded for each host, and changes of weights, so the bits of a result depend on
    /// how ranks are spread over hosts; all hosts have equal weights all the same.
    case bfloat16
}
