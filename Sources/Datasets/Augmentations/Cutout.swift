import Kernels
import Settings
import Storage

/// Takes a square of `size` pixels out of the image, around a place that is any of its pixels, so that a part of it may lie
/// outside (DeVries and Taylor, "Improved regularization of convolutional neural networks with cutout", 2017). What is taken
/// out is 0, the mean of normalised inputs, or `fill` in the numbers of the file.
package struct Cutout: Augmentation {
    package static let kind = "cutout"
    package static let mainOption: String? = "size"
    private let size: Int
    private let fill: Double?
    private var target: (extent: ImageExtent, fill: [Float])?

    package init(options: Settings) throws {
        size = try options.int("size", in: 1...1 << 16)
        fill = try options.optionalDouble("fill")
    }

    package func prepared(for site: AugmentationSite) throws -> any Augmentation {
        var prepared = self
        let extent = try site.image(for: Self.kind)
        prepared.target = (extent, fill.map(site.inputs) ?? Array(repeating: 0, count: extent.channels))
        return prepared
    }

    package func apply(to inputs: UnsafeMutableBufferPointer<Float>, stream: RandomStream, draw: UInt64) {
        guard let target else { preconditionFailure("an augmentation that wasn't prepared") }
        let top = stream.integer(below: target.extent.height, 0, ordinal: draw) - size / 2
        let left = stream.integer(below: target.extent.width, 1, ordinal: draw) - size / 2
        cutImage(inputs, target.extent, rows: top..<top + size, columns: left..<left + size, fill: target.fill)
    }
}
