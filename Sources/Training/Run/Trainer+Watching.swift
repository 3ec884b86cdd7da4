import Collectives
import Diagnostics
import Kernels
import Reporting
import Storage
import Timing

/// Watching over the ranks: numbers that are none, weights that drift apart, samples that are left out, ranks that are idle or slow.
extension Trainer {
    /// Tells of ranks that a step has no work for.
    func warnOfIdleRanks() {
        let local = experiment.configuration.training.local
        let units = local?.workers ?? sampler.trees[0].leafCount
        let unit = local == nil ? "micro-batch" : "worker"
        let ranks = communicator.size
        guard ranks > 1, units % ranks != 0 else { return }
        let all = "\(units) \(unit)\(units == 1 ? "" : local == nil ? "es" : "s")"
        let advice = local == nil ? ", a larger global_batch_size or a smaller micro_batch_size" : " or more local.workers"
        recorder?.warning(
            units < ranks
                ? "\(ranks - units) of \(ranks) ranks stay idle: a step has \(all); use fewer ranks\(advice)"
                : "ranks are uneven: a step's \(all) make \(units / ranks) or \(units / ranks + 1) for each "
                    + "of \(ranks) ranks, so some wait")
    }

    /// Tells of steps at the run's end behind which workers' weights don't become one.
    func warnOfLostSteps() {
        guard let local = experiment.configuration.training.local, state.step < totalSteps else { return }
        let lost = local.lostSteps(of: totalSteps)
        guard lost > 0 else { return }
        recorder?.warning(
            "the result will be that of step \(totalSteps - lost): the workers meet every \(local.steps) steps, and what they learn "
                + "in the last \(lost) of \(totalSteps) stays theirs; let the steps be a multiple of local.steps")
    }

    /// Where a loss or gradient first stopped being finite: the layer nearest the output on the lowest rank that has one.
    func describeNonFinite(_ outcome: StepOutcome, divisor weight: Double, program: SummationTree.Program) throws -> Failure {
        let count = program.subtrees(of: communicator.rank).count
        let slots = experiment.network.layout.slots
        let bad = slots.last { slot in
            slot.region == .trained
                && (0..<count).contains { subtree in
                    !synchronizer.gradients(subtree).readOnly.matrix(slot).row(0).allSatisfy(\.isFinite)
                }
        }
        let found = try communicator.allGather(bad.map { String($0.index) } ?? "")
        let place =
            if let rank = found.firstIndex(where: { !$0.isEmpty }), let index = Int(found[rank]) {
                "the gradient of layer \(experiment.network.layerDescription(ofSlot: index)), parameter "
                    + "\(slots[index].name), is not finite"
                    + (synchronizer.keepsOwnGradients ? " on rank \(rank)" : " in its sum over the ranks")
            } else if outcome.sums[0].isFinite {
                "the gradient is not finite in its sum over the ranks"
            } else {
                "the loss is not finite, though all gradients are"
            }
        return Failure(
            .badData,
            "step \(state.step): loss \(HumanText.figure(outcome.sums[0] / weight)), \(place); lower the learning rate, "
                + "clip the gradient (gradient_clipping) or look for extreme values in the data")
    }

    /// Says how fast each rank has computed since it was said last. Collective.
    func showRankRates() throws {
        guard let clock else { return }
        let waited = clock.seconds(.wait)
        let all = Phase.allCases.reduce(0) { $0 + clock.seconds($1) }
        let figures = try communicator.allGather("\(computedSamples) \(all - waited) \(waited)").map { text in
            text.split(separator: " ").map { Double($0) ?? 0 }
        }
        clock.resetTotals()
        computedSamples = 0
        recorder?.rankRates(figures.map { (samples: $0[0], computing: $0[1], waiting: $0[2]) })
    }

    /// Logs the hash of the samples that all ranks used in this step: over an epoch the hashes add up to that of every
    /// sample once.
    func audit(_ batch: Batch) throws {
        let sums = try communicator.allGather(String(worker.takeAuditSum())).compactMap { UInt64($0) }
        recorder?.audit(state, batch: batch, hash: sums.reduce(0, &+))
    }

    /// Compares a digest of every rank's weights, at the configured interval and before whatever may write a checkpoint,
    /// and stops a run in which a rank has drifted.
    func verifyReplicas(at batch: Batch, isLast: Bool) throws {
        guard verifiesReplicas(at: batch, isLast: isLast) else { return }
        let own = weightDigest(weights[0..<weights.count])
        let digests = try communicator.allGather(withUnsafeBytes(of: own) { Array($0) })
        let groups = Dictionary(grouping: digests.indices) { digests[$0] }.values
            .sorted { $0.count != $1.count ? $0.count > $1.count : $0[0] < $1[0] }
        guard groups.count > 1 else { return }
        recorder?.close()
        throw AgreedFailure(
            rank: 0,
            failure: Failure(
                .internalError,
                "step \(state.step): \(Self.describe(groups)); a "
                    + "host's memory or network may be faulty. Nothing was saved since the last checkpoint: resume from it, "
                    + "without that host"))
    }

    /// Whether digests are due.
    func verifiesReplicas(at batch: Batch, isLast: Bool) -> Bool {
        let interval = experiment.configuration.training.verifyEvery
        return synchronizer.hasReplicas && interval > 0
            && (state.step % interval == 0 || isLast || checkpointIsDue || validationIsDue(after: batch))
    }

    /// Who holds other weights than the rest. Only more than half of the ranks can tell; on two ranks nobody can.
    ///
    /// - Parameter groups: the ranks with equal weights, the largest group first.
    private static func describe(_ groups: [[Int]]) -> String {
        let count = groups.reduce(0) { $0 + $1.count }
        if 2 * groups[0].count > count {
            let drifted = groups.dropFirst().joined().sorted()
            return "the weights of rank\(drifted.count == 1 ? "" : "s") \(drifted.map(String.init).joined(separator: ", ")) "
                + "are not those of the others"
        }
        let names = groups.map { $0.map(String.init).joined(separator: "+") }
        return "ranks \(names.dropLast().joined(separator: ", ")) and \(names.last ?? "") disagree about the weights, and "
            + "no majority of the \(count) ranks can tell which are right"
    }
}
