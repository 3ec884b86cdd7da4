import Checkpointing
import Diagnostics
import Files
import Foundation
import Reporting
import Settings
import Training

/// The directory of a sweep: what it is of, the runs of its trials, their results.
///
///     runs/sweep-digits/
///       sweep.yaml, base.yaml     the sweep and the configuration that it varies, as they were when it began
///       results/                  a file for each trial that is done, on each rung
///       trial-0000/ …             an ordinary run each
///       sweep.csv, best.yaml      the table, and the configuration of the best trial
package final class SweepDirectory {
    package let path: String
    package let plan: SweepPlan
    /// What decides which value is better.
    package let mode: SweepMode
    let directory: Directory
    private let results: Directory
    /// Results that have been read; they never change.
    private var known: [SweepUnit: SweepResult] = [:]

    static let planName = "sweep.yaml", baseName = "base.yaml", resultsName = "results"
    package static let tableName = "sweep.csv", bestName = "best.yaml"
    private static let mostBytes = 2 << 20

    /// Opens the directory of a sweep, made where it is missing, or makes sure that it is of the same sweep.
    /// - Throws: `Failure`: 73 where it can't be made or holds something else, 78 where it holds another sweep.
    package init(_ path: String, _ plan: SweepPlan, mode: SweepMode, base: SweepBase) throws {
        let path = trimmingSlashes(path)
        if path.isEmpty { throw Failure(.cannotCreate, "the directory of the sweep has an empty path") }
        let fileSystem = PosixFileSystem()
        if try RunDirectory.isRun(path) {
            throw Failure(
                .cannotCreate, "\(path): holds a run, expected a directory for a sweep; choose another one (--directory)")
        }
        directory = try reportingSystemErrors(as: .cannotCreate) {
            if let status = try fileSystem.status(of: Place(path)), status.kind != .directory {
                throw Failure(.cannotCreate, "\(path): \(status.kind), expected a directory for the sweep")
            }
            try fileSystem.makeDirectories(path)
            let directory = try Directory(Place(path), fileSystem: fileSystem)
            try fileSystem.checkWritable(directory)
            return directory
        }
        self.path = path
        self.plan = plan
        self.mode = mode
        let directory = directory
        try SweepClaim.withSharedFiles(directory) {
            try Self.agree(directory, plan, mode, base)
            try reportingSystemErrors(as: .cannotCreate) {
                guard try directory.status(of: Self.resultsName) == nil else { return }
                try fileSystem.makeDirectory(directory.at(Self.resultsName))
                try directory.sync()
            }
        }
        results = try Self.results(in: directory)
    }

    /// Opens what a sweep has left, to look at it.
    /// - Throws: `Failure`: 66 where no sweep is, 65 where its files are damaged.
    package init(reading path: String) throws {
        self.path = trimmingSlashes(path)
        directory = try reportingSystemErrors(as: .missingInput) { [path = self.path] in try Directory(Place(path)) }
        guard let text = try Self.text(Self.planName, in: directory) else {
            throw Failure(.missingInput, "\(path): no sweep is in it")
        }
        plan = try SweepPlan(try SettingsDocument(text: text, name: "\(path)/\(Self.planName)"), name: lastComponent(of: path))
        guard let mode = plan.mode else {
            throw Failure(.badData, "\(path)/\(Self.planName): it doesn't say which value is the better one (mode)")
        }
        self.mode = mode
        results = try Self.results(in: directory)
    }

    /// Whether a directory is that of a sweep.
    package static func isSweep(_ path: String) -> Bool {
        guard let directory = try? Directory(Place(trimmingSlashes(path))) else { return false }
        return ((try? directory.status(of: planName)) ?? nil)?.kind == .file
            && ((try? directory.status(of: resultsName)) ?? nil)?.kind == .directory
    }

    private static func results(in directory: Directory) throws -> Directory {
        guard let results = try directory.directory(resultsName, orFailWith: .cannotCreate) else {
            throw Failure(
                .missingInput, "\(directory.path)/\(resultsName): no such directory, where the results of a sweep are")
        }
        return results
    }

    /// The trials as they are now, as the files of the sweep itself tell.
    package func table(_ catalogue: Catalogue) throws -> SweepTable {
        guard let text = try Self.text(Self.baseName, in: directory) else {
            throw Failure(.missingInput, "\(path)/\(Self.baseName): no such file, where the configuration of a sweep is")
        }
        let base = SweepBase(name: "\(path)/\(Self.baseName)", text: text, catalogue: catalogue)
        return try SweepTable(self, try SweepRungs(plan, base))
    }

    /// `best.yaml`; nil where no trial has a value yet.
    package func bestConfiguration() throws -> String? { try Self.text(Self.bestName, in: directory) }

    // MARK: - The same sweep

    /// Writes what the sweep is, or compares it with what is there.
    private static func agree(_ directory: Directory, _ plan: SweepPlan, _ mode: SweepMode, _ base: SweepBase) throws {
        let own = plan.effective + (plan.mode == nil ? "mode: \(mode.rawValue)\n" : "")
        let name = "\(directory.path)/\(planName)"
        if let oldText = try text(planName, in: directory), let baseText = try text(baseName, in: directory) {
            let old = try values(oldText, name)
            let new = try values(own, name)
            let differing = Set(old.keys).union(new.keys).filter { old[$0] != new[$0] }.sorted()
            // What is drawn for a trial doesn't depend on how many there are.
            let grows = plan.method.name == "random" && differing == ["method.random.trials"]
            if let key = differing.first, !grows || Int(new[key] ?? "") ?? 0 < Int(old[key] ?? "") ?? 0 {
                throw other(directory, "\(key) is \(new[key] ?? "missing"), there it is \(old[key] ?? "missing")")
            }
            let oldBase = try SweepBase(name: "\(directory.path)/\(baseName)", text: baseText).values
            let newBase = try base.values
            if oldBase != newBase {
                let differing =
                    newBase.first { !oldBase.contains($0) } ?? oldBase.first { !newBase.contains($0) } ?? "its order"
                throw other(directory, "\(base.name) has changed since then (\(messageLine(differing, longest: 100)))")
            }
            if !grows { return }
        } else {
            try write(base.text, as: baseName, in: directory)
        }
        try write(own, as: planName, in: directory)
    }

    private static func other(_ directory: Directory, _ difference: String) -> Failure {
        Failure(
            .badConfiguration,
            "\(directory.path): holds another sweep: \(difference); go on with that one, or choose another directory (--directory)"
        )
    }

    private static func values(_ text: String, _ name: String) throws -> [String: String] {
        var values = Dictionary(try SettingsDocument(text: text, name: name).values.map { ($0.key, $0.value) }) { $1 }
        // Where it lies, and what the file of the configuration is called, may change.
        values["directory"] = nil
        values["configuration"] = nil
        return values
    }

    static func text(_ name: String, in directory: Directory) throws -> String? {
        guard try reportingSystemErrors({ try directory.status(of: name) }) != nil else { return nil }
        let file = try InputFile(directory.at(name), fileSystem: directory.fileSystem)
        guard file.byteCount <= mostBytes,
            let text = String(validating: try file.bytes(at: 0, count: file.byteCount), as: UTF8.self)
        else { throw Failure(.badData, "\(file.path): not a file that a sweep writes") }
        return text
    }

    static func write(_ text: String, as name: String, in directory: Directory) throws {
        let bytes = Array(text.utf8)
        try directory.replaceFile(name) { sink in try bytes.withUnsafeBytes(sink) }
    }

    // MARK: - Trials

    /// Where the run of a trial lies.
    package func runPath(_ trial: Int) -> String { "\(path)/\(Trial.name(trial))" }

    /// Claims a trial for this process; nil where somebody else is at it: another group, another job, or ranks of a job that was
    /// killed and that aren't gone yet.
    func claim(_ trial: Int) throws -> SweepClaim? {
        guard let claim = try SweepClaim(SweepClaim.byte(ofTrial: trial), in: directory) else { return nil }
        guard let run = try directory.directory(Trial.name(trial), orFailWith: .cannotCreate) else { return claim }
        return try RunLock.isHeld(in: run) == true ? nil : claim
    }

    /// Writes a result; it is there wholly, or not at all.
    func record(_ result: SweepResult) throws { try Self.write(result.json, as: result.unit.fileName, in: results) }

    func result(_ unit: SweepUnit) throws -> SweepResult? {
        if let result = known[unit] { return result }
        let result = try SweepResult.read(unit, in: results)
        known[unit] = result
        return result
    }

    /// All results that there are.
    package func allResults() throws -> [SweepResult] {
        let names = try reportingSystemErrors { try results.names() }
        return try names.compactMap { SweepUnit(fileName: $0) }.filter { $0.trial < plan.trials.count }
            .compactMap { try result($0) }
    }
}
