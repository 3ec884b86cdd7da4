import Diagnostics
import Storage

extension Dataset {
    /// A picture of an image in grey under colours that say what each pixel has to do with an output: red for more, blue for less;
    /// or, without a sign, red for much. As PNG, small images enlarged.
    ///
    /// - Parameters:
    ///   - attributions: a number for each input; channels are added up.
    ///   - normalization: that of the data set.
    /// - Throws: 64 where the samples are no images.
    package func overlay(
        _ attributions: [Float], on sample: Int32, _ normalization: Normalization, isSigned: Bool
    ) throws -> [UInt8] {
        guard let (channels, height, width) = imageSizes else {
            throw Failure(
                .usage, "samples of shape \(inputShape) can't be shown as images; leave out --output for a list, or use --json")
        }
        let count = inputShape.count
        let buffer = AlignedBuffer<Float>(count: count)
        gatherInputs([sample][...], into: buffer.matrix(rows: 1, columns: count))
        let pixels = height * width
        var grey = [Double](repeating: 0, count: pixels)
        var weights = grey
        for place in 0..<count {
            grey[place % pixels] += normalization.undone(Double(buffer.elements[place]), feature: place) / Double(channels)
            weights[place % pixels] += isSigned ? Double(attributions[place]) : abs(Double(attributions[place]))
        }
        let (low, high) = (grey.min() ?? 0, grey.max() ?? 1)
        let largest = max(weights.reduce(0) { max($0, abs($1)) }, 1e-30)
        let zoom = max(1, 256 / max(height, width))
        var image = [UInt8](repeating: 0, count: pixels * zoom * zoom * 3)
        for y in 0..<height * zoom {
            for x in 0..<width * zoom {
                let place = y / zoom * width + x / zoom
                let level = high > low ? (grey[place] - low) / (high - low) : 0.5
                // Half as bright, so that colours show on white too.
                let base = 0.25 + 0.5 * level
                let strength = abs(weights[place]) / largest
                let colour = weights[place] >= 0 ? (0.9, 0.1, 0.1) : (0.1, 0.2, 0.95)
                let mixed = [colour.0, colour.1, colour.2].map { base * (1 - strength) + $0 * strength }
                for channel in 0..<3 {
                    image[(y * width * zoom + x) * 3 + channel] = UInt8(min(max(mixed[channel] * 255, 0), 255))
                }
            }
        }
        return try PixelImage(width: width * zoom, height: height * zoom, channels: 3, pixels: image).png()
    }

    /// The same samples with some inputs of each taken from another one: row i gets those of row `rows[i]`. For samples that are
    /// ready in memory, such as those of tables.
    package func dealing(inputs places: Range<Int>, by rows: [Int32]) -> Dataset {
        precondition(rows.count == count, "an order of \(rows.count) for \(count) samples")
        let width = inputShape.count
        let buffer = AlignedBuffer<Float>(count: count * width)
        let matrix = buffer.matrix(rows: count, columns: width)
        gatherInputs((0..<Int32(count)).map { $0 }[...], into: matrix)
        var values = Array(buffer.elements[..<(count * width)])
        for row in 0..<count {
            for place in places { values[row * width + place] = matrix.row(Int(rows[row]))[place] }
        }
        let own = self.rows.flatMap { rows in weights.map { weights in rows.map { weights[Int($0)] } } } ?? weights
        return Dataset(
            inputs: .ready(values, count: count), inputShape: inputShape, targets: targets?.selected(self.rows, targetKind),
            targetKind: targetKind, classNames: classNames, weights: own)
    }
}

extension StoredTargets {
    /// Those of some samples; nil for all of them. For classes and numbers.
    fileprivate func selected(_ rows: [Int32]?, _ kind: TargetKind) -> StoredTargets {
        guard let rows else { return self }
        switch self {
        case .classes(let classes): return .classes(rows.map { classes[Int($0)] })
        case .values(let values):
            let width = kind.count
            return .values(rows.flatMap { values[Int($0) * width..<(Int($0) + 1) * width] })
        default: return self
        }
    }
}

extension Preprocessing {
    /// The names of a table's columns, and which inputs each makes; nil where samples are no rows of a table.
    package var columns: [(name: String, inputs: Range<Int>)]? {
        guard let table, tokenKinds == nil else { return nil }
        var start = 0
        return table.features.map { feature in
            defer { start += feature.width }
            return (feature.name, start..<start + feature.width)
        }
    }
}
