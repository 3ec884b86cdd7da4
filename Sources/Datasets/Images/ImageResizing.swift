extension PixelImage {
    /// The image scaled to another size as Pillow's `Image.resize` does it with `BILINEAR`: each new pixel is a weighted mean
    /// of all that it covers, the weights a triangle as wide as the scale, first along rows and then along columns, each
    /// time rounded to bytes. (Pillow 13 begins with columns where that is less work: a level of difference.)
    func resized(height: Int, width: Int) -> PixelImage {
        var image = self
        if width != image.width {
            let weights = ResizingWeights(from: image.width, to: width)
            let rows = image.height
            image = PixelImage(
                width: width, height: rows, channels: channels,
                pixels: image.weighted(weights, lines: rows, lineStep: image.width * channels, step: channels) {
                    ($0 * width + $1) * channels
                })
        }
        if height != image.height {
            let weights = ResizingWeights(from: image.height, to: height)
            let columns = image.width
            image = PixelImage(
                width: columns, height: height, channels: channels,
                pixels: image.weighted(weights, lines: columns, lineStep: channels, step: columns * channels) {
                    ($1 * columns + $0) * channels
                })
        }
        return image
    }

    /// Of each line (a row or a column) the weighted means; pixels of a line are `step` bytes apart, lines begin `lineStep`
    /// apart. `target` says where the pixel of a line and a place in it belongs.
    private func weighted(
        _ weights: ResizingWeights, lines: Int, lineStep: Int, step: Int, target: (Int, Int) -> Int
    ) -> [UInt8] {
        var result = [UInt8](repeating: 0, count: lines * weights.spans.count * channels)
        pixels.withUnsafeBufferPointer { source in
            for line in 0..<lines {
                for (place, span) in weights.spans.enumerated() {
                    let output = target(line, place)
                    for channel in 0..<channels {
                        var sum = 1 << (ResizingWeights.precision - 1)
                        var input = line * lineStep + span.first * step + channel
                        for weight in span.weights {
                            sum += Int(source[input]) * weight
                            input += step
                        }
                        result[output + channel] = UInt8(min(max(sum >> ResizingWeights.precision, 0), 255))
                    }
                }
            }
        }
        return result
    }

    /// The image scaled so that it covers the size, and what is too much cut off on both sides alike: the shorter side
    /// decides, as with torchvision's `Resize` and `CenterCrop`.
    func covering(height: Int, width: Int) -> PixelImage {
        // self.width / width ≤ self.height / height, without rounding.
        let isTall = self.width * height <= self.height * width
        let scaledWidth = isTall ? width : max(self.width * height / self.height, width)
        let scaledHeight = isTall ? max(self.height * width / self.width, height) : height
        let scaled = resized(height: scaledHeight, width: scaledWidth)
        func middle(_ rest: Int) -> Int { Int((Double(rest) / 2).rounded(.toNearestOrEven)) }
        return scaled.cropped(
            top: middle(scaledHeight - height), left: middle(scaledWidth - width), height: height, width: width)
    }
}

/// Which pixels make a new one along one side, and what each counts, in units of 2⁻²².
private struct ResizingWeights {
    static let precision = 22
    let spans: [(first: Int, weights: [Int])]

    init(from old: Int, to new: Int) {
        let scale = Double(old) / Double(new)
        let support = max(scale, 1)
        spans = (0..<new).map { place in
            let center = (Double(place) + 0.5) * scale
            let first = max(Int(center - support + 0.5), 0)
            let end = min(Int(center + support + 0.5), old)
            let shares = (first..<end).map { max(1 - abs((Double($0) - center + 0.5) / support), 0) }
            var sum = 0.0
            for share in shares { sum += share }
            return (
                first,
                shares.map { share in
                    let part = (sum == 0 ? share : share / sum) * Double(1 << Self.precision)
                    return Int(part + 0.5)
                }
            )
        }
    }
}
