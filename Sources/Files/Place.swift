import Diagnostics
import Foundation

/// Where a system call acts: a path that a person named, whose links are followed, or a name in a directory that is
/// held open, where no link is followed.
package struct Place: Sendable, CustomStringConvertible {
    /// Nil for a path.
    package let directory: Directory?
    /// One name, or the path.
    package let name: String

    /// A path that a person named.
    package init(_ path: String) {
        directory = nil
        name = path
    }

    fileprivate init(_ name: String, in directory: Directory) {
        self.directory = directory
        self.name = name
    }

    /// The whole path, for messages.
    package var path: String { directory.map { $0.path + "/" + name } ?? name }

    package var description: String { path }

    /// What `openat` and its kin take for the directory.
    var descriptor: Int32 { directory?.descriptor ?? AT_FDCWD }

    /// The same directory, with another ending of the name.
    func appending(_ ending: String) -> Place { Place(name + ending, directory: directory) }

    private init(_ name: String, directory: Directory?) {
        self.directory = directory
        self.name = name
    }
}

/// A directory that is held open, so that a name in it can't be led elsewhere by whoever changes the path to it.
/// Closed with its last owner.
package final class Directory: Sendable {
    /// As it was named when it was opened; for messages.
    package let path: String
    package let identity: FileIdentity
    package let fileSystem: any FileSystem
    let descriptor: Int32

    /// Opens a directory. Where `place` is a name in another one, a link in its place is an error (`ENOTDIR`).
    package init(_ place: Place, fileSystem: any FileSystem = PosixFileSystem()) throws(SystemError) {
        path = place.path
        self.fileSystem = fileSystem
        let descriptor = try fileSystem.openDirectory(place)
        self.descriptor = descriptor
        do {
            identity = try fileSystem.status(ofDescriptor: descriptor, path: place.path).identity
        } catch {
            try? fileSystem.close(descriptor, path: place.path)
            throw error
        }
    }

    deinit { try? fileSystem.close(descriptor, path: path) }

    /// The place of a name in this directory.
    package func at(_ name: String) -> Place {
        precondition(!name.isEmpty && !name.contains("/") && name != "..", "\"\(name)\" is no name in a directory")
        return Place(name, in: self)
    }

    /// The directory of this name in it; nil where nothing is.
    /// - Throws: `Failure(code)` that names what is there instead, or `.inputOutput` where it can't be looked at.
    package func directory(_ name: String, orFailWith code: ExitCode) throws -> Directory? {
        do {
            return try Directory(at(name), fileSystem: fileSystem)
        } catch  where error.code == ENOENT {
            return nil
        } catch  where error.code == ENOTDIR || error.code == ELOOP {
            guard let status = try reportingSystemErrors({ try self.status(of: name) }) else { return nil }
            throw foreign(name, status.kind, expected: .directory, code)
        } catch {
            throw error.failure()
        }
    }

    /// What has this name; a link itself, never what it leads to. Nil if nothing has it.
    package func status(of name: String) throws(SystemError) -> FileStatus? { try fileSystem.status(of: at(name)) }

    /// The names in it, sorted, without `.` and `..`.
    package func names() throws(SystemError) -> [String] { try fileSystem.names(in: self) }

    /// Brings the names in it to the disk. File systems that can't sync directories say `EINVAL`; there it is left to
    /// them.
    package func sync() throws(SystemError) {
        do {
            try fileSystem.sync(descriptor, path: path)
        } catch  where error.code == EINVAL || error.code == ENOTSUP {
            return
        }
    }

    /// Refuses what isn't of the kind that belongs under this name. Nothing there is fine.
    /// - Throws: `Failure(code)`, or `.inputOutput` where it can't be looked at.
    package func require(_ name: String, toBe kind: FileStatus.Kind, orFailWith code: ExitCode) throws {
        guard let found = try reportingSystemErrors({ try status(of: name) }), found.kind != kind else { return }
        throw foreign(name, found.kind, expected: kind, code)
    }

    /// The one line that is said of a thing that isn't ours in a place of ours.
    package func foreign(
        _ name: String, _ found: FileStatus.Kind, expected: FileStatus.Kind,
        _ code: ExitCode
    ) -> Failure {
        Failure(
            code,
            "\(path)/\(name): \(found), expected \(expected)"
                + (found == .symbolicLink
                    ? "; links inside a run directory are not followed: remove the link, or put what it leads to in its place"
                    : "; move it away"))
    }
}
