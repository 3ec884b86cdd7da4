/// A setting that a checkpoint has otherwise than the configuration of the run that goes on from it.
package struct SettingChange: Sendable, Equatable {
    /// As the effective configuration names it: `model.layers[0].dense.units`.
    package let key: String
    /// Nil where there was none, or is none any more.
    package let stored: String?, configured: String?

    package init(key: String, stored: String?, configured: String?) {
        self.key = key
        self.stored = stored
        self.configured = configured
    }

    /// Whether it is `name`, or lies in it.
    package func concerns(_ name: String) -> Bool { key == name || key.hasPrefix(name + ".") || key.hasPrefix(name + "[") }

    /// Whether it is the learning rate of an optimizer.
    package var isLearningRate: Bool { concerns("optimizer") && key.hasSuffix(".learning_rate") }
}

/// A split of the data that isn't the one that a checkpoint was made with.
package struct DataChange: Sendable, Equatable {
    package let split: String
    /// SHA-256 of what a network gets to see; nil where there was no such split, or is none any more.
    package let stored: String?, found: String?

    package init(split: String, stored: String?, found: String?) {
        self.split = split
        self.stored = stored
        self.found = found
    }
}

/// What a resumed run does otherwise than before: what it may, and what it may not.
package struct Compatibility: Sendable, Equatable {
    package private(set) var allowed: [SettingChange] = []
    package private(set) var refused: [SettingChange] = []
    package private(set) var otherData: [DataChange] = []

    /// Keys that are part of the result's definition, and all in them.
    private static let fixed = [
        "model", "data", "loss", "training.global_batch_size", "training.global_batch_tokens",
        "training.micro_batch_size", "training.seed", "training.shuffle", "training.drop_last",
        "training.stateful"
    ]
    /// The kind of the optimizer is, its options aren't.
    private static let optimizer = "optimizer"
    /// The kind of the outer step is too, and workers have states that nobody else has; when they meet may change.
    private static let synchronization = "training.synchronization"
    private static let outerStep = synchronization + ".local.outer", workers = synchronization + ".local.workers"
    /// Where the data lie and how they are written may change; that they are the same is checked by their hashes.
    private static let movable = Set(
        ["data.season", "data.tokens.tokenizer", "data.tokenizer", "data.dtype"]
            + ["train", "validation"].flatMap { split in
                [
                    "inputs", "targets", "path", "paths", "header", "skip_lines", "delimiter", "decimal", "thousands",
                    "missing_values",
                    "comment", "unknown_category", "quotes"
                ].map { "data.\(split).\($0)" }
            })

    /// - Parameters:
    ///   - stored: the effective configuration of the checkpoint, by key; `configured`: that of the run.
    ///   - defaulted: keys of the new configuration that have their default. An older dtrain that didn't know them did what
    ///     the default says.
    ///   - storedData: hashes of the training and validation data of the checkpoint; `data`: of the run.
    package init(
        stored: [String: String], configured: [String: String], defaulted: Set<String>, storedData: [String],
        data: [String]
    ) {
        for key in Set(stored.keys).union(configured.keys).sorted() {
            let change = SettingChange(key: key, stored: stored[key], configured: configured[key])
            guard change.stored != change.configured, change.stored != nil || !defaulted.contains(key) else { continue }
            let isFixed =
                Self.fixed.contains { change.concerns($0) } && !Self.movable.contains(key)
                || [Self.optimizer, Self.outerStep].contains(key) && change.stored != nil
                || key == Self.workers && change.stored != nil && change.configured != nil
                || key == Self.synchronization && [change.stored, change.configured].contains("local")
            if isFixed { refused.append(change) } else { allowed.append(change) }
        }
        for (index, split) in ["training", "validation"].enumerated() {
            func hash(_ hashes: [String]) -> String? { index < hashes.count && hashes[index] != "none" ? hashes[index] : nil }
            let change = DataChange(split: split, stored: hash(storedData), found: hash(data))
            if change.stored != change.found { otherData.append(change) }
        }
    }
}
