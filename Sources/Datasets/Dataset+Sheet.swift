import Diagnostics
import Storage

extension Dataset {
    /// A picture of samples side by side. Numbers are turned back to those of the file; bytes are shown as they are, others from the least to
    /// the largest of all.
    ///
    /// - Parameters:
    ///   - normalization: that of the data set.
    ///   - samples: the first of the epoch's order.
    ///   - isStretched: shows bytes, too, from the least to the largest: those of a file may use few of the 256 levels.
    ///   - batches: the samples of the first steps: augmented as training does. None: as they are.
    /// - Throws: 78 where samples are no images.
    package func sheet(
        of samples: ArraySlice<Int32>, _ normalization: Normalization, isStretched: Bool = false, in batches: [DrawnBatch] = []
    ) throws -> Picture {
        guard let (channels, height, width) = imageSizes else {
            throw Failure(
                .badConfiguration,
                "samples of shape \(inputShape) can't be shown as images; a picture needs [height, width] or [channels, height, width] with 1 "
                    + "or 3 channels")
        }
        let count = inputShape.count
        // Inputs, numbers and pixels.
        try requireMemory(samples.count * count * 20, "the picture of samples")
        let buffer = AlignedBuffer<Float>(count: samples.count * count)
        let matrix = buffer.matrix(rows: samples.count, columns: count)
        gatherInputs(samples, into: matrix)
        for batch in batches {
            let part = samples[samples.indices.clamped(to: batch.samples.indices)]
            let first = part.startIndex - samples.startIndex
            gatherInputs(part, into: matrix[rows: first..<first + part.count], in: batch)
        }
        var numbers: [Double] = []
        numbers.reserveCapacity(samples.count * count)
        for row in 0..<samples.count {
            for (place, number) in matrix.row(row).enumerated() {
                numbers.append(normalization.undone(Double(number), feature: place))
            }
        }
        var (low, high) = (0.0, 255.0)
        let areBytes = if case .encoded(let stored, _) = inputs { stored.type == .unsigned8 } else { false }
        if isStretched || !areBytes, let least = numbers.min(), let most = numbers.max() {
            (low, high) = (least, max(most, least + 1e-30))
        }
        let cell = (channels: channels, height: height, width: width)
        return try Picture(grid: samples.count, of: cell, values: low...high) { numbers[$0 * count + $1] }
    }

    /// Channels, height and width of a sample; a row of numbers counts as a square where it is one, as the built-in digits.
    package var imageSizes: (channels: Int, height: Int, width: Int)? {
        let sizes = inputShape.dimensions
        if sizes.contains(where: { $0 > 1 << 14 }) { return nil }
        switch sizes.count {
        case 1:
            let side = Int(Double(sizes[0]).squareRoot().rounded())
            return side > 3 && side * side == sizes[0] ? (1, side, side) : nil
        case 2: return (1, sizes[0], sizes[1])
        case 3 where sizes[0] == 1 || sizes[0] == 3: return (sizes[0], sizes[1], sizes[2])
        default: return nil
        }
    }
}
