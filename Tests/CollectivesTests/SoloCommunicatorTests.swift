import Collectives
import Diagnostics
import Testing

@Suite("One rank alone")
struct SoloCommunicatorTests {
    private let solo = SoloCommunicator()

    @Test("gathers its own bytes and texts")
    func gathers() throws {
        #expect(try solo.allGather([1, 2, 3]) == [[1, 2, 3]])
        #expect(try solo.allGather("text") == ["text"])
        #expect(try solo.broadcast("text", from: 0) == "text")
    }

    @Test("exchanges with itself")
    func exchanges() {
        let sent: [UInt8] = [7, 8, 9]
        var received: [UInt8] = [0, 0, 0]
        sent.withUnsafeBytes { out in
            received.withUnsafeMutableBytes { into in
                solo.exchange(sending: [Outgoing(to: 0, out)], receiving: [Incoming(from: 0, into)])
            }
        }
        #expect(received == sent)
    }

    @Test("agrees with itself, in success and in failure")
    func agrees() throws {
        #expect(try solo.agree { 5 } == 5)
        let failure = Failure(.badData, "line 3: expected 4 cells, found 5")
        let agreed = #expect(throws: AgreedFailure.self) { try solo.agree { throw failure } }
        #expect(agreed?.rank == 0)
        #expect(agreed?.failure == failure)
    }
}
