import DTrain
import Foundation
import TestSupport
import Testing

@Suite("The library: what a program adds")
struct OwnCatalogueTests {
    private static let configuration: Configuration = [
        "data": ["format": "line", "validation_fraction": 0.25],
        "model": ["layers": [["gain": ["start": 0.5]], ["dense": ["units": 1]]]],
        "loss": "own_squares",
        "metrics": ["largest"],
        "optimizer": ["adam": ["learning_rate": 0.05]],
        "training": ["epochs": 40, "global_batch_size": 16, "micro_batch_size": 4]
    ]

    private static let catalogue = Catalogue(
        layers: [Gain.self], losses: [OwnSquares.self], metrics: [Largest.self], dataFormats: [Line.self])

    private func refusal(_ catalogue: Catalogue) -> String { refusing { _ = try Model("/nowhere", catalogue: catalogue) } }

    private func refusing(_ body: () throws -> Void) -> String { DTrainTests.refusal(body) }

    private func training(_ configuration: Configuration) -> String {
        refusing {
            try withTemporaryFolder { folder in
                var run = Run(configuration, catalogue: Self.catalogue)
                run.directory = folder + "/run"
                _ = try run.train()
            }
        }
    }

    @Test(
        "one of each kind train together; the loss is that of dtrain's own, to the bit, and the model reads the format's files")
    func together() throws {
        try withTemporaryFolder { folder in
            var run = Run(Self.configuration, catalogue: Self.catalogue)
            run.directory = folder + "/own"
            nonisolated(unsafe) var last: EpochReport?
            run.onEpoch = {
                last = $0
                return .goOn
            }
            _ = try run.train()
            let report = try #require(last)
            #expect((report.training["loss"] ?? 1) < 1e-3 && (report.validation["largest"] ?? 9) < 9)
            let model = try Model(folder + "/own", catalogue: Self.catalogue)
            run.configuration = Self.configuration.setting("loss", to: "mean_squared_error")
            run.directory = folder + "/built-in"
            #expect(try Model(try run.train().directory, catalogue: Self.catalogue).digest == model.digest)
            #expect(abs(try model.predict([0.5, 0.25]).values[0] - 0.5) < 0.1)
            try "line of 5".write(toFile: folder + "/new.line", atomically: true, encoding: .utf8)
            #expect(try model.predict(file: folder + "/new.line").count == 5)
            #expect(refusing { _ = try Model(folder + "/own") }.hasPrefix("65 "))
        }
    }

    @Test("options of all formats apply: normalisation, which predictions follow, and targets that are the inputs")
    func allFormats() throws {
        try withTemporaryFolder { folder in
            var run = Run(Self.configuration.setting("data.standardize", to: true), catalogue: Self.catalogue)
            run.directory = folder + "/run"
            let model = try Model(try run.train().directory, catalogue: Self.catalogue)
            #expect(abs(try model.predict([0.5, 0.25]).values[0] - 0.5) < 0.1)
            #expect(
                training(
                    Self.configuration.setting("data.target_kind", to: "input").setting("model.layers.1.dense.units", to: 2))
                    == "")
            #expect(training(Self.configuration.setting("data.target_kind", to: "class")).hasPrefix("78 data.target_kind: "))
        }
    }

    @Test("names that are taken, twice in one catalogue too, or no names are refused before anything is read")
    func names() {
        #expect(
            refusal(Catalogue(layers: [Dense.self])) == "78 Dense.kind: there is a layer \"dense\" already; choose another name"
        )
        #expect(refusal(Catalogue(layers: [Gain.self, Gain.self])).contains("there is a layer \"gain\" already"))
        #expect(refusal(Catalogue(metrics: [Loss.self])).contains("there is a metric \"loss\" already"))
        #expect(refusal(Catalogue(dataFormats: [Line.self, Line.self])).contains("there is a data format \"line\" already"))
        #expect(
            refusal(Catalogue(losses: [Shouting.self])).contains(
                "expected a name of lowercase letters, digits and _, found \"Loud!\""))
        #expect(refusal(Self.catalogue).hasPrefix("66 "))
    }

    @Test(
        "what a program's own part does wrong is one message, with the place",
        arguments: [
            ("model.layers.0.gain.start=2000", "model.layers[0].gain.start: "),
            ("model.layers.0.gain.begin=1", "unknown key \"begin\" in \"model.layers[0].gain\""),
            ("model.layers.0.gain.fault=twice", "model.layers[0].gain: two parameters called \"gain\""),
            ("model.layers.0.gain.fault=shape", "expected dimensions of 1 or more, found [0]"),
            ("model.layers.0.gain.fault=name", "a parameter called \"a.b\"; expected letters, digits and _"),
            ("model.layers.0.gain.fault=error", "model.layers[0].gain: Oddity()"),
            ("data.fault=nan", "65 line: sample 1, number 0: expected a finite number, found nan"),
            ("data.fault=count", "65 line: 7 target numbers, 1 each, for 40 samples"),
            ("data.fault=ragged", "65 line: 81 numbers; expected a multiple of 2"),
            ("data.fault=none", "65 line: no samples to train on"),
            ("data.fault=error", "65 line: Oddity()"),
            ("data.fault=missing", "66 there is no line")
        ])
    func faults(setting: String, message: String) {
        let parts = setting.split(separator: "=").map(String.init)
        let value: Setting = Int(parts[1]).map { .integer($0) } ?? .text(parts[1])
        let found = training(Self.configuration.setting(parts[0], to: value))
        #expect(found.contains(message), "\(found)")
    }
}

