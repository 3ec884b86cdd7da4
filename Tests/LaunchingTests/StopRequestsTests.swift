import Foundation
import Launching
import Testing

@Suite("Requests to stop")
struct StopRequestsTests {
    @Test("without a signal nothing is done and the code is the job's")
    func none() {
        var requests = StopRequests()
        #expect(requests.action(at: 0) == .none)
        #expect(requests.exitCode(of: 138) == 138)
    }

    @Test("a request is repeated once a second", arguments: [SIGTERM, SIGINT, SIGHUP, SIGUSR1])
    func repeated(signal: Int32) {
        var requests = StopRequests()
        requests.note(signal, at: 10)
        #expect(requests.action(at: 10) == .askToStop)
        #expect(requests.action(at: 10.5) == .none)
        #expect(requests.action(at: 11) == .askToStop)
        #expect(requests.exitCode(of: 75) == 75)
        #expect(requests.exitCode(of: 128 + SIGUSR1) == 75)
        #expect(requests.exitCode(of: 65) == 65)
    }

    @Test("a second SIGINT kills the job, once")
    func secondInterrupt() {
        var requests = StopRequests()
        requests.note(SIGINT, at: 0)
        #expect(requests.action(at: 0) == .askToStop)
        requests.note(SIGINT, at: 0.2)
        #expect(requests.action(at: 0.2) == .end)
        #expect(requests.action(at: 9) == .none)
        #expect(requests.exitCode(of: 1) == 130)
    }

    @Test("a second SIGTERM asks only once more")
    func secondTermination() {
        var requests = StopRequests()
        requests.note(SIGTERM, at: 0)
        #expect(requests.action(at: 0) == .askToStop)
        requests.note(SIGTERM, at: 2)
        #expect(requests.action(at: 2) == .askToStop)
        #expect(requests.exitCode(of: 75) == 75)
    }
}
