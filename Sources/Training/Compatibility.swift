import Diagnostics

/// What a resumed run may change and what it may not.
enum Compatibility {
    /// Keys that are part of the result's definition, as prefixes of the effective configuration's keys.
    private static let fixed = ["model", "data", "loss", "training.global_batch_size", "training.micro_batch_size",
                                "training.seed", "training.shuffle", "training.drop_last"]
    /// Where the data lie and how they are written may change; that they are the same is checked by their hashes.
    private static let movable = Set(["train", "validation"].flatMap { split in
        ["inputs", "targets", "path", "header", "skip_lines", "delimiter", "decimal", "thousands", "missing_values",
         "comment", "unknown_category"].map { "data.\(split).\($0)" }
    })

    /// Refuses what may not change; returns what did change, for the log, as `key: old → new`.
    ///
    /// - Parameter defaulted: keys of the new configuration that have their default. An older dtrain that didn't know them did
    ///   what the default says.
    static func changes(from old: TrainingState, to new: TrainingState, defaulted: Set<String>, oldOptimizer: String?,
                        optimizer: String, checkpoint: String) throws -> [String] {
        var changes: [String] = []
        var refused: [String] = []
        if let oldOptimizer, oldOptimizer != optimizer { refused.append("optimizer: \(oldOptimizer) → \(optimizer)") }
        for key in Set(old.settings.keys).union(new.settings.keys).sorted() {
            let before = old.settings[key] ?? "nothing", after = new.settings[key] ?? "nothing"
            guard before != after, old.settings[key] != nil || !defaulted.contains(key) else { continue }
            let line = "\(key): \(before) → \(after)"
            let isFixed = fixed.contains { key == $0 || key.hasPrefix($0 + ".") || key.hasPrefix($0 + "[") }
            if isFixed, !movable.contains(key) { refused.append(line) } else { changes.append(line) }
        }
        guard refused.isEmpty else {
            throw Failure(.badConfiguration, "\(checkpoint) was made by another configuration; a resumed run must keep "
                + "\(refused.joined(separator: "; ")). Give the old values, or start a new run")
        }
        for (index, name) in ["training", "validation"].enumerated() {
            let before = index < old.dataDigests.count ? old.dataDigests[index] : "none"
            let after = index < new.dataDigests.count ? new.dataDigests[index] : "none"
            guard before == after else {
                throw Failure(.badConfiguration, "\(checkpoint) was made with other \(name) data (SHA-256 \(before.prefix(16))…, "
                    + "found \(after.prefix(16))…); resume with the same data, or start a new run")
            }
        }
        return changes
    }
}
