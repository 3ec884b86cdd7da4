import Kernels
import Settings
import Storage

/// Multiplies all numbers of the image, as they are in the file, by one factor from 1 − `range` to 1 + `range`; bytes stay
/// within 0 and 255. As torchvision's `ColorJitter(brightness=range)`.
package struct Brightness: Augmentation {
    package static let kind = "brightness"
    package static let mainOption: String? = "range"
    private let range: Double
    private var target: (extent: ImageExtent, levels: [(offset: Float, factor: Float, bounds: ClosedRange<Float>)])?

    package init(options: Settings) throws { range = try options.double("range", in: .range(0...1)) }

    package func prepared(for site: AugmentationSite) throws -> any Augmentation {
        var prepared = self
        prepared.target = (try site.image(for: Self.kind), try site.levels(for: Self.kind))
        return prepared
    }

    package func apply(to inputs: UnsafeMutableBufferPointer<Float>, stream: RandomStream, draw: UInt64) {
        guard let target else { preconditionFailure("an augmentation that wasn't prepared") }
        let factor = Float(stream.uniform(in: 1 - range...1 + range, 0, draw: draw))
        // With inputs i = (x − o)·f and x becoming k·x: i becomes k·i + (k − 1)·o·f.
        for (channel, level) in target.levels.enumerated() {
            changeLevels(
                inputs, target.extent, factor: factor, channel: channel, offset: (factor - 1) * level.offset * level.factor,
                bounds: level.bounds)
        }
    }
}

/// Moves all numbers of the image, as they are in the file, away from or towards the mean of its grey by one factor from
/// 1 − `range` to 1 + `range`; bytes stay within 0 and 255. As torchvision's `ColorJitter(contrast=range)`.
package struct Contrast: Augmentation {
    package static let kind = "contrast"
    package static let mainOption: String? = "range"
    private let range: Double
    private var target: (extent: ImageExtent, levels: [(offset: Float, factor: Float, bounds: ClosedRange<Float>)])?

    package init(options: Settings) throws { range = try options.double("range", in: .range(0...1)) }

    package func prepared(for site: AugmentationSite) throws -> any Augmentation {
        var prepared = self
        prepared.target = (try site.image(for: Self.kind), try site.levels(for: Self.kind))
        return prepared
    }

    package func apply(to inputs: UnsafeMutableBufferPointer<Float>, stream: RandomStream, draw: UInt64) {
        guard let target else { preconditionFailure("an augmentation that wasn't prepared") }
        let factor = Float(stream.uniform(in: 1 - range...1 + range, 0, draw: draw))
        // The mean of the file's numbers, of colours by the weights of ITU-R 601-2, of other channels alike.
        var grey = 0.0
        var means = SIMD4<Double>()
        for (channel, level) in target.levels.enumerated() {
            if channel % 4 == 0 { means = channelMeans(inputs, target.extent, first: channel) }
            let mean = means[channel % 4] / Double(level.factor) + Double(level.offset)
            grey += mean * Self.weight(channel, of: target.levels.count)
        }
        for (channel, level) in target.levels.enumerated() {
            let middle = (Float(grey) - level.offset) * level.factor
            changeLevels(
                inputs, target.extent, factor: factor, channel: channel, offset: (1 - factor) * middle, bounds: level.bounds)
        }
    }

    private static func weight(_ channel: Int, of count: Int) -> Double {
        guard count == 3 else { return 1 / Double(count) }
        return channel == 0 ? 0.299 : channel == 1 ? 0.587 : 0.114
    }
}
