import Collectives

/// An experiment that all ranks hold alike, and the state that each of them begins with: how ranks compute and exchange
/// follows from it, so nothing is done together before.
package struct AgreedExperiment {
    package let experiment: Experiment
    let initialState: TrainingState

    /// Makes the experiment on every rank and compares configuration and data. Collective.
    /// - Throws: `AgreedFailure`: of the lowest rank where `make` failed, or 78 that names what differs.
    package init(over communicator: any Communicator, _ make: () throws -> Experiment) throws {
        (experiment, initialState) = try communicator.agree {
            let experiment = try make()
            return (experiment, try experiment.initialState())
        }
        try Agreement.check(Self.items(initialState), over: communicator)
    }

    /// What ranks compare of an experiment.
    package static func items(_ experiment: Experiment) throws -> [Agreement.Item] { items(try experiment.initialState()) }

    private static func items(_ state: TrainingState) -> [Agreement.Item] {
        [
            .init("the configuration", state.configuration), .init("the training data", state.dataDigests[0]),
            .init("the validation data", state.dataDigests[1])
        ]
    }
}
