import Collectives
import Storage

extension TrainingConfiguration {
    /// What `training.synchronization` names. Collective.
    ///
    /// - Parameters:
    ///   - subtrees: the most that this rank has in a step, and that any rank has.
    ///   - worker: says how many sums there are beside a gradient.
    func synchronizer(
        over communicator: any Communicator, layout: ParameterLayout, subtrees: (own: Int, most: Int), worker: GradientWorker
    ) throws -> any Synchronizer {
        let skipsNonFinite = training.onNonFinite == .skip
        switch training.synchronization {
        case .owner:
            return try OwnerSynchronizer(
                communicator: communicator, layout: layout, optimizer: optimizer, rules: gradientRules,
                average: training.average, pruning: training.pruning, skipsNonFinite: skipsNonFinite,
                followsTree: training.summation == .tree,
                subtrees: subtrees,
                sumCount: worker.sumCount, layerSumCount: worker.layerSumCount, isDelayed: training.delay > 0,
                format: training.exchange)
        case .allreduce:
            return AllReduceSynchronizer(
                communicator: communicator, layout: layout, optimizer: optimizer, rules: gradientRules,
                average: training.average, pruning: training.pruning, skipsNonFinite: skipsNonFinite, subtrees: subtrees,
                sumCount: worker.sumCount,
                layerSumCount: worker.layerSumCount)
        case .local(let rules):
            return try LocalSynchronizer(
                communicator: communicator, layout: layout, optimizer: optimizer, rules: rules, gradientRules: gradientRules,
                skipsNonFinite: skipsNonFinite, mostSubtrees: subtrees.most, sumCount: worker.sumCount,
                layerSumCount: worker.layerSumCount)
        }
    }
}
