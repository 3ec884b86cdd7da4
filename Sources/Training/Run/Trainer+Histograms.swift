import Collectives
import Storage

/// Histograms for TensorBoard: weights, and the gradient of a step.
extension Trainer {
    /// Whether they are made behind this step.
    func histogramsAreDue(afterStep step: Int) -> Bool {
        experiment.configuration.tensorBoard?.histogramsAreDue(afterStep: step, stepsPerEpoch: sampler.stepsPerEpoch) ?? false
    }

    /// Brings the step's gradient together on rank 0, which has histograms made of it and of the weights. Collective.
    func makeHistograms() throws {
        let gather: (UnsafeMutableBufferPointer<Float>?) throws -> Bool = { [self] flat in
            guard let gradient = synchronizer.steppingEngine?.watchedGradient else { return false }
            // Each rank has a slice of it, or all have all.
            if experiment.configuration.training.synchronization == .owner {
                try communicator.gather(gradient, into: flat) {
                    [layout = experiment.network.layout, size = communicator.size] in
                    layout.slice(of: $0, ownerCount: size)
                }
            } else if let flat {
                _ = flat.update(fromContentsOf: gradient.row(0))
            }
            return true
        }
        guard let recorder else {
            _ = try gather(nil)
            return
        }
        try recorder.histograms(of: weights, state: state, gather: gather)
    }
}
