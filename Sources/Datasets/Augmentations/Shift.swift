import Kernels
import Settings
import Storage

/// Moves the image by up to `pixels` up or down and left or right, each distance as likely; what comes in is `fill`, in the
/// numbers of the file. The same as a random crop of an image that is padded by `pixels`.
package struct Shift: Augmentation {
    package static let kind = "shift"
    package static let mainOption: String? = "pixels"
    private let pixels: Int
    private let fill: Double
    private var target: (extent: ImageExtent, fill: [Float])?

    package init(options: Settings) throws {
        pixels = try options.int("pixels", in: 1...1 << 16)
        fill = try options.double("fill", default: 0)
    }

    package func prepared(for site: AugmentationSite) throws -> any Augmentation {
        var prepared = self
        prepared.target = (try site.image(for: Self.kind), site.inputs(of: fill))
        return prepared
    }

    package func apply(to inputs: UnsafeMutableBufferPointer<Float>, stream: RandomStream, draw: UInt64) {
        guard let target else { preconditionFailure("an augmentation that wasn't prepared") }
        let down = stream.integer(below: 2 * pixels + 1, 0, ordinal: draw) - pixels
        let right = stream.integer(below: 2 * pixels + 1, 1, ordinal: draw) - pixels
        shiftImage(inputs, target.extent, down: down, right: right, fill: target.fill)
    }
}
