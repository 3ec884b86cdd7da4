import Reporting
import Timing
import Training

/// What is measured: a configuration on a number of ranks.
package struct BenchmarkSubject: Sendable {
    /// The configuration's name.
    package let workload: String
    package let ranks: Int
    package let threads: Int
    /// What a full step takes, and how many samples it has.
    package let work: StepWork
    package let batchSize: Int
    /// The name of every rank's host where there are several; else none.
    package let hosts: [String]
    /// What goes between hosts; nil where all ranks run on one, or that isn't known.
    package let wire: WireFigures?

    package init(
        workload: String, ranks: Int, threads: Int, work: StepWork, batchSize: Int, hosts: [String] = [],
        wire: WireFigures? = nil
    ) {
        self.hosts = hosts
        self.wire = wire
        self.workload = workload
        self.ranks = ranks
        self.threads = threads
        self.work = work
        self.batchSize = batchSize
    }
}

/// What a step moves between hosts, and what their link can do.
package struct WireFigures: Sendable {
    /// Bytes that the busiest host sends in a step, and about as many that it receives.
    package let bytesPerStep: Int
    /// Bytes a second of messages of 4 MB between the first two hosts, measured when nothing else was sent.
    package let measuredRate: Double
    /// Bytes a second that the network interface of the first host claims; nil where it doesn't say.
    package let nominalRate: Double?

    package init(bytesPerStep: Int, measuredRate: Double, nominalRate: Double?) {
        self.bytesPerStep = bytesPerStep
        self.measuredRate = measuredRate
        self.nominalRate = nominalRate
    }
}

/// What one rank has to tell of a window.
package struct RankWindow: Sendable {
    package let figures: WindowFigures
    package let machine: MachineFigures
    /// Before the machine was measured, which takes memory too.
    package let peakMemory: Int

    package init(figures: WindowFigures, machine: MachineFigures, peakMemory: Int) {
        self.figures = figures
        self.machine = machine
        self.peakMemory = peakMemory
    }

    /// The figures as bytes for another rank, which must be of the same build.
    package var bytes: [UInt8] {
        let numbers =
            [
                Double(figures.steps), Double(figures.samples), figures.seconds, Double(figures.allocations),
                machine.multiplyAddRate, machine.productRate ?? .nan, machine.layerProductRate ?? .nan,
                machine.memoryRate, Double(peakMemory)
            ] + figures.phaseSeconds
        return numbers.withUnsafeBytes { Array($0) }
    }

    /// Reads what `bytes` wrote.
    package init(bytes: [UInt8]) {
        let numbers = bytes.withUnsafeBytes { Array($0.bindMemory(to: Double.self)) }
        precondition(numbers.count == 9 + Phase.allCases.count, "\(numbers.count) figures of a rank")
        func known(_ number: Double) -> Double? { number.isNaN ? nil : number }
        figures = WindowFigures(
            steps: Int(numbers[0]), samples: Int(numbers[1]), seconds: numbers[2],
            phaseSeconds: Array(numbers[9...]), allocations: Int(numbers[3]))
        machine = MachineFigures(
            multiplyAddRate: numbers[4], productRate: known(numbers[5]),
            layerProductRate: known(numbers[6]), memoryRate: numbers[7])
        peakMemory = Int(numbers[8])
    }
}

