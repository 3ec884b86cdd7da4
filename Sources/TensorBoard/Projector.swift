import Files

/// Tables of numbers for TensorBoard's *Projector* page, which shows their rows as points: beside the event files lie a table of
/// numbers between tabs for each, a line per row, a file with a line of text per row, and `projector_config.pbtxt`, which names them
/// (`tensorboard/plugins/projector/projector_config.proto`).
package struct Projector: Sendable {
    /// The table that is shown of a parameter.
    package struct Table: Sendable {
        /// What it is called on the page.
        package let name: String
        /// How many numbers a row has.
        package let width: Int
        /// What each row stands for, in their order; rows behind the last one aren't shown.
        package let labels: [String]

        package init(name: String, width: Int, labels: [String]) {
            self.name = name
            self.width = width
            self.labels = labels
        }

        /// Of the files' names: what names can't be made of is left out.
        fileprivate var fileName: String {
            String(name.map { $0.isASCII && ($0.isLetter || $0.isNumber || "._-".contains($0)) ? $0 : "_" }.prefix(100))
        }
        fileprivate var numbersName: String { fileName + ".tsv" }
        fileprivate var labelsName: String { fileName + "-labels.tsv" }
    }

    private static let configurationName = "projector_config.pbtxt"

    private let folder: Directory
    private let tables: [Table]

    /// - Parameter run: its folder of event files is there.
    /// - Throws: `Failure(.cannotCreate)`.
    package init?(_ tables: [Table], in run: Directory) throws {
        guard !tables.isEmpty, let folder = try run.directory(EventFile.folderName, orFailWith: .cannotCreate) else {
            return nil
        }
        self.folder = folder
        self.tables = tables
    }

    /// Replaces all files by new ones.
    ///
    /// - Parameter values: the numbers of a table, row by row.
    /// - Throws: `Failure(.inputOutput)`; each file is wholly the old or the new one.
    package func write(_ values: (_ table: Int) -> UnsafeBufferPointer<Float>) throws {
        for (index, table) in tables.enumerated() {
            let numbers = values(index)
            try folder.replaceFile(table.numbersName) { sink in
                for row in table.labels.indices {
                    let line = numbers[row * table.width..<(row + 1) * table.width].map { "\($0)" }.joined(separator: "\t")
                    try Self.put(line + "\n", sink)
                }
            }
            try folder.replaceFile(table.labelsName) { sink in
                for (row, label) in table.labels.enumerated() { try Self.put(Self.line(label, row: row) + "\n", sink) }
            }
        }
        try folder.replaceFile(Self.configurationName) { sink in
            for table in tables {
                try Self.put(
                    """
                    embeddings {
                      tensor_name: \(Self.quoted(table.name))
                      tensor_path: \(Self.quoted(table.numbersName))
                      metadata_path: \(Self.quoted(table.labelsName))
                    }

                    """, sink)
            }
        }
    }

    private static func put(_ text: String, _ sink: ByteSink) throws {
        var text = text
        try text.withUTF8 { try sink(UnsafeRawBufferPointer($0)) }
    }

    /// A label as one line: the page passes over lines without anything to see, and its columns end at tabs.
    package static func line(_ label: String, row: Int) -> String {
        guard !label.isEmpty else { return "#\(row)" }
        return label.unicodeScalars.map { scalar -> String in
            switch scalar {
            case " ": "\u{2423}"
            case "\n": "\\n"
            case "\r": "\\r"
            case "\t": "\\t"
            default:
                scalar.properties.isWhitespace || scalar.properties.generalCategory == .control
                    ? "\\u{\(String(scalar.value, radix: 16, uppercase: true))}" : String(scalar)
            }
        }
        .joined()
    }

    /// A string of the text format of Protocol Buffers.
    private static func quoted(_ text: String) -> String {
        "\""
            + text.utf8.map { byte in
                switch byte {
                case UInt8(ascii: "\""), UInt8(ascii: "\\"): "\\" + String(UnicodeScalar(byte))
                case 32..<127: String(UnicodeScalar(byte))
                default: "\\" + String(repeating: "0", count: 3 - String(byte, radix: 8).count) + String(byte, radix: 8)
                }
            }
            .joined() + "\""
    }
}
