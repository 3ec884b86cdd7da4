import Collectives
import Diagnostics
import Testing

@Suite("Memory that ranks share")
struct SharedWindowTests {
    @Test("room that can't be mapped is told before MPI is asked for it")
    func room() throws {
        try SharedWindow.checkRoom(1 << 20)
        let failure = #expect(throws: Failure.self) { try SharedWindow.checkRoom(1 << 60) }
        #expect(failure?.code == .systemRefused)
        #expect(failure?.message.contains("1152921504607 MB") == true && failure?.message.contains("ulimit -v") == true)
    }
}
