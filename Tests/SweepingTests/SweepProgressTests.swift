import Foundation
import Settings
import Sweeping
import Testing

@Suite("Rungs of a sweep")
struct SweepProgressTests {
    private func plan(trials: Int, factor: Int = 3) throws -> SweepPlan {
        try SweepPlan(
            try SettingsDocument(
                text:
                    "method: {successive_halving: {trials: \(trials), min_epochs: 1, reduction_factor: \(factor)}}\nparameters: {a: {uniform: [0, 1]}}",
                name: "s.yaml"), name: "s")
    }

    private func done(_ trial: Int, _ rung: Int, _ value: Double?) -> SweepResult {
        SweepResult(
            SweepUnit(trial: trial, rung: rung), value == nil ? .failed : .finished, value: value, step: value == nil ? nil : 1,
            digest: value == nil ? nil : "d")
    }

    @Test("budgets grow by the factor up to the whole run")
    func budgets() {
        let halving = Halving(unit: .epochs, least: 2, reductionFactor: 3)
        #expect(halving.budgets(total: 25) == [2, 6, 18, 25])
        #expect(halving.budgets(total: 18) == [2, 6, 18])
        #expect(Halving(unit: .steps, least: 1 << 40, reductionFactor: 1000).budgets(total: .max).count > 2)
        #expect([1, 2, 3, 8, 9, 27].map(halving.promotedCount) == [1, 1, 1, 2, 3, 9])
    }

    @Test("nobody goes on before the rung is complete; then the best do, of equals those with the lower number")
    func promotion() throws {
        let plan = try plan(trials: 6, factor: 2)
        var results = [done(0, 0, 0.5), done(1, 0, 0.2), done(2, 0, nil), done(4, 0, 0.1), done(5, 0, 0.2)]
        func progress() -> SweepProgress { SweepProgress(plan, rungCount: 3, mode: .min, results: results.shuffled()) }
        #expect(progress().rungs == [[0, 1, 2, 3, 4, 5]] && progress().open == [SweepUnit(trial: 3, rung: 0)])
        #expect(!progress().isLast && !progress().isComplete)
        // Equal to trials 1 and 5, of a higher number than one of them.
        results.append(done(3, 0, 0.2))
        #expect(progress().rungs == [[0, 1, 2, 3, 4, 5], [1, 3, 4]])
        #expect(progress().open.map(\.trial) == [1, 3, 4] && progress().open.allSatisfy { $0.rung == 1 })
        results += [done(1, 1, 0.19), done(4, 1, 0.1), done(3, 1, 0.15)]
        #expect(progress().rungs.last == [4] && progress().isLast && !progress().isComplete)
        results.append(done(4, 2, 0.12))
        #expect(progress().isComplete && progress().best(.min)?.trial == 4 && progress().newest[4]?.value == 0.12)
        let table = SweepTable(plan, rungCount: 3, mode: .min, results: results.shuffled())
        #expect(table.rows.map(\.state) == [.stopped, .stopped, .failed, .stopped, .finished, .stopped])
        #expect(table.ranked.map(\.trial.number) == [4, 3, 1, 5, 0, 2])
        #expect(table.csv.hasPrefix("trial,state,rung,steps,validation_loss,digest,a\n0,stopped,0,1,0.5,d,"))
    }

    @Test("with max, the larger values go on; where all of a rung have failed the sweep is over")
    func largest() throws {
        let plan = try plan(trials: 3)
        let results = [done(0, 0, 0.5), done(1, 0, 0.9), done(2, 0, 0.7)]
        #expect(SweepProgress(plan, rungCount: 2, mode: .max, results: results).rungs.last == [1])
        let failed = (0..<3).map { done($0, 0, nil) }
        let progress = SweepProgress(plan, rungCount: 2, mode: .max, results: failed)
        #expect(progress.isComplete && progress.best(.max) == nil)
    }

    @Test("keys are shown by their last parts, as long as they must be to be told apart")
    func names() {
        #expect(shortNames(["optimizer.adam.learning_rate", "training.seed"]) == ["learning_rate", "seed"])
        #expect(
            shortNames(["model.layers.0.dense.units", "model.layers.2.dense.units", "units"])
                == ["0.dense.units", "2.dense.units", "units"])
    }
}
