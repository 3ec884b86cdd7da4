/// The different texts of a column, in the order in which they first occur.
struct TextColumn {
    private(set) var texts: [String] = []
    /// How often each occurs.
    private(set) var counts: [Int] = []
    /// The line on which each occurs first.
    private(set) var lines: [Int] = []
    private var places: [String: Int] = [:]

    /// More texts than this are not even collected: they are names or keys.
    static let mostTexts = 1 << 16

    /// How many cells hold a text.
    var cellCount: Int { counts.reduce(0, +) }

    /// Counts a cell; the place of its text.
    mutating func add(_ text: String, line: Int) -> Int {
        if let place = places[text] {
            counts[place] += 1
            return place
        }
        places[text] = texts.count
        texts.append(text)
        counts.append(1)
        lines.append(line)
        return texts.count - 1
    }

    /// Whether hardly any text occurs twice, as in a column of names or keys: at least two thirds of the cells, and ten,
    /// are different.
    var isNearlyAllDifferent: Bool { Self.isNearlyAllDifferent(texts.count, of: cellCount) }

    static func isNearlyAllDifferent(_ different: Int, of cells: Int) -> Bool {
        different >= 10 && different >= cells - cells / 3
    }
}
