import Kernels
import Settings
import Storage

/// An augmentation that mixes a sample with another one of its step's global batch, its partner, and their targets in the same
/// shares. The partner has been changed, by its own draw, by all that comes before in the list.
package protocol MixingAugmentation: Augmentation {
    /// How the sample that was drawn as number `draw` of the run is mixed: a function of stream and draw alone.
    func mixture(stream: RandomStream, draw: UInt64) -> Mixture
}

extension MixingAugmentation {
    package func apply(to inputs: UnsafeMutableBufferPointer<Float>, stream: RandomStream, draw: UInt64) {
        preconditionFailure("\(Self.kind) needs a partner")
    }
}

/// How a sample is mixed with its partner.
package enum Mixture: Sendable {
    /// It stays as it is.
    case none
    /// Each input is `share` of its own and the rest of its partner's.
    case blend(share: Float)
    /// Those inside a box of the image are the partner's; `share` is what is left of the own image.
    case box(ImageExtent, rows: Range<Int>, columns: Range<Int>, share: Float)

    /// The sample's own share of its target; that of its partner is the rest.
    package var share: Float {
        switch self {
        case .none: 1
        case .blend(let share), .box(_, _, _, let share): share
        }
    }

    /// Changes the sample's inputs.
    func apply(to inputs: UnsafeMutableBufferPointer<Float>, partner: UnsafeMutableBufferPointer<Float>) {
        switch self {
        case .none: break
        case .blend(let share): blendNumbers(inputs, with: UnsafeBufferPointer(partner), share: share)
        case .box(let extent, let rows, let columns, _):
            pasteImage(UnsafeBufferPointer(partner), into: inputs, extent, rows: rows, columns: columns)
        }
    }
}

/// What `alpha` and `probability` of an augmentation that mixes say.
struct MixingShare: Sendable {
    private let alpha: Double
    private let probability: Double

    init(options: Settings, alpha defaultAlpha: Double) throws {
        alpha = try options.double("alpha", default: defaultAlpha, in: .range(0.001...1000))
        probability = try options.double("probability", default: 1, in: .range(0...1))
    }

    /// A share from 0 to 1, distributed as Beta(alpha, alpha); nil where the sample isn't mixed. Takes the stream's numbers below
    /// `firstFree`.
    func drawn(_ stream: RandomStream, draw: UInt64) -> Double? {
        guard stream.uniform(in: 0...1, 0, draw: draw) < probability else { return nil }
        return symmetricBeta(alpha, stream: stream, from: 1, draw: draw)
    }

    /// The first number of the stream that `drawn` leaves to others.
    static let firstFree = 1 + betaNumbers
}
