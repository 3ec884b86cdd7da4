import Diagnostics
import Kernels
import Settings
import Storage

/// What layers on images have in common: how they see their input, and how they read sizes and padding.
struct ImageSite {
    let channels: Int, height: Int, width: Int

    init(channels: Int, height: Int, width: Int) {
        self.channels = channels
        self.height = height
        self.width = width
    }

    /// A sample of the input as an image: channels × height × width, or with two dimensions one channel.
    init(_ site: LayerSite, kind: String, _ options: Settings) throws {
        let dimensions = site.inputShape.dimensions
        guard dimensions.count == 2 || dimensions.count == 3, site.inputShape.count > 0 else {
            throw options.failure(
                "\(kind) takes images, [channels, height, width] or [height, width], but this one gets \(site.inputShape)"
                    + (dimensions.count == 1 ? "; put reshape: {shape: [channels, height, width]} in front of it" : ""))
        }
        channels = dimensions.count == 2 ? 1 : dimensions[0]
        height = dimensions[dimensions.count - 2]
        width = dimensions[dimensions.count - 1]
    }

    var shape: Shape { Shape([channels, height, width]) }

    /// What a kernel, a stride or the like may be.
    static let sizes = 1...1 << 20
}

/// Zeros around an image.
struct ImagePadding: Equatable {
    var top = 0, bottom = 0, left = 0, right = 0

    /// A tuple, as kernels take it.
    var sides: (top: Int, bottom: Int, left: Int, right: Int) { (top, bottom, left, right) }

    /// Reads `padding`: `valid` (none), `same` (as many outputs as inputs, divided by the stride and rounded up, the odd zero at
    /// the end: Keras's rule, which at stride 1 is PyTorch's), a number, or a list of height and width.
    ///
    /// - Parameters:
    ///   - kernels: how far a kernel reaches on each axis, its dilation included.
    static func read(
        _ options: Settings, image: (height: Int, width: Int), kernels: (height: Int, width: Int),
        strides: (height: Int, width: Int)
    ) throws -> ImagePadding {
        let words = try options.strings("padding", default: "valid")
        switch words {
        case ["valid"]: return ImagePadding()
        case ["same"]:
            func total(_ length: Int, _ kernel: Int, _ stride: Int) -> Int {
                max(0, ((length + stride - 1) / stride - 1) * stride + kernel - length)
            }
            let rows = total(image.height, kernels.height, strides.height)
            let columns = total(image.width, kernels.width, strides.width)
            return ImagePadding(top: rows / 2, bottom: rows - rows / 2, left: columns / 2, right: columns - columns / 2)
        default:
            let numbers = words.compactMap { Int($0) }
            guard numbers.count == words.count, numbers.count == 1 || numbers.count == 2,
                numbers.allSatisfy({ (0...1 << 20).contains($0) })
            else {
                throw options.failure(
                    "padding",
                    "expected valid, same, a whole number from 0 on, or a list of height and width, found "
                        + "\(words.joined(separator: ", "))")
            }
            return ImagePadding(
                top: numbers[0], bottom: numbers[0], left: numbers[numbers.count - 1], right: numbers[numbers.count - 1])
        }
    }
}
