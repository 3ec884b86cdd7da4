import Diagnostics
import Foundation
import Settings
import Sweeping
import Testing

@Suite("Sweep plans")
struct SweepPlanTests {
    private func plan(_ text: String) throws -> SweepPlan {
        try SweepPlan(try SettingsDocument(text: text, name: "s.yaml"), name: "s")
    }

    /// What is said of a plan that can't be used.
    private func message(_ text: String, sourceLocation: SourceLocation = #_sourceLocation) -> String {
        do {
            _ = try plan(text)
            Issue.record("nothing is wrong", sourceLocation: sourceLocation)
        } catch let failure as Failure {
            #expect(failure.code == .badConfiguration, sourceLocation: sourceLocation)
            return failure.message
        } catch {
            Issue.record("\(error)", sourceLocation: sourceLocation)
        }
        return ""
    }

    @Test("a grid is every combination, the last parameter changing first; values of any kind are what --set takes")
    func grid() throws {
        let plan = try plan(
            """
            method: grid
            parameters:
              optimizer: {choices: [sgd, {adam: {learning_rate: 1.0e-3}}]}
              training.global_batch_size: {choices: [32, 64, 128]}
              data.name: {choices: ["5", "a, b"]}
            """)
        #expect(plan.trials.count == 12 && plan.trials.map(\.number) == Array(0..<12))
        #expect(plan.trials[0].values == ["sgd", "32", "\"5\""])
        #expect(plan.trials[1].values == ["sgd", "32", "\"a, b\""])
        #expect(plan.trials[11].values == ["{adam: {learning_rate: 1.0e-3}}", "128", "\"a, b\""])
        #expect(Set(plan.trials.map(\.values)).count == 12)
        // Read back, they are what they were.
        let document = try SettingsDocument(
            text: "{}", name: "c", overrides: zip(plan.parameters, plan.trials[10].values).map { "\($0.key)=\($1)" })
        #expect(
            document.values.map { "\($0.key)=\($0.value)" } == [
                "optimizer.adam.learning_rate=1.0e-3", "training.global_batch_size=128", "data.name=5"
            ])
    }

    private static let ranges = """
          a.rate: {log_uniform: [0.0001, 1.0]}
          a.share: {uniform: [-1, 0.5]}
          a.units: {int_log_uniform: [1, 64]}
          a.layers: {int_uniform: [2, 4]}
          a.kind: {choices: [x, y, z]}
        """

    @Test("drawn values lie inside, reach all of a range, and follow from seed, key and trial alone")
    func drawn() throws {
        let plan = try plan("method: {random: {trials: 2000, seed: 3}}\nparameters:\n\(Self.ranges)")
        func column(_ index: Int) -> [Double] { plan.trials.map { Double($0.values[index]) ?? .nan } }
        let rates = column(0)
        #expect(rates.allSatisfy { $0 >= 0.0001 && $0 <= 1 })
        // As many in each decade: 500 of 2,000, with a deviation of 19.
        for decade in 0..<4 {
            let low = pow(10, Double(decade) - 4)
            #expect((420...580).contains(rates.count { $0 >= low && $0 < low * 10 }), "\(decade)")
        }
        #expect(column(1).allSatisfy { $0 >= -1 && $0 <= 0.5 } && (850...1150).contains(column(1).count { $0 < -0.25 }))
        #expect(Set(column(2)).isSubset(of: Set((1...64).map(Double.init))) && column(2).contains(1) && column(2).contains(64))
        #expect(Set(column(3)) == [2, 3, 4] && Set(plan.trials.map { $0.values[4] }) == ["x", "y", "z"])
        for count in [column(3).count { $0 == 2 }, plan.trials.count { $0.values[4] == "z" }] {
            #expect((560...780).contains(count))
        }
        // They can be typed.
        #expect(plan.trials.allSatisfy { $0.values[0].count <= 12 })
        let fewer = try self.plan(
            "method: {random: {trials: 3, seed: 3}}\nparameters: {b.new: {choices: [1]}, a.rate: {log_uniform: [0.0001, 1.0]}}")
        #expect(fewer.trials.map { $0.values[1] } == plan.trials.prefix(3).map { $0.values[0] })
        let other = try self.plan("method: {random: {trials: 3, seed: 4}}\nparameters: {a.rate: {log_uniform: [0.0001, 1.0]}}")
        #expect(zip(other.trials, plan.trials).allSatisfy { $0.values[0] != $1.values[0] })
        // These must not change from one version to the next: a sweep that goes on would have other trials.
        let known = try self.plan(
            """
            method: {random: {trials: 6, seed: 1}}
            parameters: {optimizer.adam.learning_rate: {log_uniform: [0.0001, 1.0]}, model.layers.0.dense.units: {choices: [8, 32]}}
            """)
        #expect(known.trials[0].values == ["0.000255501", "8"] && known.trials[5].values == ["0.0131716", "32"])
    }

    @Test("what is wrong is told at once, with all places")
    func problems() {
        let text = message(
            """
            metric: validation_loss
            mode: least
            method: {random: {trials: 0}}
            parameters:
              a.b: {log_uniform: [0, 1]}
              a.c: {uniform: [2, 1]}
              a.d: {choices: []}
              a.e: 5
              a.f: {chioces: [1]}
              a.g: {uniform: [1]}
              a.h: {uniform: [1, 2], choices: [3]}
            """)
        for part in [
            "s.yaml: 9 problems: (1) s.yaml:2: mode: unknown value \"least\"",
            "s.yaml:3: method.random.trials: expected a whole number, 1 to 10000, found 0",
            "s.yaml:5: parameters.a.b.log_uniform: expected a number greater than 0, found 0",
            "s.yaml:6: parameters.a.c.uniform: an empty range: 2.0 is not below 1.0",
            "s.yaml:7: parameters.a.d.choices: an empty list",
            "s.yaml:8: parameters.a.e: expected the values that it takes",
            "s.yaml:9: unknown key \"chioces\" in \"parameters.a.f\" (did you mean \"choices\"?)",
            "s.yaml:10: parameters.a.g.uniform: expected two numbers, the least and the largest value, found 1",
            "parameters.a.h: choices and uniform exclude each other"
        ] {
            #expect(text.contains(part), "\"\(part)\" is not in: \(text)")
        }
        #expect(message("method: grid\nparameters: {}").contains("parameters: nothing to vary"))
        #expect(message("method: grid\nparameters: {a: {uniform: [1, 2]}}").contains("parameters.a: a grid is made of choices"))
        #expect(message("method: {grid: {trials: 3}}\nparameters: {a: {choices: [1]}}").contains("unknown key \"trials\""))
        #expect(message("metod: grid\nparameters: {a: {choices: [1]}}").contains("method.random.trials: missing"))
        #expect(
            message("metod: grid\nmethod: grid\nparameters: {a: {choices: [1]}}")
                .contains("unknown key \"metod\" (did you mean \"method\"?)"))
        let many = (0..<100).map(String.init).joined(separator: ", ")
        #expect(
            message("method: grid\nparameters: {a: {choices: [\(many)]}, b: {choices: [\(many)]}, c: {choices: [1, 2]}}")
                .contains("a grid of more than 10000 trials"))
        #expect(message("method: grid\nparameters: {a: {choices: [1, 2, 1]}}").contains("1 is listed twice"))
        #expect(
            message("method: {successive_halving: {trials: 3}}\nparameters: {a: {choices: [1]}}").contains(
                "min_epochs or min_steps"))
    }
}
