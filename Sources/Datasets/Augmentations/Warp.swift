import Kernels
import Settings
import Storage

/// An image, what lies around it, and room to change it.
private struct WarpTarget {
    let extent: ImageExtent
    let fill: [Float]
    let scratch: ScratchPool<FloatScratch>

    init(_ site: AugmentationSite, _ kind: String, fill: Double) throws {
        extent = try site.image(for: kind)
        self.fill = site.inputs(of: fill)
        let count = warpScratch(extent)
        scratch = ScratchPool { FloatScratch(count: count) }
    }

    func apply(_ warp: ImageWarp, to inputs: UnsafeMutableBufferPointer<Float>) {
        scratch.withScratch { warpImage(inputs, extent, by: warp, fill: fill, scratch: $0.elements) }
    }
}

/// Turns the image around its middle by up to `degrees` to either side, bilinear; corners become `fill`, in the numbers of the
/// file.
package struct Rotate: Augmentation {
    package static let kind = "rotate"
    package static let mainOption: String? = "degrees"
    private let degrees: Double
    private let fill: Double
    private var target: WarpTarget?

    package init(options: Settings) throws {
        degrees = try options.double("degrees", in: .range(0...180))
        fill = try options.double("fill", default: 0)
    }

    package func prepared(for site: AugmentationSite) throws -> any Augmentation {
        var prepared = self
        prepared.target = try WarpTarget(site, Self.kind, fill: fill)
        return prepared
    }

    package func apply(to inputs: UnsafeMutableBufferPointer<Float>, stream: RandomStream, draw: UInt64) {
        guard let target else { preconditionFailure("an augmentation that wasn't prepared") }
        let turns = stream.uniform(in: -degrees...degrees, 0, draw: draw) / 180
        let cosine = Float(cosineOfPi(times: turns))
        let sine = Float(cosineOfPi(times: turns - 0.5))
        target.apply(ImageWarp(xx: cosine, xy: sine, yx: -sine, yy: cosine), to: inputs)
    }
}

/// Scales the image around its middle by a factor from `minimum` to `maximum`, bilinear, and keeps its size: what is too much
/// is lost, and around a smaller one is `fill`, in the numbers of the file.
package struct Scale: Augmentation {
    package static let kind = "scale"
    private let range: ClosedRange<Double>
    private let fill: Double
    private var target: WarpTarget?

    package init(options: Settings) throws {
        let minimum = try options.double("minimum", default: 0.9, in: .range(0.01...100))
        let maximum = try options.double("maximum", default: 1.1, in: .range(0.01...100))
        guard minimum <= maximum else {
            throw options.failure("minimum", "expected at most the maximum of \(maximum), found \(minimum)")
        }
        range = minimum...maximum
        fill = try options.double("fill", default: 0)
    }

    package func prepared(for site: AugmentationSite) throws -> any Augmentation {
        var prepared = self
        prepared.target = try WarpTarget(site, Self.kind, fill: fill)
        return prepared
    }

    package func apply(to inputs: UnsafeMutableBufferPointer<Float>, stream: RandomStream, draw: UInt64) {
        guard let target else { preconditionFailure("an augmentation that wasn't prepared") }
        let step = Float(1 / stream.uniform(in: range, 0, draw: draw))
        target.apply(ImageWarp(xx: step, xy: 0, yx: 0, yy: step), to: inputs)
    }
}
