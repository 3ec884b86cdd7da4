import Diagnostics
import Foundation
import Testing

@Suite("Text that a terminal only shows")
struct PrintableTextTests {
    @Test(
        "controls, separators of lines and what hides or reorders text become escapes; everything else stays",
        arguments: [
            ("", ""),
            ("runs/digits: step 1,000", "runs/digits: step 1,000"),
            ("Zürich, Ελλάδα, 東京, 😀, e\u{301}", "Zürich, Ελλάδα, 東京, 😀, e\u{301}"),
            ("a\nb\r\nc\td", "a\\nb\\r\\nc\\td"),
            ("\u{1b}[31mred\u{1b}]0;title\u{07}", "\\x1b[31mred\\x1b]0;title\\x07"),
            ("nul\u{0}, del\u{7f}, csi\u{9b}31m, nel\u{85}", "nul\\x00, del\\x7f, csi\\x9b31m, nel\\x85"),
            ("\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}", "\\u202a\\u202b\\u202c\\u202d\\u202e"),
            ("\u{2066}\u{2067}\u{2068}\u{2069}", "\\u2066\\u2067\\u2068\\u2069"),
            ("\u{200b}\u{200e}\u{200f}\u{61c}\u{feff}\u{ad}", "\\u200b\\u200e\\u200f\\u061c\\ufeff\\xad"),
            ("\u{2028}\u{2029}", "\\u2028\\u2029"),
            ("\u{e0041}", "\\U000e0041"),
            ("C:\\new", "C:\\new")
        ])
    func escapes(_ text: String, shown: String) {
        #expect(printable(text) == shown)
        #expect(messageLine(text) == shown)
        #expect(printable(shown) == shown)
    }

    @Test("bytes that are no UTF-8 are shown as such")
    func invalidBytes() {
        #expect(printable(String(decoding: [0x61, 0xff, 0x1b, 0xc3], as: UTF8.self)) == "a\u{fffd}\\x1b\u{fffd}")
    }

    @Test("lines and tabs stay where a text has several")
    func lines() {
        #expect(printable("a:\n\t- b\r\n\u{1b}c", keepsLines: true) == "a:\n\t- b\\r\n\\x1bc")
    }

    @Test(
        "a message has at most a thousand characters, its beginning and its end among them",
        arguments: [
            String(repeating: "x", count: 1000), String(repeating: "x", count: 1001), String(repeating: "\u{1b}", count: 400),
            String(repeating: "東", count: 5000), String(repeating: "\n", count: 5_000_000),
            "e" + String(repeating: "\u{301}", count: 30_000)
        ])
    func length(_ name: String) {
        let message = messageLine("BEGIN \(name): END")
        #expect(message.unicodeScalars.count <= longestMessage)
        #expect(
            message.hasPrefix("BEGIN ") && message.hasSuffix(": END") && message.range(of: " [...] ", options: .literal) != nil)
        #expect(messageLine(message) == message)
        #expect(!message.contains("\n"))
    }

    @Test("what fits is not cut")
    func fitting() {
        let text = String(repeating: "x", count: 1000)
        #expect(messageLine(text) == text)
    }
}
