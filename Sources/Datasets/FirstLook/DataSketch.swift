import Diagnostics
import Files

/// What `dtrain init` finds out about data that nobody has described: the section `data` of a configuration that reads them.
///
/// It reads as little as tells. Whether the section is right is for the format's own reader to say, which loads the data by it.
package struct DataSketch: Sendable {
    /// What the samples are, as far as the choice of a network needs to know.
    package enum Samples: Sendable { case table, images, arrays, text, labelledTexts }

    /// What a person says beside the path.
    package struct Wishes: Sendable {
        /// A file of targets, where they are not in the data.
        package var targets: String?
        /// Name or number of the column to predict.
        package var target: String?
        /// Classes, or numbers; nil lets the data decide.
        package var wantsClasses: Bool?

        package init(targets: String? = nil, target: String? = nil, wantsClasses: Bool? = nil) {
            self.targets = targets
            self.target = target
            self.wantsClasses = wantsClasses
        }
    }

    package var samples: Samples
    /// The lines of the section, without the indentation that they get in the file; comments stand behind a tab.
    package var lines: [String]
    /// What was decided from what the data look like, a line each.
    package var notes: [String] = []
    /// Whether there are files to validate on.
    package var hasValidation = false
    /// Whether targets are classes, where that was decided here.
    package var wantsClasses: Bool?

    /// Looks at a file or a folder.
    ///
    /// Errors: 66 for a missing one, 65 for one that can't be told or read, 64 for a wish that doesn't belong to it.
    package init(path: String, _ wishes: Wishes) throws {
        let status = try ByteFolder.status(BytePath(path))
        guard let status else {
            throw Failure(
                .missingInput,
                "\(path.isEmpty ? "\"\"" : path): no such file or folder (paths are relative to the working directory)")
        }
        if status.kind == .directory {
            self = try Self.folder(path, wishes)
            return
        }
        // Opening refuses what isn't a file, without waiting for it.
        let beginning = try SourceFile(path: path).readBytes(1 << 12)
        switch true {
        case try IDXFile.recognizes(path): self = try Self.arrays(idx: path, wishes)
        case try NPYArray.recognizes(path): self = try Self.arrays(npy: path, wishes)
        case try ZipArchive.recognizes(path): self = try Self.archive(path, wishes)
        case ImageFile.isMagic(beginning):
            throw Failure(
                .badData, "\(path): one image; expected a folder with a folder of images for each class: name that folder")
        default: self = try Self.textual(path, wishes)
        }
    }

    init(_ samples: Samples, _ lines: [String]) {
        self.samples = samples
        self.lines = lines
    }

    /// Refuses what is for tables where there is none.
    static func refuseTarget(_ wishes: Wishes, _ path: String, because reason: String) throws {
        guard wishes.target == nil else {
            throw Failure(.usage, "--target: \(path) is no table: \(reason); leave it out")
        }
    }

    // MARK: - Folders

    /// A folder of images, or one with a single data set in it.
    private static func folder(_ path: String, _ wishes: Wishes) throws -> DataSketch {
        if try ImageFolder.hasClasses(path) { return try images(path, wishes) }
        let names = try ByteFolder.names(in: BytePath(path)).compactMap(\.text).filter { !$0.hasPrefix(".") }
        let files = try names.filter { name in
            try ByteFolder.status(BytePath(path + "/" + name))?.kind == .file
        }
        // Of pairs the inputs, of splits the one to train on.
        let data = files.filter { name in
            let plain = name.hasSuffix(".gz") ? String(name.dropLast(3)) : name
            return [".csv", ".tsv", ".npy", ".npz", "-ubyte", ".idx"].contains { plain.hasSuffix($0) }
                && !isAnswers(name) && !isHeldBack(name)
        }
        guard data.count == 1 else {
            let found = data.isEmpty ? files : data
            throw Failure(
                .badData,
                "\(path): expected a folder with a folder of images for each class, or with one data set; found "
                    + (found.isEmpty ? "nothing of that kind" : CSVTable.list(found)) + (found.isEmpty ? "" : ": name a file"))
        }
        let prefix = path.hasSuffix("/") ? path : path + "/"
        return try DataSketch(path: prefix + data[0], wishes)
    }

    /// Whether a file is named like the targets that belong to another one.
    private static func isAnswers(_ name: String) -> Bool {
        name.contains("labels") || name.contains("target") || name.hasPrefix("y_") || name.hasPrefix("y.")
    }

    /// Whether a file is named like samples that aren't for training.
    private static func isHeldBack(_ name: String) -> Bool {
        Self.heldBack.contains { name.contains($0) }
    }

    /// What files and folders of samples that aren't for training are called, the likeliest first.
    static let heldBack = ["validation", "valid", "val", "test", "t10k", "dev"]

    /// The first file or folder that is called like `path`, with another word for `train`; nil where there is none.
    static func sibling(of path: String) throws -> String? {
        let slash = path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex
        guard let word = path[slash...].range(of: "train") else { return nil }
        for other in heldBack {
            let candidate = path.replacingCharacters(in: word, with: other)
            if try ByteFolder.status(BytePath(candidate)) != nil { return candidate }
        }
        return nil
    }
}

extension String {
    fileprivate func replacingCharacters(in range: Range<String.Index>, with text: String) -> String {
        self[..<range.lowerBound] + text + self[range.upperBound...]
    }
}

/// Lines of a configuration, with what stands behind a tab, comments, below each other where there is room.
package func configurationText(_ lines: [String]) -> String {
    lines.map { line in
        // No value holds a tab: `yamlText` escapes it.
        guard let tab = line.firstIndex(of: "\t") else { return line }
        let value = line[..<tab]
        return value + String(repeating: " ", count: max(2, 36 - value.count)) + line[line.index(after: tab)...]
    }.joined(separator: "\n") + "\n"
}

/// A text as a value in YAML, also between braces.
package func yamlText(_ text: String) -> String {
    let words = ["true", "false", "yes", "no", "on", "off", "null", "y", "n", "nan", "inf"]
    let isPlain =
        text.unicodeScalars.first.map { $0.properties.isAlphabetic || $0 == "/" || $0 == "_" } ?? false
        && text.unicodeScalars.allSatisfy {
            $0.properties.isAlphabetic || $0.isASCII && ($0.properties.numericType != nil || "_-./".unicodeScalars.contains($0))
        }
        && !words.contains(text.lowercased())
    if isPlain { return text }
    var quoted = "\""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\"": quoted += "\\\""
        case "\\": quoted += "\\\\"
        case _ where scalar.drivesTerminal || scalar.value == 0xE000 || scalar.value > 0xFFFF:
            let digits = String(scalar.value, radix: 16)
            quoted += "\\U" + String(repeating: "0", count: 8 - digits.count) + digits
        default: quoted.unicodeScalars.append(scalar)
        }
    }
    return quoted + "\""
}

/// A list of texts in YAML, on one line.
func yamlList(_ texts: [String]) -> String { "[" + texts.map(yamlText).joined(separator: ", ") + "]" }
