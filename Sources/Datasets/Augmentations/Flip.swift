import Kernels
import Settings
import Storage

/// Exchanges left and right with a probability.
package struct HorizontalFlip: Augmentation {
    package static let kind = "horizontal_flip"
    package static let mainOption: String? = "probability"
    private let probability: Double
    private var extent: ImageExtent?

    package init(options: Settings) throws {
        probability = try options.double("probability", default: 0.5, in: .range(0...1))
    }

    package func prepared(for site: AugmentationSite) throws -> any Augmentation {
        var prepared = self
        prepared.extent = try site.image(for: Self.kind)
        return prepared
    }

    package func apply(to inputs: UnsafeMutableBufferPointer<Float>, stream: RandomStream, draw: UInt64) {
        guard let extent else { preconditionFailure("an augmentation that wasn't prepared") }
        guard stream.uniform(in: 0...1, 0, draw: draw) < probability else { return }
        flipImage(inputs, extent, horizontally: true)
    }
}

/// Exchanges top and bottom with a probability.
package struct VerticalFlip: Augmentation {
    package static let kind = "vertical_flip"
    package static let mainOption: String? = "probability"
    private let probability: Double
    private var extent: ImageExtent?

    package init(options: Settings) throws {
        probability = try options.double("probability", default: 0.5, in: .range(0...1))
    }

    package func prepared(for site: AugmentationSite) throws -> any Augmentation {
        var prepared = self
        prepared.extent = try site.image(for: Self.kind)
        return prepared
    }

    package func apply(to inputs: UnsafeMutableBufferPointer<Float>, stream: RandomStream, draw: UInt64) {
        guard let extent else { preconditionFailure("an augmentation that wasn't prepared") }
        guard stream.uniform(in: 0...1, 0, draw: draw) < probability else { return }
        flipImage(inputs, extent, horizontally: false)
    }
}
