import DTrain
import Foundation

// What a program outside would be: it imports the library and nothing else of dtrain.
//
//   library-program DIRECTORY [stop-after-epoch N] [fail-on-rank N] [wait-in-epoch N FILE]

Program.perform { ranks in
    let arguments = Array(CommandLine.arguments.dropFirst())
    func value(_ name: String) -> Int? {
        arguments.firstIndex(of: name).flatMap { $0 + 1 < arguments.count ? Int(arguments[$0 + 1]) : nil }
    }
    let configuration: Configuration = [
        "data": ["format": "digits"],
        "model": ["layers": [["dense": ["units": 16]], "wave", ["dense": ["units": 10]]]],
        "loss": ["squared_hinge": ["margin": 0.5]],
        "metrics": ["accuracy", "margin_met"],
        "optimizer": ["adam": ["learning_rate": 0.01]],
        "training": ["epochs": 4, "global_batch_size": 96, "micro_batch_size": 16]
    ]
    var run = Run(
        configuration, catalogue: Catalogue(layers: [Wave.self], losses: [SquaredHinge.self], metrics: [MarginMet.self]))
    run.directory = arguments[0]
    var told: [String] = []
    run.onStep = { report in
        told.append("\(report.step) \(report.epoch) \(report.samples) \(report.loss) \(report.metrics["margin_met"] ?? -1)")
        return .goOn
    }
    run.onEpoch = { report in
        told.append("\(report.epoch) \(report.training["loss"] ?? -1) \(report.validation["margin_met"] ?? -1)")
        if value("fail-on-rank") == ranks.rank { fatalError("as asked") }
        if value("wait-in-epoch") == report.epoch {
            // The test sends a signal when it sees the file, and then lets it go on.
            _ = FileManager.default.createFile(atPath: arguments[0] + "/waiting", contents: nil)
            for _ in 0..<6000 where !FileManager.default.fileExists(atPath: arguments[0] + "/go") { usleep(10_000) }
        }
        return value("stop-after-epoch") == report.epoch && ranks.rank == ranks.count - 1 ? .stop : .goOn
    }
    let outcome = try run.train(on: ranks)
    var hash: UInt64 = 14_695_981_039_346_656_037
    for byte in told.joined(separator: "\n").utf8 { hash = (hash ^ UInt64(byte)) &* 1_099_511_628_211 }
    let line =
        "rank \(ranks.rank) of \(ranks.count): \(told.count) reports \(hash), step \(outcome.step) \(outcome.wasInterrupted)\n"
    FileHandle.standardOutput.write(Data(line.utf8))
}

/// y = w·x/(1 + |x|), with products by dtrain: a weight that mixes the inputs first.
struct Wave: Layer {
    static let kind = "wave"
    let outputShape: Shape
    let keptCount: Int
    let workCount: Int
    let products: [MatrixProduct]
    let readsOutputBackward = false
    private let weight: Parameter
    private let scale: Parameter

    init(options: Options, builder: inout LayerBuilder) throws {
        let width = builder.inputShape.count
        outputShape = Shape([width])
        keptCount = width
        workCount = width
        products = [MatrixProduct(inputs: width, outputs: width)]
        weight = try builder.parameter("weight", shape: [width, width], initial: .uniform(bound: 0.3), isWeight: true)
        scale = try builder.parameter("scale", shape: [width], initial: .constant(1))
    }

    func forward(_ input: Rows, into output: MutableRows, in pass: Forward) {
        // The mixed inputs are made in the output, kept, and bent there.
        pass.multiply(input, by: pass[weight], into: output)
        let scale = pass[scale][0]
        for row in output.indices {
            let y = output[row]
            for i in y.indices {
                pass.kept?[row][i] = y[i]
                y[i] = scale[i] * y[i] / (1 + abs(y[i]))
            }
        }
    }

    func backward(_ outputGradient: Rows, into inputGradient: MutableRows?, input: Rows, output: Rows, in pass: Backward) {
        let (scale, scaleGradient) = (pass[scale][0], pass.gradient(of: scale)[0])
        for row in input.indices {
            let (g, mixed, slope) = (outputGradient[row], pass.kept[row], pass.work[row])
            for i in g.indices {
                let bent = 1 + abs(mixed[i])
                scaleGradient[i] += g[i] * mixed[i] / bent
                slope[i] = g[i] * scale[i] / (bent * bent)
            }
        }
        pass.addProduct(of: pass.work.readOnly, and: input, to: pass.gradient(of: weight))
        if let inputGradient { pass.multiply(pass.work.readOnly, by: pass[weight], into: inputGradient) }
    }
}

/// Σ max(0, margin − t·x)², t = 1 for the class and −1 for the others.
struct SquaredHinge: Loss {
    static let kind = "squared_hinge"
    let targets = TargetKind.classes
    private let margin: Float

    init(options: Options) throws { margin = Float(try options.double("margin", default: 1, in: 0...10)) }

    func evaluate(_ outputs: Row, target: Target, gradient: MutableRow?) -> Double {
        guard case .label(let label) = target else { fatalError("a row of probabilities") }
        var sum = 0.0
        for i in outputs.indices {
            let sign: Float = i == label ? 1 : -1
            let lack = max(0, margin - sign * outputs[i])
            sum += Double(lack * lack)
            gradient?[i] = -2 * sign * lack
        }
        return sum
    }
}

/// How many samples are on the right side for every class.
struct MarginMet: Metric {
    static let kind = "margin_met"
    let sumCount = 1
    let higherIsBetter = true

    init(options: Options, task: LearningTask) throws {
        guard case .classification = task else { throw options.failure("margin_met is for classes") }
    }

    func add(_ outputs: Row, target: Target, to sums: Sums) {
        guard case .label(let label) = target else { return }
        if outputs.indices.allSatisfy({ (outputs[$0] > 0) == ($0 == label) }) { sums[0] += 1 }
    }

    func value(_ sums: [Double], count: Double) -> Double { sums[0] / count }
}
