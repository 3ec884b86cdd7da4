import Diagnostics
import Launching
import Testing

@Suite("The list of hosts")
struct HostListTests {
    @Test("a host has one slot, as many as it says, or the sum where it is listed twice")
    func slots() throws {
        let list = try HostList("a,b-1.example.org:4,a:2,10.0.0.7")
        #expect(list.hosts.map(\.name) == ["a", "b-1.example.org", "10.0.0.7"])
        #expect(list.hosts.map(\.slots) == [3, 4, 1] && list.slots == 8)
    }

    @Test(
        "what is no host is refused, above all what ssh would take for an option",
        arguments: [
            "", ",", "a,", "-oProxyCommand=x", "a:0", "a:-1", "a:x", "a:", "a:1:2", "a b", "a;b", ".a", "a\nb", "ä", "a:4097"
        ])
    func refused(text: String) {
        let failure = #expect(throws: Failure.self) { try HostList(text) }
        #expect(failure?.code == .usage && failure?.message.hasPrefix("--hosts ") == true, "\(failure?.message ?? "")")
    }

    @Test("ranks are those that were asked for, or one for each slot, and not more")
    func ranks() throws {
        let list = try HostList("a:2,b:3")
        #expect(try list.ranks(.automatic) == 5)
        #expect(try list.ranks(.count(4)) == 4)
        let failure = #expect(throws: Failure.self) { try list.ranks(.count(6)) }
        #expect(failure?.code == .usage && failure?.message.contains("have room for 5") == true)
    }
}
