import Diagnostics
import Settings
import Storage

/// `format: idx`: files of MNIST's format, .gz or plain.
struct IDXSource: DataFormat {
    static let kind = "idx"

    private struct Files: Sendable {
        let inputs: String
        /// Nil where the inputs are the targets.
        let targets: String?
    }

    private let train: Files
    private let validation: Files?

    init(_ settings: Settings, usesInputs: Bool) throws {
        train = try Self.files(try DataConfiguration.section(settings, "train"), usesInputs)
        validation = try settings.optionalSection("validation").map { try Self.files($0, usesInputs) }
    }

    private static func files(_ section: Settings, _ usesInputs: Bool) throws -> Files {
        let inputs = try section.string("inputs")
        guard usesInputs else { return Files(inputs: inputs, targets: try section.string("targets")) }
        try DataConfiguration.refuseTargets(in: section, "targets")
        return Files(inputs: inputs, targets: nil)
    }

    static func recognizes(_ path: String, for preprocessing: Preprocessing) throws -> Bool {
        try preprocessing.takesArrays && IDXFile.recognizes(path)
    }

    static func read(_ new: NewSamples, for preprocessing: Preprocessing) throws -> Preprocessing.Reading {
        let inputs = try IDXFile(path: new.path)
        guard new.isLabelled, !preprocessing.targetKind.areInputs else {
            return .init(dataset: try preprocessing.dataset(of: inputs, targets: nil))
        }
        guard let targets = new.targets else {
            throw Failure(.badConfiguration, "\(new.path): inputs in IDX need a file of targets beside them (--targets FILE)")
        }
        return .init(dataset: try preprocessing.dataset(of: inputs, targets: try IDXFile(path: targets)))
    }

    func load(_ data: DataConfiguration, _ rule: TargetRule, stored: Preprocessing?) throws -> DataSplits {
        try data.splits(
            try IDXFile(path: train.inputs), targets: try train.targets.map(IDXFile.init),
            validation: try validation.map { (try IDXFile(path: $0.inputs), try $0.targets.map(IDXFile.init)) }, rule, stored)
    }
}
