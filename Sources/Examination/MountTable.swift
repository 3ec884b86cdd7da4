import Foundation

/// The file systems that this process sees (`/proc/self/mountinfo`, proc(5)).
package struct MountTable: Sendable {
    private let mounts: [(place: String, kind: String)]

    package init(_ text: String) {
        mounts = text.split(separator: "\n").compactMap { line in
            // 31 23 0:28 ROOT PLACE OPTIONS … - KIND SOURCE OPTIONS
            let words = line.split(separator: " ").map(String.init)
            guard words.count > 5, let dash = words.firstIndex(of: "-"), dash + 1 < words.count else { return nil }
            return (Self.unescaped(words[4]), words[dash + 1])
        }
    }

    /// The kind of file system that an absolute path without links lies on; empty if unknown.
    package func kind(of path: String) -> String {
        let above = mounts.filter { mount in
            mount.place == "/" || path == mount.place || path.hasPrefix(mount.place + "/")
        }
        // Of several at one place the last one is seen.
        let longest = above.map(\.place.utf8.count).max()
        return above.last { $0.place.utf8.count == longest }?.kind ?? ""
    }

    /// Blanks, tabs, line feeds and backslashes are written as three octal digits.
    private static func unescaped(_ text: String) -> String {
        var text = text
        for (code, character) in [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")] {
            text = text.replacingOccurrences(of: code, with: character)
        }
        return text
    }
}
