import Diagnostics

/// The target columns of a training table, turned into classes or values.
struct CodedTargets {
    let targets: StoredTargets
    let kind: TargetKind
    let classNames: [String]?
    /// Whether cells hold class names, not class numbers.
    let areNames: Bool

    /// Whole numbers are classes by themselves where they are 0 ..< K, each occurs, and K is at most this.
    static let mostClassesByThemselves = 1000

    /// `columns` are places in `content`. A single column of texts is classes, sorted; so is one of whole numbers 0, 1
    /// … K−1, each of which occurs, unless `rule` wants values. Everything else is values, unless `rule` wants classes.
    init(_ content: CSVTable.Content, columns: Range<Int>, path: String, labels: [String], _ rule: TargetRule) throws {
        let source = Source(content: content, columns: columns, path: path, labels: labels)
        guard columns.count == 1 else {
            guard rule.wantsClasses != true else {
                throw Failure(.badConfiguration, "data.train.target: \(columns.count) target columns are values; "
                    + "expected one column for classes")
            }
            self = try Self(values: source)
            return
        }
        if let texts = content.texts[columns.lowerBound] {
            guard rule.wantsClasses != false else {
                throw source.failure(row: 0, column: 0, "expected a number as the target, found "
                    + "\"\(texts.first ?? "")\"; targets that are text need data.target_kind: class")
            }
            self = try Self(texts: texts, source, rule)
            return
        }
        let numbers = content.lines.indices.map { content.cell($0, columns.lowerBound) }
        let whole = Set(numbers).sorted()
        let isCounted = whole.enumerated().allSatisfy { $1 == Double($0) }
        let byThemselves = isCounted && (2...Self.mostClassesByThemselves).contains(whole.count)
        guard rule.wantsClasses ?? byThemselves else {
            self = try Self(values: source)
            return
        }
        for (row, number) in numbers.enumerated() where Int32(exactly: number) == nil {
            throw source.failure(row: row, column: 0, "expected a class (a text or a whole number), found \(number)")
        }
        if let count = rule.classCount {
            for (row, number) in numbers.enumerated() where number < 0 || number >= Double(count) {
                throw source.failure(row: row, column: 0, "label out of range: expected a class from 0 to "
                    + "\(count - 1), found \(Int(number))")
            }
        }
        if isCounted || rule.classCount != nil {
            targets = .classes(numbers.map { Int32($0) })
            kind = .classes(count: rule.classCount ?? whole.count)
            classNames = rule.classNames
            areNames = false
        } else {
            // Other numbers, such as 1, 2, 3 or −1, 1, are names.
            let places = Dictionary(uniqueKeysWithValues: whole.enumerated().map { ($1, Int32($0)) })
            targets = .classes(numbers.map { places[$0] ?? 0 })
            kind = .classes(count: whole.count)
            classNames = whole.map { String(Int($0)) }
            areNames = true
        }
    }

    private init(values source: Source) throws {
        var values: [Float] = []
        for row in source.content.lines.indices {
            for (place, column) in source.columns.enumerated() {
                if let text = source.content.texts[column]?.first {
                    throw source.failure(row: 0, column: place, "expected numbers as targets, found \"\(text)\"")
                }
                let value = Float(source.content.cell(row, column))
                guard value.isFinite else {
                    throw source.failure(row: row, column: place, "the target is too large for Float32")
                }
                values.append(value)
            }
        }
        targets = .values(values)
        kind = .values(count: source.columns.count)
        classNames = nil
        areNames = false
    }

    private init(texts: [String], _ source: Source, _ rule: TargetRule) throws {
        let names = rule.classNames ?? texts.sorted()
        let places = Dictionary(names.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
        let column = source.columns.lowerBound
        targets = .classes(try source.content.lines.indices.map { row in
            let text = texts[Int(source.content.cell(row, column))]
            guard let place = places[text] else {
                throw source.failure(row: row, column: 0, "\"\(text)\" is none of the classes"
                    + "\(suggestion(for: text, among: names)); known: \(CSVTable.list(names))")
            }
            return Int32(place)
        })
        if let count = rule.classCount, count != names.count {
            throw Failure(.badData, "\(source.path): column \"\(source.labels[0])\" holds \(names.count) classes, but "
                + "data.classes says \(count); name all of them in data.class_names")
        }
        kind = .classes(count: names.count)
        classNames = names
        areNames = true
    }

    private struct Source {
        let content: CSVTable.Content
        let columns: Range<Int>
        let path: String
        let labels: [String]

        func failure(row: Int, column: Int, _ text: String) -> Failure {
            Failure(.badData, "\(path):\(content.lines[row]): column \"\(labels[column])\": \(text)")
        }
    }
}
