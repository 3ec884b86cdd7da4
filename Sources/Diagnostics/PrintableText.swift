/// The most Unicode scalars of a message. Paths of the usual lengths fit; what is longer is cut in its middle, since both
/// the place at the beginning and the reason at the end matter.
package let longestMessage = 1000

/// A text as one line that a terminal only shows: control characters and those that hide or reorder text are written as
/// escapes (`\n`, `\x1b`, `\u202e`, as in YAML and Python), because names, paths and files of strangers may hold anything.
///
/// A text that has gone through comes out as it went in.
///
/// - Parameter keepsLines: leaves line feeds and tabs as they are, for texts of several lines.
package func printable(_ text: String, keepsLines: Bool = false) -> String {
    guard !text.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7f || keepsLines && ($0 == 0x0a || $0 == 0x09) }) else {
        return text
    }
    var shown = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
        if keepsLines && (scalar == "\n" || scalar == "\t") || !scalar.drivesTerminal {
            shown.append(scalar)
        } else {
            shown.append(contentsOf: escape(of: scalar).unicodeScalars)
        }
    }
    return String(shown)
}

/// The one line of a message: printable, and at most `longestMessage` scalars.
package func messageLine(_ text: String, longest: Int = longestMessage) -> String {
    let isLong = text.utf8.count > 4 * longest
    // Enough of both ends for what is shown: a text of gigabytes costs no more than one of a page.
    let all = text.unicodeScalars
    let shown = Array(printable(isLong ? String(all.prefix(longest)) + String(all.suffix(longest)) : text).unicodeScalars)
    guard shown.count > longest else { return String(String.UnicodeScalarView(shown)) }
    let mark = " [...] "
    let room = longest - mark.unicodeScalars.count
    var cut = String.UnicodeScalarView(shown.prefix(room * 3 / 5))
    cut.append(contentsOf: mark.unicodeScalars)
    cut.append(contentsOf: shown.suffix(room - room * 3 / 5))
    return String(cut)
}

extension Unicode.Scalar {
    /// Whether a terminal would do something else than show it: controls, invisible formatting (the overrides of the
    /// writing direction among them), separators of lines and paragraphs.
    package var drivesTerminal: Bool {
        switch properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate: true
        default: false
        }
    }
}

private func escape(of scalar: Unicode.Scalar) -> String {
    switch scalar {
    case "\n": return "\\n"
    case "\r": return "\\r"
    case "\t": return "\\t"
    default:
        let digits = String(scalar.value, radix: 16)
        let (mark, width) = scalar.value < 0x100 ? ("x", 2) : scalar.value < 0x10000 ? ("u", 4) : ("U", 8)
        return "\\" + mark + String(repeating: "0", count: width - digits.count) + digits
    }
}
