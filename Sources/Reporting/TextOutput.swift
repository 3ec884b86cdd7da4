import Foundation

/// Where text goes that people read.
package protocol TextOutput: AnyObject {
    func write(_ text: String)
}

/// Standard output or standard error, unbuffered. A reader that is gone is no reason to stop training: errors are
/// passed over.
package final class DescriptorOutput: TextOutput {
    private let descriptor: Int32

    package init(descriptor: Int32) { self.descriptor = descriptor }

    package static var standardOutput: DescriptorOutput { DescriptorOutput(descriptor: STDOUT_FILENO) }
    package static var standardError: DescriptorOutput { DescriptorOutput(descriptor: STDERR_FILENO) }

    package func write(_ text: String) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno != EINTR {
                return
            }
        }
    }
}

/// How many columns the terminal behind `descriptor` has (ioctl `TIOCGWINSZ`, see tty_ioctl(4)); where it doesn't tell,
/// what the environment's `COLUMNS` says, which a launcher can pass on; else 80.
package func terminalColumns(descriptor: Int32 = STDOUT_FILENO,
                             environment: [String: String] = ProcessInfo.processInfo.environment) -> Int {
    var size = winsize()
    if ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 { return Int(size.ws_col) }
    if let columns = environment["COLUMNS"].flatMap({ Int($0) }), (1...10_000).contains(columns) { return columns }
    return 80
}

/// Seconds of a clock that never goes back, from an arbitrary start.
package func monotonicSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}
