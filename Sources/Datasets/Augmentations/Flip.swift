import Kernels
import Settings
import Storage

/// Exchanges left and right with a probability.
package struct HorizontalFlip: Flip {
    package static let kind = "horizontal_flip"
    static let isHorizontal = true
    let probability: Double
    var extent: ImageExtent?

    package init(options: Settings) throws { probability = try Self.readProbability(options) }
}

/// Exchanges top and bottom with a probability.
package struct VerticalFlip: Flip {
    package static let kind = "vertical_flip"
    static let isHorizontal = false
    let probability: Double
    var extent: ImageExtent?

    package init(options: Settings) throws { probability = try Self.readProbability(options) }
}

/// What both have in common.
protocol Flip: Augmentation {
    static var isHorizontal: Bool { get }
    var probability: Double { get }
    /// Of the images, once it is prepared.
    var extent: ImageExtent? { get set }
}

extension Flip {
    package static var mainOption: String? { "probability" }

    static func readProbability(_ options: Settings) throws -> Double {
        try options.double("probability", default: 0.5, in: .range(0...1))
    }

    package func prepared(for site: AugmentationSite) throws -> any Augmentation {
        var prepared = self
        prepared.extent = try site.image(for: Self.kind)
        return prepared
    }

    package func apply(to inputs: UnsafeMutableBufferPointer<Float>, stream: RandomStream, draw: UInt64) {
        guard let extent else { preconditionFailure("an augmentation that wasn't prepared") }
        guard stream.uniform(in: 0...1, 0, draw: draw) < probability else { return }
        flipImage(inputs, extent, horizontally: Self.isHorizontal)
    }
}
