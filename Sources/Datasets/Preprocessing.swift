import Diagnostics
import Storage

/// All that turns a new file into inputs of a trained network; a checkpoint keeps it (as JSON, being `Codable`).
///
/// Decoding checks that the parts fit each other: a file that was tampered with is refused, and never traps.
package struct Preprocessing: Hashable, Codable, Sendable {
    /// The dimensions of one sample's input.
    package let inputDimensions: [Int]
    package let targetKind: TargetKind
    /// What the classes are called; nil where they are just numbers.
    package let classNames: [String]?
    /// The numbers that IDX labels have, class by class; nil where they are 0 to K−1, or no IDX labels.
    let labels: [Int]?
    package let normalization: Normalization
    /// How rows of a table become inputs; nil where the training data were no table.
    package let table: TableSchema?
    /// How text becomes tokens; nil where the training data were no text.
    package private(set) var text: TextSchema?
    /// How labelled texts become tokens; nil where the training data were none.
    package let texts: TextsSchema?
    /// How rows of series become samples; nil where the training data were none.
    package let series: SeriesSchema?
    /// How files of classified series become samples; nil where the training data were none.
    package let ucr: UCRSchema?
    /// How files of images become samples; nil where the training data were none.
    let images: ImageSchema?

    package var inputShape: Shape { Shape(inputDimensions) }

    /// How many different tokens the inputs are made of; nil where they are made of numbers.
    package var tokenKinds: Int? { text?.kinds ?? texts?.vocabulary.kinds }

    /// How many bytes of UTF-8 each token that is a target stands for; nil where targets are no tokens of a text that is known.
    ///
    /// - Throws: 66 and 65 where tokens are those of a tokenizer that isn't there, or isn't the one of training.
    package func targetByteCounts() throws -> [Int]? { try text?.byteCounts() }

    /// Whether arrays of numbers can be samples: they are made of numbers that are normalised as in training whatever file they come
    /// from.
    package var takesArrays: Bool { tokenKinds == nil && series == nil && ucr == nil }

    /// Whether samples are sequences of different lengths.
    package var hasLengths: Bool { texts != nil || ucr?.hasLengths ?? false }

    init(
        inputShape: Shape, targetKind: TargetKind, classNames: [String]?, labels: [Int]? = nil,
        normalization: Normalization, table: TableSchema? = nil, text: TextSchema? = nil,
        texts: TextsSchema? = nil, images: ImageSchema? = nil, series: SeriesSchema? = nil, ucr: UCRSchema? = nil
    ) {
        inputDimensions = inputShape.dimensions
        self.targetKind = targetKind
        self.classNames = classNames
        self.labels = labels
        self.normalization = normalization
        self.table = table
        self.text = text
        self.texts = texts
        self.images = images
        self.series = series
        self.ucr = ucr
    }

    /// The same where the tokenizer lies elsewhere by now.
    package func with(tokenizer path: String?) -> Preprocessing {
        guard let path, case .tokenizer(_, let digest, let count) = text?.vocabulary else { return self }
        var preprocessing = self
        preprocessing.text?.vocabulary = .tokenizer(path: path, digest: digest, count: count)
        return preprocessing
    }

    /// Of samples in memory, whose inputs are ready.
    package init(of dataset: Dataset) {
        self.init(
            inputShape: dataset.inputShape, targetKind: dataset.targetKind, classNames: dataset.classNames,
            normalization: .none)
    }

    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        inputDimensions = try values.decode([Int].self, forKey: .inputDimensions)
        targetKind = try values.decode(TargetKind.self, forKey: .targetKind)
        classNames = try values.decodeIfPresent([String].self, forKey: .classNames)
        labels = try values.decodeIfPresent([Int].self, forKey: .labels)
        normalization = try values.decode(Normalization.self, forKey: .normalization)
        table = try values.decodeIfPresent(TableSchema.self, forKey: .table)
        text = try values.decodeIfPresent(TextSchema.self, forKey: .text)
        texts = try values.decodeIfPresent(TextsSchema.self, forKey: .texts)
        images = try values.decodeIfPresent(ImageSchema.self, forKey: .images)
        series = try values.decodeIfPresent(SeriesSchema.self, forKey: .series)
        ucr = try values.decodeIfPresent(UCRSchema.self, forKey: .ucr)
        if let problem {
            throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: problem))
        }
    }

    /// What doesn't fit together; nil if all does.
    private var problem: String? {
        var width = 1
        for dimension in inputDimensions {
            let product = width.multipliedReportingOverflow(by: dimension)
            guard dimension > 0, !product.overflow else { return "inputDimensions: \(inputDimensions)" }
            width = product.partialValue
        }
        if let problem = normalization.problem(width: width, prefix: "normalization.") { return problem }
        switch targetKind {
        case .classes(let count):
            guard count > 0, count <= Int(Int32.max), classNames.map({ $0.count == count }) ?? true else {
                return "targetKind: \(count) classes, \(classNames?.count ?? count) names"
            }
            guard labels.map({ $0.count == count && zip($0, $0.dropFirst()).allSatisfy(<) }) ?? true else {
                return "labels: not one for each of \(count) classes, in ascending order"
            }
        case .values(let count):
            guard labels == nil, count > 0 else { return "targetKind: \(count) values" }
        case .positions:
            guard let text, labels == nil, classNames == nil, table == nil else {
                return "targetKind: \(targetKind) without text"
            }
            guard text.problem == nil else { return text.problem }
            guard targetKind == text.targetKind, inputDimensions == [text.context] else { return "targetKind: \(targetKind)" }
        case .inputs(let count):
            guard labels == nil, classNames == nil, count == width else { return "targetKind: \(count) inputs, not \(width)" }
        }
        if let series {
            let hasOthers = table != nil || text != nil || texts != nil || images != nil || ucr != nil
            guard !hasOthers, classNames == nil, series.problem == nil, inputDimensions == series.inputShape.dimensions,
                targetKind == series.targetKind, normalization == .none
            else { return series.problem ?? "series: samples of \(inputDimensions) with \(targetKind)" }
            return nil
        }
        if let ucr {
            let hasOthers = table != nil || text != nil || texts != nil || images != nil
            guard !hasOthers, labels == nil, ucr.problem == nil, inputDimensions == ucr.inputShape.dimensions,
                normalization == .none,
                case .classes = targetKind, let classNames, Set(classNames).count == classNames.count
            else { return ucr.problem ?? "ucr: samples of \(inputDimensions) with \(targetKind)" }
            return nil
        }
        if let texts {
            guard table == nil, text == nil, images == nil, labels == nil, inputDimensions == [texts.length] else {
                return "texts: samples of \(inputDimensions)"
            }
            return texts.problem(targetKind: targetKind, classNames: classNames)
        }
        if text != nil, targetKind != text?.targetKind { return "targetKind: \(targetKind) for text" }
        return table?.problem(width: width, targetKind: targetKind, classNames: classNames)
    }
}
