import Collectives
import Datasets
import Diagnostics
import Foundation
import Storage

/// What reading the data took, bytes.
struct LoadingMemory: Sendable {
    /// The process before.
    let program: Int
    /// The data, and what reading them left behind.
    let data: Int
    /// The most that the process has held.
    let peak: Int

    init(before: ProcessMemory, after: ProcessMemory, splits: DataSplits) {
        let bytes = splits.byteCount
        program = before.resident
        data = bytes.mapped + max(bytes.allocated, after.anonymous - before.anonymous)
        peak = after.peak
    }
}

extension Experiment {
    /// Whether a thread gathers the next rows: ranks that share a machine's cores leave them to each other.
    func gathersAhead(_ topology: Topology, availableCores: Int) -> Bool {
        availableCores >= 2 * (topology.hosts.map(\.count).max() ?? 1) * configuration.training.threads
    }

    /// What the rows of `rank` take that go through the network at once while training.
    func rowMemory(_ shares: WorkShares, rank: Int, gathersAhead: Bool) -> RowMemory {
        RowMemory(
            judgedInTraining, rows: shares.rows(of: rank), microBatchSize: configuration.training.microBatchSize,
            training: true, gathersAhead: gathersAhead)
    }

    /// What evaluating the validation split takes, if there is one.
    var evaluationMemory: (rows: RowMemory, samples: Int)? {
        splits.validation.map {
            Evaluator.memory(judgedNetwork, dataset: $0, microBatchSize: configuration.training.microBatchSize)
        }
    }

    /// Refuses what this machine can't hold: a slip of the keyboard is told before it is allocated.
    ///
    /// - Parameters:
    ///   - forecasts: of all ranks of this machine.
    ///   - own: which of them is this one's.
    package func checkMemory(
        _ forecasts: [MemoryForecast], own: Int, machine: MemoryLimit? = MachineMemory.limit(),
        addressSpace: MemoryLimit? = MachineMemory.addressSpaceLimit,
        taken: Int = ProcessMemory.current.addressSpace
    ) throws {
        func refusal(_ subject: String, _ bytes: Double, _ forecast: MemoryForecast, _ limit: MemoryLimit) -> Failure {
            let bound = "\(limit.holder) \(Self.text(Double(limit.bytes)))"
            let source = limit.source.isEmpty ? "" : " (\(limit.source))"
            let fewer = forecasts.count > 1 ? ", or fewer ranks on this machine" : ""
            return configuration.model.failure(
                "\(subject) \(Self.text(bytes)) of memory (\(forecast.breakdown)), but "
                    + "\(bound)\(source); use smaller layers or a smaller training.micro_batch_size\(fewer)")
        }
        let all = MemoryForecast.together(forecasts)
        let count = forecasts.count
        if let machine, all > Double(machine.bytes) {
            throw refusal(count > 1 ? "\(count) ranks on this machine take" : "training takes", all, forecasts[own], machine)
        }
        if let addressSpace, Double(taken) + forecasts[own].toCome > Double(addressSpace.bytes) {
            throw refusal("a rank takes", Double(taken) + forecasts[own].toCome, forecasts[own], addressSpace)
        }
    }

    static func text(_ bytes: Double) -> String {
        bytes < 1e9 ? String(format: "%.0f MB", bytes / 1e6) : String(format: "%.1f GB", bytes / 1e9)
    }
}

extension MemoryForecast {
    /// What takes most of it, in one line: "weights 1.2 GB, gradients 1.2 GB".
    var breakdown: String {
        let large = parts.filter { $0.bytes >= 0.01 * total }
        return large.map { "\($0.name) \(Experiment.text($0.bytes))" }.joined(separator: ", ")
    }
}
