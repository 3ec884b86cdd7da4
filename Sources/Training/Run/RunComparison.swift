import Checkpointing
import Diagnostics
import Foundation
import Reporting

/// Whether two runs, checkpoints or safetensors files are bit-identical, and where not: for `verify`.
///
/// Two runs are compared by the newest valid checkpoint of each and by their logged losses; two checkpoints by step,
/// weights, their average and optimizer state; a file is compared with a file, or with the weights of a checkpoint.
package struct RunComparison: Sendable {
    package let isEqual: Bool
    /// What to tell, line by line.
    package let lines: [String]
    /// Checkpoints that were passed over because they are damaged.
    package let warnings: [String]

    /// Compares what lies at two paths.
    /// - Throws: `Failure`: `.missingInput`, `.badData`, or `.inputOutput` if reading itself fails.
    package init(_ firstPath: String, _ secondPath: String) throws {
        let (first, second) = (try Subject(firstPath), try Subject(secondPath))
        warnings = first.warnings + second.warnings
        var findings = Findings(first: firstPath, second: secondPath)
        if let a = first.checkpoint, let b = second.checkpoint {
            if a.step != b.step {
                findings.differs("steps differ: \(HumanText.count(a.step)) against \(HumanText.count(b.step))")
            }
            let weights = try SafetensorsComparison(a.model, b.model)
            findings.add(weights, name: "model.safetensors", elements: "parameters")
            findings.add(
                try SafetensorsComparison(a.optimizer, b.optimizer), name: "optimizer.safetensors",
                elements: "elements of optimizer state")
            switch (a.average, b.average) {
            case (let first?, let second?):
                findings.add(
                    try SafetensorsComparison(first, second), name: "ema.safetensors",
                    elements: "elements of the weights' average")
            case (nil, nil): break
            case (nil, _?): findings.differs("ema.safetensors differs: it is only in \(secondPath)")
            case (_?, nil): findings.differs("ema.safetensors differs: it is only in \(firstPath)")
            }
        } else {
            findings.add(
                try SafetensorsComparison(first.model, second.model),
                name: Self.name(of: first.model.path, and: second.model.path), elements: "parameters")
        }
        if let a = first.logPath, let b = second.logPath { findings.add(try LossComparison(paths: a, b)) }
        isEqual = findings.isEqual
        lines = findings.lines(digests: try [first, second].map { (try $0.digest(), $0.model.path) })
    }

    /// How a pair of files is called.
    private static func name(of first: String, and second: String) -> String {
        let names = [first, second].map { URL(fileURLWithPath: $0).lastPathComponent }
        return names[0] == names[1] ? names[0] : "\(names[0]) against \(names[1])"
    }
}

/// What lies at a path: a file, a checkpoint, or a run with its newest checkpoint.
private struct Subject {
    let model: SafetensorsFile
    var checkpoint: LoadedCheckpoint?
    var logPath: String?
    var warnings: [String] = []

    init(_ path: String) throws {
        var isDirectory: ObjCBool = false
        if FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory), !isDirectory.boolValue {
            model = try SafetensorsFile(path: path)
            return
        }
        let (opened, rejected) = try LoadedCheckpoint.open(checkpointOrRun: path)
        checkpoint = opened
        model = opened.model
        warnings = rejected.map { "\($0.reason); comparing \(opened.path)" }
        if try RunDirectory.isRun(path) { logPath = path + (path.hasSuffix("/") ? "" : "/") + "metrics.jsonl" }
    }

    func digest() throws -> String { try checkpoint?.digest ?? model.digest() }
}

/// Collects what was found, and puts it into words.
private struct Findings {
    let first: String
    let second: String
    private(set) var isEqual = true
    /// One line for each difference, and for each part that has none.
    private var found: [String] = []
    /// What is equal, in few words.
    private var equal: [String] = []

    init(first: String, second: String) {
        self.first = first
        self.second = second
    }

    mutating func differs(_ line: String) {
        isEqual = false
        found.append(line)
    }

