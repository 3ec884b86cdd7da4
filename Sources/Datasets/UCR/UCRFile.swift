import Diagnostics
import Files

/// A file of series and their classes, of the UCR archive (a row each: the class, then the numbers, tabs or commas between) or of the
/// UEA archive (`*.ts`: https://www.sktime.net/en/stable/api_reference/file_specifications/ts.html). Which of both its content says.
struct UCRFile {
    let path: String
    /// Numbers of a step.
    private(set) var dimensions = 1
    /// Series behind series, step by step.
    private(set) var values: [Double] = []
    /// Where each series begins, and where the last one ends, in steps.
    private(set) var starts = [0]
    /// The line of each series.
    private(set) var lines: [Int] = []
    /// The class of each series; empty where the file has none, or nobody wants them.
    private(set) var classes: [String] = []
    /// The classes that the file itself lists, in their order; nil where it lists none.
    private(set) var listed: [String]?
    /// What people should know of how it was read.
    private(set) var notes: [String] = []

    /// Steps of a series.
    func length(of series: Int) -> Int { starts[series + 1] - starts[series] }

    /// The series that a step belongs to.
    func series(ofStep step: Int) -> Int { max(0, (starts.firstIndex { $0 > step } ?? starts.count) - 1) }

    /// Whether all series have as many steps.
    var areEqual: Bool { lines.indices.allSatisfy { length(of: $0) == length(of: 0) } }

    /// Steps of the longest series.
    var longest: Int { lines.indices.reduce(0) { max($0, length(of: $1)) } }

    /// - Parameters:
    ///   - isLabelled: whether classes are wanted.
    ///   - unlabelledLength: a row of so many numbers has no class in front of them, where none is wanted.
    /// - Throws: 65 for what is no such file, and for series that are empty, have gaps or dimensions of different lengths.
    init(path: String, isLabelled: Bool, unlabelledLength: Int? = nil) throws {
        self.path = path
        let bytes = try SourceFile(path: path).readText()
        var text = UCRLines(bytes)
        let first = bytes.dropFirst(bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0).first { $0 > 0x20 }
        if first == UInt8(ascii: "@") || first == UInt8(ascii: "#") {
            try readArchive(&text, isLabelled: isLabelled)
        } else {
            try readRows(&text, isLabelled: isLabelled, unlabelledLength: unlabelledLength)
        }
        guard !lines.isEmpty else { throw Failure(.badData, "\(path): an empty set: no series") }
    }

    func failure(_ line: Int, _ text: String) -> Failure { Failure(.badData, "\(path):\(line): \(text)") }

    // MARK: - Rows

    private mutating func readRows(_ text: inout UCRLines, isLabelled: Bool, unlabelledLength: Int?) throws {
        var delimiter: UInt8?
        var unlabelled = 0
        while let line = text.next() {
            if UCRLines.trimmed(line).isEmpty { continue }
            if delimiter == nil { delimiter = line.contains(UInt8(ascii: "\t")) ? UInt8(ascii: "\t") : UInt8(ascii: ",") }
            var cells = text.bytes[line.startIndex..<line.endIndex].split(
                separator: delimiter ?? 0, omittingEmptySubsequences: false
            ).map(UCRLines.trimmed)
            if !isLabelled, cells.count == unlabelledLength {
                unlabelled += 1
            } else {
                let name = cells.removeFirst()
                if isLabelled { try add(className: name, text.line) }
                guard !cells.isEmpty else {
                    throw failure(
                        text.line, "expected a class and numbers behind it with tabs between, found \"\(Self.shown(name))\"")
                }
            }
            // Shorter series are filled up with NaN.
            while let last = cells.last, Self.isMissing(last), !last.isEmpty { cells.removeLast() }
            try begin(text.line, steps: cells.count)
            for cell in cells { values.append(try number(cell, text.line)) }
            try end(cells.count)
        }
        if unlabelled > 0 {
            notes.append("\(path): \(unlabelled) rows of \(unlabelledLength ?? 0) numbers, read as series without a class")
        }
    }

    // MARK: - Parts of both

