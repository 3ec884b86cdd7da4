import Collectives
import Settings
import Storage
import Testing
import Training

@Suite("Workers that meet")
struct LocalRulesTests {
    private static func experiment(_ overrides: String...) throws -> Experiment {
        let document = try SettingsDocument(text: builtInConfiguration, name: "digits.yaml", overrides: overrides)
        return try Experiment(try TrainingConfiguration(document, name: "digits"))
    }

    @Test("meet behind steps that their number divides, and before that behind each")
    func rounds() {
        let rules = LocalRules(workers: 4, steps: 5, startStep: 3)
        #expect((1...16).filter(rules.endsRound) == [1, 2, 3, 5, 10, 15])
        #expect((0...16).map(rules.lostSteps) == [0, 0, 0, 0, 1, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1])
        let always = LocalRules(workers: 1, steps: 1)
        #expect((1...9).allSatisfy(always.endsRound) && (0...9).allSatisfy { always.lostSteps(of: $0) == 0 })
    }

    @Test("are shared out in order, whole", arguments: 1...9)
    func ranks(rankCount: Int) {
        let rules = LocalRules(workers: 5, steps: 2)
        #expect((0..<rankCount).flatMap { Array(rules.workers(of: $0, rankCount: rankCount)) } == Array(0..<5))
        // Some leaves for each, then fewer leaves than workers.
        for leaves in [13, 7, 5, 3, 1] {
            let tree = SummationTree(leafCount: leaves)
            let whole = tree.program(workerCount: 5, rankCount: 1)
            let program = tree.program(workerCount: 5, rankCount: rankCount)
            #expect(program.subtrees == whole.subtrees && program.additions == whole.additions)
            #expect(whole.subtrees == (0..<5).map { tree.leaves(of: $0, rankCount: 5) }.filter { !$0.isEmpty })
            for rank in 0..<rankCount {
                let own = rules.workers(of: rank, rankCount: rankCount).filter { !tree.leaves(of: $0, rankCount: 5).isEmpty }
                #expect(
                    program.subtrees(of: rank).map { program.subtrees[$0] } == own.map { tree.leaves(of: $0, rankCount: 5) })
            }
        }
    }

    @Test("a rank has memory for the rows of one worker at once, and states of streams for those of all")
    func rows() throws {
        // Eight micro-batches of eight.
        let experiment = try Self.experiment(
            "training.synchronization={local: {workers: 3, steps: 2}}", "training.global_batch_size=64",
            "training.micro_batch_size=8")
        let shares = experiment.shares(rankCount: 2)
        #expect((0..<2).map { shares.subtreeCount(of: $0) } == [1, 2])
        #expect((0..<2).map { shares.rows(of: $0) } == [16, 24])
        #expect((0..<5).map { experiment.shares(rankCount: 5).subtreeCount(of: $0) } == [0, 1, 0, 1, 1])
        #expect(experiment.shares(rankCount: 5).rows(of: 0) == 0)
    }

    @Test("have weights, gradients and states of their own in the forecast, and in rank 0's checkpoint")
    func memory() throws {
        let experiment = try Self.experiment("training.synchronization={local: {workers: 3, steps: 2, outer: nesterov}}")
        // 9,610 parameters in blocks of 1,024.
        let flat = 10_240.0 * 4
        let forecasts = MemoryForecast.job(experiment, rankCount: 2, availableCores: 1)
        func part(_ name: String) -> [Double] {
            forecasts.map { $0.parts.filter { $0.name == name }.reduce(0) { $0 + $1.bytes } }
        }
        #expect(part("weights") == [flat, flat] && part("workers' weights") == [flat, 2 * flat])
        #expect(part("gradients") == [flat, 2 * flat] && part("neighbours' weights") == [flat, flat / 2])
        // Two states of Adam for each worker, and half of the outer momentum.
        #expect(part("optimizer") == [2.5 * flat, 4.5 * flat])
        #expect(part("copy for checkpoints") == [flat + flat + 9 * flat, 0] && part("messages") == [0, 0])
    }

    @Test("exchange in one of so many steps what owners exchange in each")
    func need() throws {
        func need(_ hosts: [Int], _ steps: Int) throws -> StepNeed {
            StepNeed(
                try Self.experiment("training.synchronization={local: {workers: 4, steps: \(steps)}}"),
                topology: Topology(hostSizes: hosts))
        }
        let flat = 10_240 * 4
        // Each of two hosts sends half of a sum of two workers, and half of the weights.
        #expect(try need([1, 1], 1).bytesBetweenHosts == flat && need([2, 2], 1).bytesBetweenHosts == flat)
        #expect(try need([1, 1], 16).bytesBetweenHosts == flat / 16)
        #expect(try need([2], 1).bytesWithinHost == 2 * flat / 2 && need([2], 4).bytesWithinHost == flat / 4)
        #expect(try need([2, 1], 4).sharedBytes == [3 * flat, 0])
        // The weights, and of each worker weights and two states.
        #expect(try need([1], 4).checkpointBytes == flat + 4 * 3 * flat)
    }
}
