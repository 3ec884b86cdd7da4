import Kernels
import Settings
import Storage

/// Sets each input with probability `rate` to `minimum` or `maximum`, either as often (Vincent et al., "Stacked denoising
/// autoencoders", JMLR 11, 2010).
package struct SaltAndPepper: Augmentation {
    package static let kind = "salt_and_pepper"
    package static let mainOption: String? = "rate"
    private let rate: Double
    private let minimum: Float, maximum: Float

    package init(options: Settings) throws {
        rate = try options.double("rate", in: .fraction)
        minimum = Float(try options.double("minimum", default: 0, in: .range(-1e30...1e30)))
        maximum = Float(try options.double("maximum", default: 1, in: .range(-1e30...1e30)))
        guard minimum <= maximum else {
            throw options.failure("minimum", "expected at most the maximum of \(maximum), found \(minimum)")
        }
    }

    package func apply(to inputs: UnsafeMutableBufferPointer<Float>, stream: RandomStream, draw: UInt64) {
        addSaltAndPepper(rate: rate, minimum: minimum, maximum: maximum, stream: stream, draw: draw, to: inputs)
    }
}
