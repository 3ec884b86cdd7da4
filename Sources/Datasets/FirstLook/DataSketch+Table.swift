import Diagnostics
import Files

extension DataSketch {
    /// What targets are called, the likeliest first.
    private static let targetNames = ["target", "label", "class", "y"]

    /// A file that is text: a table, or a text to be continued.
    static func textual(_ path: String, _ wishes: Wishes) throws -> DataSketch {
        let bytes = try SourceFile(path: path).readText()
        guard let form = TableForm(bytes, path: path, mayBeOneColumn: wishes.targets != nil || wishes.target != nil) else {
            try refuseTarget(wishes, path, because: "its lines aren't cut into equally many cells")
            guard wishes.targets == nil, wishes.wantsClasses == nil else {
                throw Failure(
                    .usage,
                    "\(path): no table: its lines aren't cut into equally many cells; --targets and --task are for tables and arrays"
                )
            }
            return try text(path, bytes)
        }
        return try table(path, bytes, form, wishes)
    }

    /// A text of which a network learns what follows.
    private static func text(_ path: String, _ bytes: [UInt8]) throws -> DataSketch {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Failure(
                .badData,
                "\(path): neither a table, an array, images nor text in UTF-8, as far as can be told; dtrain reads CSV, IDX, npy, npz, folders "
                    + "of PNG and JPEG, and text")
        }
        let count = text.unicodeScalars.count
        guard count >= 500 else {
            throw Failure(
                .badData, "\(path): a text of \(count) characters, too few to learn from; expected 500 or more, or a table")
        }
        let isLettered = Set(text.unicodeScalars).count <= 256
        // A tenth is held back, and has to hold a window.
        let context = count >= 20_000 ? 64 : 16
        var sketch = DataSketch(
            .text,
            [
                "format: text", "train: {path: \(yamlText(path))}",
                "validation_fraction: 0.1\t# the end of the text",
                isLettered ? "tokens: characters" : "tokens: bytes\t# it has more than 256 different characters",
                "context: \(context)\t# how far back the network looks"
            ])
        sketch.hasValidation = true
        return sketch
    }

    // MARK: - Tables

    private static func table(_ path: String, _ bytes: [UInt8], _ form: TableForm, _ wishes: Wishes) throws -> DataSketch {
        var format = form.format
        var file = TableFile(path: path, format: format, options: .section("data.train"))
        var table = try CSVTable(file, bytes: bytes)
        var profiles = try profiles(table)
        var notes: [String] = []
        // How numbers are written, and what means that there is none, the columns that are nearly numbers say.
        var doubts = try doubts(table, profiles)
        if doubts.values.contains(where: { $0.changes(&format) }) {
            file = TableFile(path: path, format: format, options: .section("data.train"))
            table = try CSVTable(file, bytes: bytes)
            profiles = try Self.profiles(table)
            doubts = try Self.doubts(table, profiles)
        }
        let choice = try TableChoice(table, profiles, doubts, wishes)
        notes += choice.notes
        let isLabelledText = choice.sentences != nil && choice.features.isEmpty && wishes.targets == nil
        var options: [String] = ["path: \(yamlText(path))"]
        if let targets = wishes.targets {
            options.append("targets: \(yamlText(targets))\t# a file of their own, row by row")
        } else if let target = choice.target {
            options.append("target: \(table.selector(target))" + "\t# what to predict")
        }
        if isLabelledText, let text = choice.sentences { options.append("text: \(table.selector(text))") }
        if !isLabelledText, choice.leavesOut {
            options.append(
                "features: [\(choice.features.map(table.selector).joined(separator: ", "))]\t# what to predict from")
        }
        if let weight = choice.weight { options.append("weight: \(table.selector(weight))\t# what a row counts") }
        options += format.lines
        var sketch = DataSketch(
            isLabelledText ? .labelledTexts : .table,
            ["format: \(isLabelledText ? "texts" : "csv")", "train:"] + options.map { "  " + $0 })
        if isLabelledText, let text = choice.sentences {
            let profile = profiles[text]
            let length = min(profile.mostWords, max(16, 3 * profile.wordCount / max(profile.textCount, 1)), 256)
            sketch.lines += ["tokens: words", "length: \(length)\t# words of a text; longer ones are cut"]
        }
        if let names = form.classNames, let target = choice.target, names.count == profiles[target].numbers.count {
            sketch.lines.append("class_names: \(yamlList(names))")
        }
        let features = choice.features.map { profiles[$0] }
        if !isLabelledText, features.contains(where: { $0.missingCount > 0 }) {
            sketch.lines.append("missing: mean\t# of the column, where a number is missing")
        }
        sketch.wantsClasses =
            try wishes.wantsClasses ?? choice.target.map { profiles[$0].makesClasses } ?? makesClasses(wishes.targets, format)
        if let wanted = sketch.wantsClasses {
            sketch.lines.append("target_kind: \(wanted ? "class" : "value")")
        }
        if wishes.targets == nil, let held = try sibling(of: path) {
            sketch.lines.append("validation: {path: \(yamlText(held))}")
            notes.append("\(path): validated on \(held)")
            sketch.hasValidation = true
        }
        sketch.notes = notes
        return sketch
    }

    /// Whether a file of targets holds classes; nil where it has several columns.
    private static func makesClasses(_ path: String?, _ format: CSVFormat) throws -> Bool? {
        guard let path else { return nil }
        let table = try CSVTable(TableFile(path: path, format: format, options: .section("data.train")))
        guard table.columnCount == 1 else { return nil }
        return try profiles(table)[0].makesClasses
    }

    private static func profiles(_ table: CSVTable) throws -> [ColumnProfile] {
        var profiles = (0..<table.columnCount).map { ColumnProfile(name: table.label($0), index: $0) }
        try table.forEachRow { cells, scanner in
            for index in profiles.indices { profiles[index].add(cells[index], scanner, table.file.format) }
        }
        return profiles
    }

    /// Why columns that hold numbers and texts are no categories.
    private static func doubts(_ table: CSVTable, _ profiles: [ColumnProfile]) throws -> [Int: ColumnDoubt] {
        let mixed = profiles.filter { $0.isMixed || $0.textCount > 0 && !$0.areKeys }.map(\.index)
        guard !mixed.isEmpty else { return [:] }
        let content = try table.read(mixed.map { CSVTable.Column(index: $0, reading: .texts, mayBeMissing: true) })
        var doubts: [Int: ColumnDoubt] = [:]
        for (place, index) in mixed.enumerated() { doubts[index] = content.texts[place]?.doubt(table.file.format.numbers) }
        return doubts
    }

    /// The column that is called like a target, else the last.
    static func likelyTarget(_ table: CSVTable) -> (index: Int, isNamed: Bool) {
        let names = (0..<table.columnCount).map { table.label($0).lowercased() }
        for name in targetNames {
            if let index = names.firstIndex(of: name) { return (index, true) }
        }
        return (table.columnCount - 1, false)
    }
}

