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
}
