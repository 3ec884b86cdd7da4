import Diagnostics
import Foundation
import Settings

/// `format: npz`: arrays of NumPy in one archive, as `numpy.savez` and `savez_compressed` write it.
///
///     data:
///       format: npz
///       path: mnist.npz                # or one for each of train and validation
///       train: {inputs: x_train, targets: y_train}       # the names of arrays; these are the defaults
///       validation: {inputs: x_test, targets: y_test}
///       channels_last: false           # samples are [height, width, channels], as in Keras
struct NPZSource: DataFormat {
    static let kind = "npz"

    private struct Files: Sendable {
        let path: String
        let inputs: String
        /// Nil where the inputs are the targets.
        let targets: String?

        func arrays(_ channelsLast: Bool) throws -> (inputs: NPYArray, targets: NPYArray?) {
            let file = try NPZFile(path: path)
            return (try file.array(inputs, channelsLast: channelsLast), try targets.map { try file.array($0) })
        }
    }

    private let train: Files
    private let validation: Files?
    private let channelsLast: Bool

    init(_ settings: Settings, usesInputs: Bool) throws {
        let path = try settings.optionalString("path")
        func files(_ key: String, _ suffix: String) throws -> Files {
            let section = try settings.section(key)
            if usesInputs { try DataConfiguration.refuseTargets(in: section, "targets") }
            let own = try section.optionalString("path")
            guard let path = own ?? path else {
                throw settings.failure("path", "missing; expected the file of arrays, here or in each of train and validation")
            }
            return Files(
                path: path, inputs: try section.string("inputs", default: "x_" + suffix),
                targets: usesInputs ? nil : try section.string("targets", default: "y_" + suffix))
        }
        train = try files("train", "train")
        validation = settings.has("validation") ? try files("validation", "test") : nil
        channelsLast = try settings.bool("channels_last", default: false)
    }

    func load(_ data: DataConfiguration, _ rule: TargetRule, stored: Preprocessing?) throws -> DataSplits {
        let (inputs, targets) = try train.arrays(channelsLast)
        return try data.splits(
            inputs, targets: targets, validation: try validation.map { try $0.arrays(channelsLast) }, rule, stored)
    }

    static func recognizes(_ path: String, for preprocessing: Preprocessing) throws -> Bool {
        guard preprocessing.takesArrays else { return false }
        return try ZipArchive.recognizes(NPZFile.split(path).path)
    }

    static func read(_ new: NewSamples, for preprocessing: Preprocessing) throws -> Preprocessing.Reading {
        let (path, name) = NPZFile.split(new.path)
        let file = try NPZFile(path: path)
        let inputs = try name ?? file.name(among: ["x_test", "x", "inputs", "x_train", "arr_0"])
        var new = new
        if new.isLabelled, new.targets == nil, !preprocessing.targetKind.areInputs {
            // The array that belongs to it by its name, in the same archive.
            let answers = inputs.hasPrefix("x") ? "y" + inputs.dropFirst() : inputs == "inputs" ? "targets" : "arr_1"
            if file.names.contains(answers) { new = new.with(targets: "\(path):\(answers)") }
        }
        var reading = try preprocessing.read(
            try file.array(inputs), new,
            targets: { answers in
                let (path, name) = NPZFile.split(answers)
                guard let name else { return try NPYArray(path: answers) }
                return try NPZFile(path: path).array(name)
            }, channelsFirst: { try file.array(inputs, channelsLast: true) })
        if name == nil, file.names.count > 1 {
            reading.notes.append(
                "\(path): predicting from the array \"\(inputs)\"; \(path):NAME is another one of "
                    + CSVTable.list(file.names))
        }
        return reading
    }
}

/// An archive of arrays by their names, which are those of its members without `.npy`.
struct NPZFile {
    private let archive: ZipArchive

    init(path: String) throws { archive = try ZipArchive(path: path) }

    var names: [String] { archive.members.map { Self.name($0) } }

    private static func name(_ member: ZipMember) -> String {
        member.name.hasSuffix(".npy") ? String(member.name.dropLast(4)) : member.name
    }

    func array(_ name: String, channelsLast: Bool = false) throws -> NPYArray {
        guard let member = archive.members.first(where: { Self.name($0) == name }) else {
            throw Failure(
                .badData,
                "\(archive.path): no array is called \"\(shortened(name))\"\(suggestion(for: name, among: names)); it has "
                    + CSVTable.list(names))
        }
        let path = "\(archive.path):\(shortened(name))"
        let (region, start) = try member.content(in: archive.region, path: path)
        return try NPYArray(region: region, from: start, count: member.count, path: path, channelsLast: channelsLast)
    }

    /// The array of inputs where nobody says which: the only one, or the first of these names.
    func name(among likely: [String]) throws -> String {
        if names.count == 1 { return names[0] }
        guard let name = likely.first(where: names.contains) else {
            throw Failure(
                .badData,
                "\(archive.path): it has the arrays \(CSVTable.list(names)); name one of them as \(archive.path):NAME")
        }
        return name
    }

    /// `arrays.npz:x_test` as a file and the name of an array, where there is no file of the whole name.
    static func split(_ path: String) -> (path: String, name: String?) {
        guard let colon = path.lastIndex(of: ":"), !exists(path), exists(String(path[..<colon])) else { return (path, nil) }
        return (String(path[..<colon]), String(path[path.index(after: colon)...]))
    }
}

/// Whether anything has this path.
private func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }
