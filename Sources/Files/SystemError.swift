import Diagnostics
import Foundation

/// A system call that failed: which, on what, and the system's error number.
package struct SystemError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The name of the call, as in section 2 of the manual.
    package let call: String
    package let path: String
    /// `errno` after the call.
    package let code: Int32

    package init(call: String, path: String, code: Int32) {
        self.call = call
        self.path = path
        self.code = code
    }

    package var description: String {
        "\(path): \(call) failed: \(String(cString: strerror(code)))\(advice)"
    }

    /// The one line that a person sees, with what to do about it.
    package func failure(_ exitCode: ExitCode = .inputOutput) -> Failure {
        Failure(code == ENOMEM ? .systemRefused : exitCode, description)
    }

    private var advice: String {
        switch code {
        case ENOSPC: "; free space on this file system or write the run elsewhere (--run)"
        case EDQUOT: "; the quota is used up: delete files or write the run elsewhere (--run)"
        case EROFS, EACCES, EPERM: "; make it writable or write the run elsewhere (--run)"
        case EIO: "; the disk or its connection has a fault: see the system's log"
        case EMFILE, ENFILE: "; raise the limit of open files (ulimit -n)"
        case EFBIG: "; raise the limit on the size of a file (ulimit -f)"
        case ESTALE: "; the network file system has lost it: check the mount"
        default: ""
        }
    }
}

/// Runs `body` and turns the errors of system calls into the failure that is printed.
package func reportingSystemErrors<Result>(as exitCode: ExitCode = .inputOutput,
                                   _ body: () throws -> Result) throws -> Result {
    do {
        return try body()
    } catch let error as SystemError {
        throw error.failure(exitCode)
    }
}
