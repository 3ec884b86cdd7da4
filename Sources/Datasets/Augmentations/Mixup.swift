import Kernels
import Settings
import Storage

/// With a share λ ~ Beta(`alpha`, `alpha`) of its own for each sample, inputs and targets become λ · its own + (1 − λ) · its
/// partner's (Zhang et al., "mixup: beyond empirical risk minimization", ICLR 2018). As torchvision's `MixUp`, which draws one λ
/// for a whole batch.
package struct Mixup: MixingAugmentation {
    package static let kind = "mixup"
    package static let mainOption: String? = "alpha"
    private let share: MixingShare

    package init(options: Settings) throws { share = try MixingShare(options: options, alpha: 0.2) }

    package func prepared(for site: AugmentationSite) throws -> any Augmentation {
        try site.requireMixing(for: Self.kind)
        return self
    }

    package func mixture(stream: RandomStream, draw: UInt64) -> Mixture {
        guard let share = share.drawn(stream, draw: draw) else { return .none }
        return .blend(share: Float(share))
    }
}
