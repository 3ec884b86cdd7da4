import Collectives
import Training

/// A trainer in one process that prints nothing and isn't interrupted.
func quietTrainer(_ agreed: AgreedExperiment, in place: RunPlace, stoppingAfter step: Int? = nil) throws -> Trainer {
    var options = TrainingOptions()
    options.style = .quiet
    options.stopAfterStep = step
    return try Trainer(agreed, communicator: SoloCommunicator(), options: options, place: place, stopRequested: { false })
}
