import Kernels
import Settings
import Storage

/// Sets each input to 0 with probability `rate`, and scales none (Vincent et al., "Extracting and composing robust features
/// with denoising autoencoders", ICML 2008).
package struct MaskingNoise: Augmentation {
    package static let kind = "masking_noise"
    package static let mainOption: String? = "rate"
    private let rate: Double

    package init(options: Settings) throws {
        rate = try options.double("rate", in: .fraction)
    }

    package func apply(to inputs: UnsafeMutableBufferPointer<Float>, stream: RandomStream, draw: UInt64) {
        maskInputs(rate: rate, stream: stream, draw: draw, in: inputs)
    }
}
