import Diagnostics

/// Which columns of a table are what: the one to predict, those to predict from, and those that are left out and why.
struct TableChoice {
    /// Nil where targets are a file of their own.
    private(set) var target: Int?
    private(set) var features: [Int] = []
    /// What a row counts.
    private(set) var weight: Int?
    /// The one column of texts of several words; nil where there is none, or more than one.
    private(set) var sentences: Int?
    /// Whether columns are neither of these.
    private(set) var leavesOut = false
    private(set) var notes: [String] = []

    /// Columns that say who a row is about, not what it is like.
    private static let keyNames = ["id", "index", "row", "unnamed: 0", ""]

    init(
        _ table: CSVTable, _ profiles: [ColumnProfile], _ doubts: [Int: ColumnDoubt], _ wishes: DataSketch.Wishes
    ) throws {
        target = try Self.target(table, wishes)
        let path = table.path
        if let target {
            let profile = profiles[target]
            if wishes.target == nil {
                notes.append("\(path): what is to be predicted is taken to be \(Self.named(profile, table))")
            }
            if wishes.wantsClasses != true, let doubt = doubts[target] {
                throw table.file.failure(doubt, column: profile.name, isTarget: true)
            }
            guard !profile.areKeys else {
                throw Failure(
                    .badData,
                    "\(path): \(Self.named(profile, table)) holds \(profile.hasManyTexts ? "more than " : "")\(profile.texts.texts.count) "
                        + "different texts in \(profile.textCount) rows, which can't be learned; name the column to predict: --target NAME"
                )
            }
            if wishes.wantsClasses == nil, profile.areNumbers {
                let what =
                    profile.makesClasses
                    ? "\(profile.numbers.count) classes (--task regression: numbers)"
                    : "a number (--task classification: classes)"
                notes.append("\(path): \(Self.named(profile, table)) is taken for \(what)")
            }
        }
        var left: [String] = []
        var sentenceColumns: [Int] = []
        for profile in profiles where profile.index != target {
            if profile.name.lowercased() == "sample_weight", profile.areNumbers {
                weight = profile.index
                notes.append("\(path): \(Self.named(profile, table)) is what a row counts in the loss")
                continue
            }
            if profile.areSentences { sentenceColumns.append(profile.index) }
            if let reason = Self.reasonAgainst(profile, doubts[profile.index]) {
                left.append("\(shortened(profile.name)) (\(reason))")
            } else {
                features.append(profile.index)
            }
        }
        sentences = sentenceColumns.count == 1 ? sentenceColumns[0] : nil
        leavesOut = !left.isEmpty
        if features.isEmpty, let sentences {
            notes.append("\(path): what to learn from is the text in \(Self.named(profiles[sentences], table))")
            return
        }
        if !left.isEmpty {
            notes.append(
                "\(path): left out of what is learned from: " + left.prefix(12).joined(separator: ", ")
                    + (left.count > 12 ? ", … (\(left.count) in all)" : ""))
        }
        guard !features.isEmpty else {
            throw Failure(
                .badData,
                "\(path): no column to learn from beside the target" + (left.isEmpty ? table.delimiterAdvice : ""))
        }
    }

    private static func target(_ table: CSVTable, _ wishes: DataSketch.Wishes) throws -> Int? {
        guard wishes.targets == nil else {
            guard wishes.target == nil else {
                throw Failure(.usage, "--target names a column and --targets a file; leave out one of the two")
            }
            return nil
        }
        guard let wanted = wishes.target else { return DataSketch.likelyTarget(table).index }
        do {
            return try table.index(of: wanted, option: "--target")
        } catch let failure as Failure {
            throw Failure(.usage, failure.message)
        }
    }

    /// Why nothing is to be learned from a column; nil where something may.
    private static func reasonAgainst(_ profile: ColumnProfile, _ doubt: ColumnDoubt?) -> String? {
        if profile.numberCount + profile.textCount == 0 { return "no value" }
        if profile.isConstant { return "always the same" }
        if profile.countsRows, profile.numberCount >= 10 { return "counts the rows" }
        if keyNames.contains(profile.name.lowercased()), profile.areNumbers && !profile.isFew || profile.areKeys {
            return "says which row it is"
        }
        if profile.areKeys { return "texts that hardly ever repeat" }
        if case .numbers(let line, let text, let numbers, let cells, _) = doubt {
            return "\(numbers) of \(cells) cells are numbers, but line \(line) has \"\(shortened(text))\""
        }
        if case .keys = doubt { return "texts that hardly ever repeat" }
        return nil
    }

    private static func named(_ profile: ColumnProfile, _ table: CSVTable) -> String {
        table.names == nil ? "column \(profile.name) (from 0)" : "column \"\(shortened(profile.name))\""
    }
}
