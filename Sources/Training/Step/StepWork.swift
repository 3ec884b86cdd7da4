import Network
import Storage

/// What one full step takes in operations and bytes, over all ranks, counted from layers and layout.
package struct StepWork: Sendable {
    /// Operations of the matrix products.
    package let productOperations: Int
    /// Bytes of weights, gradients and optimizer state that are read and written, counted once for each pass over them,
    /// whether caches hold them or not. Activations and samples are not in it.
    package let parameterBytes: Int
    /// Rows, outputs and inputs of the largest matrix product of a forward pass, on rank 0.
    package let largestProduct: (rows: Int, outputs: Int, inputs: Int)

    /// - Parameters:
    ///   - subtrees: the leaves of every rank's subtrees.
    ///   - firstSubtree: the first one of rank 0.
    ///   - rowCapacity: the rows that go through the network at once.
    init(
        _ experiment: Experiment, subtrees: [Range<Int>], firstSubtree: Range<Int>?, batch: Batch, rankCount: Int,
        rowCapacity: Int
    ) {
        let network = experiment.network
        let layout = network.layout
        productOperations = batch.sampleCount * network.productOperations
        let pass = layout.parameterCount * MemoryLayout<Float>.stride
        let states = experiment.configuration.optimizer.optimizer.states.count
        // How many optimizers step all parameters, and how many passes over them hand weights on.
        let (steppers, handedOn) =
            switch experiment.configuration.training.synchronization {
            case .owner: (1, rankCount - 1)
            case .allreduce: (rankCount, 2 * rankCount)
            // Each replica is read, and written anew, in one of so many steps.
            case .local(let rules): (rules.workers, 2 * rules.workers / rules.steps)
            }
        // Weights forward, weights backward, gradients written; where the rows don't fit, halves are added: two read,
        // one written.
        let computing = subtrees.reduce(0) {
            let calls = Self.calls($1, batch, rowCapacity)
            return $0 + 3 * calls + 3 * (calls - 1)
        }
        // Owners read every subtree of their slice once, read and write its weights and states, and hand them to the others.
        // Otherwise every rank or worker does so with all parameters, after a sum in place.
        let stepping = subtrees.count + steppers * (2 + 2 * states) + handedOn
        parameterBytes = pass * (computing + stepping)
        let weights = layout.slots.filter { $0.role == .weight && $0.shape.dimensions.count > 1 }
        let largest = weights.max { $0.shape.count < $1.shape.count }
        let outputs = largest?.shape.dimensions.first ?? 1
        largestProduct = (
            min(rowCapacity, firstSubtree.map { batch.rows(of: $0).count } ?? 1), outputs,
            (largest?.shape.count ?? 1) / outputs
        )
    }

    /// How many times the rows of a subtree go through the network.
    private static func calls(_ leaves: Range<Int>, _ batch: Batch, _ rowCapacity: Int) -> Int {
        batch.tree.inParts(leaves, thatFit: { batch.rows(of: $0).count <= rowCapacity }, part: { _, _ in 1 }, add: +)
    }
}

extension Trainer {
    /// What a full step takes.
    package var stepWork: StepWork {
        let batch = sampler.batch(completedSteps: 0)
        guard let program = plans[batch.tree]?.program else { preconditionFailure("no program for a full batch") }
        return StepWork(
            experiment, subtrees: program.subtrees,
            firstSubtree: program.subtrees(of: 0).first.map { program.subtrees[$0] }, batch: batch,
            rankCount: communicator.size, rowCapacity: rowCapacity)
    }
}
