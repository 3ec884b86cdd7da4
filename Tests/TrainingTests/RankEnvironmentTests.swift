import Collectives
import Diagnostics
import Testing
import Training

@Suite("What a rank is")
struct RankEnvironmentTests {
    @Test("the choice of MPI's components is compared in the order of the names, whichever layer it is of")
    func components() {
        let names = (0..<20).map { "OMPI_MCA_\($0 % 2 == 0 ? "coll" : "pml")_c\($0)" }
        let environment = Dictionary(uniqueKeysWithValues: names.map { ($0, "1") })
        let found = RankEnvironment.items(environment).last?.value
        #expect(found == names.sorted().map { "\($0)=1" }.joined(separator: "\n"))
        let none = RankEnvironment.items([:]).map(\.value)
        for name in ["OMPI_MCA_pml", "OMPI_MCA_coll"] {
            #expect(RankEnvironment.items([name: "ob1"]).map(\.value) != none, "\(name)")
        }
        #expect(RankEnvironment.items(["OMPI_MCA_btl": "tcp"]).map(\.value) == none)
    }

    @Test("hosts of no rank are refused", arguments: ["0", "-1", "1.5", "much"])
    func hostSize(text: String) throws {
        let failure = #expect(throws: Failure.self) { try RankEnvironment.check(["DTRAIN_NODE_SIZE": text]) }
        #expect(failure?.code == .badConfiguration && failure?.message.contains("\"\(text)\"") == true)
        try RankEnvironment.check(["DTRAIN_NODE_SIZE": "1", "DTRAIN_SIMD": ""])
    }
}