private struct Oddity: Error {}

/// y = w·x.
private struct Gain: Layer {
    static let kind = "gain"
    let outputShape: Shape
    let readsOutputBackward = false
    private let gain: Parameter

    init(options: Options, builder: inout LayerBuilder) throws {
        let start = try options.double("start", default: 1, in: 0...1000)
        let fault = try options.string("fault", default: "")
        outputShape = fault == "shape" ? [0] : builder.inputShape
        gain = try builder.parameter(
            fault == "name" ? "a.b" : "gain", shape: builder.inputShape, initial: .constant(Float(start)))
        if fault == "twice" { _ = try builder.parameter("gain", shape: [1], initial: .constant(0)) }
        if fault == "error" { throw Oddity() }
    }

    func forward(_ input: Rows, into output: MutableRows, in pass: Forward) {
        let gain = pass[gain][0]
        for row in input.indices { for i in gain.indices { output[row][i] = gain[i] * input[row][i] } }
    }

    func backward(_ outputGradient: Rows, into inputGradient: MutableRows?, input: Rows, output: Rows, in pass: Backward) {
        let (gain, sum) = (pass[gain][0], pass.gradient(of: gain)[0])
        for row in input.indices {
            for i in gain.indices {
                sum[i] += outputGradient[row][i] * input[row][i]
                inputGradient?[row][i] = outputGradient[row][i] * gain[i]
            }
        }
    }
}

private struct Dense: Layer {
    static let kind = "dense"
    let outputShape: Shape = [1]

    init(options: Options, builder: inout LayerBuilder) throws {}
    func forward(_ input: Rows, into output: MutableRows, in pass: Forward) {}
    func backward(_ outputGradient: Rows, into inputGradient: MutableRows?, input: Rows, output: Rows, in pass: Backward) {}
}

/// Σ (x − t)², over all outputs.
private struct OwnSquares: DTrain.Loss {
    static let kind = "own_squares"
    let targets = TargetKind.values
    let averagesOutputs = true

    init(options: Options) throws {}

    func evaluate(_ outputs: Row, target: Target, gradient: MutableRow?) -> Double {
        guard case .values(let values) = target else { return .nan }
        var sum = 0.0
        for i in outputs.indices {
            let difference = outputs[i] - values[i]
            sum += Double(difference) * Double(difference)
            gradient?[i] = 2 * difference
        }
        return sum
    }
}

private struct Shouting: DTrain.Loss {
    static let kind = "Loud!"
    let targets = TargetKind.values

    init(options: Options) throws {}
    func evaluate(_ outputs: Row, target: Target, gradient: MutableRow?) -> Double { 0 }
}

/// The mean of the largest output of each sample.
private struct Largest: Metric {
    static let kind = "largest"
    let sumCount = 1
    let higherIsBetter = false

    init(options: Options, task: LearningTask) throws {}
    func add(_ outputs: Row, target: Target, to sums: Sums) { sums[0] += Double(outputs.max() ?? 0) }
    func value(_ sums: [Double], count: Double) -> Double { sums[0] / count }
}

private struct Loss: Metric {
    static let kind = "loss"
    let sumCount = 1
    let higherIsBetter = false

    init(options: Options, task: LearningTask) throws {}
    func add(_ outputs: Row, target: Target, to sums: Sums) {}
    func value(_ sums: [Double], count: Double) -> Double { 0 }
}

/// Points (a, b) and 2·a − 2·b.
private struct Line: DataFormat {
    static let kind = "line"
    private let fault: String

    init(options: Options) throws { fault = try options.string("fault", default: "") }

    func load() throws -> (train: Samples, validation: Samples?) {
        if fault == "error" { throw Oddity() }
        if fault == "missing" { throw Failure(.missingInput, "there is no line") }
        var samples = Self.samples(fault == "none" ? 0 : 40)
        if fault == "nan" { samples.inputs[2] = .nan }
        if fault == "ragged" { samples.inputs.append(0) }
        if fault == "count", case .values(let values, _) = samples.targets {
            samples.targets = .values(Array(values.prefix(7)), count: 1)
        }
        return (samples, nil)
    }

    static func recognizes(_ path: String) -> Bool { path.hasSuffix(".line") }

    static func read(_ path: String) throws -> Samples {
        let text = try String(contentsOfFile: path, encoding: .utf8)
        return samples(Int(text.split(separator: " ").last ?? "") ?? 0)
    }

    private static func samples(_ count: Int) -> Samples {
        let points = (0..<count).map { (Float($0 % 5) / 5, Float($0 % 7) / 7) }
        return Samples(
            inputs: points.flatMap { [$0.0, $0.1] }, shape: [2], targets: .values(points.map { 2 * $0.0 - 2 * $0.1 }, count: 1))
    }
}
