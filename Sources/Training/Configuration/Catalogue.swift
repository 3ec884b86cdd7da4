import Datasets
import Metrics
import Network
import Optimization

/// What a configuration can name: dtrain's own layers, losses, optimizers, schedules, metrics and data formats, and what a program of one's
/// own adds to them. A value, handed to what reads a configuration; two of them know nothing of each other.
package struct Catalogue: Sendable {
    package private(set) var layers = LayerChoices.standard
    package private(set) var losses = LossChoices.standard
    package private(set) var optimizers = OptimizerChoices.standard
    package private(set) var schedules = ScheduleChoices.standard
    package private(set) var dataFormats = DataFormatChoices.standard
    /// Beside dtrain's own, which `MetricSet` knows.
    package private(set) var metrics = MetricChoices.none

    /// What dtrain has.
    package static let standard = Catalogue()

    private init() {}

    /// The same with one more layer, of a name that none has. Likewise the others.
    package func adding(layer: any Layer.Type) -> Catalogue { with { $0.layers.add(layer, named: layer.kind) } }

    package func adding(loss: any Loss.Type) -> Catalogue { with { $0.losses.add(loss, named: loss.kind) } }

    package func adding(optimizer: any Optimizer.Type) -> Catalogue {
        with { $0.optimizers.add(optimizer, named: optimizer.kind) }
    }

    package func adding(schedule: any ScheduleForm.Type) -> Catalogue {
        with { $0.schedules.add(schedule, named: schedule.kind) }
    }

    package func adding(dataFormat: any DataFormat.Type) -> Catalogue {
        with { $0.dataFormats.add(dataFormat, named: dataFormat.kind) }
    }

    package func adding(metric: any AddedMetric.Type) -> Catalogue { with { $0.metrics.add(metric, named: metric.kind) } }

    private func with(_ change: (inout Catalogue) -> Void) -> Catalogue {
        var result = self
        change(&result)
        return result
    }
}

/// The protocols by names that are also theirs where the module of the network, whose name is that of a type in it, can't be named.
package typealias NetworkLayer = Layer
package typealias NetworkLoss = Loss