extension ColumnDoubt {
    /// Writes what would make numbers of the column into `format`; whether it is another one then.
    fileprivate func changes(_ format: inout CSVFormat) -> Bool {
        let old = format
        if case .numbers(_, _, _, _, let remedy) = self {
            switch remedy {
            case .style(let style, _): format.numbers = style
            case .missing(let markers):
                let known = format.missingValues ?? ["NA", "NaN", "null", "?"]
                format.missingValues = known + markers.filter { !known.contains($0) }
            case .sign, .correction: break
            }
        }
        if format.contradiction != nil { format = old }
        return format != old
    }
}

extension CSVTable {
    /// How a configuration names a column.
    func selector(_ index: Int) -> String {
        names.map { yamlText($0[index]) } ?? (index == columnCount - 1 ? "-1" : String(index))
    }
}

extension CSVFormat {
    /// What differs from the usual form, as lines of a configuration.
    fileprivate var lines: [String] {
        let usual = CSVFormat()
        var lines: [String] = []
        if !header { lines.append("header: false\t# no line names the columns; they have numbers, from 0") }
        if skipLines > 0 { lines.append("skip_lines: \(skipLines)") }
        if !quotes { lines.append("quotes: false") }
        if delimiter != usual.delimiter {
            let name = delimiter.name
            lines.append("delimiter: \(["tab", "space"].contains(name) ? name : "\"\(name)\"")")
        }
        if numbers.decimal != usual.numbers.decimal { lines.append("decimal: \"\(numbers.decimal)\"") }
        if !numbers.thousands.isEmpty {
            lines.append("thousands: \(numbers.thousands == " " ? "space" : yamlText(numbers.thousands))")
        }
        if let missingValues { lines.append("missing_values: \(yamlList(missingValues))") }
        return lines
    }
}