    private mutating func begin(_ line: Int, steps: Int) throws {
        guard steps > 0 else { throw failure(line, "a series without a step; expected one number or more, or leave it out") }
        guard steps <= UCRSchema.mostSteps else {
            throw failure(line, "a series of \(steps) steps; there may be at most \(UCRSchema.mostSteps): use a part of it")
        }
        guard lines.count < Int(Int32.max) else { throw failure(line, "more series than the \(Int32.max) that can be used") }
        lines.append(line)
        guard lines.count & (1 << 12 - 1) == 0, values.count >= 1 << 22, let free = SystemMemory.availableByteCount(),
            free < 2 * values.count * MemoryLayout<Double>.stride
        else { return }
        throw Failure(
            .systemRefused,
            "\(path): after \(lines.count) series only \(free >> 20) MiB of memory are left; use a part of the file, or more memory"
        )
    }

    private mutating func end(_ steps: Int) throws { starts.append((starts.last ?? 0) + steps) }

    private mutating func add(className cell: ArraySlice<UInt8>, _ line: Int) throws {
        guard !cell.contains(0), let name = String(validating: cell, as: UTF8.self) else {
            throw failure(line, "a class that isn't text in UTF-8; save the file in UTF-8")
        }
        guard !name.isEmpty, name != "?" else {
            throw failure(line, "expected the class of the series, found \"\(name)\"; fill it in, or leave the series out")
        }
        classes.append(name)
    }

    private func number(_ cell: ArraySlice<UInt8>, _ line: Int) throws -> Double {
        guard !Self.isMissing(cell) else {
            throw failure(
                line, "a value inside of the series is missing (\"\(Self.shown(cell))\"); fill it in, or leave the series out")
        }
        // Bytes as an array that begins at 0 cost a copy; a number has few of them.
        guard let number = DecimalNumber.parse(Array(cell), 0..<cell.count), number.isFinite else {
            throw failure(line, "expected a finite number, found \"\(Self.shown(cell))\"; correct it")
        }
        return number
    }

    private static func isMissing(_ cell: ArraySlice<UInt8>) -> Bool {
        if cell.isEmpty || cell.elementsEqual([UInt8(ascii: "?")]) { return true }
        return cell.count == 3 && String(decoding: cell, as: UTF8.self).lowercased() == "nan"
    }

    /// A part of the file, for messages.
    private static func shown(_ cell: ArraySlice<UInt8>) -> String {
        shortened(String(validating: cell.prefix(400), as: UTF8.self) ?? "bytes that aren't UTF-8")
    }

    // MARK: - *.ts

    private mutating func readArchive(_ text: inout UCRLines, isLabelled: Bool) throws {
        var header = UCRHeader()
        while !header.isAtData {
            guard let line = text.next() else {
                throw Failure(.badData, "\(path): there is no line @data; expected it, and the series behind it")
            }
            guard let written = String(validating: UCRLines.trimmed(line), as: UTF8.self), !line.contains(0) else {
                throw failure(text.line, "a line of the header that isn't text in UTF-8; save the file in UTF-8")
            }
            if let problem = header.read(written) { throw failure(text.line, problem) }
        }
        listed = header.classes
        guard !isLabelled || header.hasClasses else {
            throw Failure(.badData, "\(path): its header names no classes; expected a line like @classLabel true a b c")
        }
        while let line = text.next().map(UCRLines.trimmed) {
            if line.isEmpty || line.first == UInt8(ascii: "#") { continue }
            var parts = line.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false).map(UCRLines.trimmed)
            if header.hasClasses {
                let name = parts.removeLast()
                if isLabelled {
                    try add(className: name, text.line)
                    if let listed, let found = classes.last, !listed.contains(found) {
                        throw failure(
                            text.line,
                            "the class \"\(shortened(found))\" isn't among those that the header lists: \(CSVTable.list(listed))"
                                + suggestion(for: found, among: listed))
                    }
                }
            }
            try add(parts, &header, text.line)
        }
    }

    /// Adds a series of which each part is a dimension.
    private mutating func add(_ parts: [ArraySlice<UInt8>], _ header: inout UCRHeader, _ line: Int) throws {
        let expected = header.dimensions ?? parts.count
        guard !parts.isEmpty, parts.count == expected else {
            throw failure(
                line,
                "expected \(expected) dimension\(expected == 1 ? "" : "s")\(header.hasClasses ? " and the class" : "") with : between, found "
                    + "\(parts.count + (header.hasClasses ? 1 : 0)) part\(parts.count + (header.hasClasses ? 1 : 0) == 1 ? "" : "s")"
            )
        }
        guard parts.count <= UCRSchema.mostDimensions else {
            throw failure(line, "\(parts.count) dimensions; there may be at most \(UCRSchema.mostDimensions)")
        }
        header.dimensions = expected
        dimensions = expected
        guard !parts.contains(where: { $0.first == UInt8(ascii: "(") }) else {
            throw failure(
                line, "values with times of their own can't be used; expected equally spaced values, without @timeStamps")
        }
        let comma = UInt8(ascii: ",")
        // Counted before memory is taken for what the first of them promises.
        let counts = parts.map { part in part.isEmpty ? 0 : part.count { $0 == comma } + 1 }
        let steps = counts[0]
        try begin(line, steps: steps)
        if let dimension = counts.firstIndex(where: { $0 != steps }) {
            throw failure(
                line,
                "dimension \(dimension + 1) has \(counts[dimension]) value\(counts[dimension] == 1 ? "" : "s"), but the first has "
                    + "\(steps); all dimensions of a series have as many")
        }
        guard header.length.map({ $0 == steps }) ?? true else {
            throw failure(
                line, "expected \(header.length ?? 0) values, as @seriesLength says, found \(steps); correct one of the two")
        }
        let start = values.count
        values.append(contentsOf: repeatElement(0, count: steps * expected))
        for (dimension, part) in parts.enumerated() {
            var step = 0
            for cell in part.split(separator: comma, omittingEmptySubsequences: false) {
                values[start + step * expected + dimension] = try number(UCRLines.trimmed(cell), line)
                step += 1
            }
        }
        try end(steps)
    }
}

