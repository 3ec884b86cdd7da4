import Testing

import Launching

@Suite("What ranks say alike")
struct RankMessagesTests {
    private func fold(_ text: String, piece: Int = 5) -> (at: String, later: String) {
        var messages = RankMessages()
        var passed: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            passed += messages.pass(rest.prefix(piece), at: 1)
            rest = rest.dropFirst(piece)
        }
        // Whoever waits for whole errors knows until when.
        let holds = passed.count < text.utf8.count && text.hasSuffix("\n")
        #expect(messages.due == (holds ? 1 + RankMessages.patience : nil))
        return (String(decoding: passed, as: UTF8.self), String(decoding: messages.rest(), as: UTF8.self))
    }

    @Test("equal errors become one line that names the ranks", arguments: [1, 5, 1000])
    func equal(piece: Int) {
        let text = [2, 1, 3, 0].map { "dtrain: error: rank \($0): MPI_Send failed on rank \($0): code 9\n" }.joined()
        let (at, later) = fold("note: a\n" + text + "note: b\n", piece: piece)
        #expect(at == "note: a\nnote: b\n" && later == "dtrain: error: ranks 0-3: MPI_Send failed: code 9\n")
    }

    @Test("a host is named where it is the only one; different errors stay apart, in their order")
    func different() {
        let text = "dtrain: error: rank 1 on b: x\ndtrain: error: rank 3 on c: y\ndtrain: error: rank 2 on c: x\n"
        #expect(fold(text).later == "dtrain: error: ranks 1 and 2: x\ndtrain: error: rank 3 on c: y\n")
        #expect(
            fold("dtrain: error: rank 1 on b: x\ndtrain: error: rank 4 on b: x\n").later
                == "dtrain: error: ranks 1 and 4 on b: x\n")
    }

    @Test(
        "everything else is handed on at once",
        arguments: ["dtrain: error: a.csv: none\n", "dtrain: error: rank one: x\n", "dtrain\rd\n", "warning: rank 1: x\n"])
    func others(text: String) { #expect(fold(text).at == text) }

    @Test("the beginning of an error isn't lost")
    func torn() { #expect(fold("dtrain: error: rank 1").later == "dtrain: error: rank 1") }
}
