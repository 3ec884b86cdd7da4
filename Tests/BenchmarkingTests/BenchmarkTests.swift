import Benchmarking
import Collectives
import Foundation
import Settings
import Testing
import Timing
import Training

@Suite("Benchmark")
struct BenchmarkTests {
    /// The built-in network, 64-128-10, with changes.
    private static func trainer(_ overrides: [String] = []) throws -> Trainer {
        let document = try SettingsDocument(text: builtInConfiguration, name: "test", overrides: overrides)
        let experiment = try Experiment(try TrainingConfiguration(document, name: "digits"))
        return try Trainer(
            AgreedExperiment(over: SoloCommunicator()) { experiment }, communicator: SoloCommunicator(),
            options: TrainingOptions(), place: nil,
            stopRequested: { true })
    }

    private static func window(
        _ subject: BenchmarkSubject, seconds: Double, steps: Int, phases: [Double],
        machine: MachineFigures
    ) -> BenchmarkWindow {
        let figures = WindowFigures(
            steps: steps, samples: steps * subject.batchSize, seconds: seconds, phaseSeconds: phases,
            allocations: 3 * steps)
        let rank = RankWindow(figures: figures, machine: machine, peakMemory: 5 << 20)
        return BenchmarkWindow(subject: subject, ranks: Array(repeating: RankWindow(bytes: rank.bytes), count: subject.ranks))
    }

    @Test("operations are those of every layer's products, without the gradient of the input")
    func operations() throws {
        // Two operations for each weight and sample, three products in each layer but the first.
        #expect(try Self.trainer().stepWork.productOperations == 64 * (4 * 64 * 128 + 6 * 128 * 10))
        let nested =
            "model.layers=[dropout, {dense: {units: 8}}, {residual: {layers: [{dense: {units: 4}}, tanh, "
            + "{dense: {units: 8}}]}}, {dense: {units: 10}}]"
        // Nothing is run backward in front of the first layer with something to train, whatever comes there.
        #expect(try Self.trainer([nested]).stepWork.productOperations == 64 * (4 * 64 * 8 + 6 * (8 * 4 + 4 * 8 + 8 * 10)))
    }

    @Test("bytes are the passes over weights, gradients and state, and the largest product is found")
    func bytes() throws {
        let parameters = 64 * 128 + 128 + 128 * 10 + 10
        let work = try Self.trainer().stepWork
        // Weights forward and backward, gradients written and read, weights and two moments read and written.
        #expect(work.parameterBytes == 4 * parameters * (2 + 1 + 1 + 2 + 4))
        #expect(work.largestProduct == (64, 128, 64))
        #expect(try Self.trainer(["optimizer=sgd"]).stepWork.parameterBytes == 4 * parameters * (2 + 1 + 1 + 2))
    }

    @Test("a window's rates, shares and JSON follow from its figures")
    func rates() throws {
        let work = try Self.trainer().stepWork
        let subject = BenchmarkSubject(workload: "digits", ranks: 2, threads: 1, work: work, batchSize: 64)
        let machine = MachineFigures(multiplyAddRate: 100e9, productRate: 50e9, layerProductRate: 25e9, memoryRate: 4e9)
        let window = Self.window(subject, seconds: 2, steps: 1000, phases: [0.1, 0.5, 0.7, 0.2, 0.1, 0.3], machine: machine)
        #expect(window.samplesPerSecond == 32_000)
        #expect(abs(window.productRate - Double(work.productOperations) * 500) < 1)
        #expect(window.machineProductRate == 50e9 && window.machineMemoryRate == 8e9)
        #expect(window.allocationsPerStep == 3)

        let object = try #require(try JSONSerialization.jsonObject(with: Data(window.json.utf8)) as? [String: Any])
        #expect(object["program"] as? String == "dtrain" && object["workload"] as? String == "digits")
        #expect(object["ranks"] as? Int == 2 && object["samples_per_second"] as? Double == 32_000)
        #expect(object["sgemm_gflops"] as? Double == 50 && object["peak_gflops"] as? Double == 200)
        let phases = try #require(object["phases"] as? [String: Double])
        #expect(Set(phases.keys) == Set(Phase.allCases.map(\.name) + ["other"]))
        #expect(abs(phases.values.reduce(0, +) - 2000) < 1e-6)
        #expect(abs((phases["backward"] ?? 0) - 700) < 1e-6)
    }

    @Test("of ranks that differ the slowest one counts, the one that allocates most, and the one with the highest peak")
    func differingRanks() throws {
        let subject = BenchmarkSubject(
            workload: "digits", ranks: 3, threads: 1, work: try Self.trainer().stepWork,
            batchSize: 64)
        let machine = MachineFigures(multiplyAddRate: 100e9, productRate: nil, layerProductRate: nil, memoryRate: 4e9)
        let ranks = [(2.0, 0, 5), (4.0, 500, 9), (1.0, 3000, 7)].map { seconds, allocations, memory in
            RankWindow(
                figures: WindowFigures(
                    steps: 1000, samples: 64_000, seconds: seconds,
                    phaseSeconds: [0, 0, 0, 0, 0, 0], allocations: allocations),
                machine: machine, peakMemory: memory << 20)
        }
        let window = BenchmarkWindow(subject: subject, ranks: ranks)
        #expect(window.seconds == 4 && window.samplesPerSecond == 16_000)
        #expect(window.allocationsPerStep == 3)
        let object = try #require(try JSONSerialization.jsonObject(with: Data(window.json.utf8)) as? [String: Any])
        #expect(object["peak_memory_bytes"] as? Int == 9 << 20)
    }

    @Test("without OpenBLAS the report says so, and the rest is there")
    func withoutReference() throws {
        let subject = BenchmarkSubject(
            workload: "digits", ranks: 1, threads: 1, work: try Self.trainer().stepWork,
            batchSize: 64)
        let machine = MachineFigures(multiplyAddRate: 100e9, productRate: nil, layerProductRate: nil, memoryRate: 4e9)
        let windows = [1.0, 4, 2].map {
            Self.window(subject, seconds: $0, steps: 1000, phases: [0, 0.5, 0, 0, 0, 0], machine: machine)
        }
        #expect(windows[0].json.contains("\"sgemm_gflops\":null"))
        let lines = BenchmarkReport(windows).lines
        #expect(lines[0] == "throughput       32,000 samples/s (median of 3; 16,000 to 64,000)")
        #expect(lines.contains { $0.contains("no OpenBLAS") })
        #expect(lines.contains { $0.hasPrefix("rank 0") && $0.contains("500 25 %") })
    }

    @Test(
        "the median is the middle one, or between the two in the middle",
        arguments: [([3], 3), ([4, 1], 2.5), ([9, 1, 2], 2), ([1, 2, 4, 100], 3)] as [([Double], Double)])
    func median(_ values: [Double], _ expected: Double) {
        #expect(BenchmarkReport.median(values) == expected)
    }

    @Test("the machine's speed is a positive number of the right size")
    func machine() throws {
        let figures = try MachineSpeed(shape: (rows: 32, outputs: 48, inputs: 64), threads: 1).measure()
        #expect(figures.multiplyAddRate > 1e9 && figures.multiplyAddRate < 1e13)
        #expect(figures.memoryRate > 1e8 && figures.memoryRate < 1e13)
        for rate in [figures.productRate, figures.layerProductRate].compactMap({ $0 }) { #expect(rate > 1e8 && rate < 1e14) }
    }
}
