/// Why a column of texts is no column of categories, unless somebody says so.
enum ColumnDoubt: Equatable {
    /// Half of the cells or more are numbers; what the first that isn't needs to be read as one.
    case numbers(line: Int, text: String, numberCount: Int, cellCount: Int, remedy: Remedy)
    /// Hardly any text occurs twice.
    case keys(line: Int, text: String, different: Int, cellCount: Int)

    /// What makes a number of a cell.
    enum Remedy: Equatable {
        /// Another style; `other` is one that would do as well.
        case style(NumberStyle, other: NumberStyle?)
        /// These texts mean that nothing is there.
        case missing([String])
        /// Something that stands around the digits has to go.
        case sign(String)
        /// It is no number at all.
        case correction
    }

    /// What would make a number of a text that stands alone.
    static func remedy(for text: String, _ style: NumberStyle) -> Remedy {
        var column = TextColumn()
        _ = column.add(text, line: 0)
        if case .numbers(_, _, _, _, let remedy) = column.doubt(style) { return remedy }
        return WrittenNumber.isMissingMarker(text) ? .missing([text]) : .correction
    }
}

extension TextColumn {
    /// What speaks against categories in a file whose numbers are written in `style`; nil if nothing does.
    func doubt(_ style: NumberStyle) -> ColumnDoubt? {
        numbersDoubt(style)
            ?? (isNearlyAllDifferent
                ? .keys(line: lines[0], text: texts[0], different: texts.count, cellCount: cellCount) : nil)
    }

    private func numbersDoubt(_ style: NumberStyle) -> ColumnDoubt? {
        let written = texts.map(WrittenNumber.init)
        let units = commonUnits(written)
        let styles = Self.styles(after: style)
        /// Which texts read as numbers in each style, and in how many cells.
        var reads = styles.map { _ in Array(repeating: false, count: texts.count) }
        var readCounts = styles.map { _ in 0 }
        for (place, number) in written.enumerated() {
            guard let number, !number.hasUnit || units.contains(number.sign ?? "") else { continue }
            let bytes = Array(number.digits.utf8)
            for (index, style) in styles.enumerated() where style.parse(bytes, 0..<bytes.count) != nil {
                reads[index][place] = true
                readCounts[index] += counts[place]
            }
        }
        let best = readCounts.indices.reduce(0) { readCounts[$1] > readCounts[$0] ? $1 : $0 }
        let isMarker = texts.indices.map { !reads[best][$0] && WrittenNumber.isMissingMarker(texts[$0]) }
        let markerCount = texts.indices.reduce(0) { $0 + (isMarker[$1] ? counts[$1] : 0) }
        guard readCounts[best] > 0, readCounts[best] * 2 >= cellCount - markerCount else { return nil }
        let isRead = texts.indices.map { style.parse(texts[$0]) != nil }
        let wanted = texts.indices.filter { !isRead[$0] && (best == 0 || reads[best][$0]) }
        // Texts lie in the order of their first lines.
        guard let culprit = wanted.first else { return nil }
        let remedy: ColumnDoubt.Remedy
        if let sign = written[culprit]?.sign, reads[best][culprit] {
            remedy = .sign(sign)
        } else if best > 0 {
            // 1,234 may be 1.234 or 1234.
            let other = styles.indices.first { styles[$0].thousands == styles[best].decimal && reads[$0] == reads[best] }
            remedy = .style(styles[best], other: other.map { styles[$0] })
        } else if isMarker[culprit] {
            remedy = .missing(texts.indices.filter { isMarker[$0] }.map { texts[$0] })
        } else {
            remedy = .correction
        }
        return .numbers(
            line: lines[culprit], text: texts[culprit], numberCount: readCounts[best], cellCount: cellCount,
            remedy: remedy)
    }

    /// The units that stand behind more than one number: a lone "3rd" among "1st" and "2nd" is a category.
    private func commonUnits(_ written: [WrittenNumber?]) -> Set<String> {
        var numbers: [String: Int] = [:]
        for number in written { if let number, number.hasUnit, let unit = number.sign { numbers[unit, default: 0] += 1 } }
        return Set(numbers.filter { $0.value > 1 }.keys)
    }

    /// The styles that are around; first that of the file.
    private static func styles(after style: NumberStyle) -> [NumberStyle] {
        let separators = ["", ",", ".", " ", "\u{A0}", "\u{202F}", "\u{2009}", "'", "\u{2019}", "_"]
        let all = separators.flatMap { separator in
            [".", ","].filter { $0 != separator }.map { NumberStyle(decimal: $0, thousands: separator) }
        }
        return [style] + all.filter { $0 != style }
    }
}
