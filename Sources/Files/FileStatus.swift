import Foundation

/// Which file or directory it is: two names with the same pair lead to the same one.
package struct FileIdentity: Hashable, Sendable {
    package let device: UInt64
    package let inode: UInt64
}

/// What lies at a place.
package struct FileStatus: Equatable, Sendable {
    package enum Kind: Sendable, CustomStringConvertible {
        case file, directory, symbolicLink, pipe, socket, device

        /// For messages, with its article.
        package var description: String {
            switch self {
            case .file: "a file"
            case .directory: "a directory"
            case .symbolicLink: "a symbolic link"
            case .pipe: "a named pipe"
            case .socket: "a socket"
            case .device: "a device"
            }
        }
    }

    package let kind: Kind
    package let byteCount: Int
    package let identity: FileIdentity
    /// How many names it has; more than one where hard links were made.
    package let linkCount: Int
    /// The user and the group that own it.
    package let owner: uid_t, group: gid_t
    /// The permission bits.
    package let mode: mode_t
    /// When its content was changed last, seconds since 1970.
    package let modified: Int

    init(_ information: stat) {
        kind =
            switch information.st_mode & S_IFMT {
            case S_IFREG: .file
            case S_IFDIR: .directory
            case S_IFLNK: .symbolicLink
            case S_IFIFO: .pipe
            case S_IFSOCK: .socket
            default: .device
            }
        byteCount = Int(information.st_size)
        identity = FileIdentity(device: UInt64(information.st_dev), inode: UInt64(information.st_ino))
        linkCount = Int(information.st_nlink)
        owner = information.st_uid
        group = information.st_gid
        mode = information.st_mode & 0o7777
        modified = Int(information.st_mtim.tv_sec)
    }
}
