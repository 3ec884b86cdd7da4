import Checkpointing
import Collectives
import Datasets
import Diagnostics
import Foundation
import Kernels
import Metrics
import Network
import Optimization
import Settings
import Storage
import TestSupport
import Testing
import Training

@Suite("What a program adds to the catalogue")
struct CatalogueTests {
    private static let catalogue = Catalogue.standard.adding(layer: Gain.self).adding(loss: Absolute.self)
        .adding(optimizer: SignDescent.self).adding(schedule: Halving.self).adding(metric: MeanOutput.self)
        .adding(dataFormat: Ramp.self)

    private static let ofOwn = ["model.layers=[gain: {start: 0.5}, dense: {units: 10}]", "metrics=[accuracy, mean_output]"]

    private func configuration(_ catalogue: Catalogue, _ settings: [String]) throws -> TrainingConfiguration {
        try TrainingConfiguration(
            try SettingsDocument(text: builtInConfiguration, name: "own.yaml", overrides: settings),
            name: "own", catalogue: catalogue)
    }

    @Test("a layer of one's own trains two steps, with a metric of one's own, and its checkpoint is read with its catalogue")
    func twoSteps() throws {
        try withTemporaryFolder { folder in
            let agreed = try AgreedExperiment(over: SoloCommunicator()) {
                try Experiment(
                    try configuration(
                        Self.catalogue,
                        Self.ofOwn + [
                            "optimizer={sign_descent: {learning_rate: 0.25}}",
                            "schedule=halving"
                        ]))
            }
            let place = RunPlace(try RunDirectory.open(folder + "/run", resuming: false))
            let trainer = try quietTrainer(agreed, in: place, stoppingAfter: 2)
            var gains: [[Float]] = []
            let slot = try #require(agreed.experiment.network.layout.slots.first { $0.name == "0.gain" })
            trainer.afterStep = { _, weights in gains.append(weights.matrix(slot).elements.map { $0 }) }
            try trainer.begin()
            #expect(try trainer.run() == .finished)
            trainer.close()
            // Steps of 1/4 and 1/8 from 1/2 on; where an input is 0 in all samples there is no gradient.
            #expect(gains.count == 2 && gains[0].count == 64)
            #expect(gains[0].allSatisfy { [0.25, 0.5, 0.75].contains($0) } && Set(gains[0]).count == 3)
            #expect(gains[1].allSatisfy { ($0 * 8).rounded() == $0 * 8 } && gains[1] != gains[0])

            let model = try TrainedModel(path: folder + "/run", overrides: [], catalogue: Self.catalogue)
            let values = try model.evaluate(.validation).metrics
            #expect(values.map(\.name) == ["accuracy", "mean_output"] && values[1].scalar?.isFinite == true)
            do {
                _ = try TrainedModel(path: folder + "/run", overrides: [])
                Issue.record("an unknown layer was accepted")
            } catch let failure as Failure {
                #expect(
                    failure.code == .badData && failure.message.contains("unknown optimizer \"sign_descent\""), "\(failure)")
            }
        }
    }

    @Test("its gradients are what central differences say, and its loss trains too")
    func gradients() throws {
        let experiment = try Experiment(try configuration(Self.catalogue, Self.ofOwn))
        var rows: [GradientCheck.Row] = []
        GradientCheck(experiment, rows: 8).run(elements: 16) { rows.append($0) }
        #expect(rows.map(\.parameter) == ["0.gain", "1.weight", "1.bias"] && rows.allSatisfy(\.passed), "\(rows)")
        let loss = try configuration(Self.catalogue, ["loss=absolute"]).loss
        #expect(type(of: loss).kind == "absolute")
    }

    @Test("a data format of one's own is trained on, and checked by the keys of all formats")
    func dataFormat() throws {
        let settings = [
            "data={format: ramp, samples: 40}", "model.layers=[dense: {units: 1}]", "loss=mean_squared_error", "metrics=[]"
        ]
        let experiment = try Experiment(try configuration(Self.catalogue, settings))
        #expect(experiment.splits.train.count == 40 && experiment.splits.train.inputShape == Shape([2]))
        #expect(throws: Failure.self) {
            try Experiment(try configuration(Self.catalogue, settings + ["data.standardize=true"]))
        }
        #expect(throws: Failure.self) { try Experiment(try configuration(Self.catalogue, settings + ["data.sample=3"])) }
        try withTemporaryFolder { folder in
            var run = TrainingRun(name: "ramp") {
                try configuration(
                    Self.catalogue,
                    settings + [
                        "training={epochs: 60, global_batch_size: 8, micro_batch_size: 4}",
                        "optimizer={sgd: {learning_rate: 0.5}}"
                    ])
            }
            run.directory = folder + "/run"
            run.options.style = .quiet
            #expect(try run(on: SoloCommunicator()).step == 300)
            let model = try TrainedModel(path: run.directory ?? "", overrides: [], catalogue: Self.catalogue)
            #expect(try model.evaluate(.train).loss < 1e-3)
            // A file that only this format knows, for `predict` and `eval`.
            try Data("ramp of 7".utf8).write(to: URL(fileURLWithPath: folder + "/new.ramp"))
            var count = 0
            try model.predict(folder + "/new.ramp") { _ in count += 1 }
            #expect(count == 7)
            #expect(try model.evaluate(.file(folder + "/new.ramp", targets: nil)).loss < 1e-3)
        }
    }

    @Test(
        "nothing of it is known to another catalogue, and a misspelt name is told with the nearest one",
        arguments: [
            ("model.layers=[gain, dense: {units: 10}]", "unknown layer \"gain\""),
            ("loss=absolute", "unknown loss \"absolute\""),
            ("optimizer=sign_descent", "unknown optimizer \"sign_descent\""),
            ("schedule=halving", "unknown schedule \"halving\""),
            ("metrics=[mean_output]", "unknown metric \"mean_output\""), ("data.format=ramp", "unknown value \"ramp\"")
        ])
    func separate(setting: String, message: String) throws {
        func refusal(_ catalogue: Catalogue, _ setting: String) throws -> String {
            do {
                _ = try Experiment(try configuration(catalogue, [setting]))
                return ""
            } catch let failure as Failure {
                return failure.message
            }
        }
        #expect(try refusal(.standard, setting).contains(message))
        let name = String(message.split(separator: "\"")[1])
        let misspelt = try refusal(Self.catalogue, setting.replacing(name, with: name + "s"))
        #expect(misspelt.contains("did you mean \"\(name)\"?"), "\(misspelt)")
    }
}

