import Diagnostics

/// The target columns of a training table, turned into classes or values.
struct CodedTargets {
    /// Nil where they are the inputs.
    let targets: StoredTargets?
    let kind: TargetKind
    let classNames: [String]?
    /// Whether cells hold class names, not class numbers.
    let areNames: Bool
    /// What people should know of how the cells were understood.
    private(set) var notes: [String] = []

    /// The target columns of a table that was read.
    struct Source {
        let table: CSVTable
        let content: CSVTable.Content
        /// Where the columns are in `content`.
        let columns: Range<Int>
        /// Where they are in the table.
        let indices: [Int]

        var path: String { table.path }
        func label(_ column: Int) -> String { table.label(indices[column]) }
        func cell(_ row: Int, _ column: Int = 0) -> Double { content.cell(row, columns.lowerBound + column) }
        func texts(_ column: Int = 0) -> TextColumn? { content.texts[columns.lowerBound + column] }

        func failure(row: Int, column: Int = 0, _ text: String) -> Failure {
            table.file.failure(line: content.lines[row], column: label(column), text)
        }
    }

    /// How target columns are read, so that `rule` can be followed: classes that somebody asked for keep their spelling.
    static func reading(_ rule: TargetRule, columnCount: Int) -> CSVTable.Reading {
        rule.wantsClasses == true && columnCount == 1 ? .texts : .inferred
    }

    /// A single column of texts is classes; so is one of whole numbers, where `rule` makes classes of them. Everything
    /// else is values.
    init(_ source: Source, _ rule: TargetRule) throws {
        guard source.columns.count == 1 else {
            guard rule.wantsClasses != true else {
                throw Failure(
                    .badConfiguration,
                    "data.train.target: \(source.columns.count) target columns are values; "
                        + "name one column for classes, or leave out data.target_kind, data.classes and data.class_names")
            }
            self = try Self(values: source)
            return
        }
        if let texts = source.texts() {
            guard rule.wantsClasses != false else {
                throw source.table.file.failure(
                    line: texts.lines[0], column: source.label(0),
                    "expected a number as the "
                        + "target, found \"\(shortened(texts.texts[0]))\"; targets that are text need data.target_kind: class")
            }
            self = try Self(classes: source, texts, rule)
            return
        }
        guard rule.wantsClasses != false else {
            self = try Self(values: source)
            return
        }
        let numbers = Set(source.content.lines.indices.map { source.cell($0) }).sorted()
        guard rule.makesClasses(of: numbers, sampleCount: source.content.lines.count, areIntegers: nil) else {
            self = try Self(values: source)
            if rule.wantsClasses == nil, rule.preference == .numbers, (2...20).contains(numbers.count),
                TargetRule.isCounted(numbers)
            {
                notes.append(
                    "\(source.path): the target \"\(shortened(source.label(0)))\" is read as a number, as the loss "
                        + "asks; data.target_kind: class makes \(numbers.count) classes of it")
            }
            return
        }
        let isCounted = TargetRule.isCounted(numbers)
        guard !isCounted || !source.content.arePlain[source.columns.lowerBound] else {
            // The classes are what the cells say already.
            try TargetRule.requireTwoClasses(numbers.count, name: "0", place: Self.place(source))
            self.init(
                targets: .classes(source.content.lines.indices.map { Int32(source.cell($0)) }),
                kind: .classes(count: numbers.count), classNames: nil, areNames: false)
            return
        }
        // Classes are called as the file spells them, so it is read once more: 1.10 is not 1.1.
        let spelt = try source.table.read([.init(index: source.indices[0], reading: .texts, mayBeMissing: false)])
        let again = Source(table: source.table, content: spelt, columns: 0..<1, indices: source.indices)
        guard let texts = again.texts() else { preconditionFailure("a column that was read as texts has none") }
        if isCounted, texts.texts.count > numbers.count {
            // 1 and 1.0 in one file: nobody means two classes.
            try TargetRule.requireTwoClasses(numbers.count, name: texts.texts[0], place: Self.place(source))
            self.init(
                targets: .classes(source.content.lines.indices.map { Int32(source.cell($0)) }),
                kind: .classes(count: numbers.count), classNames: nil, areNames: false)
            return
        }
        self = try Self(classes: again, texts, rule)
        notes.append(
            "\(source.path): the target \"\(shortened(source.label(0)))\" is read as \(numbers.count) classes ("
                + "\(CSVTable.list(classNames ?? []))), as the loss asks; data.target_kind: value makes a number of it")
    }

