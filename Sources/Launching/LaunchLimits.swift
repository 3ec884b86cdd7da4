import Diagnostics
import Foundation

/// Limits of the system under which Open MPI doesn't fail but waits for ever: they are looked at before it is started.
enum LaunchLimits {
    /// Open MPI's ranks find each other through files of 4 MiB. Measured with 4.1.4: it hangs with 4,000 KiB and works with
    /// 4,500.
    static let fileBytes = 4_500 << 10

    /// Descriptors of mpirun. Measured with 4.1.4: 2 ranks need between 35 and 38, 8 ranks between 51 and 60.
    static func descriptors(ranks: Int) -> Int { 32 + 4 * ranks }

    /// - Throws: `Failure` with 71 where a limit is too low for so many ranks.
    static func check(ranks: Int) throws {
        if let limit = limit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue)), limit < fileBytes {
            throw Failure(
                .systemRefused,
                "--ranks \(ranks): a file may have \(limit) bytes (ulimit -f), but Open MPI makes files of "
                    + "\(fileBytes); raise the limit, or run without --ranks, in one process")
        }
        if let limit = limit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue)), limit < descriptors(ranks: ranks) {
            throw Failure(
                .systemRefused,
                "--ranks \(ranks): a process may open \(limit) files (ulimit -n), but mpirun takes "
                    + "\(descriptors(ranks: ranks)) for \(ranks) rank\(ranks == 1 ? "" : "s"); raise the limit, or use fewer ranks"
            )
        }
    }

    private static func limit(_ resource: __rlimit_resource_t) -> Int? {
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0 else { return nil }
        return Int(exactly: limit.rlim_cur)
    }
}
