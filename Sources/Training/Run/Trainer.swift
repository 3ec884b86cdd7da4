import Checkpointing
import Collectives
import Datasets
import Diagnostics
import Foundation
import Kernels
import Metrics
import Network
import Optimization
import Reporting
import Storage
import Timing
import Watching

/// A training run on one rank: the loop over steps and what happens between them.
///
/// All ranks run the same loop and take the same decisions, because all that they decide on is agreed: sums along the
/// tree, flags of every rank. Rank 0 also reports, logs and writes checkpoints.
package final class Trainer {
    let experiment: Experiment
    let communicator: any Communicator
    let options: TrainingOptions
    let sampler: Sampler
    let totalSteps: Int
    let synchronizer: any Synchronizer
    let evaluator: Evaluator?
    /// What validations look at in place of the weights; nil where they look at these.
    private let averagedWeights: AveragedWeights?
    /// Whether a signal has asked this rank to stop.
    let stopRequested: () -> Bool
    /// Rank 0's hands: nil elsewhere.
    let recorder: Recorder?

    var state: TrainingState
    /// The step of the newest numbered checkpoint.
    var savedStep = -1
    /// For tests of what happens when a rank's memory goes wrong.
    package var afterStep: ((_ step: Int, _ weights: MutableParameterView) -> Void)?
    /// Who is told of steps and epochs.
    package var observer = RunObserver()
    /// Whether it has asked for the run to stop.
    private var observerStops = false
    /// Where the time of steps is marked; nil where nobody measures.
    package var clock: PhaseClock? {
        didSet {
            worker.clock = clock
            synchronizer.clock = clock
        }
    }
    /// Shows what this rank does, for whoever watches it.
    let pulse: Pulse
    private let workspace: Workspace
    /// What layers go on with from step to step, and how many streams of it each rank computes; nil where they begin anew.
    let carried: CarriedStates?
    let streamCounts: [Int]
    let worker: GradientWorker
    /// Nil where every subtree's passes are its own.
    private let totals: RankTotals?
    private let divisors: DivisorAgreement
    /// What rows add to the divisor of the loss's mean; asked for in every step.
    private let divisor: LossDivisor
    let plans: [SummationTree: StepPlan]
    /// Handed to every backward pass; made once.
    private let gradientsFinished: (Int) -> Void
    /// After which step to stop before the run's own end.
    private let stopStep: Int?
    private var order: EpochOrder
    /// Samples that this rank has computed since rates of ranks were shown last.
    var computedSamples = 0

    /// Builds everything that a run needs; nothing is written yet. Collective.
    package init(
        _ agreed: AgreedExperiment, communicator: any Communicator, options: TrainingOptions, place: RunPlace?,
        log: RankLog? = nil, stopRequested: @escaping () -> Bool
    ) throws {
        let experiment = agreed.experiment
        let configuration = experiment.configuration
        self.experiment = experiment
        self.communicator = communicator
        self.options = options
        self.stopRequested = stopRequested
        let pulse = communicator.pulse
        self.pulse = pulse
        sampler = experiment.sampler
        totalSteps = experiment.totalSteps
        state = agreed.initialState
        Processor.flushDenormals()

        let rank = communicator.rank
        let size = communicator.size
        let summation = configuration.training.summation
        let microBatchSize = sampler.microBatchSize
        let shares = experiment.shares(rankCount: size)
        let topology = communicator.topology
        let subtrees = (own: shares.subtreeCount(of: rank), most: shares.mostSubtrees)
        let gathersAhead = experiment.gathersAhead(topology, availableCores: options.availableCores)
        try communicator.agree {
            let neighbours = topology.hosts[topology.host(of: rank)]
            let forecasts = neighbours.map {
                MemoryForecast(
                    experiment, shares: shares, rank: $0, topology: topology,
                    writesCheckpoints: options.writesCheckpoints, gathersAhead: gathersAhead)
            }
            try experiment.checkMemory(forecasts, own: rank - neighbours.lowerBound)
        }
        let workspace = try communicator.agree { try Workspace(threadCount: configuration.training.threads) }
        self.workspace = workspace
        let stateCount = experiment.network.stateCount
        carried = stateCount > 0 ? CarriedStates(streams: sampler.globalBatchSize, width: stateCount) : nil
        streamCounts = shares.rowsOfFullBatch
        let totals = RankTotals(experiment.network, communicator: communicator, subtrees: subtrees.most)
        self.totals = totals
        let runner = RowRunner(
            experiment.judgedInTraining, workspace: workspace, rows: shares.rows(of: rank),
            microBatchSize: microBatchSize, training: true, gathersAhead: gathersAhead, carried: carried, totals: totals)
        runner.pulse = pulse
        order = EpochOrder(sampler, epoch: 0)
        worker = GradientWorker(
            runner: runner, dataset: experiment.splits.train.inEpoch(0, seed: sampler.seed), summation: summation)
        divisors = DivisorAgreement(communicator: communicator, subtrees: subtrees.most)
        divisor = experiment.divisor
        let synchronizer = try configuration.synchronizer(
            over: communicator, layout: experiment.network.layout, subtrees: subtrees, worker: worker)
        self.synchronizer = synchronizer
        if configuration.tensorBoard?.hasHistograms ?? false { synchronizer.steppingEngine?.prepareToWatch() }
        worker.awaitWeights = synchronizer.awaitWeights
        worker.summed = synchronizer.gradientsSummed
        gradientsFinished = {
            synchronizer.gradientsFinished(from: $0)
            pulse.beat()
        }
        plans = Dictionary(
            uniqueKeysWithValues: zip(shares.trees, shares.programs).map {
                ($0, synchronizer.plan(for: $1, tree: $0))
            })
        evaluator = experiment.splits.validation.map {
            Evaluator(
                experiment.judgedNetwork, dataset: $0, microBatchSize: microBatchSize, workspace: workspace,
                communicator: communicator)
        }
        averagedWeights =
            configuration.training.average?.validates ?? false && evaluator != nil
            ? AveragedWeights(
                synchronizer, communicator: communicator, isShared: configuration.training.synchronization == .owner) : nil
        stopStep = options.stopStep(stepsPerEpoch: sampler.stepsPerEpoch)
        let steps = min(totalSteps, stopStep ?? Int.max)
        recorder = place.map { Recorder(experiment, place: $0, options: options, totalSteps: steps, log: log) }
        if let note = synchronizer.note {
            // The other ranks have no recorder, which logs what it says.
            if let recorder { recorder.warning(note) } else { log?.add(.warning, note) }
        }
    }

    /// The weights that this rank computes with; after a step, valid once `settle` has been called.
    package var weights: ParameterView { synchronizer.weights.readOnly }

    /// The weights that validations look at. Collective.
    private func judgedWeights() throws -> ParameterView { try averagedWeights?.gather() ?? weights }

    /// Gives shared memory back, after the last collective call. Collective, and not where a rank has failed.
    package func close() { synchronizer.close() }

    /// The steps that the run has taken, from its beginning.
    package var completedSteps: Int { state.step }

    /// Says something on rank 0.
    package func warn(_ text: String) { recorder?.warning(text) }

    /// Trains to the end, or until a signal. `begin` or `resume` comes first. Collective.
    package func run() throws -> Ending {
        warnOfIdleRanks()
        warnOfLostSteps()
        let lastStep = min(totalSteps, stopStep ?? Int.max)
        var interrupted = false
        recorder?.noteBest(state.bestValue)
        recorder?.begin(state, sampler: sampler, rankCount: communicator.size)
        while state.step < lastStep, state.stopReason == nil, !interrupted {
            let batch = sampler.batch(completedSteps: state.step)
            beginEpochIfDue(batch)
            let outcome = try step(batch)
            interrupted = outcome.stopRequested
            let isLast = state.step == lastStep || interrupted
            // Who waits for sums of all ranks must owe none of them weights.
            if isLast || totals != nil || isFollowed(batch) { try synchronizer.settle() }
            afterStep?(state.step, synchronizer.weights)
            if experiment.configuration.training.audit { try audit(batch) }
            try verifyReplicas(at: batch, isLast: isLast)
            try finish(batch, isLast: isLast)
        }
        try end(interrupted: interrupted)
        return interrupted ? .interrupted : .finished
    }

    /// What the first step of an epoch needs, and the first step of a run.
    func beginEpochIfDue(_ batch: Batch) {
        if batch.epoch != order.epoch {
            order = EpochOrder(sampler, epoch: batch.epoch)
            worker.dataset = experiment.splits.train.inEpoch(batch.epoch, seed: sampler.seed)
        }
        if batch.indexInEpoch == 0 { state.beginEpoch() }
    }

    // MARK: - One step

    /// Forward, backward, synchronisation and update over one global batch, and its record.
    func step(_ batch: Batch) throws -> StepOutcome {
        guard let plan = plans[batch.tree] else { preconditionFailure("a batch of \(batch.sampleCount) samples") }
        let learningRate = learningRate
        let program = plan.program
        clock?.beginStep(state.step + 1)
        pulse.begin(step: state.step + 1)
        let weight = try divisor(of: batch, program)
        // The step before has been settled: nobody looks at this but the thread that changes it.
        if histogramsAreDue(afterStep: state.step + 1) { synchronizer.steppingEngine?.watchesGradient = true }
        try synchronizer.begin(
            StepRequest(
                plan: plan, factor: Float(1 / weight), divisors: divisors.ofSubtrees,
                step: state.step - state.skippedSteps + 1, learningRate: learningRate))
        let subtrees = program.subtrees(of: communicator.rank)
        let nextStep = firstSubtree(completedSteps: state.step + 1, epoch: batch.epoch)
        if let totals {
            totals.begin(program)
            worker.computeTogether(
                subtrees, of: program, of: batch, order: order, weights: synchronizer.weights.readOnly,
                gradients: { synchronizer.gradients($0) }, sums: { synchronizer.subtreeSums($0) }, next: nextStep,
                finished: gradientsFinished)
            ran(batch.rows(of: program.leaves(of: subtrees)).count)
            try totals.check()
        } else {
            for (place, index) in subtrees.enumerated() {
                let isLast = index == subtrees.upperBound - 1
                worker.compute(
                    program.subtrees[index], of: batch, order: order,
                    weights: synchronizer.weights(of: place).readOnly,
                    into: synchronizer.gradients(place), sums: synchronizer.subtreeSums(place),
                    next: isLast ? nextStep : GradientWorker.Subtree(leaves: program.subtrees[index + 1], batch: batch),
                    finished: isLast ? gradientsFinished : nil)
                ran(batch.rows(of: program.subtrees[index]).count)
            }
        }
        do {
            try worker.dataset.checkGathered()
        } catch {
            recorder?.close()
            throw error
        }
        pulse.turn(to: .combining)
        let outcome = try synchronizer.complete(stopRequested: stopRequested() || observerStops) {
            clock?.mark(.wait)
            if let nextStep { worker.gatherNext(nextStep, order: order) }
            clock?.mark(.load)
        }
        let policy = experiment.configuration.training.onNonFinite
        pulse.turn(to: .log)
        state.step += 1
        if !outcome.isFinite {
            let description = try describeNonFinite(outcome, divisor: weight, program: program)
            guard policy == .skip else {
                recorder?.close()
                throw AgreedFailure(rank: 0, failure: description)
            }
            state.skippedSteps += 1
            recorder?.warning("\(description.message); the step is skipped")
        }
        if outcome.isFinite, !outcome.layerSums.isEmpty {
            synchronizer.updateBuffers(outcome) { experiment.network.updateBuffers($0, sums: $1) }
        }
        try synchronizer.end(step: state.step)
        state.add(
            outcome.sums, samples: batch.sampleCount,
            divisor: divisor.sum(rows: batch.sampleCount) == nil ? weight : nil, isFinite: outcome.isFinite)
        recorder?.step(
            outcome, batch: batch, state: state, loss: outcome.sums[0] / weight, learningRate: learningRate,
            logs: state.step % experiment.configuration.training.logEvery == 0)
        if let told = observer.step {
            let news = StepNews(
                step: state.step, epoch: batch.epoch + 1, samples: batch.sampleCount,
                figures: experiment.stepFigures(outcome.sums, loss: outcome.sums[0] / weight), learningRate: learningRate,
                gradientNorm: outcome.gradientNorm)
            if told(news) { observerStops = true }
        }
        return outcome
    }

    /// What the mean of the batch's loss is divided by. Collective where that depends on the targets.
    private func divisor(of batch: Batch, _ program: SummationTree.Program) throws -> Double {
        try divisors.divisor(program, known: divisor.sum(rows: batch.sampleCount)) { index in
            let leaves = program.subtrees[index]
            return divisor.sum(rows: batch.rows(of: leaves).count) ?? worker.divisor(leaves, of: batch, order: order)
        }
    }

    private func ran(_ samples: Int) {
        pulse.ran(samples: samples)
        computedSamples += samples
    }

    /// What a step of this epoch begins with on this rank.
    private func firstSubtree(completedSteps: Int, epoch: Int) -> GradientWorker.Subtree? {
        let batch = sampler.batch(completedSteps: completedSteps)
        guard batch.epoch == epoch, let program = plans[batch.tree]?.program else { return nil }
        let own = program.subtrees(of: communicator.rank)
        guard let first = own.first else { return nil }
        return GradientWorker.Subtree(leaves: totals == nil ? program.subtrees[first] : program.leaves(of: own), batch: batch)
    }

    /// The most rows that go through the network at once.
    var rowCapacity: Int { worker.rowCapacity }

    /// The number of sums that the state keeps of an epoch: the loss and the metrics' statistics.
    var sumCount: Int { worker.sumCount - worker.layerSumCount }

    /// The learning rate of the next step.
    private var learningRate: Double {
        experiment.configuration.schedule.learningRate(
            base: experiment.configuration.optimizer.learningRate,
            completedSteps: state.step, runSteps: totalSteps,
            plateauRate: state.plateau?.rate)
    }

    // MARK: - Between steps

    var checkpointIsDue: Bool { state.step % experiment.configuration.checkpoint.everySteps == 0 }

    private var epochEnds: Bool { state.step % sampler.stepsPerEpoch == 0 }

    func validationIsDue(after batch: Batch) -> Bool {
        let section = experiment.configuration.validation
        return section.everySteps.map { state.step % $0 == 0 } ?? false
            || section.everyEpochs.map { epochEnds && (batch.epoch + 1) % $0 == 0 } ?? false
    }

    /// Whether anything follows the step but the next one: something that reads weights, or for which ranks wait for each other.
    private func isFollowed(_ batch: Batch) -> Bool {
        afterStep != nil || experiment.configuration.training.audit || verifiesReplicas(at: batch, isLast: false)
            || checkpointIsDue || validationIsDue(after: batch)
            || histogramsAreDue(afterStep: state.step) || histogramsAreDue(afterStep: state.step + 1)
    }

    /// What follows a step: validation, the epoch's end, a checkpoint, in this order, so that a checkpoint holds all that
    /// its step brought.
    private func finish(_ batch: Batch, isLast: Bool) throws {
        var places: CheckpointPlaces = []
        var result: Evaluator.Result?
        if histogramsAreDue(afterStep: state.step) {
            recorder?.pause()
            synchronizer.steppingEngine?.watchesGradient = false
            try makeHistograms()
            recorder?.resume()
        }
        if validationIsDue(after: batch), let evaluator {
            recorder?.pause()
            pulse.turn(to: .validation)
            let evaluated = try evaluator.evaluate(weights: try judgedWeights())
            result = evaluated
            // A best checkpoint that never reached the disk must not be what later ones are measured by.
            try recorder?.reviewCheckpoints()
            let isLost = recorder?.takeLostBest() ?? false
            if try !communicator.broadcast(isLost ? "lost" : "", from: 0).isEmpty { forgetBest() }
            recorder?.validation(evaluated, epoch: batch.epoch + 1, state: state, withinEpoch: !epochEnds)
            if judge(evaluated) { places.insert(.best) }
            recorder?.resume()
        }
        if epochEnds {
            recorder?.endEpoch(batch.epoch + 1, state: state, validation: result)
            if let told = observer.epoch {
                let news = EpochNews(
                    epoch: batch.epoch + 1, step: state.step, training: experiment.epochFigures(state),
                    validation: result?.scalars ?? [])
                if told(news) { observerStops = true }
            }
            if options.showsRankRates { try showRankRates() }
        }
        if checkpointIsDue || isLast { places.insert(.numbered) }
        if !places.isEmpty {
            recorder?.pause()
            pulse.turn(to: .checkpoint)
            try saveCheckpoint(to: places)
            recorder?.resume()
        }
        try recorder?.reviewCheckpoints()
    }

    /// The end of the run: the last checkpoint, what the weights are worth, the digest.
    private func end(interrupted: Bool) throws {
        pulse.turn(to: .end)
        try saveLastCheckpoint()
        let result =
            interrupted || stopStep.map({ $0 <= state.step }) ?? false
            ? nil : try evaluator?.evaluate(weights: try judgedWeights())
        try communicator.agree { try recorder?.end(state, validation: result, interrupted: interrupted) }
    }
}
