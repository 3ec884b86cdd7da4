import Datasets
import Diagnostics
import Metrics
import Training

/// What a program adds to what a configuration can name: layers, losses, metrics and data formats of its own, each by the name that it
/// has for itself (`kind`). A value; two of them know nothing of each other.
///
/// A name is lowercase letters, digits and `_`, and no other has it, dtrain's own included: what uses a catalogue refuses it otherwise,
/// before it reads a configuration.
public struct Catalogue: Sendable {
    /// Beside dtrain's own, which README's table lists.
    public var layers: [any Layer.Type]
    /// Beside dtrain's own.
    public var losses: [any Loss.Type]
    /// Beside dtrain's own.
    public var metrics: [any Metric.Type]
    /// Beside dtrain's own.
    public var dataFormats: [any DataFormat.Type]

    /// These, and all that dtrain has.
    public init(
        layers: [any Layer.Type] = [], losses: [any Loss.Type] = [], metrics: [any Metric.Type] = [],
        dataFormats: [any DataFormat.Type] = []
    ) {
        self.layers = layers
        self.losses = losses
        self.metrics = metrics
        self.dataFormats = dataFormats
    }

    /// What else stands in a line of `metrics.jsonl`, or is another name of a metric of dtrain's.
    private static let taken = ["event", "step", "epoch", "loss", "learning_rate", "gradient_norm", "mse", "mae"]

    /// What dtrain has, and these.
    func whole() throws -> Training.Catalogue {
        var catalogue = Training.Catalogue.standard
        for layer in layers {
            try Self.check(layer.kind, "layer", of: layer, catalogue.layers.names)
            catalogue = catalogue.adding(layer: adapted(layer))
        }
        for loss in losses {
            try Self.check(loss.kind, "loss", of: loss, catalogue.losses.names)
            catalogue = catalogue.adding(loss: adapted(loss))
        }
        for metric in metrics {
            try Self.check(metric.kind, "metric", of: metric, Self.taken + MetricSet.allNames + catalogue.metrics.names)
            catalogue = catalogue.adding(metric: adapted(metric))
        }
        for format in dataFormats {
            try Self.check(format.kind, "data format", of: format, catalogue.dataFormats.names)
            catalogue = catalogue.adding(dataFormat: adapted(format))
        }
        return catalogue
    }

    private static func check(_ kind: String, _ noun: String, of type: Any.Type, _ known: [String]) throws {
        let isName =
            !kind.isEmpty
            && kind.utf8.allSatisfy { byte in
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                    || byte == UInt8(ascii: "_")
            }
        guard isName else {
            throw Diagnostics.Failure(
                .badConfiguration, "\(type).kind: expected a name of lowercase letters, digits and _, found \"\(kind)\"")
        }
        guard !known.contains(kind) else {
            throw Diagnostics.Failure(
                .badConfiguration, "\(type).kind: there is a \(noun) \"\(kind)\" already; choose another name")
        }
    }

    // Type parameters take the place of each type.

    private func adapted<Own: Layer>(_ type: Own.Type) -> any NetworkLayer.Type { OwnLayer<Own>.self }
    private func adapted<Own: Loss>(_ type: Own.Type) -> any NetworkLoss.Type { OwnLoss<Own>.self }
    private func adapted<Own: Metric>(_ type: Own.Type) -> any AddedMetric.Type { OwnMetric<Own>.self }
    private func adapted<Own: DataFormat>(_ type: Own.Type) -> any Datasets.DataFormat.Type { OwnFormat<Own>.self }
}
