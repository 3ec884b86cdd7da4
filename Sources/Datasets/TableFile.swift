import Diagnostics

/// A table as somebody named it: where it is, how it is written, and where messages say that can be changed.
struct TableFile {
    /// Who says how a file is written.
    enum Options {
        /// `data.train` or `data.validation` of a configuration.
        case section(String)
        /// The command line of `predict` and `eval`, over what the checkpoint keeps.
        case commandLine
    }

    let path: String
    let format: CSVFormat
    let options: Options

    /// What a person does to give an option a value, as the end of a sentence.
    func setting(_ key: String, _ value: String) -> String {
        switch options {
        case .section(let name): "set \(name).\(key): \(value)"
        case .commandLine: "give --set 'data.train.\(key)=\(value)'"
        }
    }

    /// An error in a line of the file.
    func failure(line: Int, column: String? = nil, _ text: String) -> Failure {
        Failure(.badData, "\(path):\(line): \(column.map { "column \"\(shortened($0))\": " } ?? "")\(text)")
    }

    // MARK: - Columns of texts

    /// The error for a column that nobody has called categories. `isTarget` where it is what is to be predicted.
    func failure(_ doubt: ColumnDoubt, column: String, isTarget: Bool) -> Failure {
        // A target may be called classes as a whole.
        let asTexts = isTarget ? "set data.target_kind: class" : setting("categorical", Self.list([column]))
        switch doubt {
        case .numbers(let line, let text, let numberCount, let cellCount, let remedy):
            let texts = "\(asTexts) to make each text a \(isTarget ? "class" : "category")"
            let advice =
                switch remedy {
                case .style: advice(remedy)
                case .missing, .sign: "\(advice(remedy)), or \(texts)"
                case .correction: "correct it, or \(texts)"
                }
            return failure(
                line: line, column: column,
                "expected a number, found \"\(shortened(text))\"; \(numberCount) of "
                    + "the column's \(cellCount) cells look like numbers: \(advice)")
        case .keys(let line, let text, let different, let cellCount):
            let advice =
                isTarget
                ? "\(asTexts) if they are classes nevertheless"
                : "leave it out by naming the others in data.train.features, or \(asTexts) to keep it"
            return Failure(
                .badData,
                "\(path):\(line): column \"\(shortened(column))\" holds \(different) different texts in "
                    + "\(cellCount) cells, the first \"\(shortened(text))\"; texts that hardly ever repeat can't be learned: "
                    + advice)
        }
    }

    /// The error for one cell of a column that has to be numbers.
    func failure(line: Int, column: String, notANumber text: String) -> Failure {
        let remedy = ColumnDoubt.remedy(for: text, format.numbers)
        return failure(
            line: line, column: column,
            "expected a number, found \"\(shortened(text))\""
                + (remedy == .correction ? "" : "; \(advice(remedy))"))
    }

    private func advice(_ remedy: ColumnDoubt.Remedy) -> String {
        switch remedy {
        case .style(let style, let other):
            setting(style) + (other.map { ", or, if the mark separates thousands, " + setting($0) } ?? "")
        case .missing(let markers):
            "\(setting("missing_values", Self.list(missingValues(with: markers)))) if that means that the value is missing"
        case .sign(let sign):
            WrittenNumber.minusSigns.contains(sign) ? "write \"-\" for \"\(sign)\"" : "take \"\(sign)\" out of the file"
        case .correction: "correct it"
        }
    }

    /// How to make the file's style another.
    private func setting(_ style: NumberStyle) -> String {
        var options: [String] = []
        if style.decimal != format.numbers.decimal { options.append(setting("decimal", "\"\(style.decimal)\"")) }
        if style.thousands != format.numbers.thousands { options.append(setting("thousands", "\"\(style.thousands)\"")) }
        return options.joined(separator: " and ")
    }

    /// All that counts as missing when `markers` do as well.
    private func missingValues(with markers: [String]) -> [String] {
        (format.missingValues ?? ["NA", "NaN", "null", "?"]) + markers.prefix(8)
    }

    /// A list as YAML has it.
    private static func list(_ texts: [String]) -> String {
        "[\(texts.map { "\"\(shortened($0))\"" }.joined(separator: ", "))]"
    }
}

/// The beginning of a text from a file, for messages.
func shortened(_ text: String) -> String {
    text.unicodeScalars.count > 60 ? String(text.unicodeScalars.prefix(60)) + "…" : text
}
