import Foundation

/// Which of several names are meant, as a shell means files: `*` for any text, `?` for one character, `[ab]` for one of
/// some (fnmatch(3)). A pattern that matches a layer's name means everything in it: `0` or `body.*` as well as `0.weight`.
package struct NamePattern: Sendable, CustomStringConvertible {
    package let description: String

    package init(_ text: String) { description = text }

    package func matches(_ name: String) -> Bool {
        fnmatch(description, name, 0) == 0 || fnmatch(description + ".*", name, 0) == 0
    }
}
