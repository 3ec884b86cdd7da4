import Collectives
import Settings
import Testing
import Training

/// What a step asks of machine and network, against figures by hand: digits, 64-128-10, a step of four micro-batches.
@Suite("What a step needs")
struct StepNeedTests {
    /// Elements of the flat buffer: 9,610 parameters in blocks of 1,024.
    private let flat = 10_240

    private func need(_ hosts: [Int], _ overrides: String...) throws -> StepNeed {
        let document = try SettingsDocument(text: builtInConfiguration, name: "digits.yaml", overrides: overrides)
        let experiment = try Experiment(try TrainingConfiguration(document, name: "digits"))
        return StepNeed(experiment, topology: Topology(hostSizes: hosts))
    }

    @Test("one rank exchanges and shares nothing")
    func alone() throws {
        let need = try need([1])
        #expect(need.workload == "digits" && need.operations > 64 * 4 * 9_000)
        #expect(need.bytesWithinHost == 0 && need.bytesBetweenHosts == 0 && need.sharedBytes == [0])
        // Weights and the two states of Adam.
        #expect(need.checkpointBytes == 3 * flat * 4)
    }

    @Test("two ranks of a host read half of each other's gradients; weights and two gradients are shared")
    func host() throws {
        let need = try need([2])
        #expect(need.bytesWithinHost == flat / 2 * 4 && need.bytesBetweenHosts == 0)
        #expect(need.sharedBytes == [3 * flat * 4])
    }

    @Test("two hosts send each other half the gradients and half the weights, however many ranks they have")
    func hosts() throws {
        for ranks in [[1, 1], [2, 2]] {
            #expect(try need(ranks).bytesBetweenHosts == flat * 4, "\(ranks)")
        }
        #expect(try need([1, 1]).sharedBytes == [0, 0] && need([1, 1]).bytesWithinHost == 0)
    }

    @Test("allreduce sends the buffer around twice")
    func allReduce() throws {
        let need = try need([1, 1], "training.synchronization=allreduce")
        #expect(need.bytesBetweenHosts == flat * 4 && need.sharedBytes == [0, 0])
        #expect(try self.need([4], "training.synchronization=allreduce").bytesWithinHost == flat * 4 * 3 / 2)
    }
}
