import Reporting
import Testing

@Suite("Cells of CSV files")
struct CSVTextTests {
    @Test(
        "a cell is quoted where a reader would cut or change it",
        arguments: [
            ("plain", "plain"), ("two words", "two words"), ("", ""), ("a,b", "\"a,b\""), ("say \"x\"", "\"say \"\"x\"\"\""),
            ("a\nb", "\"a\nb\""), ("a\rb", "\"a\rb\""), ("a\r\nb", "\"a\r\nb\""), (" a", "\" a\""), ("a ", "\"a \""),
            ("\ta", "\"\ta\""), (",\u{301}", "\",\u{301}\""), ("\"\u{308}", "\"\"\"\u{308}\""),
            ("\n\u{200D}", "\"\n\u{200D}\""),
            ("é", "é"), ("e\u{301}", "e\u{301}"), ("'a'", "'a'"), (";|", ";|")
        ])
    func cells(_ text: String, _ cell: String) {
        #expect(Array(CSVText.cell(text).utf8) == Array(cell.utf8))
    }
}
