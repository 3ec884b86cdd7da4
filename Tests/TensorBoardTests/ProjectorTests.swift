import Testing

import TensorBoard

@Suite("Tables for the projector")
struct ProjectorTests {
    @Test(
        "a label is one line in which something can be seen",
        arguments: [
            ("the", "the"), (" the", "\u{2423}the"), ("\n", "\\n"), ("a\tb", "a\\tb"), ("", "#7"), ("\u{a0}", "\\u{A0}"),
            ("\u{1b}[31m", "\\u{1B}[31m"), ("\u{2028}", "\\u{2028}"), ("\u{e9}", "\u{e9}"), ("\r\n", "\\r\\n")
        ])
    func labels(_ label: String, line: String) { #expect(Projector.line(label, row: 7) == line) }
}
