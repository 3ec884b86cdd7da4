import Foundation

/// The directory that holds `path`; `.` for a bare name, `/` for the root.
package func parentDirectory(of path: String) -> String {
    let trimmed = trimmingSlashes(path)
    guard let slash = trimmed.lastIndex(of: "/") else { return "." }
    let parent = trimmingSlashes(String(trimmed[..<slash]))
    return parent.isEmpty ? "/" : parent
}

/// The last name of a path.
package func lastComponent(of path: String) -> String {
    let trimmed = trimmingSlashes(path)
    return trimmed.lastIndex(of: "/").map { String(trimmed[trimmed.index(after: $0)...]) } ?? trimmed
}

/// The path without slashes at its end, but `/` stays.
package func trimmingSlashes(_ path: String) -> String {
    var trimmed = Substring(path)
    while trimmed.count > 1, trimmed.last == "/" { trimmed.removeLast() }
    return String(trimmed)
}

/// The absolute path without links, `.` and `..` (realpath(3)); nil where nothing is.
package func resolvedPath(_ path: String) throws(SystemError) -> String? {
    guard let resolved = realpath(path, nil) else {
        if errno == ENOENT || errno == ENOTDIR { return nil }
        throw SystemError(call: "realpath", path: path, code: errno, purpose: .reading)
    }
    defer { free(resolved) }
    return String(cString: resolved)
}

/// A resolved path as a person in the working directory would write it: relative where it lies below.
package func shortened(_ resolved: String) -> String {
    guard let working = getcwd(nil, 0) else { return resolved }
    defer { free(working) }
    let here = String(cString: working)
    if resolved == here { return "." }
    let prefix = here == "/" ? here : here + "/"
    return resolved.hasPrefix(prefix) ? String(resolved.dropFirst(prefix.count)) : resolved
}
