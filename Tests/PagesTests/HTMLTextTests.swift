import Foundation
import Reporting
import Testing

import Pages

/// Whatever a name holds, a page shows it.
@Suite("Text in a page")
struct HTMLTextTests {
    @Test(
        "markup, quotation marks, controls and what reorders text are escaped",
        arguments: [
            ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"), ("a\"b'c&d", "a&quot;b&#39;c&amp;d"),
            ("\u{202e}gnp.exe", "\\u202egnp.exe"), ("a\u{0}\u{1b}[2J\n", "a\\x00\\x1b[2J\\n"), ("Blüte 花", "Blüte 花")
        ])
    func escaped(_ text: String, _ expected: String) { #expect(HTMLText.escaped(text) == expected) }

    @Test("JSON can't end the script element that it stands in, and reads back")
    func json() throws {
        let hostile = "</script><!--<script>\u{2028}&'\""
        let text = HTMLText.json(.object([.init(hostile, .text(hostile))]))
        #expect(!text.contains("<") && !text.contains(">") && !text.contains("&") && !text.contains("\u{2028}"))
        let back = try JSONDecoder().decode([String: String].self, from: Data(text.utf8))
        #expect(back == [hostile: hostile])
    }

    @Test("the policy names the page's own script and style and nothing else")
    func policy() throws {
        let html = try Page(title: "<b>", body: "").html()
        #expect(html.contains("default-src 'none'") && !html.contains("unsafe"))
        #expect(html.components(separatedBy: "'sha256-").count == 3)
        #expect(html.contains("<title>&lt;b&gt;</title>") && !html.contains("http-equiv=\"refresh\""))
        #expect(try Page(title: "", body: "", reloadSeconds: 5).html().contains("<meta http-equiv=\"refresh\" content=\"5\">"))
    }

    @Test("numbers have the digits that the log has")
    func exact() {
        #expect(HTMLText.exact(0.1) == "0.1" && HTMLText.exact(3) == "3" && HTMLText.exact(1e-7) == "1e-07")
        #expect(HTMLText.exact(0.30000000000000004) == "0.30000000000000004")
    }
}
