import Storage
import Testing
import Training

@Suite("The sampler")
struct SamplerTests {
    private func sampler(_ count: Int, batch: Int, micro: Int, shuffles: Bool = true, seed: UInt64 = 3) -> Sampler {
        Sampler(sampleCount: count, globalBatchSize: batch, microBatchSize: micro, seed: seed, shuffles: shuffles)
    }

    @Test("uses every sample exactly once per epoch, in another order each time")
    func everySampleOnce() {
        let sampler = sampler(103, batch: 20, micro: 8)
        #expect(sampler.stepsPerEpoch == 6)
        var orders: [[Int32]] = []
        for epoch in 0..<3 {
            let order = sampler.order(epoch: epoch)
            var used: [Int32] = []
            for step in epoch * 6..<(epoch + 1) * 6 {
                let batch = sampler.batch(completedSteps: step)
                #expect(batch.epoch == epoch)
                for leaf in 0..<batch.tree.leafCount {
                    let rows = batch.rows(of: leaf..<leaf + 1)
                    used += order[batch.positions.lowerBound + rows.lowerBound..<batch.positions.lowerBound + rows.upperBound]
                }
            }
            #expect(used == order)
            #expect(used.sorted() == (0..<103).map { Int32($0) })
            orders.append(order)
        }
        #expect(Set(orders).count == 3)
    }

    @Test("keeps the file's order without shuffling")
    func fileOrder() {
        #expect(sampler(5, batch: 2, micro: 1, shuffles: false).order(epoch: 4) == [0, 1, 2, 3, 4])
    }

    @Test(
        "an order that is computed has every sample once per epoch, too, in another order each time, and no step changes another's"
    )
    func computedOrder() {
        let sampler = Sampler(
            sampleCount: 103, globalBatchSize: 20, microBatchSize: 8, seed: 3, shuffles: true, computesOrder: true)
        var orders: [[Int32]] = []
        for epoch in 0..<3 {
            let order = EpochOrder(sampler, epoch: epoch)
            let batches = (epoch * 6..<(epoch + 1) * 6).map { sampler.batch(completedSteps: $0) }
            var used: [Int32] = []
            for (index, batch) in batches.enumerated() {
                let drawn = order.drawn(batch)
                // The next step's samples are asked for while this one's are in use.
                if index + 1 < batches.count { _ = order.drawn(batches[index + 1]) }
                #expect(
                    drawn.beginsEpoch == (index == 0) && drawn.samples.count == batch.sampleCount && drawn.step == batch.step)
                #expect(order.drawn(batch).samples == drawn.samples)
                used += drawn.samples
            }
            #expect(used.sorted() == (0..<103).map { Int32($0) } && order.prefix(7) == Array(used.prefix(7)))
            orders.append(used)
        }
        #expect(Set(orders).count == 3)
    }

    @Test("an order that is listed is drawn as it stands")
    func listedOrder() {
        let sampler = sampler(103, batch: 20, micro: 8)
        let order = EpochOrder(sampler, epoch: 1)
        let drawn = (6..<12).map { order.drawn(sampler.batch(completedSteps: $0)) }
        #expect(
            drawn.flatMap(\.samples) == sampler.order(epoch: 1)
                && drawn.map(\.beginsEpoch) == [true] + [Bool](repeating: false, count: 5))
    }

    @Test("numbers every draw of the run once")
    func draws() {
        let sampler = sampler(10, batch: 4, micro: 2)
        let firsts = (0..<6).map { sampler.batch(completedSteps: $0).firstDraw }
        #expect(firsts == [0, 4, 8, 10, 14, 18])
    }

    @Test("without the last, short batch an epoch uses other samples each time, and draws keep their numbers")
    func dropLast() {
        let sampler = Sampler(sampleCount: 10, globalBatchSize: 4, microBatchSize: 2, seed: 3, shuffles: true, dropsLast: true)
        #expect(sampler.stepsPerEpoch == 2 && sampler.samplesPerEpoch == 8 && sampler.trees == [SummationTree(leafCount: 2)])
        let batches = (0..<6).map { sampler.batch(completedSteps: $0) }
        #expect(batches.map(\.sampleCount) == [4, 4, 4, 4, 4, 4] && batches.map(\.epoch) == [0, 0, 1, 1, 2, 2])
        #expect(batches.map(\.firstDraw) == [0, 4, 10, 14, 20, 24], "those of samples that are left out stay unused")
        let full = Sampler(sampleCount: 8, globalBatchSize: 4, microBatchSize: 2, seed: 3, shuffles: true, dropsLast: true)
        #expect(full.stepsPerEpoch == 2 && full.samplesPerEpoch == 8)
    }

    @Test("has a tree for the short last batch")
    func shortBatch() {
        #expect(sampler(10, batch: 4, micro: 2).trees == [SummationTree(leafCount: 2), SummationTree(leafCount: 1)])
        #expect(sampler(8, batch: 4, micro: 2).trees == [SummationTree(leafCount: 2)])
        let batch = sampler(7, batch: 4, micro: 2).batch(completedSteps: 1)
        #expect(batch.sampleCount == 3)
        #expect(batch.rows(of: 1..<2) == 2..<3)
    }
}
