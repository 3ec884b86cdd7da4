import Examination
import Testing

@Suite("The network between hosts")
struct NetworkChoiceTests {
    private func interface(_ name: String, _ address: String, prefix: Int = 24) -> NetworkInterface {
        NetworkInterface(
            name: name, address: address, prefixLength: prefix, isUp: true, isLoopback: name == "lo", isBridge: false)
    }

    @Test("Open MPI is kept to the common network where two hosts have the same docker0")
    func docker() {
        let hosts = (1...2).map { number in
            (
                name: "h\(number)",
                interfaces: [
                    interface("lo", "127.0.0.1", prefix: 8), interface("docker0", "172.17.0.1", prefix: 16),
                    interface("eth0", "10.77.0.\(number)")
                ]
            )
        }
        let choice = NetworkChoice(hosts)
        #expect(choice?.network == "10.77.0.0/24")
        #expect(
            choice?.text.hasPrefix("docker0 (172.17.0.1) of h1 and h2 leads to no other host; Open MPI is kept to 10.77.0.0/24")
                == true)
    }

    @Test("an address that two hosts have leads nowhere, whatever the interface is called")
    func doubled() {
        let hosts = (1...2).map {
            (name: "h\($0)", interfaces: [interface("eth0", "10.0.0.\($0)"), interface("usb0", "192.168.7.2")])
        }
        #expect(NetworkChoice(hosts)?.network == "10.0.0.0/24")
    }

    @Test("nothing is chosen where nothing is in doubt, or no network is common")
    func nothing() {
        #expect(NetworkChoice((1...3).map { (name: "h\($0)", interfaces: [interface("eth0", "10.0.0.\($0)")]) }) == nil)
        let routed = [("a", "10.0.1.1"), ("b", "10.0.2.1")].map {
            (name: $0.0, interfaces: [interface("eth0", $0.1), interface("docker0", "172.17.0.1", prefix: 16)])
        }
        #expect(NetworkChoice(routed) == nil)
    }
}
