import Kernels
import Settings
import Storage

/// x + `std`·n with an independent standard normal n for each input x.
package struct GaussianNoise: Augmentation {
    package static let kind = "gaussian_noise"
    package static let mainOption: String? = "std"
    private let deviation: Float

    package init(options: Settings) throws {
        deviation = Float(try options.double("std", in: .range(0...1e30)))
    }

    package func apply(to inputs: UnsafeMutableBufferPointer<Float>, stream: RandomStream, draw: UInt64) {
        addNormalNoise(deviation: deviation, stream: stream, draw: draw, to: inputs)
    }
}
