import Diagnostics
import Foundation
import Kernels
import Optimization
import Settings
import Storage
import Testing

@Suite("Optimizers")
struct OptimizerTests {
    /// Weights and state of an optimizer on a small buffer.
    final class Run {
        let weights: AlignedBuffer<Float>, gradient: AlignedBuffer<Float>
        let states: AlignedBuffer<Float>
        let configuration: OptimizerConfiguration
        let count: Int
        var step = 0

        init(_ configuration: OptimizerConfiguration, initial: [Float]) {
            self.configuration = configuration
            count = initial.count
            weights = AlignedBuffer(count: count)
            gradient = AlignedBuffer(count: count)
            states = AlignedBuffer(count: 3 * count)
            for (index, value) in initial.enumerated() { weights[index] = value }
            for (number, state) in configuration.optimizer.states.enumerated() {
                for index in 0..<count { states[number * count + index] = state.initialValue }
            }
        }

        /// One step, the buffer cut at the given places.
        func take(_ gradients: [Float], cuts: [Int] = [], prepare: (MutableMatrixView) -> Void = { _ in }) {
            for (index, value) in gradients.enumerated() { gradient[index] = value }
            prepare(gradient.matrix(rows: 1, columns: count))
            step += 1
            let bounds = [0] + cuts + [count]
            for (first, end) in zip(bounds, bounds.dropFirst()) {
                func part(_ number: Int) -> MutableMatrixView? {
                    number < configuration.optimizer.states.count
                        ? states.matrix(rows: 1, columns: end - first, offset: number * count + first) : nil
                }
                configuration.optimizer.update(
                    weights: weights.matrix(rows: 1, columns: end - first, offset: first),
                    gradient: gradient.matrix(rows: 1, columns: end - first, offset: first).readOnly,
                    states: StateViews(first: part(0), second: part(1), third: part(2)), step: step,
                    learningRate: configuration.learningRate)
            }
        }

        /// A step of a range by a rule.
        func apply(_ rule: any StepRule, to range: Range<Int>) {
            func part(_ number: Int) -> MutableMatrixView? {
                number < configuration.optimizer.states.count
                    ? states.matrix(rows: 1, columns: range.count, offset: number * count + range.lowerBound) : nil
            }
            rule.update(
                range, weights: weights.matrix(rows: 1, columns: range.count, offset: range.lowerBound),
                gradient: gradient.matrix(rows: 1, columns: range.count, offset: range.lowerBound).readOnly,
                states: StateViews(first: part(0), second: part(1), third: part(2)))
        }

        var bits: [UInt32] { weights.elements.map(\.bitPattern) + states.elements.map(\.bitPattern) }
    }

    private static func configuration(_ optimizer: Any?) throws -> OptimizerConfiguration {
        let root = try settings(["optimizer": optimizer ?? "missing"])
        let configuration = try OptimizerConfiguration(root)
        try root.finish()
        return configuration
    }

