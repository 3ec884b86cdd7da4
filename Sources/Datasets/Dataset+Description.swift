import Foundation
import Storage

/// A sample as a person looks at it.
package enum SampleDescription: Sendable, Equatable {
    /// A PNG file.
    case picture([UInt8])
    /// The columns of a row, in the order of the training file, as its cells would say them.
    case fields([(name: String, value: String)])
    case text(String)
    /// The normalised numbers of samples that are none of these.
    case numbers([Float])

    package static func == (a: SampleDescription, b: SampleDescription) -> Bool {
        switch (a, b) {
        case (.picture(let one), .picture(let other)): one == other
        case (.fields(let one), .fields(let other)): one.elementsEqual(other) { $0 == $1 }
        case (.text(let one), .text(let other)): one == other
        case (.numbers(let one), .numbers(let other)): one == other
        default: false
        }
    }
}

extension Dataset {
    /// More code points of a text, and more numbers of a sample, aren't shown.
    private static let mostShown = 1000

    /// What a sample looks like: a picture where it is an image, its cells where it is a row of a table, its words where it is a text.
    ///
    /// - Parameter codec: what the tokens of samples that are windows on a text stand for.
    package func description(of sample: Int32, _ preprocessing: Preprocessing, codec: TextCodec? = nil) -> SampleDescription {
        if case .sequences(let sequences) = inputs {
            return .text(Self.text(sequences.tokens(of: stored(sample)), preprocessing))
        }
        if let codec, case .windows(let windows) = inputs {
            let start = windows.start(of: Int(sample))
            var tokens: [Int32] = []
            windows.store.forEach(start..<start + min(inputShape.count, Self.mostShown)) { tokens.append($1) }
            return .text(codec.text(of: tokens))
        }
        let isImage =
            preprocessing.table == nil && preprocessing.tokenKinds == nil && preprocessing.series == nil
            && preprocessing.ucr == nil
        if isImage, let png = try? sheet(of: [sample], preprocessing.normalization, isStretched: true) {
            return .picture(png.png)
        }
        let buffer = AlignedBuffer<Float>(count: inputShape.count)
        gatherInputs([sample], into: buffer.matrix(rows: 1, columns: inputShape.count))
        if let table = preprocessing.table { return .fields(Self.fields(table, buffer.elements, preprocessing.normalization)) }
        return .numbers(Array(buffer.elements.prefix(Self.mostShown)))
    }

    private static func fields(
        _ table: TableSchema, _ inputs: UnsafeMutableBufferPointer<Float>, _ normalization: Normalization
    ) -> [(name: String, value: String)] {
        var start = 0
        return table.features.map { feature in
            defer { start += feature.width }
            guard let categories = feature.categories else {
                let number = normalization.undone(Double(inputs[start]), feature: start)
                return (feature.name, String(format: "%.6g", number))
            }
            let own = categories.indices.max { inputs[start + $0] < inputs[start + $1] } ?? 0
            // A missing one has no category.
            return (feature.name, inputs[start + own] > 0 ? categories[own] : "")
        }
    }

    private static func text(_ tokens: ArraySlice<Int32>, _ preprocessing: Preprocessing) -> String {
        let tokens = tokens.prefix(mostShown)
        guard let texts = preprocessing.texts else { return "" }
        func place(_ token: Int32) -> Int { Int(token - TokenRule.first) }
        switch texts.vocabulary {
        case .bytes:
            return String(decoding: tokens.map { UInt8(clamping: $0 - TokenRule.firstByte) }, as: UTF8.self)
        case .characters(let characters):
            var shown = String.UnicodeScalarView()
            for token in tokens {
                let known = characters.indices.contains(place(token)) ? Unicode.Scalar(characters[place(token)]) : nil
                shown.append(known ?? "\u{FFFD}")
            }
            return String(shown)
        case .words(let words):
            return tokens.map { words.indices.contains(place($0)) ? words[place($0)] : "\u{FFFD}" }.joined(separator: " ")
        }
    }
}