    /// The inputs, which are so many numbers.
    init(inputs count: Int) { self.init(targets: nil, kind: .inputs(count: count), classNames: nil, areNames: false) }

    private init(targets: StoredTargets?, kind: TargetKind, classNames: [String]?, areNames: Bool) {
        self.targets = targets
        self.kind = kind
        self.classNames = classNames
        self.areNames = areNames
    }

    private static func place(_ source: Source) -> String { "\(source.path): column \"\(shortened(source.label(0)))\"" }

    // MARK: - Values

    private init(values source: Source) throws {
        var values: [Float] = []
        for row in source.content.lines.indices {
            for column in source.indices.indices {
                if let texts = source.texts(column) {
                    throw source.table.file.failure(
                        line: texts.lines[0], column: source.label(column),
                        "expected numbers as targets, found \"\(shortened(texts.texts[0]))\"")
                }
                let value = Float(source.cell(row, column))
                guard value.isFinite else {
                    throw source.failure(row: row, column: column, "the target is too large for Float32")
                }
                values.append(value)
            }
        }
        self.init(targets: .values(values), kind: .values(count: source.columns.count), classNames: nil, areNames: false)
    }

    // MARK: - Classes

    /// Classes as they are spelt: the names that `rule` gives, the numbers that it counts, or all texts, numbers in
    /// ascending order.
    private init(classes source: Source, _ texts: TextColumn, _ rule: TargetRule) throws {
        try TargetRule.requireTwoClasses(texts.texts.count, name: texts.texts[0], place: Self.place(source))
        let numbers = texts.texts.map(source.table.file.format.numbers.parse)
        func stored(_ places: [Int]) -> StoredTargets {
            .classes(source.content.lines.indices.map { Int32(places[Int(source.cell($0))]) })
        }
        if let names = rule.classNames, !Self.areIndices(texts.texts, numbers, names) {
            let known = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, $0) })
            let places = try texts.texts.enumerated().map { place, text in
                guard let known = known[text] else {
                    throw source.table.file.failure(
                        line: texts.lines[place], column: source.label(0),
                        "\"\(shortened(text))\" is not one of the classes"
                            + "\(suggestion(for: text, among: names)); known: \(CSVTable.list(names)) (data.class_names)")
                }
                return known
            }
            self.init(targets: stored(places), kind: .classes(count: names.count), classNames: names, areNames: true)
            return
        }
        if let count = rule.classCount, numbers.allSatisfy({ $0 != nil }) {
            let places = try numbers.enumerated().map { place, number in
                guard let number, let index = Int(exactly: number), (0..<count).contains(index) else {
                    throw source.table.file.failure(
                        line: texts.lines[place], column: source.label(0),
                        "label out of range: "
                            + "expected a class from 0 to \(count - 1), found \(shortened(texts.texts[place])); without "
                            + "data.classes and data.class_names every label is a class")
                }
                return index
            }
            self.init(targets: stored(places), kind: .classes(count: count), classNames: rule.classNames, areNames: false)
            return
        }
        if let count = rule.classCount, count != texts.texts.count {
            throw Failure(
                .badData,
                "\(source.path): column \"\(shortened(source.label(0)))\" holds \(texts.texts.count) "
                    + "classes, but data.classes says \(count); name all of them in data.class_names")
        }
        let areNumbers = numbers.allSatisfy { $0 != nil }
        let order = texts.texts.indices.sorted { first, second in
            if areNumbers, let a = numbers[first], let b = numbers[second], a != b { return a < b }
            return texts.texts[first] < texts.texts[second]
        }
        let names = order.map { texts.texts[$0] }
        var places = Array(repeating: 0, count: names.count)
        for (place, text) in order.enumerated() { places[text] = place }
        let areCounted = names.enumerated().allSatisfy { $1 == String($0) }
        self.init(
            targets: stored(places), kind: .classes(count: names.count), classNames: areCounted ? nil : names,
            areNames: !areCounted)
    }

    /// Whether the cells are numbers of classes that have other names.
    private static func areIndices(_ texts: [String], _ numbers: [Double?], _ names: [String]) -> Bool {
        numbers.allSatisfy { $0 != nil } && !Set(texts).isSubset(of: names)
    }
}