    @Test("twelve steps follow PyTorch's float64 numbers, clipping included")
    func pyTorch() throws {
        var kinds: Set<String> = []
        for row in try references("optimizers.json") {
            let name = try #require(row["name"] as? String)
            let configuration = try Self.configuration(row["optimizer"])
            kinds.insert(configuration.kind)
            let rules = try GradientRules(settings(row["clip"].map { ["gradient_clipping": $0] } ?? ["none": 0]))
            let run = Run(configuration, initial: flattened(row["initial"]).map { Float($0) })
            let gradients = try #require(row["gradients"] as? [Any])
            let weights = try #require(row["weights"] as? [Any])
            #expect(gradients.count == 12 && weights.count == 12)
            let average = try (row["average"] as? [String: Any]).map { try WeightAverage(settings($0)) }
            let averages = row["averages"] as? [Any]
            #expect((average == nil) == (averages == nil) && averages?.count ?? 12 == 12, "\(name)")
            let averaged = AlignedBuffer<Float>(count: run.count, repeating: .nan)
            for (step, (gradient, expected)) in zip(gradients, weights).enumerated() {
                run.take(flattened(gradient).map { Float($0) }) { gradient in
                    rules.clip(gradient)
                }
                for (index, expected) in flattened(expected).enumerated() {
                    let value = Double(run.weights[index])
                    // A step rounds the weight some five times and the change, at most 100 times the rate, likewise.
                    let tolerance = Double(8 * (step + 1)) * 0x1p-24 * max(1, abs(expected))
                    #expect(abs(value - expected) <= tolerance, "\(name), step \(step), weight \(index)")
                }
                guard let average, let averages else { continue }
                let view = averaged.matrix(rows: 1, columns: run.count)
                average.change(step: step + 1).apply(
                    to: view, weights: run.weights.matrix(rows: 1, columns: run.count).readOnly)
                for (index, expected) in flattened(averages[step]).enumerated() {
                    // A mean of weights is off by as much as these, and three roundings a step.
                    let tolerance = Double(11 * (step + 1)) * 0x1p-24 * max(1, abs(expected))
                    #expect(
                        abs(Double(averaged[index]) - expected) <= tolerance, "\(name), step \(step), average \(index)")
                }
            }
        }
        let known = ["sgd", "rmsprop", "adagrad", "adam", "adamw", "lion"]
        #expect(kinds == Set(known), "every optimizer has a row")
        #expect(throws: Failure.self) { try Self.configuration("none") }
        do { _ = try Self.configuration("none") } catch let failure as Failure {
            // The message lists all that there are: an optimizer without a row is seen here.
            #expect(failure.message.hasSuffix("known: " + known.joined(separator: ", ")), "\(failure.message)")
        }
    }

    @Test("however the buffer is cut, the bits are the same")
    func cuts() throws {
        for row in try references("optimizers.json") {
            let configuration = try Self.configuration(row["optimizer"])
            let stream = RandomStream(seed: 1, purpose: .gradientCheck)
            let count = 83
            func draw(_ ordinal: UInt64) -> [Float] {
                (0..<count).map { Float(Double(stream.word(UInt32($0), ordinal: ordinal) >> 11) * 0x1p-52 - 1) }
            }
            let whole = Run(configuration, initial: draw(0))
            let others = [[1], [8, 16], [7, 8, 9, 40, 82], Array(1..<count)].map { cuts in
                (run: Run(configuration, initial: draw(0)), cuts: cuts)
            }
            for step in 1...4 {
                whole.take(draw(UInt64(step)))
                for (run, cuts) in others { run.take(draw(UInt64(step)), cuts: cuts) }
            }
            for (run, cuts) in others { #expect(run.bits == whole.bits, "\(configuration.kind), cut at \(cuts)") }
        }
    }

    @Test("one element's NaN stays its own")
    func specialNumbers() throws {
        for optimizer: Any in [
            "sgd", ["sgd": ["momentum": 0.9]], "rmsprop",
            ["rmsprop": ["centered": true, "momentum": 0.9]],
            "adagrad", "adam", ["adam": ["amsgrad": true]], "adamw", "lion"
        ] {
            let run = Run(try Self.configuration(optimizer), initial: [Float](repeating: 1, count: 19))
            var gradient = [Float](repeating: 0.5, count: 19)
            gradient[3] = .nan
            gradient[17] = .nan
            run.take(gradient)
            for index in 0..<19 { #expect(run.weights[index].isNaN == (index == 3 || index == 17), "\(optimizer)") }
        }
    }

    @Test(
        "wrong options are refused with a message",
        arguments: [
            ("{optimizer: adamm}", "did you mean \"adam\""),
            ("{optimizer: {sgd: {nesterov: true}}}", "Nesterov's momentum needs a momentum"),
            ("{optimizer: {adam: {betas: [0.9]}}}", "expected two numbers"),
            ("{optimizer: {adam: {betas: [0.9, 1.0]}}}", "from 0 to below 1"),
            ("{optimizer: {lion: {betas: [0.9]}}}", "expected two numbers, as in [0.9, 0.99]"),
            ("{optimizer: {adamw: {decay: weights}}}", "all, matrices"),
            ("{optimizer: {sgd: {learning_rate: -1}}}", "learning_rate")
        ])
    func wrongOptions(text: String, expected: String) throws {
        let root = try SettingsDocument(text: text, name: "test").root
        do {
            _ = try OptimizerConfiguration(root)
            Issue.record("\(text) was accepted")
        } catch let failure as Failure {
            #expect(failure.code == .badConfiguration)
            #expect(failure.message.contains(expected), "\(failure.message)")
        }
    }

    @Test(
        "groups have the bits of an optimizer of their own, however the buffer is cut",
        arguments: [
            ["sgd": ["learning_rate": 0.1, "momentum": 0.9, "weight_decay": 0.01]],
            ["adam": ["learning_rate": 0.01, "weight_decay": 0.02]], ["adamw": ["learning_rate": 0.01]],
            ["rmsprop": ["momentum": 0.5]], ["adagrad": ["learning_rate_decay": 0.1]]
        ] as [[String: [String: Double]]])
    func groups(optimizer: [String: [String: Double]]) throws {
        let kind = try #require(optimizer.first)
        let options = kind.value
        let rate = try Self.configuration(optimizer).learningRate
        let grouped = try OptimizerConfiguration(
            settings([
                "optimizer": optimizer,
                "parameter_groups": [
                    ["a.bias": ["weight_decay": 0]], ["a": ["learning_rate_factor": 0.25, "weight_decay": 0.125]]
                ]
            ]))
        var layout = ParameterLayout()
        for (name, count) in [("a.weight", 37), ("a.bias", 5), ("b.weight", 2000), ("b.bias", 3)] {
            _ = layout.reserve(name: name, shape: Shape([count]), role: name.hasSuffix("t") ? .weight : .bias)
        }
        try grouped.groups.check(layout, in: settings([:]))
        let initial = (0..<layout.trainedCount).map { Float($0 % 31) / 16 - 1 }
        let together = Run(grouped, initial: initial)
        let rule = grouped.stepRule(for: layout)
        var alone: [Run] = []
        for (index, slot) in layout.slots.enumerated() {
            var own = options
            if index == 0 { own["learning_rate"] = rate * 0.25 }
            if index < 2 { own["weight_decay"] = index == 0 ? 0.125 : 0 }
            alone.append(Run(try Self.configuration([kind.key: own]), initial: Array(initial[slot.range])))
        }
        for step in 1...3 {
            let gradients = (0..<layout.trainedCount).map { Float(($0 * 7 + step) % 23) / 8 - 1.25 }
            for (index, value) in gradients.enumerated() { together.gradient[index] = value }
            rule.prepare(step: step, learningRate: rate)
            let cuts = step == 1 ? [0, layout.trainedCount] : [0, 1024, layout.trainedCount]
            for (first, end) in zip(cuts, cuts.dropFirst()) { together.apply(rule, to: first..<end) }
            for (slot, run) in zip(layout.slots, alone) {
                run.take(Array(gradients[slot.range]))
                #expect(
                    slot.range.map { together.weights[$0].bitPattern } == run.weights.elements.map(\.bitPattern),
                    "\(kind.key), step \(step), \(slot.name)")
            }
        }
    }

    @Test(
        "decay: matrices has the bits of a decay of 0 for vectors, but where their group has a decay",
        arguments: [
            ["sgd": ["learning_rate": 0.1, "momentum": 0.9, "weight_decay": 0.1]],
            ["adam": ["learning_rate": 0.01, "weight_decay": 0.1]], ["adamw": ["learning_rate": 0.01, "weight_decay": 0.1]],
            ["lion": ["learning_rate": 0.01, "weight_decay": 0.5]]
        ] as [[String: [String: Double]]])
    func matrices(optimizer: [String: [String: Double]]) throws {
        let kind = try #require(optimizer.first)
        func configuration(_ decay: String, _ groups: [[String: [String: Double]]]) throws -> OptimizerConfiguration {
            var options: [String: Any] = kind.value
            options["decay"] = decay
            return try OptimizerConfiguration(settings(["optimizer": [kind.key: options], "parameter_groups": groups]))
        }
        var layout = ParameterLayout()
        for (name, shape) in [
            ("a.weight", [5, 7]), ("a.bias", [5]), ("b.weight", [3, 2, 200]), ("b.bias", [3]), ("norm.weight", [64]),
            ("scale", [])
        ] {
            _ = layout.reserve(name: name, shape: Shape(shape), role: .other)
        }
        func weights(_ configuration: OptimizerConfiguration) -> [UInt32] {
            let run = Run(configuration, initial: (0..<layout.trainedCount).map { Float($0 % 31) / 16 - 1 })
            let rule = configuration.stepRule(for: layout)
            for step in 1...3 {
                for index in 0..<layout.trainedCount { run.gradient[index] = Float((index * 7 + step) % 23) / 8 - 1.25 }
                rule.prepare(step: step, learningRate: configuration.learningRate)
                run.apply(rule, to: 0..<1024)
                run.apply(rule, to: 1024..<layout.trainedCount)
            }
            return layout.slots.flatMap { slot in slot.range.map { run.weights[$0].bitPattern } }
        }
        let none: [[String: [String: Double]]] = ["a.bias", "b.bias", "norm", "scale"].map { [$0: ["weight_decay": 0]] }
        let matrices = try weights(configuration("matrices", []))
        #expect(try matrices == weights(configuration("all", none)))
        #expect(try matrices != weights(configuration("all", [])))
        // What a group says itself holds; one that says only the rate has the rule's decay.
        let slow = ["a.bias": ["learning_rate_factor": 0.5]]
        let slowAndFree = ["a.bias": ["learning_rate_factor": 0.5, "weight_decay": 0]]
        let own = ["norm.weight": ["weight_decay": 0.25]]
        #expect(
            try weights(configuration("matrices", [slow, own])) == weights(configuration("all", [slowAndFree, own] + none)))
        #expect(try weights(configuration("matrices", [own])) != matrices)
    }

    @Test("an average follows the weights until it begins, and then moves at every so many steps")
    func averages() throws {
        let average = try WeightAverage(settings(["decay": 0.75, "start_step": 4, "every_steps": 3]))
        #expect((1...7).allSatisfy { average.change(step: $0) == .copy })
        #expect((8...14).map { average.change(step: $0) } == [.none, .none, .move(0.25), .none, .none, .move(0.25), .none])
        let plain = try WeightAverage(settings(["none": 0]))
        #expect(plain.decay == 0.999 && !plain.validates)
        #expect(plain.change(step: 1) == .copy && plain.change(step: 2) == .move(Float(1 - 0.999)))
        for (options, expected) in [
            (["decay": 1], "from 0 to below 1"), (["start_step": -1], "start_step"), (["every_steps": 0], "every_steps")
        ] {
            let failure = #expect(throws: Failure.self) { try WeightAverage(settings(options)) }
            #expect(failure?.code == .badConfiguration && failure?.message.contains(expected) == true)
        }
    }

    @Test("a group that no parameter is in is refused")
    func emptyGroups() throws {
        var layout = ParameterLayout()
        _ = layout.reserve(name: "0.weight", shape: Shape([2]), role: .weight)
        func message(_ groups: [Any]) throws -> String? {
            do {
                let root = try settings(["parameter_groups": groups])
                try OptimizerConfiguration(root).groups.check(layout, in: root)
                return nil
            } catch let failure as Failure {
                #expect(failure.code == .badConfiguration)
                return failure.message
            }
        }
        #expect(try message([["0": ["weight_decay": 0]]]) == nil)
        #expect(
            try message([["1.weight": ["weight_decay": 0]]])?.contains("no trained parameter is called \"1.weight\"") == true)
        #expect(
            try message([["*": ["weight_decay": 0]], ["0.weight": ["weight_decay": 1]]])?
                .contains("in groups before it") == true)
    }
}

extension GradientRules {
    /// What a trainer does before the optimizer, for a buffer of one owner.
    func clip(_ gradient: MutableMatrixView) {
        switch clipping {
        case .none: break
        case .norm:
            if let factor = normFactor(norm: sumOfSquares(gradient.readOnly).squareRoot()) {
                Updates.scale(gradient, by: factor)
            }
        case .value(let limit): Updates.clip(gradient, to: Float(limit))
        }
    }
}
