import Foundation
import Storage

/// Which of the two builds of the matrix products' loops runs. The bits of the results are the same.
package enum VectorWidth: Sendable {
    /// The vectors that the package was built for: 256 bits on x86-64.
    case narrow
    /// 512 bits.
    case wide

    /// The widest vectors that this build and this processor have.
    #if WIDE_TILES
        package static let widest: VectorWidth = Processor.hasAVX512 ? .wide : .narrow
    #else
        package static let widest: VectorWidth = .narrow
    #endif

    /// As `--version` names them.
    package var description: String {
        switch self {
        case .narrow: "vectors of the build (256 bits on x86-64)"
        case .wide: "vectors of 512 bits"
        }
    }

    /// The widest, unless the environment says DTRAIN_SIMD=256.
    package static let best: VectorWidth =
        ProcessInfo.processInfo.environment["DTRAIN_SIMD"] == "256" ? .narrow : widest
}
