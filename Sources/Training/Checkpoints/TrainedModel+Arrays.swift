import Datasets
import Diagnostics

extension TrainedModel {
    /// Predictions for samples in memory, in order; their numbers are as those of training were before they were normalised.
    ///
    /// - Throws: 65 where a sample has another size, or numbers that aren't finite.
    package func predictions(of samples: [[Float]]) throws -> [Prediction] {
        let shape = state.preprocessing.inputDimensions
        let width = network.inputShape.count
        for (index, sample) in samples.enumerated() where sample.count != width {
            throw Failure(
                .badData, "sample \(index): \(sample.count) numbers; expected \(width), which a sample of shape \(shape) has")
        }
        let name = "the samples"
        let arrays = try ArraySamples(inputs: samples.flatMap { $0 }, shape: shape, targets: nil, name: name)
        var predictions: [Prediction] = []
        try forEachOutput(of: try state.preprocessing.dataset(of: arrays, isLabelled: false, name: name)) { _, values in
            predictions.append(prediction(Array(values)))
        }
        return predictions
    }
}
