import Diagnostics
import Kernels
import Settings
import Storage

/// A convolution of images, as `torch.nn.Conv2d`: y[f, i, j] = b[f] + Σ over channels c of the filter's group and taps (p, q) of
/// W[f, c, p, q] · x[c, i·stride + p·dilation − padding, …], a cross-correlation; outside the image there are zeros.
///
/// Shapes: x [channels, height, width] (two dimensions count as one channel), y [filters, …], W filters × channels / groups ×
/// kernel height × kernel width, b filters. `groups` equal to the channels is a depthwise convolution.
package struct Conv2d: ConvolutionLayer {
    package static let kind = "conv2d"
    package let outputShape: Shape
    var convolution: Convolution

    package init(options: Settings, site: inout LayerSite) throws {
        let image = try ImageSite(site, kind: Self.kind, options)
        let filters = try options.int("filters", in: ImageSite.sizes)
        let kernel = try options.pair("kernel", in: ImageSite.sizes)
        let stride = try options.pair("stride", default: 1, in: ImageSite.sizes)
        let dilation = try options.pair("dilation", default: 1, in: ImageSite.sizes)
        let groups = try options.int("groups", default: 1, in: ImageSite.sizes)
        let reach = ((kernel.height - 1) * dilation.height + 1, (kernel.width - 1) * dilation.width + 1)
        let padding = try ImagePadding.read(options, image: (image.height, image.width), kernels: reach, strides: stride)
        let shape = try Self.shape(options, groups: groups, (image.channels, filters), reach, image, padding) {
            () throws(ConvolutionShape.Problem) in
            try ConvolutionShape(
                channels: image.channels, height: image.height, width: image.width, filters: filters, kernel: kernel,
                stride: stride, padding: padding.sides, dilation: dilation, groups: groups)
        }
        outputShape = try site.shape([filters, shape.outputHeight, shape.outputWidth]) { options.failure("filters", $0) }
        convolution = try Convolution(
            shape, weightShape: Shape([filters, image.channels / groups, kernel.height, kernel.width]), options: options,
            site: &site)
    }

    /// A shape, or what is wrong with it in the configuration's words.
    static func shape(
        _ options: Settings, groups: Int, _ channels: (inputs: Int, outputs: Int), _ reach: (height: Int, width: Int),
        _ image: ImageSite, _ padding: ImagePadding, _ make: () throws(ConvolutionShape.Problem) -> ConvolutionShape
    ) throws -> ConvolutionShape {
        do {
            return try make()
        } catch .groups {
            throw options.failure(
                "groups", "\(groups) groups must divide \(channels.inputs) channels and \(channels.outputs) filters")
        } catch .kernelTooLarge {
            let height = image.height + padding.top + padding.bottom
            let width = image.width + padding.left + padding.right
            throw options.failure(
                "kernel",
                "a kernel that reaches \(reach.height)×\(reach.width) is larger than the image with its padding, "
                    + "\(height)×\(width); use a smaller kernel, or padding: same")
        } catch {
            throw options.failure("more numbers than a sample can hold; use fewer filters or a smaller kernel")
        }
    }
}
