import Datasets
import Training

/// A trained network: that of a checkpoint, with the preprocessing that belongs to it.
public final class Model {
    private let model: TrainedModel

    /// Opens a checkpoint, or the newest valid one of a run directory.
    ///
    /// - Parameters:
    ///   - path: of the checkpoint or the run directory.
    ///   - catalogue: what its configuration can name.
    ///   - usesAverage: whether the weights are the average that training kept (`training.ema`).
    public init(_ path: String, catalogue: Catalogue = Catalogue(), usesAverage: Bool = false) throws(Failure) {
        model = try forProgram {
            try TrainedModel(path: path, overrides: [], usesAverage: usesAverage, catalogue: try catalogue.whole())
        }
    }

    /// What it makes of a sample.
    public struct Prediction: Sendable {
        /// The most probable class, or the answer; nil where numbers are predicted.
        public let label: String?
        /// Probabilities of the classes, or the predicted numbers.
        public let values: [Float]
    }

    /// The shape of a sample.
    public var inputShape: Shape { Shape(model.network.inputShape) }

    /// What its classes are called; nil where they are just numbers, or where there are none.
    public var classNames: [String]? { model.state.preprocessing.classNames }

    /// The step of its checkpoint.
    public var step: Int { model.state.step }

    /// The SHA-256 of its weights, as `train` prints it.
    public var digest: String { model.checkpoint.digest }

    /// Predictions for samples, in order. Their numbers are as those of training were before they were normalised, of a table the
    /// feature columns in their order, each category a number of its own.
    public func predict(_ samples: [[Float]]) throws(Failure) -> [Prediction] {
        try forProgram {
            try model.predictions(of: samples).map { Prediction(label: $0.label, values: $0.values) }
        }
    }

    /// The prediction for one sample.
    public func predict(_ sample: [Float]) throws(Failure) -> Prediction { try predict([sample])[0] }

    /// Predictions for the samples of a file of the kind that training read, in order.
    public func predict(file path: String) throws(Failure) -> [Prediction] {
        try forProgram {
            var predictions: [Prediction] = []
            try model.predict(path) { predictions.append(Prediction(label: $0.label, values: $0.values)) }
            return predictions
        }
    }

    /// Loss (`loss`) and metrics by name, on the validation split of the run's data.
    public func evaluate() throws(Failure) -> [String: Double] {
        try forProgram {
            let (_, loss, metrics) = try model.evaluate(.validation)
            let scalars = metrics.compactMap { metric in metric.scalar.map { (metric.name, $0) } }
            return Dictionary([("loss", loss)] + scalars, uniquingKeysWith: { first, _ in first })
        }
    }
}
