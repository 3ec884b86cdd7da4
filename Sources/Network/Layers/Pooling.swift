import Diagnostics
import Kernels
import Settings
import Storage

extension PoolingShape {
    /// Reads `size`, `stride` (as the size by default) and `padding` (0 by default) of a window.
    static func read(_ options: Settings, _ site: LayerSite, kind: String) throws -> PoolingShape {
        let image = try ImageSite(site, kind: kind, options)
        let size = try options.pair("size", in: ImageSite.sizes)
        let stride = try options.has("stride") ? options.pair("stride", in: ImageSite.sizes) : size
        let padding = try options.pair("padding", default: 0, in: 0...1 << 20)
        guard padding.height <= size.height / 2, padding.width <= size.width / 2 else {
            throw options.failure(
                "padding",
                "\(padding.height)×\(padding.width) is more than half of the window, \(size.height)×\(size.width), so that it "
                    + "would see nothing but padding")
        }
        do {
            return try PoolingShape(
                channels: image.channels, height: image.height, width: image.width, kernel: size, stride: stride,
                padding: padding)
        } catch .kernelTooLarge {
            throw options.failure(
                "size",
                "a window of \(size.height)×\(size.width) is larger than the image with its padding, "
                    + "\(image.height + 2 * padding.height)×\(image.width + 2 * padding.width)")
        } catch {
            throw options.failure("more numbers than a sample can hold")
        }
    }

    /// The same over the steps of sequences, [channels, steps]; options are single numbers.
    static func readSteps(_ options: Settings, _ site: LayerSite, kind: String) throws -> (PoolingShape, SequenceSteps.Window) {
        let (channels, steps) = try site.channelsAndSteps(kind: kind, options)
        let size = try options.int("size", in: ImageSite.sizes)
        let stride = try options.int("stride", default: size, in: ImageSite.sizes)
        let padding = try options.int("padding", default: 0, in: 0...1 << 20)
        guard padding <= size / 2 else {
            throw options.failure(
                "padding", "\(padding) is more than half of the window, \(size), so that it would see nothing but padding")
        }
        do {
            let shape = try PoolingShape(
                channels: channels, height: 1, width: steps, kernel: (1, size), stride: (1, stride), padding: (0, padding))
            return (shape, SequenceSteps.Window(reach: size, stride: stride, padding: 2 * padding))
        } catch .kernelTooLarge {
            throw options.failure(
                "size", "a window of \(size) is larger than the sequence with its padding, \(steps + 2 * padding) steps")
        } catch {
            throw options.failure("more numbers than a sample can hold")
        }
    }
}
