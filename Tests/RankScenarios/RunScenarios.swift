import Collectives
import Diagnostics
import Settings
import Training

/// Several runs in one job.
///
/// `divided-runs GROUPS KEY=VALUE…` divides the ranks among GROUPS runs of the built-in configuration, of which number i has
/// the seed i, in `group<i>` of the working directory; then all ranks together make one more in `all`.
let runScenarios = [
    Scenario(name: "divided-runs") { communicator in
        guard let world = communicator as? MPICommunicator else { preconditionFailure("a scenario without MPI") }
        let arguments = Array(CommandLine.arguments.dropFirst(2))
        let groups = Int(arguments[0]) ?? 1
        func train(_ directory: String, seed: Int, on communicator: any Communicator) throws {
            var run = TrainingRun(name: "digits") {
                try TrainingConfiguration(
                    try SettingsDocument(
                        text: builtInConfiguration, name: "the built-in configuration",
                        overrides: Array(arguments.dropFirst()) + ["training.seed=\(seed)"]), name: "digits")
            }
            run.directory = directory
            run.options.style = .quiet
            let result = try run(on: communicator)
            expect(result.ending == .finished && result.path == directory, "\(result)", communicator)
        }
        let group = world.rank * groups / world.size
        let part = try world.split(color: group)
        expect(part.size < world.size || groups == 1, "\(part.size) of \(world.size) ranks", communicator)
        try train("group\(group)", seed: group, on: part)
        try train("all", seed: groups, on: world)
    }
]
