import Collectives
import Diagnostics
import Settings
import Storage
import Training

/// A rank whose memory goes wrong during training.
///
/// `drift RANKS STEP KEY=VALUE…` trains the built-in configuration with the given changes into `run` of the working
/// directory. From the step on, an element of the weights of each of RANKS (`1`, or `0+2`) is off by the rank's number
/// plus one after every step.
let driftScenarios = [
    Scenario(name: "drift") { communicator in
        let arguments = Array(CommandLine.arguments.dropFirst(2))
        let ranks = arguments[0].split(separator: "+").compactMap { Int($0) }
        let firstStep = Int(arguments[1]) ?? 0
        let agreed = try AgreedExperiment(over: communicator) {
            try Experiment(
                try TrainingConfiguration(
                    try SettingsDocument(
                        text: builtInConfiguration, name: "the built-in configuration",
                        overrides: Array(arguments.dropFirst(2))), name: "digits"))
        }
        var options = TrainingOptions()
        options.style = .quiet
        let trainer = try Trainer(
            agreed, communicator: communicator, options: options,
            place: communicator.rank == 0 ? try RunPlace(path: "run") : nil, stopRequested: { false })
        if ranks.contains(communicator.rank) {
            let change = Float(communicator.rank + 1)
            trainer.afterStep = { step, weights in
                if step >= firstStep { weights[700..<701].elements[0] += change }
            }
        }
        // Those who share the weights look at them when the change is there.
        let drift = trainer.afterStep
        trainer.afterStep = { step, weights in
            drift?(step, weights)
            try? communicator.barrier()
        }
        try trainer.begin()
        _ = try trainer.run()
    }
]
