import Diagnostics
import Kernels
import Settings
import Storage

/// The transpose of a convolution, as `torch.nn.ConvTranspose2d`: what a `conv2d` with the same options does backward, so that a
/// stride makes images larger: (height − 1)·stride − 2·padding + dilation·(kernel − 1) + output_padding + 1 rows.
///
/// Shapes: x [channels, height, width], y [filters, …], W channels × filters / groups × kernel height × kernel width, b filters.
package struct Conv2dTranspose: ConvolutionLayer {
    package static let kind = "conv2d_transpose"
    package let outputShape: Shape
    var convolution: Convolution

    package init(options: Settings, site: inout LayerSite) throws {
        let image = try ImageSite(site, kind: Self.kind, options)
        let filters = try options.int("filters", in: ImageSite.sizes)
        let kernel = try options.pair("kernel", in: ImageSite.sizes)
        let stride = try options.pair("stride", default: 1, in: ImageSite.sizes)
        let padding = try options.pair("padding", default: 0, in: 0...1 << 20)
        let extra = try options.pair("output_padding", default: 0, in: 0...1 << 20)
        let dilation = try options.pair("dilation", default: 1, in: ImageSite.sizes)
        let groups = try options.int("groups", default: 1, in: ImageSite.sizes)
        guard extra.height < max(stride.height, dilation.height), extra.width < max(stride.width, dilation.width) else {
            throw options.failure(
                "output_padding", "expected less than the stride or the dilation, found \(extra.height)×\(extra.width)")
        }
        // Numbers below 2²⁰, so that products of two fit.
        let reach = ((kernel.height - 1) * dilation.height + 1, (kernel.width - 1) * dilation.width + 1)
        let height = (image.height - 1) * stride.height - 2 * padding.height + reach.0 + extra.height
        let width = (image.width - 1) * stride.width - 2 * padding.width + reach.1 + extra.width
        guard height > 0, width > 0 else {
            throw options.failure(
                "padding",
                "\(padding.height)×\(padding.width) leaves nothing of the image that \(image.shape) becomes; use less")
        }
        let sides = ImagePadding(top: padding.height, bottom: padding.height, left: padding.width, right: padding.width)
        let larger = ImageSite(channels: filters, height: height, width: width)
        let shape = try Conv2d.shape(options, groups: groups, (image.channels, filters), reach, larger, sides) {
            () throws(ConvolutionShape.Problem) in
            try ConvolutionShape(
                channels: filters, height: height, width: width, filters: image.channels, kernel: kernel, stride: stride,
                padding: sides.sides, dilation: dilation, groups: groups)
        }
        outputShape = try site.shape([filters, height, width]) { options.failure("filters", $0) }
        convolution = try Convolution(
            shape, isTransposed: true,
            weightShape: Shape([image.channels, filters / groups, kernel.height, kernel.width]), options: options,
            site: &site)
    }
}
