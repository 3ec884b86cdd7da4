import Diagnostics
import Files
import Settings
import Storage

/// What the two formats of CIFAR share.
///
///     data:
///       format: cifar10                # or cifar100
///       path: cifar-10-batches-bin     # the folder of the archive: training files, and the test file for validation
///       train: {path: [data_batch_1.bin]}       # instead of it
///       validation: {path: test_batch.bin}
///       coarse: false                  # cifar100: the 20 classes instead of the 100
struct CIFARFiles: Sendable {
    let set: CIFARSet
    private let train: [String]
    private let validation: [String]?
    private let usesInputs: Bool

    init(_ settings: Settings, _ set: CIFARSet, usesInputs: Bool) throws {
        self.set = set
        self.usesInputs = usesInputs
        let folder = try settings.optionalString("path")
        func files(_ key: String) throws -> [String]? {
            guard let section = try settings.optionalSection(key) else { return nil }
            guard let paths = try section.optionalStrings("path"), !paths.isEmpty else {
                throw section.failure("path", "missing; expected a file of \(set.name)'s binary version, or a list of them")
            }
            return paths
        }
        let named = (train: try files("train"), validation: try files("validation"))
        func inFolder(_ name: String) -> String? { folder.map { $0.hasSuffix("/") ? $0 + name : $0 + "/" + name } }
        guard let train = named.train ?? (folder == nil ? nil : set.trainingFiles.compactMap(inFolder)) else {
            throw settings.failure(
                "path", "missing; expected the folder of \(set.name)'s binary version, or train: {path: FILES}")
        }
        self.train = train
        // The test file is there to validate with, unless something else is said.
        let isCut = settings.has("validation_fraction") || named.train != nil
        validation = named.validation ?? (isCut ? nil : inFolder(set.testFile).map { [$0] })
    }

    func check(_ data: DataConfiguration, _ settings: Settings) throws {
        guard data.rule.wantsInputs || data.rule.wantsClasses != false, data.rule.classCount ?? set.classCount == set.classCount
        else {
            throw settings.failure(
                "\(set.name) has \(set.classCount) classes; leave out target_kind, classes and class_names, or give as many")
        }
    }

    func load(_ data: DataConfiguration, _ rule: TargetRule, stored: Preprocessing?) throws -> DataSplits {
        let samples = try CIFARSamples(paths: train, set)
        let coded =
            usesInputs
            ? CodedLabels(targets: nil, kind: .inputs(count: CIFARSet.pixelCount))
            : CodedLabels(
                targets: .classes(samples.labels), kind: .classes(count: set.classCount),
                names: try rule.classNames ?? names())
        var splits = try data.splits(
            samples.samples, inputShape: CIFARSet.shape, coded,
            rows: try data.split(count: samples.samples.count, name: samples.path), stored, fallback: .none, name: samples.path)
        if let validation {
            splits.validation = splits.preprocessing.dataset(of: try CIFARSamples(paths: validation, set), isLabelled: true)
        }
        return splits
    }

    /// What the file beside the data calls the classes; nil where there is none that fits.
    private func names() throws -> [String]? {
        let path = BytePath(
            train[0].contains("/") ? String(train[0][...(train[0].lastIndex(of: "/") ?? train[0].startIndex)]) : "."
        )
        .appending(BytePath(set.namesFile))
        guard try ByteFolder.status(path)?.kind == .file else { return nil }
        let lines = String(decoding: try ByteFolder.content(of: path, largest: 1 << 16), as: UTF8.self)
            .split(whereSeparator: \.isNewline).map(String.init)
        return lines.count == set.classCount && Set(lines).count == lines.count ? lines : nil
    }
}

extension Preprocessing {
    /// The samples of files of CIFAR, normalised as the training data were.
    fileprivate func dataset(of file: CIFARSamples, isLabelled: Bool) -> Dataset {
        Dataset(
            inputs: .encoded(file.samples, Rescaling(normalization, width: inputShape.count)), inputShape: inputShape,
            targets: isLabelled && !targetKind.areInputs ? .classes(file.labels) : nil, targetKind: targetKind,
            classNames: classNames)
    }

    /// The set whose files a network of these samples can read; nil where it can read none.
    fileprivate func cifarSet(_ path: String) throws -> CIFARSet? {
        guard inputShape == CIFARSet.shape, table == nil, text == nil, !isFolder(path) else { return nil }
        let sets: [CIFARSet] =
            switch targetKind {
            case .classes(10): [.ten]
            case .classes(20): [.hundred(coarse: true)]
            case .classes(100): [.hundred(coarse: false)]
            case .inputs: [.ten, .hundred(coarse: false)]
            default: []
            }
        return try sets.first { try CIFARSamples.recognizes(path, $0) }
    }

    private func isFolder(_ path: String) -> Bool { ImageFolder.isFolder(path) }

    fileprivate func readCIFAR(_ new: NewSamples) throws -> Reading {
        guard let set = try cifarSet(new.path) else { preconditionFailure("\(new.path) isn't of CIFAR") }
        return Reading(dataset: dataset(of: try CIFARSamples(paths: [new.path], set), isLabelled: new.isLabelled))
    }
}

/// `format: cifar10`.
struct CIFAR10Source: DataFormat {
    static let kind = "cifar10"
    private let files: CIFARFiles

    init(_ settings: Settings, usesInputs: Bool) throws { files = try CIFARFiles(settings, .ten, usesInputs: usesInputs) }

    func check(_ data: DataConfiguration, _ settings: Settings) throws { try files.check(data, settings) }

    func load(_ data: DataConfiguration, _ rule: TargetRule, stored: Preprocessing?) throws -> DataSplits {
        try files.load(data, rule, stored: stored)
    }

    static func recognizes(_ path: String, for preprocessing: Preprocessing) throws -> Bool {
        try preprocessing.cifarSet(path) != nil
    }

    static func read(_ new: NewSamples, for preprocessing: Preprocessing) throws -> Preprocessing.Reading {
        try preprocessing.readCIFAR(new)
    }
}

/// `format: cifar100`.
struct CIFAR100Source: DataFormat {
    static let kind = "cifar100"
    private let files: CIFARFiles

    init(_ settings: Settings, usesInputs: Bool) throws {
        let coarse = try settings.bool("coarse", default: false)
        files = try CIFARFiles(settings, .hundred(coarse: coarse), usesInputs: usesInputs)
    }

    func check(_ data: DataConfiguration, _ settings: Settings) throws { try files.check(data, settings) }

    func load(_ data: DataConfiguration, _ rule: TargetRule, stored: Preprocessing?) throws -> DataSplits {
        try files.load(data, rule, stored: stored)
    }
}
