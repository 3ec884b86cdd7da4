import Diagnostics
import Network
import Settings
import Storage

/// Where a layer is built: what comes in, and the layout to reserve its parameters in.
public struct LayerBuilder {
    /// The shape of one sample of the input.
    public var inputShape: Shape { Shape(site.inputShape) }
    /// Where it stands in the network, `2` or `2.0`, or its `name:`; its parameters' names begin with it.
    public var path: String { site.path }

    var site: LayerSite
    private(set) var parameters: [Parameter] = []
    private let settings: Settings
    /// The numbers of all parameters together.
    private(set) var count = 0

    init(_ site: LayerSite, _ settings: Settings) {
        self.site = site
        self.settings = settings
    }

    /// Reserves a parameter: `gain` of the layer 2 is `2.gain` in files. Whether it is trained or frozen is the configuration's to say.
    ///
    /// - Parameters:
    ///   - name: letters, digits and `_`, another one for each parameter of the layer.
    ///   - shape: of its numbers.
    ///   - initial: what it is before training.
    ///   - isWeight: whether penalties such as weight decay apply to it, which biases and gains have none of.
    public mutating func parameter(_ name: String, shape: Shape, initial: InitialValue, isWeight: Bool = false) throws
        -> Parameter
    {
        guard !name.isEmpty, name.utf8.allSatisfy(Self.isAllowed) else {
            throw settings.failure("a parameter called \"\(name)\"; expected letters, digits and _")
        }
        guard !parameters.contains(where: { $0.slot.name == "\(path).\(name)" }) else {
            throw settings.failure("two parameters called \"\(name)\"")
        }
        guard shape.dimensions.allSatisfy({ $0 > 0 }) else {
            throw settings.failure("a parameter \"\(name)\" of shape \(shape); expected dimensions of 1 or more")
        }
        let storage = try site.shape(shape.dimensions) { settings.failure("the parameter \"\(name)\": \($0)") }
        let slot = site.reserve(name, shape: storage, role: isWeight ? .weight : .other, initializer: initial.initializer)
        let parameter = Parameter(slot: slot, first: count)
        parameters.append(parameter)
        count += storage.count
        return parameter
    }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "_"):
            true
        default: false
        }
    }
}

/// A parameter of a layer: a key to its weights and to its gradient.
public struct Parameter: Sendable {
    let slot: ParameterSlot
    /// Where its numbers begin among those of its layer.
    let first: Int

    /// Columns of it as a matrix: all numbers in one row, or of two dimensions or more a row for each place of the first.
    var columns: Int {
        let dimensions = slot.shape.dimensions
        return dimensions.count < 2 ? slot.shape.count : slot.shape.count / dimensions[0]
    }
}

/// What a parameter is before training; every number follows from the seed, the parameter and its place alone.
public enum InitialValue: Sendable {
    /// The same number everywhere.
    case constant(Float)
    /// Uniform in ±bound.
    case uniform(bound: Double)
    /// Normal.
    case normal(mean: Double, standardDeviation: Double)

    var initializer: Initializer {
        switch self {
        case .constant(let value): .constant(value)
        case .uniform(let bound): .uniform(bound: bound)
        case .normal(let mean, let deviation): .normal(mean: mean, deviation: deviation)
        }
    }
}
