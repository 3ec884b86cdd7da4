import Diagnostics

/// How rows of a table with texts become samples: kept in the checkpoint, so that other files are read the same way.
package struct TextsSchema: Hashable, Codable, Sendable {
    package let rule: TokenRule
    package let vocabulary: TextVocabulary
    /// How many tokens a sample has.
    package let length: Int
    /// The columns of the table; its one feature is the text.
    let table: TableSchema

    /// More tokens of a sample are refused.
    static let mostTokens = 1 << 20

    /// What doesn't fit together in a schema from a file; nil if all does.
    func problem(targetKind: TargetKind, classNames: [String]?) -> String? {
        guard (1...Self.mostTokens).contains(length) else { return "texts.length: \(length)" }
        if let problem = vocabulary.problem(rule.kind) { return problem }
        guard table.features.count == 1, table.features[0].categories == nil, !table.hasTargetFile, !table.fillsMissing else {
            return "texts.table: columns that texts don't have"
        }
        switch targetKind {
        case .classes, .values: return table.problem(width: 1, targetKind: targetKind, classNames: classNames)
        case .positions, .inputs: return "texts: \(targetKind) for a text"
        }
    }

    /// Reads the texts of a file whose vocabulary is this one.
    func encoder(path: String) -> TextEncoder {
        TextEncoder(rule, index: TokenIndex(vocabulary), most: length, path: path)
    }

    /// What was read.
    func sequences(_ encoder: TextEncoder) -> TokenSequences {
        encoder.sequences(vocabulary, length: length)
    }
}
