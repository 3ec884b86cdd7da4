import Optimization

extension TrainedModel {
    /// How many weights of each matrix are 0, by its name.
    package var sparsity: [(name: String, zeros: Sparsity)] {
        Pruning.matrices(of: network.layout).map { ($0.name, Sparsity(of: [$0], weights: parameters)) }
    }

    /// Of all matrices together.
    package var totalSparsity: Sparsity { Sparsity(of: Pruning.matrices(of: network.layout), weights: parameters) }
}
