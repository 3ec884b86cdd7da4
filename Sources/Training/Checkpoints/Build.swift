import Kernels

/// What this program is, for `--version` and for checkpoints.
package enum Build {
    package static let version = "0.1.0"

    #if arch(x86_64)
        private static let architecture = "x86_64"
    #elseif arch(arm64)
        private static let architecture = "arm64"
    #else
        private static let architecture = "another processor"
    #endif

    /// What it runs on; no result depends on it.
    package static var processor: String { "\(architecture) with \(VectorWidth.best.description)" }

    /// Changes with the order of any sum and with any function of a number: checkpoints of another arithmetic are gone on from
    /// with other bits. Neither processor nor C library has a part in it.
    ///
    /// 4: normalisation of images adds up to eight numbers in Float before it goes on in Double (`Kernels/PlaneSums.swift`).
    /// 3: functions of a Double are our own (`Kernels/DoubleFunctions.swift`). Before, the record said "kernels 2".
    static let arithmetic = 4

    /// What a result's bits depend on beside configuration, data and seed.
    package static let identity = "dtrain \(version) (arithmetic \(arithmetic))"
}
