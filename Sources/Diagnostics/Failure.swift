/// The exit statuses of dtrain, the part of `sysexits.h` that scripts and batch systems know.
package enum ExitCode: Int32, Sendable {
    case success = 0
    /// The answer is no (`verify`).
    case negative = 1
    /// The command line is wrong.
    case usage = 64
    /// A data file or checkpoint is damaged or doesn't fit.
    case badData = 65
    /// A file that was named isn't there.
    case missingInput = 66
    /// A rank or a host that the others wait for doesn't answer (`EX_UNAVAILABLE`; `--stall-timeout`).
    case stalled = 69
    /// A defect of dtrain or of a library.
    case internalError = 70
    /// The system refuses what every program needs: memory, a thread, a process (`EX_OSERR`).
    case systemRefused = 71
    /// An output can't be created, or the run directory is in use.
    case cannotCreate = 73
    /// Reading, writing or communicating failed.
    case inputOutput = 74
    /// Stopped early by a signal after a checkpoint; run again with `--resume`.
    case interrupted = 75
    /// The configuration is wrong.
    case badConfiguration = 78
}

/// An error that a person can act on: the one message that is printed and the exit status that goes with it.
///
/// A message says where, what was expected, what was found and what to do.
package struct Failure: Error, CustomStringConvertible, Equatable, Sendable {
    package let code: ExitCode
    package let message: String

    package init(_ code: ExitCode, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }
}
