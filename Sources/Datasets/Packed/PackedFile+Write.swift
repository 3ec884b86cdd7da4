import Diagnostics
import Files
import Foundation

extension Dataset {
    /// Hands the bytes of a packed file of these samples to `write`: inputs as their files have them, before normalisation,
    /// in the order of the split.
    ///
    /// - Parameter preprocessing: that of the data set that they belong to.
    /// - Throws: 65 for samples that aren't kept as their files have them.
    package func pack(_ preprocessing: Preprocessing, to write: (UnsafeRawBufferPointer) throws -> Void) throws {
        guard case .encoded(let samples, _) = inputs else {
            throw Failure(
                .badData,
                "tables and text are read from their own files, which are one already; expected samples of images or "
                    + "arrays")
        }
        let description = PackedFile.Description(
            count: count, dimensions: inputShape.dimensions, type: samples.type.rawValue, target: targetKind,
            classNames: classNames, labels: preprocessing.labels, images: preprocessing.images)
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let text = Array(try encoder.encode(description))
        guard let layout = PackedFile.Layout(description, samples.type, length: text.count) else {
            throw Failure(.badData, "samples of shape \(inputShape) with \(targetKind) can't be packed")
        }
        var head = PackedFile.magic + withUnsafeBytes(of: UInt64(text.count).littleEndian, Array.init) + text
        head += [UInt8](repeating: 0, count: layout.inputs - head.count)
        try head.withUnsafeBytes(write)
        // Few large writes.
        var piece: [UInt8] = []
        for sample in 0..<count {
            piece += samples.bytes(ofSample: rows.map { Int($0[sample]) } ?? sample)
            if piece.count >= 1 << 20 || sample == count - 1 {
                try piece.withUnsafeBytes(write)
                piece.removeAll(keepingCapacity: true)
            }
        }
        let places = rows?.map(Int.init) ?? Array(0..<count)
        switch (targets, targetKind) {
        case (.classes(let classes), _): try places.map { classes[$0] }.withUnsafeBytes(write)
        case (.values(let values), .values(let width)):
            try places.flatMap { values[$0 * width..<($0 + 1) * width] }.withUnsafeBytes(write)
        default: break
        }
    }
}
