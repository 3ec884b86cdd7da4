import Diagnostics
import Foundation
import Reporting

/// Texts and values as parts of a page. Whatever a name holds, it is shown and never read as markup or script.
package enum HTMLText {
    /// A text between tags or in an attribute's quotation marks. What could reorder or hide text is written as an escape.
    ///
    /// - Parameter longest: more code points are cut in the middle.
    package static func escaped(_ text: String, longest: Int = 300, keepsLines: Bool = false) -> String {
        let shown = keepsLines ? printable(text, keepsLines: true) : messageLine(text, longest: longest)
        var escaped = ""
        for scalar in shown.unicodeScalars {
            switch scalar {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            case "'": escaped += "&#39;"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }

    /// JSON for the inside of a script element: no text in it can end the element or begin a comment of HTML.
    package static func json(_ value: LogValue) -> String {
        // Outside of strings JSON has none of these.
        value.json.replacing("<", with: "\\u003c").replacing(">", with: "\\u003e").replacing("&", with: "\\u0026")
            .replacing("\u{2028}", with: "\\u2028").replacing("\u{2029}", with: "\\u2029")
    }

    /// A number with all its digits, as `metrics.jsonl` has it.
    package static func exact(_ number: Double) -> String {
        let isWhole = number == number.rounded() && number.magnitude < 1e15
        return isWhole ? String(Int(number)) : "\(number)"
    }

    /// A place in a drawing: two decimals are finer than a pixel.
    static func place(_ number: Double) -> String {
        guard number.magnitude < 1e9 else { return "0" }
        let rounded = (number * 100).rounded() / 100
        return rounded == rounded.rounded() ? String(Int(rounded)) : "\(rounded)"
    }

    /// A table. Cells are markup already.
    ///
    /// - Parameters:
    ///   - names: the columns that hold texts; all others hold numbers, which end below each other.
    package static func table(
        _ header: [String], _ rows: [[String]], caption: String? = nil, names: Set<Int> = [0], style: String = ""
    ) -> String {
        func cells(_ row: [String], _ tag: (Int) -> String) -> String {
            row.enumerated().map { column, cell in
                let kind = names.contains(column) ? "" : " class=\"n\""
                return "<\(tag(column))\(kind)>\(cell)</\(tag(column).prefix { $0 != " " })>"
            }.joined()
        }
        return "<div class=\"wide\" tabindex=\"0\" role=\"group\"\(caption.map { " aria-label=\"\(escaped($0))\"" } ?? "")>"
            + "<table class=\"\(style)\">" + (caption.map { "<caption>\(escaped($0))</caption>" } ?? "")
            + "<thead><tr>\(cells(header) { _ in "th scope=\"col\"" })</tr></thead><tbody>"
            + rows.map { "<tr>\(cells($0) { $0 == 0 ? "th scope=\"row\"" : "td" })</tr>" }.joined(separator: "\n")
            + "</tbody></table></div>\n"
    }
}
