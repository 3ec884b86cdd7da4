import DTrain

/// dtrain with a layer and a data format more: `OwnLayer train rings.yaml`.
@main enum OwnLayer {
    static func main() { Program.main(Catalogue(layers: [Bell.self], dataFormats: [Rings.self])) }
}

/// y = 1 / (1 + (w·x)²), a bell over each number, whose width is trained: `bell: {start: 1}`.
///
/// Backward, with g = ∂L/∂y: ∂L/∂x = −2·g·y²·w²·x, ∂L/∂w = Σ −2·g·y²·w·x².
struct Bell: Layer {
    static let kind = "bell"
    let outputShape: Shape
    let steepness: Parameter

    init(options: Options, builder: inout LayerBuilder) throws {
        outputShape = builder.inputShape
        let start = try options.double("start", default: 1, in: 0.01...100)
        steepness = try builder.parameter("steepness", shape: outputShape, initial: .constant(Float(start)))
    }

    func forward(_ input: Rows, into output: MutableRows, in pass: Forward) {
        let w = pass[steepness][0]
        for row in input.indices {
            let (x, y) = (input[row], output[row])
            for i in x.indices { y[i] = 1 / (1 + w[i] * x[i] * w[i] * x[i]) }
        }
    }

    func backward(
        _ outputGradient: Rows, into inputGradient: MutableRows?, input: Rows, output: Rows, in pass: Backward
    ) {
        let (w, sum) = (pass[steepness][0], pass.gradient(of: steepness)[0])
        for row in input.indices {
            let (g, x, y) = (outputGradient[row], input[row], output[row])
            for i in x.indices {
                let slope = -2 * g[i] * y[i] * y[i] * w[i] * x[i]
                sum[i] += slope * x[i]
                inputGradient?[row][i] = slope * w[i]
            }
        }
    }
}

/// Points in a square, by the ring around its middle that they lie in: `data: {format: rings, points: 600, rings: 3}`.
struct Rings: DataFormat {
    static let kind = "rings"
    let points: Int
    let rings: Int

    init(options: Options) throws {
        points = try options.int("points", default: 600, in: 10...100_000)
        rings = try options.int("rings", default: 3, in: 2...10)
    }

    func load() throws -> (train: Samples, validation: Samples?) {
        var inputs: [Float] = []
        var classes: [Int] = []
        for point in 0..<points {
            // Multiples of irrational numbers fill the square evenly.
            let x = (Float(point) * 0.618034).truncatingRemainder(dividingBy: 1) * 2 - 1
            let y = (Float(point) * 0.754878).truncatingRemainder(dividingBy: 1) * 2 - 1
            inputs += [x, y]
            classes.append(min(rings - 1, Int((x * x + y * y).squareRoot() * Float(rings))))
        }
        let names = (1...rings).map { "ring \($0)" }
        return (Samples(inputs: inputs, shape: [2], targets: .classes(classes, names: names)), nil)
    }
}