/// A window of all ranks.
package struct BenchmarkWindow: Sendable {
    package let subject: BenchmarkSubject
    /// In rank order.
    package let ranks: [RankWindow]

    package init(subject: BenchmarkSubject, ranks: [RankWindow]) {
        precondition(ranks.count == subject.ranks, "\(ranks.count) of \(subject.ranks) ranks")
        self.subject = subject
        self.ranks = ranks
    }

    /// The slowest rank's.
    package var seconds: Double { ranks.map(\.figures.seconds).max() ?? 0 }
    package var steps: Int { ranks[0].figures.steps }
    package var samplesPerSecond: Double { Double(ranks[0].figures.samples) / seconds }

    /// As progress lines have it.
    package var rateText: String { HumanText.rate(samplesPerSecond: samplesPerSecond) }

    /// Operations of the matrix products a second, all ranks.
    package var productRate: Double {
        Double(subject.work.productOperations) / Double(subject.batchSize) * samplesPerSecond
    }

    /// Bytes of parameters and what belongs to them that were read and written a second, all ranks.
    package var parameterRate: Double { Double(subject.work.parameterBytes) * Double(steps) / seconds }

    /// Bytes a second that the busiest host sent to others.
    package var wireRate: Double? { subject.wire.map { Double($0.bytesPerStep) * Double(steps) / seconds } }

    /// The multiply-adds of all ranks' threads at once.
    package var machineMultiplyAddRate: Double { ranks.reduce(0) { $0 + $1.machine.multiplyAddRate } }
    /// One thread's sgemm while all ranks did the same: the mean of the ranks.
    package var machineProductRate: Double? { mean(ranks.map(\.machine.productRate)) }
    /// The same for the largest layer's shape.
    package var machineLayerProductRate: Double? { mean(ranks.map(\.machine.layerProductRate)) }
    /// All ranks at once.
    package var machineMemoryRate: Double { ranks.reduce(0) { $0 + $1.machine.memoryRate } }

    /// Microseconds per step in a phase, the mean of the ranks.
    package func phaseMicroseconds(_ phase: Phase) -> Double {
        ranks.reduce(0) { $0 + $1.figures.microseconds(phase) } / Double(ranks.count)
    }

    /// Allocations of the training thread per step, on the rank that has most.
    package var allocationsPerStep: Double {
        ranks.map { Double($0.figures.allocations) / Double($0.figures.steps) }.max() ?? 0
    }

    /// One line of JSON: rates per second, phases in microseconds per step as the mean of the ranks, memory in bytes.
    package var json: String {
        func rate(_ value: Double?) -> LogValue { value.map { .number($0 / 1e9) } ?? .null }
        var phases = Phase.allCases.map { LogLine.Field($0.name, .number(phaseMicroseconds($0))) }
        phases.append(.init("other", .number(ranks.reduce(0) { $0 + $1.figures.otherMicroseconds } / Double(ranks.count))))
        var wire: [LogLine.Field] = []
        if let figures = subject.wire {
            wire = [
                .init("hosts", .list(subject.hosts.map { .text($0) })),
                .init("wire_bytes_per_step", .integer(figures.bytesPerStep)),
                .init("wire_gbytes_per_second", rate(wireRate)), .init("link_gbytes_per_second", rate(figures.measuredRate)),
                .init("interface_gbytes_per_second", rate(figures.nominalRate))
            ]
        }
        return LogValue.object(
            [
                .init("program", .text("dtrain")), .init("workload", .text(subject.workload)),
                .init("ranks", .integer(subject.ranks)), .init("threads", .integer(subject.threads)),
                .init("samples_per_second", .number(samplesPerSecond)), .init("sgemm_gflops", rate(machineProductRate)),
                .init("gflops", rate(productRate)), .init("peak_gflops", rate(machineMultiplyAddRate)),
                .init("phases", .object(phases)), .init("steps", .integer(steps)),
                .init("seconds", .number(seconds)), .init("layer_sgemm_gflops", rate(machineLayerProductRate)),
                .init("parameter_gbytes_per_second", rate(parameterRate)),
                .init("memory_gbytes_per_second", rate(machineMemoryRate)),
                .init("allocations_per_step", .number(allocationsPerStep)),
                .init("peak_memory_bytes", .integer(ranks.map(\.peakMemory).max() ?? 0))
            ] + wire
        ).json
    }

    private func mean(_ values: [Double?]) -> Double? {
        let known = values.compactMap { $0 }
        return known.isEmpty ? nil : known.reduce(0, +) / Double(known.count)
    }
}

extension WindowFigures {
    /// Microseconds per step in a phase.
    func microseconds(_ phase: Phase) -> Double { phaseSeconds[Int(phase.rawValue)] * 1e6 / Double(steps) }

    /// Microseconds per step that no phase explains: what is done between steps.
    var otherMicroseconds: Double {
        max(0, seconds - phaseSeconds.reduce(0, +)) * 1e6 / Double(steps)
    }

    var stepMicroseconds: Double { seconds * 1e6 / Double(steps) }
}
