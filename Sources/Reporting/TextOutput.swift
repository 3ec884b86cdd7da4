import Diagnostics

/// Where text goes that people read.
package protocol TextOutput: AnyObject {
    func write(_ text: String)
}

/// A standard stream for work that is worth more than what it prints: what can't be written is passed over, and told at
/// the end. Used by one thread.
package final class StreamOutput: TextOutput {
    private let stream: StandardStream
    /// What went wrong first.
    private var failure: Failure?
    /// Whether somebody may still read.
    package private(set) var hasReader = true

    package init(_ stream: StandardStream) { self.stream = stream }

    package func write(_ text: String) {
        var text = text
        text.withUTF8 { write(UnsafeRawBufferPointer($0)) }
    }

    /// The same with bytes.
    package func write(_ bytes: UnsafeRawBufferPointer) {
        guard hasReader else { return }
        do {
            try stream.write(bytes)
        } catch let error as Failure {
            // The next one is tried: a disk may have room again.
            failure = failure ?? error
        } catch {
            hasReader = false
        }
    }

    /// Writes a line for people, without anything that could drive a terminal.
    package func line(_ text: String) { write(printable(text) + "\n") }

    /// Throws what went wrong first. A reader that has gone is no error.
    package func finish() throws { if let failure { throw failure } }
}
