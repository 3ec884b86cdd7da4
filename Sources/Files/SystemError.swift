import Diagnostics
import Foundation

/// A system call that failed: which, on what, and the system's error number.
package struct SystemError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What the call was for: it decides what a person is told to do.
    package enum Purpose: Sendable {
        case reading
        /// Writing into a run directory.
        case writing
        /// Writing a file that a person named, as `predict --output` does.
        case output
    }

    /// The name of the call, as in section 2 of the manual.
    package let call: String
    package let path: String
    /// `errno` after the call.
    package let code: Int32
    package let purpose: Purpose

    package init(call: String, path: String, code: Int32, purpose: Purpose = .writing) {
        self.call = call
        self.path = path
        self.code = code
        self.purpose = purpose
    }

    package var description: String {
        "\(path): \(call) failed: \(String(cString: strerror(code)))\(advice.map { "; " + $0 } ?? "")"
    }

    /// The one line that a person sees, with what to do about it.
    package func failure(_ exitCode: ExitCode = .inputOutput) -> Failure {
        Failure(code == ENOMEM ? .systemRefused : exitCode, description)
    }

    private var advice: String? {
        switch code {
        case EIO: "the disk or its connection has a fault: see the system's log"
        case EMFILE, ENFILE: "raise the limit of open files (ulimit -n)"
        case ESTALE: "the network file system has lost it: check the mount"
        case EACCES, EPERM: purpose == .reading ? "make it readable (chmod)" : "make it writable or \(elsewhere)"
        case EROFS: "make it writable or \(elsewhere)"
        case ENOTDIR: "a part of the path is no directory"
        case EFBIG: "raise the limit on the size of a file (ulimit -f)"
        case ENOSPC: "free space on this file system or \(elsewhere)"
        case EDQUOT: "the quota is used up: delete files or \(elsewhere)"
        default: nil
        }
    }

    private var elsewhere: String {
        purpose == .output ? "name a file elsewhere" : "write the run elsewhere (--run)"
    }
}

/// Runs `body` and turns the errors of system calls into the failure that is printed.
package func reportingSystemErrors<Result>(
    as exitCode: ExitCode = .inputOutput,
    _ body: () throws -> Result
) throws -> Result {
    do {
        return try body()
    } catch let error as SystemError {
        throw error.failure(exitCode)
    }
}
