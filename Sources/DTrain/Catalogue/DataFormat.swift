import Datasets
import Diagnostics
import Settings

/// A data format of your own: where samples come from.
///
/// Options of all formats apply to it: `validation_fraction`, `normalize`, `standardize`, `target_kind`, `class_names`, `augmentation`.
public protocol DataFormat: Sendable {
    /// Its name in a configuration, `data.format`: lowercase letters, digits and `_`.
    static var kind: String { get }

    /// Reads its options, those of the section `data`; files aren't looked at yet.
    init(options: Options) throws

    /// Reads the samples. Each rank does, and all have to get the same ones.
    ///
    /// - Returns: what to train on, and what to validate with; nil where there is nothing, unless the configuration has it cut off.
    func load() throws -> (train: Samples, validation: Samples?)

    /// Whether a file of new samples for a trained network (`predict`, `eval`) is one of this format; false by default.
    static func recognizes(_ path: String) -> Bool

    /// Reads such a file.
    static func read(_ path: String) throws -> Samples
}

extension DataFormat {
    /// It isn't.
    public static func recognizes(_ path: String) -> Bool { false }

    /// There is none.
    public static func read(_ path: String) throws -> Samples {
        throw Failure(.badData, "\(path): the data format \(kind) reads no files of new samples")
    }
}

/// Samples in memory.
public struct Samples: Sendable {
    /// What a network should answer for them.
    public enum Targets: Sendable {
        /// Nobody knows.
        case none
        /// The index of a class for each; `names` are what the classes are called.
        case classes([Int], names: [String])
        /// So many numbers for each, one sample behind the other.
        case values([Float], count: Int)
    }

    /// Their numbers, one sample behind the other, as they are before they are normalised.
    public var inputs: [Float]
    /// The shape of one.
    public var shape: Shape
    /// What a network should answer.
    public var targets: Targets

    /// Samples of a shape. What doesn't fit together is refused where they are used.
    public init(inputs: [Float], shape: Shape, targets: Targets) {
        self.inputs = inputs
        self.shape = shape
        self.targets = targets
    }

    func arrays(name: String) throws -> ArraySamples {
        let targets: ArraySamples.Targets? =
            switch targets {
            case .none: nil
            case .classes(let classes, let names): .classes(classes, count: names.count, names: names)
            case .values(let values, let count): .values(values, count: count)
            }
        return try ArraySamples(inputs: inputs, shape: shape.dimensions, targets: targets, name: name)
    }
}

/// A data format of a program's own, as the configuration of the data calls it.
struct OwnFormat<Own: DataFormat>: Datasets.DataFormat {
    static var kind: String { Own.kind }

    private let own: Own

    init(_ settings: Settings, usesInputs: Bool) throws {
        own = try forDtrain {
            try Own(options: Options(settings))
        } else: {
            settings.failure($0)
        }
    }

    func load(_ data: DataConfiguration, _ rule: TargetRule, stored: Preprocessing?) throws -> DataSplits {
        let samples = try forDtrain {
            try own.load()
        } else: {
            Diagnostics.Failure(.badData, "\(Own.kind): \($0)")
        }
        return try data.splits(
            train: try samples.train.arrays(name: Own.kind),
            validation: try samples.validation?.arrays(name: "\(Own.kind), validation"), rule, stored: stored, name: Own.kind)
    }

    static func recognizes(_ path: String, for preprocessing: Preprocessing) throws -> Bool {
        preprocessing.takesArrays && Own.recognizes(path)
    }

    static func read(_ new: NewSamples, for preprocessing: Preprocessing) throws -> Preprocessing.Reading {
        let samples = try forDtrain {
            try Own.read(new.path)
        } else: {
            Diagnostics.Failure(.badData, "\(new.path): \($0)")
        }
        let arrays = try samples.arrays(name: new.path)
        return .init(dataset: try preprocessing.dataset(of: arrays, isLabelled: new.isLabelled, name: new.path))
    }
}
