import Diagnostics
import Files
import Foundation

/// Checkpoints that give way: set aside under another name, or removed.
extension CheckpointStore {
    /// Sets aside every numbered checkpoint after `step`, and the best one if it is of a later step:
    /// `step-00000600.superseded-1`. For a run that goes on from an older checkpoint than its newest, so that a later
    /// resume doesn't return to what was left behind.
    /// - Parameter replacing: whether the numbered checkpoint of the step itself is to make room for another.
    /// - Returns: the new paths.
    package func supersede(after step: Int, replacing: Bool = false) throws -> [String] {
        try reportingSystemErrors {
            guard let directory = try opened() else { return [] }
            var later = try directory.names().filter { name in
                CheckpointNames.step(in: name).map { $0 > step || replacing && $0 == step } ?? false
            }
            if let best = try self.step(of: CheckpointNames.best, in: directory), best > step {
                later.append(CheckpointNames.best)
            }
            let paths = try later.map { try setAside($0, as: "superseded", in: directory) }
            if !paths.isEmpty { try directory.sync() }
            return paths
        }
    }

    /// What has become of the best checkpoint that a state tells of.
    package enum BestCheckpoint: Sendable, Equatable {
        /// It is there, or a later one that the run had come to.
        case present
        /// It isn't, but the numbered checkpoint of the same step is.
        case numbered
        case lost
    }

    /// Looks for the best checkpoint, which is of this step.
    /// - Throws: `Failure(.inputOutput)` where it can't be read.
    package func best(ofStep step: Int) throws -> BestCheckpoint {
        try reportingSystemErrors {
            guard let directory = try opened() else { return .lost }
            if let found = try self.step(of: CheckpointNames.best, in: directory), found >= step { return .present }
            return try self.step(of: CheckpointNames.numbered(step), in: directory) == step ? .numbered : .lost
        }
    }

    /// Publishes the numbered checkpoint of a step as the best one too.
    /// - Returns: warnings, a line each.
    package func publishBest(fromStep step: Int) throws -> [String] {
        try reportingSystemErrors {
            guard let directory = try opened() else { return [] }
            return try copyToBest(from: CheckpointNames.numbered(step), in: directory)
        }
    }

    /// The step that a checkpoint's state tells; nil where there is none, or a damaged one.
    private func step(of name: String, in directory: Directory) throws -> Int? {
        do {
            guard let checkpoint = try directory.directory(name, orFailWith: .badData) else { return nil }
            return try CheckpointManifest(readFrom: checkpoint).step
        } catch let failure as Failure where failure.meansDamage {
            return nil
        }
    }

    /// Renames a checkpoint to the first free `name.kind-1`, `-2`, …, which no candidate is called.
    func setAside(_ name: String, as kind: String, in directory: Directory) throws -> String {
        var number = 1
        while try directory.status(of: "\(name).\(kind)-\(number)") != nil { number += 1 }
        let place = directory.at("\(name).\(kind)-\(number)")
        try fileSystem.rename(directory.at(name), to: place)
        return place.path
    }

    /// Removes whole checkpoints so that at no instant a half one has a name that counts.
    func discard(_ names: [String], in directory: Directory) throws {
        if names.isEmpty { return }
        var hidden: [String] = []
        for name in names {
            let new = CheckpointNames.deleting + name
            // One that an earlier removal left.
            try directory.removeTree(new)
            try fileSystem.rename(directory.at(name), to: directory.at(new))
            hidden.append(new)
        }
        try directory.sync()
        for name in hidden { try directory.removeTree(name) }
    }
}
