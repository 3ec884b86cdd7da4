import Diagnostics
import Foundation
import Optimization
import Settings
import Testing

@Suite("Schedules")
struct ScheduleTests {
    @Test("rates follow PyTorch's")
    func pyTorch() throws {
        var kinds: Set<String> = []
        for row in try references("schedules.json") {
            let name = try #require(row["name"] as? String)
            var configured = row["schedule"] ?? "missing"
            var isMaximum = false
            // Whether higher is better follows from the metric, not from an option.
            if var options = (configured as? [String: [String: Any]])?["reduce_on_plateau"] {
                isMaximum = options.removeValue(forKey: "mode") as? String == "max"
                configured = options.isEmpty ? "reduce_on_plateau" : ["reduce_on_plateau": options]
            }
            kinds.insert(try #require(kind(of: configured)))
            let root = try settings(["schedule": configured])
            let schedule = try Schedule(root)
            try root.finish()
            let base = try #require(row["base"] as? Double)
            let rates = flattened(row["rates"])
            var state = PlateauState(rate: base)
            for (step, expected) in rates.enumerated() {
                let rate: Double
                if let rule = schedule.plateau {
                    rule.report(flattened(row["values"])[step], higherIsBetter: isMaximum, to: &state)
                    rate = schedule.learningRate(
                        base: base, completedSteps: step, runSteps: rates.count,
                        plateauRate: state.rate)
                } else {
                    rate = schedule.learningRate(
                        base: base, completedSteps: step, runSteps: rates.count,
                        plateauRate: nil)
                }
                // PyTorch multiplies from step to step, some 60 roundings; ours are closed forms.
                #expect(abs(rate - expected) <= 1e-12 * base, "\(name), step \(step): \(rate), expected \(expected)")
            }
        }
        let known = ["constant", "step", "multi_step", "exponential", "polynomial", "cosine", "reduce_on_plateau"]
        #expect(kinds == Set(known), "every schedule has a row")
        do {
            _ = try Schedule(settings(["schedule": "none"]))
            Issue.record("an unknown schedule was accepted")
        } catch let failure as Failure {
            #expect(failure.message.hasSuffix("known: " + known.joined(separator: ", ")), "\(failure.message)")
        }
    }

    @Test("cosine without total_steps ends with the run and stays at its minimum after it")
    func cosineOfTheRun() throws {
        let schedule = try Schedule(settings(["schedule": ["cosine": ["warmup_steps": 10, "minimum": 0.25]]]))
        func rate(_ step: Int) -> Double {
            schedule.learningRate(base: 1, completedSteps: step, runSteps: 110, plateauRate: nil)
        }
        #expect(rate(0) == 0.1 && rate(9) == 1 && rate(10) == 1)
        #expect(abs(rate(60) - 0.625) < 1e-15)
        #expect(rate(110) == 0.25 && rate(1000) == 0.25)
    }

    private func rates(_ values: [Double], higherIsBetter: Bool = false, patience: Int = 1) throws -> [Double] {
        let options: [String: Any] = ["factor": 0.5, "patience": patience]
        let rule = try #require(Schedule(settings(["schedule": ["reduce_on_plateau": options]])).plateau)
        var state = PlateauState(rate: 1)
        return values.map { value in
            rule.report(value, higherIsBetter: higherIsBetter, to: &state)
            return state.rate
        }
    }

    @Test("a plateau's NaN and worst first values are no improvements, as in PyTorch")
    func plateauExtremes() throws {
        #expect(try rates([.nan, .nan, .nan, .nan]) == [1, 0.5, 0.5, 0.25])
        #expect(try rates([.infinity, .infinity, 5, 4]) == [1, 0.5, 0.5, 0.5])
        #expect(try rates([1, .nan, .nan, 0.5]) == [1, 1, 0.5, 0.5])
        #expect(try rates([-.infinity, -.infinity, 1], higherIsBetter: true) == [1, 0.5, 0.5])
        #expect(try rates([5], patience: 0) == [1])
    }

    @Test("a plateau's memory that no run leaves behind is refused", arguments: [-0.1, .nan, .infinity, 0, 0.1])
    func plateauProblem(rate: Double) {
        #expect((PlateauState(rate: rate).problem == nil) == [0, 0.1].contains(rate))
    }

    @Test("a plateau's memory survives a checkpoint")
    func plateauStateIsCodable() throws {
        let rule = try #require(Schedule(settings(["schedule": ["reduce_on_plateau": ["patience": 1]]])).plateau)
        var state = PlateauState(rate: 0.1)
        for value in [1.0, 0.9, 0.95] { rule.report(value, higherIsBetter: false, to: &state) }
        var copy = try JSONDecoder().decode(PlateauState.self, from: JSONEncoder().encode(state))
        #expect(copy == state)
        rule.report(0.95, higherIsBetter: false, to: &state)
        rule.report(0.95, higherIsBetter: false, to: &copy)
        #expect(copy == state && copy.rate < 0.1)
    }
}
