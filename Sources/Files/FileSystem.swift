/// The calls that a run directory needs from the system, and the only way to it from here: each checks its result,
/// goes on after an interruption (`EINTR`) and throws what failed. Tests put a disk in its place that fills up,
/// breaks, or dies in the middle of a checkpoint.
///
/// No call follows a link under a name in a `Directory`. No open waits for the other end of a pipe. Descriptors are
/// closed on `exec`, so that no child keeps a file or a lock.
package protocol FileSystem: Sendable {
    /// Opens a new file for writing; fails with `EEXIST` where anything is.
    func create(_ place: Place) throws(SystemError) -> Int32
    /// Opens a file for reading and syncing.
    func open(_ place: Place) throws(SystemError) -> Int32
    /// Opens a directory for the names in it.
    func openDirectory(_ place: Place) throws(SystemError) -> Int32
    /// Opens a file for reading, writing and locking, and makes an empty one where there is none. With `appending`
    /// every write goes to its end.
    func openOrCreate(_ place: Place, appending: Bool) throws(SystemError) -> Int32
    /// Writes the beginning of `bytes`, as much as the system takes, and returns how much that was.
    func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, path: String) throws(SystemError) -> Int
    /// Reads at `offset` and returns how many bytes came; 0 at the end of the file.
    func read(
        into bytes: UnsafeMutableRawBufferPointer, from descriptor: Int32, at offset: Int,
        path: String
    ) throws(SystemError) -> Int
    /// Waits until the file or directory is on the disk. After an error the state of the file is unknown and a second
    /// call may report success without cause: write it anew.
    func sync(_ descriptor: Int32, path: String) throws(SystemError)
    func close(_ descriptor: Int32, path: String) throws(SystemError)
    func truncate(_ descriptor: Int32, to byteCount: Int, path: String) throws(SystemError)
    func status(ofDescriptor descriptor: Int32, path: String) throws(SystemError) -> FileStatus
    /// What is at a place, or nil if nothing is there.
    func status(of place: Place) throws(SystemError) -> FileStatus?
    func makeDirectory(_ place: Place) throws(SystemError)
    /// Gives what is at `old` another name; what had that name before is gone, but a link's target stays.
    func rename(_ old: Place, to new: Place) throws(SystemError)
    /// A second name for a file. Not every file system has them.
    func link(_ existing: Place, to new: Place) throws(SystemError)
    func removeFile(_ place: Place) throws(SystemError)
    func removeDirectory(_ place: Place) throws(SystemError)
    /// The names in a directory, sorted, without `.` and `..`.
    func names(in directory: Directory) throws(SystemError) -> [String]
    /// Whether this process may make files in the directory.
    func checkWritable(_ directory: Directory) throws(SystemError)
    /// Locks bytes of a file for this description of it; false if another description holds a conflicting lock.
    func tryLock(_ descriptor: Int32, bytes: Range<Int>, exclusively: Bool, path: String) throws(SystemError) -> Bool
    /// Whether another description of the file holds any lock in these bytes.
    func isLockedElsewhere(_ descriptor: Int32, bytes: Range<Int>, path: String) throws(SystemError) -> Bool
}