/// Points (a, b) and a − 2·b.
private struct Ramp: DataFormat {
    static let kind = "ramp"
    private let count: Int

    init(_ settings: Settings, usesInputs: Bool) throws { count = try settings.int("samples", in: 1...1000) }

    func check(_ data: DataConfiguration, _ settings: Settings) throws {
        guard try !settings.bool("standardize", default: false) else {
            throw settings.failure("standardize", "a ramp is one already")
        }
    }

    static func recognizes(_ path: String, for preprocessing: Preprocessing) throws -> Bool { path.hasSuffix(".ramp") }

    static func read(_ new: NewSamples, for preprocessing: Preprocessing) throws -> Preprocessing.Reading {
        let text = try String(contentsOfFile: new.path, encoding: .utf8)
        return .init(dataset: samples(Int(text.dropFirst(8)) ?? 0))
    }

    func load(_ data: DataConfiguration, _ rule: TargetRule, stored: Preprocessing?) throws -> DataSplits {
        let train = Self.samples(count)
        return DataSplits(train: train, validation: nil, preprocessing: stored ?? Preprocessing(of: train))
    }

    private static func samples(_ count: Int) -> Dataset {
        let points = (0..<count).map { (Float($0 % 5) / 5, Float($0 % 7) / 7) }
        return Dataset(
            inputs: points.flatMap { [$0.0, $0.1] }, inputShape: Shape([2]), values: points.map { $0.0 - 2 * $0.1 },
            valueCount: 1)
    }
}

