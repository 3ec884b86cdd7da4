import Settings

/// Where samples come from: the files that a configuration names, and how they are read. A new one is its file and a line in
/// `standard` below.
package protocol DataFormat: Sendable {
    /// The name in a configuration.
    static var kind: String { get }

    /// Reads the keys of the section `data` that are its own; 78 for what is wrong with them. Files are not looked at.
    ///
    /// - Parameter usesInputs: whether the inputs are the targets, so that none are named.
    init(_ settings: Settings, usesInputs: Bool) throws

    /// Refuses what the keys of all formats say that makes no sense in this one.
    func check(_ data: DataConfiguration, _ settings: Settings) throws

    /// Reads the splits, by what `data` says in every format. With `stored` (of a checkpoint) the training data must fit that.
    ///
    /// - Parameter rule: what becomes a target.
    func load(_ data: DataConfiguration, _ rule: TargetRule, stored: Preprocessing?) throws -> DataSplits

    /// How the training table is written; nil where there is none.
    var tableOptions: TableOptions? { get }

    /// The tokens of a sample; nil where samples are made of others, or their number isn't known before the data are.
    var context: Int? { get }

    /// Where the tokenizer lies that makes tokens of text; nil where there is none.
    var tokenizerPath: String? { get }

    /// Whether a file of new samples for a trained network (`predict`, `eval`) is one of this format, by its content. What no
    /// format recognises is read as a table.
    static func recognizes(_ path: String, for preprocessing: Preprocessing) throws -> Bool

    /// Reads such a file as the training data were read.
    static func read(_ new: NewSamples, for preprocessing: Preprocessing) throws -> Preprocessing.Reading
}

extension DataFormat {
    package static func recognizes(_ path: String, for preprocessing: Preprocessing) throws -> Bool { false }

    package static func read(_ new: NewSamples, for preprocessing: Preprocessing) throws -> Preprocessing.Reading {
        preconditionFailure("\(kind) recognizes no file")
    }

    package func check(_ data: DataConfiguration, _ settings: Settings) throws {}
    package var tableOptions: TableOptions? { nil }
    package var context: Int? { nil }
    package var tokenizerPath: String? { nil }
}

/// The data formats that a configuration can name.
package typealias DataFormatChoices = Choices<any DataFormat.Type>

extension Choices where Choice == any DataFormat.Type {
    package init(_ kinds: [any DataFormat.Type]) { self.init("data format", kinds.map { ($0.kind, $0) }) }

    /// All of dtrain; the first is what a configuration without a format means.
    package static var standard: DataFormatChoices {
        DataFormatChoices([
            DigitsSource.self,
            ImagesSource.self,
            NPZSource.self,
            IDXSource.self,
            NPYSource.self,
            PackedSource.self,
            CIFAR10Source.self,
            CIFAR100Source.self,
            CSVSource.self,
            TokensSource.self,
            TextSource.self,
            TextsSource.self,
            SeriesSource.self,
            UCRSource.self
        ])
    }
}
