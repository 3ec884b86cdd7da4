import Diagnostics
import Settings

/// `format: npy`: arrays of NumPy, a file each.
///
///     data:
///       format: npy
///       train: {inputs: x_train.npy, targets: y_train.npy}
///       validation: {inputs: x_test.npy, targets: y_test.npy}
///       channels_last: false           # samples are [height, width, channels], as in Keras
struct NPYSource: DataFormat {
    static let kind = "npy"

    private struct Files: Sendable {
        let inputs: String
        /// Nil where the inputs are the targets.
        let targets: String?

        init(_ section: Settings, _ usesInputs: Bool) throws {
            inputs = try section.string("inputs")
            if usesInputs { try DataConfiguration.refuseTargets(in: section, "targets") }
            targets = usesInputs ? nil : try section.string("targets")
        }

        func arrays(_ channelsLast: Bool) throws -> (inputs: NPYArray, targets: NPYArray?) {
            (try NPYArray(path: inputs, channelsLast: channelsLast), try targets.map { try NPYArray(path: $0) })
        }
    }

    private let train: Files
    private let validation: Files?
    private let channelsLast: Bool

    init(_ settings: Settings, usesInputs: Bool) throws {
        train = try Files(try DataConfiguration.section(settings, "train"), usesInputs)
        validation = try settings.optionalSection("validation").map { try Files($0, usesInputs) }
        channelsLast = try settings.bool("channels_last", default: false)
    }

    func load(_ data: DataConfiguration, _ rule: TargetRule, stored: Preprocessing?) throws -> DataSplits {
        let (inputs, targets) = try train.arrays(channelsLast)
        return try data.splits(
            inputs, targets: targets, validation: try validation.map { try $0.arrays(channelsLast) }, rule, stored)
    }

    static func recognizes(_ path: String, for preprocessing: Preprocessing) throws -> Bool {
        try preprocessing.takesArrays && NPYArray.recognizes(path)
    }

    static func read(_ new: NewSamples, for preprocessing: Preprocessing) throws -> Preprocessing.Reading {
        try preprocessing.read(
            try NPYArray(path: new.path), new, targets: { try NPYArray(path: $0) },
            channelsFirst: { try NPYArray(path: new.path, channelsLast: true) })
    }
}

extension Preprocessing {
    /// New samples in an array; `targets` opens the array of targets that `new` names.
    ///
    /// - Parameter channelsFirst: reads the inputs again with their channels in front, where only so they fit.
    func read(
        _ inputs: NPYArray, _ new: NewSamples, targets: (String) throws -> NPYArray, channelsFirst: () throws -> NPYArray
    ) throws -> Reading {
        var inputs = inputs
        var notes: [String] = []
        let dimensions = inputs.shape.dimensions
        if dimensions != inputDimensions, dimensions.count == 3,
            [dimensions[2], dimensions[0], dimensions[1]] == inputDimensions
        {
            notes.append("\(inputs.path): samples of shape \(inputs.shape), read with their channels last")
            inputs = try channelsFirst()
        }
        guard new.isLabelled, !targetKind.areInputs else {
            return .init(dataset: try dataset(of: inputs, targets: nil), notes: notes)
        }
        guard let answers = new.targets else {
            throw Failure(
                .badConfiguration, "\(new.path): an array of inputs needs one of targets beside it (--targets FILE)")
        }
        return .init(dataset: try dataset(of: inputs, targets: try targets(answers)), notes: notes)
    }
}
