import Diagnostics
import Foundation
import Testing
import Threads

@Suite("Threads")
struct StartThreadTests {
    @Test("run what they were made for, under their name")
    func runs() throws {
        let isDone = DispatchSemaphore(value: 0)
        nonisolated(unsafe) var name = ""
        try startThread("dtrain-test", purpose: "of a test") {
            name = (try? String(contentsOfFile: "/proc/thread-self/comm", encoding: .utf8)) ?? ""
            isDone.signal()
        }
        isDone.wait()
        #expect(name == "dtrain-test\n")
    }

    @Test("let go of what they hold when they end")
    func releases() throws {
        final class Held: Sendable {
            let isGone: DispatchSemaphore
            init(_ isGone: DispatchSemaphore) { self.isGone = isGone }
            deinit { isGone.signal() }
        }
        let isGone = DispatchSemaphore(value: 0)
        func start() throws {
            let held = Held(isGone)
            try startThread("dtrain-test", purpose: "of a test") { withExtendedLifetime(held) {} }
        }
        try start()
        isGone.wait()
    }
}
