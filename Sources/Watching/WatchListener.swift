import Diagnostics
import Foundation

/// The socket that the watchers of other hosts connect to, on a port of the system's choice.
package final class WatchListener {
    package let descriptor: Int32
    package let port: UInt16

    /// - Throws: `Failure(.systemRefused)`.
    package init() throws(Failure) {
        let socket = Foundation.socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { throw Self.refusal("socket", errno) }
        var place = sockaddr_in()
        place.sin_family = sa_family_t(AF_INET)
        place.sin_addr.s_addr = in_addr_t(0)
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &place) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket, $0, size) == 0 && listen(socket, 64) == 0 && getsockname(socket, $0, &size) == 0
            }
        }
        guard isBound else {
            let code = errno
            close(socket)
            throw Self.refusal("bind", code)
        }
        descriptor = socket
        port = UInt16(bigEndian: place.sin_port)
    }

    deinit { close(descriptor) }

    /// What one watcher proves to another: 128 random bits.
    package static func token() -> String {
        (0..<4).map { _ in String(format: "%08x", UInt32.random(in: .min ... .max)) }.joined()
    }

    private static func refusal(_ call: String, _ code: Int32) -> Failure {
        Failure(.systemRefused, "no port for the watchers of other hosts (\(call)): \(String(cString: strerror(code)))")
    }
}
