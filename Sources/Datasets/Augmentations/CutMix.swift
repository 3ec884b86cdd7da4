import Kernels
import Settings
import Storage

/// A box of the image becomes that of its partner, and the target λ · its own + (1 − λ) · its partner's (Yun et al., "CutMix:
/// regularization strategy to train strong classifiers with localizable features", ICCV 2019). As torchvision's `CutMix`, which
/// draws one box for a whole batch: the box reaches int(½·√(1 − λ) · height) up and down from any pixel, and likewise to both
/// sides, with a share λ ~ Beta(`alpha`, `alpha`) of its own for each sample. What lies outside is cut off, and λ is then what the
/// box leaves of the image.
package struct CutMix: MixingAugmentation {
    package static let kind = "cutmix"
    package static let mainOption: String? = "alpha"
    private let share: MixingShare
    private var extent: ImageExtent?

    package init(options: Settings) throws { share = try MixingShare(options: options, alpha: 1) }

    package func prepared(for site: AugmentationSite) throws -> any Augmentation {
        try site.requireMixing(for: Self.kind)
        var prepared = self
        prepared.extent = try site.image(for: Self.kind)
        return prepared
    }

    package func mixture(stream: RandomStream, draw: UInt64) -> Mixture {
        guard let extent else { preconditionFailure("an augmentation that wasn't prepared") }
        guard let share = share.drawn(stream, draw: draw) else { return .none }
        let half = 0.5 * (1 - share).squareRoot()
        func box(_ size: Int, _ index: UInt32) -> Range<Int> {
            let middle = stream.integer(below: size, index, ordinal: draw)
            let reach = Int(half * Double(size))
            return max(middle - reach, 0)..<min(middle + reach, size)
        }
        let columns = box(extent.width, MixingShare.firstFree)
        let rows = box(extent.height, MixingShare.firstFree + 1)
        let left = 1 - Double(rows.count * columns.count) / Double(extent.height * extent.width)
        return .box(extent, rows: rows, columns: columns, share: Float(left))
    }
}