/// The lines of a text, which end in LF or CRLF; the last may lack its end.
struct UCRLines {
    let bytes: [UInt8]
    /// That of what was read last, from 1.
    private(set) var line = 0
    private var place: Int

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        place = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
    }

    /// The next line; nil at the end.
    mutating func next() -> ArraySlice<UInt8>? {
        guard place < bytes.count else { return nil }
        let end = bytes[place...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
        let found = bytes[place..<end]
        place = end + 1
        line += 1
        return found.last == UInt8(ascii: "\r") ? found.dropLast() : found
    }

    /// Without the blanks around it.
    static func trimmed(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x0D || byte == 0x09 }
        var text = text
        while let first = text.first, isBlank(first) { text.removeFirst() }
        while let last = text.last, isBlank(last) { text.removeLast() }
        return text
    }
}

/// The lines of a `*.ts` file in front of its series.
struct UCRHeader {
    /// Whether `@data` was read.
    private(set) var isAtData = false
    private(set) var hasClasses = false
    /// Nil where none are listed.
    private(set) var classes: [String]?
    /// Nil where the first series tells.
    var dimensions: Int?
    /// Steps of every series; nil where nothing is said.
    private(set) var length: Int?

    /// Takes a line; what is wrong with it, nil if nothing is.
    mutating func read(_ line: String) -> String? {
        guard let first = line.first, first != "#" else { return nil }
        guard first == "@" else { return "expected a line of the header (@…), found \"\(shortened(line))\"; is @data missing?" }
        let words = line.split(whereSeparator: \.isWhitespace).map(String.init)
        let isTrue = words.dropFirst().first?.lowercased() == "true"
        switch words[0].lowercased() {
        case "@data": isAtData = true
        case "@timestamps" where isTrue:
            return "@timeStamps true: values with times of their own can't be used; expected equally spaced values"
        case "@missing" where isTrue: return "@missing true: series with missing values can't be used; fill them in"
        case "@targetlabel" where isTrue: return "@targetLabel true: numbers to be foreseen; format: ucr is for classes"
        case "@univariate" where isTrue: dimensions = 1
        case "@dimensions", "@dimension":
            guard let count = words.dropFirst().first.flatMap({ Int($0) }), (1...UCRSchema.mostDimensions).contains(count)
            else {
                return "\(shortened(line)): expected a number of dimensions from 1 to \(UCRSchema.mostDimensions)"
            }
            dimensions = count
        case "@serieslength":
            // 0 stands for lengths that differ.
            guard let count = words.dropFirst().first.flatMap({ Int($0) }), (0...UCRSchema.mostSteps).contains(count) else {
                return "\(shortened(line)): expected a length of at most \(UCRSchema.mostSteps)"
            }
            length = count == 0 ? nil : count
        case "@classlabel":
            hasClasses = isTrue
            let names = Array(words.dropFirst(2))
            guard Set(names).count == names.count else { return "@classLabel: a class is listed twice" }
            classes = isTrue && !names.isEmpty ? names : nil
        default: break
        }
        return nil
    }
}
