import Diagnostics
import Kernels
import Settings
import Storage

/// What a parameter is before training. Every number is a function of the seed, the slot and its index.
package enum Initializer: Sendable, Equatable {
    case constant(Float)
    /// Uniform in ±bound.
    case uniform(bound: Double)
    case normal(mean: Double, deviation: Double)
    /// A matrix whose columns, or rows where those are fewer, are perpendicular to each other and of length `gain` (Saxe et al.,
    /// arXiv:1312.6120), as `torch.nn.init.orthogonal_`: drawn evenly from all of these.
    case orthogonal(gain: Double)
    /// Like the first, but a range of numbers that are `value`.
    indirect case parted(Initializer, Range<Int>, value: Float)

    /// The names of initializers of weights in a configuration.
    static let names = [
        "pytorch", "glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_uniform",
        "lecun_normal", "uniform", "normal", "orthogonal", "zeros"
    ]

    /// The initializer of a weight with so many inputs and outputs, and of the bias beside it.
    ///
    /// - `pytorch` (the default): both uniform in ±1/√inputs, as `torch.nn.Linear`.
    /// - Glorot and Bengio, AISTATS 2010; He et al., ICCV 2015; LeCun et al., "Efficient BackProp", 1998; biases 0.
    /// - `uniform: {bound}`, `normal: {mean, standard_deviation}`, `orthogonal: {gain}`, `zeros`; biases 0.
    ///
    /// - Parameters:
    ///   - key: the option that names it.
    ///   - pytorch: what `pytorch` means for the layer, where that isn't what it means for `torch.nn.Linear`.
    static func read(
        _ options: Settings, _ key: String = "initializer", inputs: Int, outputs: Int,
        pytorch: (weight: Initializer, bias: Initializer)? = nil
    ) throws -> (weight: Initializer, bias: Initializer) {
        let variant = try options.variant(key, default: "pytorch")
        let fanIn = Double(max(inputs, 1))
        let fanSum = Double(max(inputs + outputs, 1))
        let weight: Initializer
        switch variant.name {
        case "pytorch": return pytorch ?? (.uniform(bound: 1 / fanIn.squareRoot()), .uniform(bound: 1 / fanIn.squareRoot()))
        case "glorot_uniform": weight = .uniform(bound: (6 / fanSum).squareRoot())
        case "glorot_normal": weight = .normal(mean: 0, deviation: (2 / fanSum).squareRoot())
        case "he_uniform": weight = .uniform(bound: (6 / fanIn).squareRoot())
        case "he_normal": weight = .normal(mean: 0, deviation: (2 / fanIn).squareRoot())
        case "lecun_uniform": weight = .uniform(bound: (3 / fanIn).squareRoot())
        case "lecun_normal": weight = .normal(mean: 0, deviation: (1 / fanIn).squareRoot())
        case "uniform": weight = .uniform(bound: try variant.options.double("bound", default: 0.05, in: .nonNegative))
        case "normal":
            weight = .normal(
                mean: try variant.options.double("mean", default: 0),
                deviation: try variant.options.double("standard_deviation", default: 0.05, in: .nonNegative))
        case "orthogonal":
            weight = .orthogonal(gain: try variant.options.double("gain", default: 1, in: .nonNegative))
        case "zeros": weight = .constant(0)
        default: throw variant.unknown("initializer", known: names)
        }
        return (weight, .constant(0))
    }

    /// The same with other random numbers.
    func replacing(with other: Initializer) -> Initializer {
        if case .parted(let inner, let range, let value) = self {
            return .parted(inner.replacing(with: other), range, value: value)
        }
        return other
    }

    /// Fills the slot's numbers.
    func fill(_ numbers: MutableMatrixView, slot: ParameterSlot, seed: UInt64) {
        let stream = RandomStream(seed: seed, purpose: .initialization, layer: slot.index)
        let target = numbers.elements
        switch self {
        case .constant(let value): numbers.fill(value)
        case .uniform(let bound):
            for index in target.indices {
                let unit = Self.unit(stream.word(0, ordinal: UInt64(index)))
                target[index] = Float((2 * unit - 1) * bound)
            }
        case .normal(let mean, let deviation):
            for index in target.indices { target[index] = Float(mean + deviation * Self.normal(stream, index)) }
        case .orthogonal(let gain):
            let rows = slot.shape.dimensions.first ?? 1
            var matrix = Orthogonalization(rows: rows, columns: target.count / rows) { Self.normal(stream, $0) }
            matrix.run()
            for index in target.indices { target[index] = Float(gain * matrix[index]) }
        case .parted(let other, let range, let value):
            other.fill(numbers, slot: slot, seed: seed)
            for index in range { target[index] = value }
        }
    }

    /// A number of the standard normal distribution (Box and Muller, "A note on the generation of random normal deviates", 1958).
    private static func normal(_ stream: RandomStream, _ index: Int) -> Double {
        let block = stream.block(0, ordinal: UInt64(index))
        let u = unit(UInt64(block.x) << 32 | UInt64(block.y))
        let v = unit(UInt64(block.z) << 32 | UInt64(block.w))
        return (-2 * logarithm(u)).squareRoot() * cosineOfPi(times: 2 * v)
    }

    /// A number between 0 and 1, both excluded: 52 random bits and a half, which Double holds exactly.
    private static func unit(_ word: UInt64) -> Double { (Double(word >> 12) + 0.5) * 0x1p-52 }
}

extension LayerSite.Blueprint {
    /// As GPT-2 begins (Radford et al., 2019): weights normal with a standard deviation of 0.02, those that end a residual branch of
    /// 0.02/√(2 · blocks), biases 0; but for what its layer's configuration says otherwise, and what normalises.
    var initializersOfGPT2: [(slot: ParameterSlot, initializer: Initializer)] {
        initializers.map { slot, initializer in
            guard !initialized.contains(slot.index) else { return (slot, initializer) }
            switch slot.role {
            case .weight:
                let isResidual = residualProjections.contains(slot.index)
                let deviation = isResidual ? 0.02 / Double(2 * blockCount).squareRoot() : 0.02
                return (slot, initializer.replacing(with: .normal(mean: 0, deviation: deviation)))
            case .bias: return (slot, .constant(0))
            default: return (slot, initializer)
            }
        }
    }
}
