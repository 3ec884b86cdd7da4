import Files
import Foundation

/// A page of HTML that stands for itself: nothing is loaded, and nothing runs but its own script, which its security policy names by
/// its checksum. So even markup that had slipped through could run nothing.
package struct Page {
    package let title: String
    /// Markup.
    package let body: String
    /// Seconds after which it loads itself anew; nil where it doesn't change any more.
    package let reloadSeconds: Int?

    package init(title: String, body: String, reloadSeconds: Int? = nil) {
        self.title = title
        self.body = body
        self.reloadSeconds = reloadSeconds
    }

    /// The whole page.
    package func html() throws -> String {
        let policy =
            "default-src 'none'; img-src data:; style-src \(try Self.source(Self.style)); script-src \(try Self.source(Self.script)); "
            + "base-uri 'none'; form-action 'none'"
        let reload = reloadSeconds.map { "<meta http-equiv=\"refresh\" content=\"\($0)\">\n" } ?? ""
        return """
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta http-equiv="Content-Security-Policy" content="\(policy)">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <meta name="generator" content="dtrain">
            \(reload)<title>\(HTMLText.escaped(title))</title>
            <link rel="icon" href="data:,">
            <style>\(Self.style)</style>
            </head>
            <body>
            \(body)
            <script>\(Self.script)</script>
            </body>
            </html>

            """
    }

    /// How a policy names an inline script or style (Content Security Policy Level 3, section 2.3.1).
    private static func source(_ text: String) throws -> String {
        let digits = Array(try SHA256.hexadecimal(of: text.utf8))
        let bytes = stride(from: 0, to: digits.count, by: 2).compactMap { UInt8(String(digits[$0...$0 + 1]), radix: 16) }
        return "'sha256-\(Data(bytes).base64EncodedString())'"
    }
}
