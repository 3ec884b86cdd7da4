import Datasets
import Network
import Storage

/// The weights of the first layer as images, where each output's weights are one: those of a convolution of 1 or 3 channels, or of a
/// dense layer on images.
struct FilterPicture: Sendable {
    let slot: ParameterSlot
    private let cell: (channels: Int, height: Int, width: Int)
    private let count: Int
    /// More would make a picture that nobody looks at.
    private static let most = 256

    /// - Parameter images: the sizes of samples that are images.
    init?(_ layout: ParameterLayout, images: (channels: Int, height: Int, width: Int)?) {
        guard let slot = layout.slots.first(where: { $0.role == .weight }) else { return nil }
        let shape = slot.shape.dimensions
        switch shape.count {
        case 4 where [1, 3].contains(shape[1]) && shape[2] > 1 && shape[3] > 1: cell = (shape[1], shape[2], shape[3])
        case 2:
            guard let images, images.channels * images.height * images.width == shape[1] else { return nil }
            cell = images
        default: return nil
        }
        self.slot = slot
        count = min(shape[0], Self.most)
    }

    /// Black is the least of all weights that are shown, white the largest.
    func picture(_ weights: UnsafeBufferPointer<Float>) throws -> Picture {
        let size = cell.channels * cell.height * cell.width
        let shown = weights.prefix(count * size)
        let low = Double(shown.min() ?? 0)
        let high = Double(shown.max() ?? 0)
        return try Picture(grid: count, of: cell, values: low...max(low, high)) { Double(weights[$0 * size + $1]) }
    }
}
