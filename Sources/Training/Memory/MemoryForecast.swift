import Collectives
import Kernels
import Network
import Storage

/// What a rank will hold in memory at its fullest, part by part: for `inspect`, and for a job that won't fit to be refused
/// before anything is allocated.
package struct MemoryForecast: Sendable {
    /// What holds some of it.
    package struct Part: Sendable, Equatable {
        package let name: String
        package let bytes: Double
        /// Whether other ranks of the machine hold the same memory, so that it is there once.
        package let isShared: Bool
    }

    package private(set) var parts: [Part]
    /// The most that the process has held before: reading data may take more than training on them.
    package private(set) var peakBefore: Double

    /// The most at once, bytes.
    package var total: Double { max(peakBefore, parts.reduce(0) { $0 + $1.bytes }) }

    /// Of that, what no other rank holds too.
    package var unshared: Double { total - shared }

    /// Of that, what other ranks of the machine hold too.
    package var shared: Double { parts.reduce(0) { $0 + ($1.isShared ? $1.bytes : 0) } }

    /// What is allocated from the data's end on, shared or not.
    package var toCome: Double {
        parts.reduce(0) { $0 + (["program", "data"].contains($1.name) ? 0 : $1.bytes) }
    }

    /// - Parameters:
    ///   - topology: which ranks share memory.
    ///   - writesCheckpoints: whether rank 0 keeps a copy for the writer.
    ///   - gathersAhead: whether a thread gathers the next inputs.
    package init(
        _ experiment: Experiment, shares: WorkShares, rank: Int, topology: Topology, writesCheckpoints: Bool,
        gathersAhead: Bool
    ) {
        let training = experiment.configuration.training
        let rankCount = topology.hosts.last?.upperBound ?? 1
        let rows = experiment.rowMemory(shares, rank: rank, gathersAhead: gathersAhead)
        let evaluation = experiment.evaluationMemory
        let step = StepMemory(
            experiment, shares: shares, rank: rank, topology: topology,
            gradientCount: shares.subtreeCount(of: rank) + shares.spareGradients(of: rank, rowCapacity: rows.rowCapacity))
        parts = [
            Part(name: "program", bytes: Double(experiment.loading.program + Self.touchedLater), isShared: false),
            Part(
                name: "data", bytes: Double(experiment.loading.data) + Double(experiment.splits.train.count) * 4,
                isShared: false),
            Part(name: "weights", bytes: step.weights, isShared: step.sharesWeights),
            Part(name: "workers' weights", bytes: step.replicas, isShared: false),
            Part(name: "gradients", bytes: step.gradients, isShared: false),
            Part(
                name: training.local == nil ? "neighbours' gradients" : "neighbours' weights", bytes: step.neighbours,
                isShared: true),
            Part(name: "optimizer", bytes: step.optimizer, isShared: false),
            Part(
                name: "average of the weights",
                // All of it where validations look at it.
                bytes: step.average + (training.average?.validates ?? false && evaluation != nil ? step.copyOfWeights : 0),
                isShared: false),
            Part(
                name: "copy for checkpoints", bytes: rank == 0 && writesCheckpoints ? step.checkpoint : 0,
                isShared: false),
            Part(
                name: "copy for TensorBoard",
                bytes: Self.histograms(experiment, rank: rank, rankCount: rankCount, writes: writesCheckpoints),
                isShared: false),
            Part(
                name: "carried states",
                bytes: Self.bytes(experiment.sampler.globalBatchSize * experiment.network.stateCount)
                    * (rank == 0 && writesCheckpoints ? 2 : 1), isShared: false),
            Part(name: "activations", bytes: Double(rows.byteCount), isShared: false),
            Part(
                name: "validation", bytes: Double(evaluation.map { $0.rows.byteCount + $0.samples } ?? 0),
                isShared: false),
            Part(
                name: "scratch",
                bytes: Self.bytes(
                    .larger(
                        rows.kernelScratch(threads: training.threads),
                        evaluation?.rows.kernelScratch(threads: training.threads) ?? .none), threads: training.threads),
                isShared: false),
            Part(
                name: "messages",
                bytes: step.messages
                    // Twice: MPI's own order of them is another.
                    + 2
                    * Double(RankTotals.byteCount(experiment.network, subtrees: shares.mostSubtrees, rankCount: rankCount)),
                isShared: false)
        ]
        peakBefore = Double(experiment.loading.peak)
    }

    /// Of all ranks of a job on one machine, before it is started: MPI isn't there yet.
    package static func job(_ experiment: Experiment, rankCount: Int, availableCores: Int) -> [MemoryForecast] {
        let shares = experiment.shares(rankCount: rankCount)
        let topology = Topology(hostSizes: [rankCount])
        let gathersAhead = experiment.gathersAhead(topology, availableCores: availableCores)
        return (0..<rankCount).map { rank in
            var forecast = MemoryForecast(
                experiment, shares: shares, rank: rank, topology: topology, writesCheckpoints: true,
                gathersAhead: gathersAhead)
            if rankCount > 1 {
                forecast.parts.append(Part(name: "MPI", bytes: Double(messagePassing), isShared: false))
                forecast.peakBefore += Double(messagePassing)
            }
            return forecast
        }
    }

    /// What all ranks of a machine hold together: what is shared counts once.
    package static func together(_ ranks: [MemoryForecast]) -> Double {
        // Of what is shared, weights are nobody's own; neighbours' gradients are in their owners' forecasts.
        let weights = ranks.first?.parts.first { $0.name == "weights" && $0.isShared }?.bytes ?? 0
        return weights + ranks.reduce(0) { $0 + $1.unshared }
    }

    /// Code that is first run, and small things that are first needed, when training begins: measured, 5 to 7 MB.
    private static let touchedLater = 6 << 20
    /// Open MPI 4.1 on one machine: measured, 6 to 10 MB.
    private static let messagePassing = 9 << 20

    /// The gradient that each rank keeps of its slice for histograms, and rank 0's copy of all weights and gradients.
    private static func histograms(_ experiment: Experiment, rank: Int, rankCount: Int, writes: Bool) -> Double {
        guard experiment.configuration.tensorBoard?.hasHistograms ?? false else { return 0 }
        let layout = experiment.network.layout
        let copies = rank == 0 && writes ? layout.weightCount + layout.trainedCount : 0
        switch experiment.configuration.training.synchronization {
        case .owner: return bytes(copies + layout.slice(of: rank, ownerCount: rankCount).count)
        case .allreduce: return bytes(copies + layout.trainedCount)
        case .local: return bytes(copies)
        }
    }

    private static func bytes(_ count: Int) -> Double { Double(count) * Double(MemoryLayout<Float>.stride) }

    /// What kernels need beside their operands.
    private static func bytes(_ scratch: KernelScratch, threads: Int) -> Double {
        bytes(scratch.packed + scratch.perThread * threads)
    }
}
