import Diagnostics
import Kernels
import Settings
import Storage

/// A convolution of sequences, as `torch.nn.Conv1d`: y[f, i] = b[f] + Σ over channels c of the filter's group and taps p of
/// W[f, c, p] · x[c, i·stride + p·dilation − padding].
///
/// `padding: causal` puts all zeros in front, so that an output sees no later step (van den Oord et al., arXiv:1609.03499), as Keras.
/// What lies behind a sample's length is seen as it is; an `embedding` with `padding_index` makes zeros of it.
///
/// Shapes: x [channels, steps], y [filters, …], W filters × channels / groups × kernel, b filters. Sequences of [steps, features]
/// need permute: {dimensions: [2, 1]} in front.
package struct Conv1d: ConvolutionLayer {
    package static let kind = "conv1d"
    package let outputShape: Shape
    var convolution: Convolution
    private let window: SequenceSteps.Window

    package func sequence(behind input: SequenceSteps, of shape: Shape) -> SequenceSteps? { input.behind(window) }

    package init(options: Settings, site: inout LayerSite) throws {
        let (channels, steps) = try site.channelsAndSteps(kind: Self.kind, options)
        let filters = try options.int("filters", in: ImageSite.sizes)
        let kernel = try options.int("kernel", in: ImageSite.sizes)
        let stride = try options.int("stride", default: 1, in: ImageSite.sizes)
        let dilation = try options.int("dilation", default: 1, in: ImageSite.sizes)
        let groups = try options.int("groups", default: 1, in: ImageSite.sizes)
        let reach = (1, (kernel - 1) * dilation + 1)
        var padding: ImagePadding
        if try options.strings("padding", default: "valid") == ["causal"] {
            padding = ImagePadding(left: reach.1 - 1)
        } else {
            padding = try ImagePadding.read(options, image: (1, steps), kernels: reach, strides: (1, stride))
            padding.top = 0
            padding.bottom = 0
        }
        window = SequenceSteps.Window(reach: reach.1, stride: stride, padding: padding.left + padding.right)
        let image = ImageSite(channels: channels, height: 1, width: steps)
        let shape = try Conv2d.shape(options, groups: groups, (channels, filters), reach, image, padding) {
            () throws(ConvolutionShape.Problem) in
            try ConvolutionShape(
                channels: channels, height: 1, width: steps, filters: filters, kernel: (1, kernel), stride: (1, stride),
                padding: padding.sides, dilation: (1, dilation), groups: groups)
        }
        outputShape = try site.shape([filters, shape.outputWidth]) { options.failure("filters", $0) }
        convolution = try Convolution(
            shape, weightShape: Shape([filters, channels / groups, kernel]), options: options, site: &site)
    }
}
