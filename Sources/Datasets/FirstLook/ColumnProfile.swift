/// What the cells of a column are like, one after the other.
struct ColumnProfile {
    let name: String
    let index: Int
    private(set) var numberCount = 0
    private(set) var textCount = 0
    private(set) var missingCount = 0
    /// The different numbers, as long as they are few.
    private(set) var numbers: Set<Double> = []
    private(set) var isFew = true
    private(set) var areWhole = true
    /// Whether every number was the one before plus one, as in a column that counts the rows.
    private(set) var countsRows = true
    private var last: Double?
    private(set) var texts = TextColumn()
    /// Whether there are more different texts than are collected.
    private(set) var hasManyTexts = false
    private(set) var wordCount = 0
    private(set) var mostWords = 0

    /// More different numbers nobody takes for classes.
    static let mostNumbers = 100
    /// More different texts are no categories.
    private static let mostTexts = 1 << 14

    init(name: String, index: Int) {
        self.name = name
        self.index = index
    }

    mutating func add(_ cell: CSVScanner.Cell, _ scanner: CSVScanner, _ format: CSVFormat) {
        if format.isMissing(cell, in: scanner) {
            missingCount += 1
            countsRows = false
        } else if let number = format.numbers.parse(scanner.bytes, cell.range) {
            numberCount += 1
            areWhole = areWhole && number == number.rounded()
            countsRows = countsRows && (last.map { number == $0 + 1 } ?? true)
            last = number
            if isFew {
                numbers.insert(number)
                isFew = numbers.count <= Self.mostNumbers
            }
        } else {
            textCount += 1
            countsRows = false
            let text = scanner.text(of: cell) ?? ""
            let words = text.split { $0 == " " || $0 == "\t" || $0.isNewline }.count
            wordCount += words
            mostWords = max(mostWords, words)
            guard texts.texts.count < Self.mostTexts else {
                hasManyTexts = true
                return
            }
            _ = texts.add(text, line: scanner.rowLine)
        }
    }

    var areNumbers: Bool { textCount == 0 && numberCount > 0 }
    /// Whether it begins as numbers and has texts as well.
    var isMixed: Bool { textCount > 0 && numberCount > 0 }

    /// Whether hardly any text comes up twice.
    var areKeys: Bool {
        textCount > 0
            && (hasManyTexts || texts.texts.count > CSVSource.mostCategories
                || TextColumn.isNearlyAllDifferent(texts.texts.count, of: textCount))
    }

    /// Whether its cells are texts to be read, of several words.
    var areSentences: Bool { areKeys && numberCount * 20 <= textCount && wordCount >= 3 * textCount }

    /// Whether the one value that it has tells nothing.
    var isConstant: Bool {
        missingCount == 0 && (areNumbers && isFew && numbers.count == 1 || numberCount == 0 && texts.texts.count == 1)
    }

    /// Whether, as a target, it is one of several classes: texts are; numbers where they are whole, few, and each comes up often.
    var makesClasses: Bool {
        guard areNumbers else { return true }
        guard areWhole, isFew, numbers.count > 1 else { return false }
        let sorted = numbers.sorted()
        let isCounted = sorted.enumerated().allSatisfy { $1 == sorted[0] + Double($0) } && (sorted[0] == 0 || sorted[0] == 1)
        return numbers.count <= 20 ? numberCount >= 5 * numbers.count : isCounted && numberCount >= 10 * numbers.count
    }
}