    /// - Parameter elements: what the elements of all tensors are called together.
    mutating func add(_ comparison: SafetensorsComparison, name: String, elements: String) {
        let (first, second) = (first, second)
        list(comparison.onlyInFirst) { "\(name) differs: \($0.name) \($0.form) is only in \(first)" }
        list(comparison.onlyInSecond) { "\(name) differs: \($0.name) \($0.form) is only in \(second)" }
        list(comparison.mismatches) {
            "\(name) differs: \($0.first.name) is \($0.first.form) against \($0.second.form)"
        }
        if let difference = comparison.firstDifference {
            differs(
                "\(name) differs: \(difference.text); \(HumanText.count(comparison.differingElements)) of "
                    + "\(counted(comparison.elementCount, "element")) differ\(comparison.differingElements == 1 ? "s" : "")"
                    + extent(of: comparison))
        }
        guard comparison.isEqual else { return }
        let count = "\(HumanText.count(comparison.elementCount)) \(elements)"
        // The optimizer's tensors follow from those of the weights.
        equal += equal.isEmpty ? [counted(comparison.tensorCount, "tensor"), count] : [count]
        found.append("\(name) is equal: \(count)")
    }

    mutating func add(_ losses: LossComparison) {
        func only(_ places: [LossComparison.Place], in path: String) {
            guard let place = places.first else { return }
            differs(
                "metrics.jsonl differs: \(place.text) is logged only in \(path)"
                    + (places.count > 1 ? ", and \(HumanText.count(places.count - 1)) more" : ""))
        }
        if let difference = losses.firstDifference {
            differs(
                "metrics.jsonl differs: \(difference.place.text), loss \(lossText(difference.first)) against "
                    + "\(lossText(difference.second)); \(HumanText.count(losses.differingCount)) of "
                    + "\(counted(losses.commonCount, "loss", "losses")) differ\(losses.differingCount == 1 ? "s" : "")")
        }
        only(losses.onlyInFirst, in: first)
        only(losses.onlyInSecond, in: second)
        guard losses.isEqual else { return }
        let count = counted(losses.commonCount, "logged loss", "logged losses")
        equal.append(count)
        found.append("metrics.jsonl is equal: \(count)")
    }

    /// All of it; `digests` are those of the two files of weights, with their paths.
    func lines(digests: [(digest: String, path: String)]) -> [String] {
        let separate = digests.map { "digest \($0.digest)  \($0.path)" }
        guard isEqual else { return found + separate }
        if digests[0].digest == digests[1].digest {
            return ["equal: \(equal.joined(separator: ", ")), digest \(digests[0].digest)"]
        }
        return ["equal: \(equal.joined(separator: ", ")); the files differ in order or description of the tensors only"]
            + separate
    }

    /// Says what is to be said of the first few.
    private mutating func list<Item>(_ items: [Item], _ text: (Item) -> String) {
        for item in items.prefix(4) { differs(text(item)) }
        if items.count > 4 { differs("and \(HumanText.count(items.count - 4)) more like this") }
    }

    private func lossText(_ loss: Double?) -> String { loss.map { "\($0)" } ?? "null (not a number)" }

    /// `, by at most 1.2e-03`, and how many of the differing pairs have no distance.
    private func extent(of comparison: SafetensorsComparison) -> String {
        let withNaN = comparison.differingNaNs
        if withNaN == comparison.differingElements { return withNaN == 1 ? ", a NaN" : ", all of them NaN" }
        return ", by at most \(roundedUp(comparison.largestDifference))"
            + (withNaN > 0
                ? "; \(HumanText.count(withNaN)) of them \(withNaN == 1 ? "is" : "are") NaN on one side or both" : "")
    }

    /// Two digits, so that the number shown isn't below the one meant.
    private func roundedUp(_ number: Double) -> String {
        let text = String(format: "%.1e", number)
        guard number > 0, number.isFinite, let shown = Double(text), shown < number else {
            return number == 0 ? "0" : text
        }
        let halfUnit = pow(10, floor(log10(number)) - 1) / 2
        return String(format: "%.1e", number + halfUnit)
    }

    private func counted(_ number: Int, _ one: String, _ many: String? = nil) -> String {
        "\(HumanText.count(number)) \(number == 1 ? one : many ?? one + "s")"
    }
}

extension SafetensorsFile.Tensor {
    /// Shape and type.
    fileprivate var form: String { "\(shape) \(type.rawValue)" }
}

extension SafetensorsComparison.Difference {
    /// Which element, and both values with their bits.
    fileprivate var text: String {
        func value(_ bits: UInt64) -> String { "\(type.text(ofBits: bits)) (\(type.hexadecimal(ofBits: bits)))" }
        return tensor + (index.isEmpty ? "" : "\(index)") + " is \(value(firstBits)) against \(value(secondBits))"
    }
}

extension LossComparison.Place {
    fileprivate var text: String { (isValidation ? "validation after step " : "step ") + HumanText.count(step) }
}
