import Foundation

/// What this program is, for `--version` and for checkpoints.
package enum Build {
    package static let version = "0.1.0"

    #if arch(x86_64)
        static let architecture = "x86_64"
    #elseif arch(arm64)
        static let architecture = "arm64"
    #else
        static let architecture = "other"
    #endif

    /// What a result's bits depend on beside configuration, data and seed. The number behind "kernels" changes with the
    /// order of any sum; the C library gives exp and log of losses and initial weights; processors of another kind may
    /// round its functions otherwise, since it chooses among versions of them.
    package static let identity = "dtrain \(version) (\(architecture), kernels 2, \(cLibrary), \(processor))"

    private static var cLibrary: String {
        var text = [UInt8](repeating: 0, count: 64)
        let length = text.withUnsafeMutableBytes {
            confstr(Int32(_CS_GNU_LIBC_VERSION), $0.bindMemory(to: CChar.self).baseAddress, $0.count)
        }
        return length > 1 ? String(decoding: text.prefix(length - 1), as: UTF8.self) : "an unknown C library"
    }

    /// The vector extensions by which the C library chooses.
    private static var processor: String {
        let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix("flags") || $0.hasPrefix("Features") } ?? ""
        let flags = Set(line.split(separator: " "))
        let known = ["fma", "avx2", "avx512f", "asimd", "sve"].filter { flags.contains(Substring($0)) }
        return known.isEmpty ? "baseline" : known.joined(separator: "+")
    }
}