/// y = w·x, element by element.
private struct Gain: Layer {
    static let kind = "gain"
    let outputShape: Shape
    private let gain: ParameterSlot

    init(options: Settings, site: inout LayerSite) throws {
        let start = try options.double("start", default: 1)
        outputShape = site.inputShape
        gain = site.reserve("gain", shape: outputShape, role: .other, initializer: .constant(Float(start)))
    }

    var memory: LayerMemory { LayerMemory(backward: MemoryNeed(perSample: outputShape.count)) }

    func forward(_ input: MatrixView, into output: MutableMatrixView, memory: PassMemory, in pass: ForwardPass) {
        let gains = pass.weights.matrix(gain).row(0)
        for row in 0..<input.rows {
            for column in 0..<input.columns {
                output.elements[row * input.columns + column] = gains[column] * input.row(row)[column]
            }
        }
    }

    func backward(
        _ outputGradient: MatrixView, into inputGradient: MutableMatrixView?, input: MatrixView,
        output: MatrixView, memory: PassMemory, in pass: BackwardPass
    ) {
        let gains = pass.weights.matrix(gain).row(0)
        if let inputGradient {
            for row in 0..<input.rows {
                for column in 0..<input.columns {
                    inputGradient.elements[row * input.columns + column] = gains[column] * outputGradient.row(row)[column]
                }
            }
        }
        guard let target = pass.gradient(of: gain) else { return }
        let products = memory.work.matrix(rows: input.rows, columns: input.columns)
        pass.workspace.multiply(outputGradient, input, into: products)
        pass.workspace.columnSums(products.readOnly, leafRows: pass.summedRows, into: target)
    }
}

/// Σ |y|, whatever the targets.
private struct Absolute: Loss {
    static let kind = "absolute"
    let outputTransform = OutputTransform.none
    let targetDemand = TargetDemand.classes

    init(options: Settings) throws {}

    func divisor(outputs: Int, hasClasses: Bool) -> LossDivisor { .perRow(1) }

    func evaluate(
        _ outputs: MatrixView, _ targets: TargetView, losses: UnsafeMutableBufferPointer<Double>,
        gradient: MutableMatrixView?, in workspace: Workspace
    ) {
        for row in 0..<outputs.rows {
            losses[row] = outputs.row(row).reduce(0) { $0 + Double($1.magnitude) }
        }
    }
}

/// w − rate·sign(g).
private struct SignDescent: Optimizer {
    static let kind = "sign_descent"
    static let defaultLearningRate = 0.5
    let states: [OptimizerState] = []

    init(options: Settings) throws {}

    func coefficients(step: Int, learningRate: Double, weightDecay: Double?) -> Float { Float(learningRate) }

    func update(_ coefficients: Float, weights: MutableMatrixView, gradient: MatrixView, states: StateViews) {
        for index in 0..<gradient.count {
            let slope = gradient.row(0)[index]
            if slope != 0 { weights.elements[index] -= slope > 0 ? coefficients : -coefficients }
        }
    }
}

/// Half the rate in every step.
private struct Halving: ScheduleForm {
    static let kind = "halving"

    init(options: Settings) throws {}

    func learningRate(base: Double, step: Int, runSteps: Int) -> Double { base / Double(1 << min(step, 60)) }
}

/// The mean over all outputs.
private struct MeanOutput: AddedMetric {
    static let kind = "mean_output"
    let statisticsCount = 1
    let higherIsBetter = true
    private let outputs: Int

    init(options: Settings, task: LearningTask) throws { outputs = task.outputs }

    func accumulate(outputs: MatrixView, targets: TargetView, into statistics: UnsafeMutableBufferPointer<Double>) {
        for row in 0..<outputs.rows { statistics[0] += outputs.row(row).reduce(0) { $0 + Double($1) } }
    }

    func value(_ statistics: UnsafeBufferPointer<Double>, rows: Double) -> Double { statistics[0] / (rows * Double(outputs)) }
}
