import Testing

import Launching

@Suite("Starting again")
struct RestartsTests {
    @Test("what is done, stopped or wrong in itself is not tried again")
    func codes() {
        for code: Int32 in [0, 64, 65, 66, 73, 75, 78, 130] { #expect(!Restarts.mayHelp(after: code), "\(code)") }
        for code: Int32 in [1, 69, 70, 71, 74, 134, 137, 205] { #expect(Restarts.mayHelp(after: code), "\(code)") }
    }

    @Test("a start goes on with the run, whatever the first one began from")
    func arguments() {
        func after(_ line: String, _ hasCheckpoint: Bool) -> String? {
            Restarts.arguments(after: line.split(separator: " ").map(String.init), hasCheckpoint: hasCheckpoint)?.joined(
                separator: " ")
        }
        for hasCheckpoint in [false, true] {
            #expect(after("train c.yaml --run r", hasCheckpoint) == "train c.yaml --run r --resume")
            #expect(after("--resume c.yaml --run r", hasCheckpoint) == "c.yaml --run r --resume")
            #expect(after("--resume --run r -- c.yaml", hasCheckpoint) == "--run r --resume -- c.yaml")
        }
        for line in ["--initialize w --run r", "--initialize=w --run r", "--resume x --run r", "--resume=x --run r"] {
            #expect(after(line, true) == "--run r --resume" && after(line, false) == nil, "\(line)")
        }
    }
}
