import Diagnostics
import Kernels
import Settings
import Storage

/// Zeros around images, as `torch.nn.ZeroPad2d`: `padding` is a number, or a list of left, right, top and bottom. Shapes:
/// x [channels, height, width], y [channels, top + height + bottom, left + width + right]. Kept: nothing.
package struct ZeroPad2d: Layer {
    package static let kind = "zero_pad2d"
    package let outputShape: Shape
    let image: ImageSite
    let padding: ImagePadding

    package init(options: Settings, site: inout LayerSite) throws {
        let image = try ImageSite(site, kind: Self.kind, options)
        let numbers = try options.ints("padding", in: 0...1 << 20)
        guard numbers.count == 1 || numbers.count == 4 else {
            throw options.failure(
                "padding", "expected one number, or a list of left, right, top and bottom, found \(numbers.count) numbers")
        }
        let sides = numbers.count == 1 ? Array(repeating: numbers[0], count: 4) : numbers
        let padding = ImagePadding(top: sides[2], bottom: sides[3], left: sides[0], right: sides[1])
        self.image = image
        self.padding = padding
        outputShape = try site.shape([
            image.channels, image.height + padding.top + padding.bottom, image.width + padding.left + padding.right
        ]) { options.failure("padding", $0) }
    }

    package var backwardOperands: BackwardOperands { [] }

    package func forward(_ input: MatrixView, into output: MutableMatrixView, memory: PassMemory, in pass: ForwardPass) {
        pass.workspace.zeroPad(
            input, channels: image.channels, height: image.height, width: image.width, padding: padding.sides, into: output)
    }

    package func backward(
        _ outputGradient: MatrixView, into inputGradient: MutableMatrixView?, input: MatrixView,
        output: MatrixView, memory: PassMemory, in pass: BackwardPass
    ) {
        guard let inputGradient else { return }
        pass.workspace.zeroPadGradient(
            outputGradient, channels: image.channels, height: image.height, width: image.width, padding: padding.sides,
            into: inputGradient)
    }
}
