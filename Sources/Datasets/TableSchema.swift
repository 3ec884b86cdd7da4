import Diagnostics

/// How rows of a table become inputs and targets: kept in the checkpoint, so that other files are read the same way.
package struct TableSchema: Hashable, Codable, Sendable {
    /// A column that networks get to see.
    struct Feature: Hashable, Codable, Sendable {
        /// Its name in the header; without a header its number, from 0.
        var name: String
        /// Its place in the training file.
        var index: Int
        /// The texts of a categorical column, each of which is an input of its own (one-hot); nil for numbers.
        var categories: [String]?
        /// What stands in for a missing number: the mean of the training data. Nil where none may be missing.
        var mean: Double?

        /// How many inputs it makes.
        var width: Int { categories?.count ?? 1 }
    }

    /// A column to be predicted.
    struct Target: Hashable, Codable, Sendable {
        var name: String
        var index: Int
    }

    var format: CSVFormat
    /// How many columns the training file has.
    var columnCount: Int
    var features: [Feature]
    var targets: [Target]
    /// The column that says what a sample counts in the loss; nil where there is none.
    var weight: Target?
    /// Whether the targets lie in a file of their own.
    var hasTargetFile: Bool
    /// Whether missing features are filled in.
    var fillsMissing: Bool
    /// Whether a cell with the class holds its name (of `Preprocessing.classNames`), not its number.
    var targetsAreNames: Bool

    /// How many inputs a row makes.
    var width: Int { features.reduce(0) { $0 + $1.width } }

    /// What the inputs are called: a feature, or a feature and one of its categories.
    var inputNames: [String] {
        features.flatMap { feature in
            feature.categories.map { $0.map { "\(feature.name) = \($0)" } } ?? [feature.name]
        }
    }

    /// The inputs that say which category a row has.
    var indicators: Set<Int> {
        var indicators: Set<Int> = []
        var start = 0
        for feature in features {
            if feature.categories != nil { indicators.formUnion(start..<start + feature.width) }
            start += feature.width
        }
        return indicators
    }

    /// What doesn't fit together in a schema from a file; nil if all does. Whatever passes can be used with any table.
    func problem(width: Int, targetKind: TargetKind, classNames: [String]?) -> String? {
        guard !features.isEmpty, self.width == width else {
            return "table.features: \(self.width) inputs, not \(width)"
        }
        // Where the targets are a file of their own, they have places of their own.
        let others = (hasTargetFile ? [] : targets) + (weight.map { [$0] } ?? [])
        let inTable = features.map(\.index) + others.map(\.index)
        guard columnCount > 0, inTable.allSatisfy({ (0..<columnCount).contains($0) }),
            targets.allSatisfy({ (0..<Int(Int32.max)).contains($0.index) })
        else {
            return "table: a column outside of the file's \(columnCount)"
        }
        guard Set(inTable).count == inTable.count, Set(targets.map(\.index)).count == targets.count else {
            return "table: one column in two places"
        }
        let names = features.map(\.name) + others.map(\.name)
        guard Set(names).count == names.count else { return "table: two columns of one name" }
        guard
            features.allSatisfy({
                Set($0.categories ?? []).count == $0.categories?.count ?? 0 && $0.width > 0 && $0.mean?.isFinite ?? true
                    && (!fillsMissing || $0.categories != nil || $0.mean != nil)
            })
        else {
            return "table.features: a category twice, or no mean to fill in"
        }
        let classes = classNames ?? []
        guard !targetsAreNames || !classes.isEmpty && Set(classes).count == classes.count else {
            return "table: no class names"
        }
        switch targetKind {
        case .classes: return targets.count == 1 ? nil : "table.targets: \(targets.count) columns with classes"
        case .positions: return "table: targets at positions"
        case .values(let count):
            guard !targetsAreNames else { return "table: class names for numbers" }
            return targets.count == count ? nil : "table.targets: \(targets.count), not \(count)"
        case .inputs:
            return targets.isEmpty && !hasTargetFile && !targetsAreNames ? nil : "table.targets: some beside the inputs"
        }
    }

    // MARK: - Rows

    /// Writes the inputs that a row makes, before they are normalised.
    func encode(_ row: Int, of content: CSVTable.Content, into inputs: inout [Double]) {
        var start = 0
        for (column, feature) in features.enumerated() {
            let cell = content.cell(row, column)
            if let categories = feature.categories {
                for i in categories.indices { inputs[start + i] = 0 }
                if !cell.isNaN { inputs[start + Int(cell)] = 1 }
            } else {
                inputs[start] = cell.isNaN ? feature.mean ?? cell : cell
            }
            start += feature.width
        }
    }

    /// The normalised inputs of all rows.
    func inputs(of content: CSVTable.Content, _ normalization: Normalization, path: String) throws -> [Float] {
        let size = content.lines.count.multipliedReportingOverflow(by: width)
        guard !size.overflow, size.partialValue <= Int.max / 8 else {
            throw Failure(.badData, "\(path): \(content.lines.count) rows of \(width) inputs are too many")
        }
        var inputs: [Float] = []
        var encoded = [Double](repeating: 0, count: width)
        inputs.reserveCapacity(size.partialValue)
        for row in content.lines.indices {
            encode(row, of: content, into: &encoded)
            for (feature, number) in encoded.enumerated() {
                let value = Float(normalization.apply(number, feature: feature))
                guard value.isFinite else {
                    throw Failure(
                        .badData,
                        "\(path):\(content.lines[row]): column \"\(shortened(name(ofInput: feature)))\": "
                            + "\(number) is too large for Float32")
                }
                inputs.append(value)
            }
        }
        return inputs
    }

    /// The column that an input comes from.
    private func name(ofInput input: Int) -> String {
        var end = 0
        for feature in features {
            end += feature.width
            if input < end { return feature.name }
        }
        return String(input)
    }
}
