import Diagnostics
import Files
import Foundation
import TestSupport
import Testing

@Suite("Directories that are held open")
struct DirectoryTests {
    /// A directory, and a victim beside it whose content must stay.
    private func withVictim(_ body: (Directory, _ path: String, _ victim: String) throws -> Void) throws {
        try withTemporaryDirectory { path in
            for name in ["run", "victim/sub"] {
                try FileManager.default.createDirectory(atPath: path + "/" + name, withIntermediateDirectories: true)
            }
            try write("precious", to: path + "/victim/thesis")
            try write("deep", to: path + "/victim/sub/deep")
            try body(try Directory(Place(path + "/run")), path + "/run", path + "/victim")
            #expect(try names(in: path + "/victim") == ["sub", "thesis"])
            #expect(try text(path + "/victim/thesis") == "precious" && text(path + "/victim/sub/deep") == "deep")
        }
    }

    @Test("removing a tree never follows a link, at whatever depth, and removes the link itself")
    func removal() throws {
        try withVictim { directory, path, victim in
            symlink(victim, path + "/link")
            try directory.removeTree("link")
            try FileManager.default.createDirectory(atPath: path + "/tree/a/b", withIntermediateDirectories: true)
            symlink(victim, path + "/tree/link")
            symlink(victim + "/thesis", path + "/tree/a/file")
            symlink("../../../../victim", path + "/tree/a/b/up")
            link(victim + "/thesis", path + "/tree/hard")
            mkfifo(path + "/tree/pipe", 0o600)
            try directory.removeTree("tree")
            try directory.removeTree("nothing")
            #expect(try names(in: path) == [])
        }
    }

    @Test("removing a tree leaves alone what is mounted in it", .enabled(if: SmallDisk.isPermitted, "\(SmallDisk.reason)"))
    func mounted() throws {
        try SmallDisk.run(bytes: 1 << 20) { disk in
            try write("twenty years' work", to: disk + "/thesis")
            let directory = try Directory(Place(parentDirectory(of: disk)))
            let error = #expect(throws: SystemError.self) { try directory.removeTree(lastComponent(of: disk)) }
            #expect(error?.code == EXDEV)
            #expect(try text(disk + "/thesis") == "twenty years' work")
        }
    }

    @Test("a tree deeper than any of ours is left, without a stack that overflows")
    func depth() throws {
        try withVictim { directory, path, _ in
            try FileManager.default.createDirectory(
                atPath: path + "/x" + String(repeating: "/x", count: 100),
                withIntermediateDirectories: true)
            let error = #expect(throws: SystemError.self) { try directory.removeTree("x") }
            #expect(error?.code == ELOOP)
        }
    }

    @Test("no call follows a link under a name in a directory")
    func links() throws {
        try withVictim { directory, path, victim in
            let system = PosixFileSystem()
            symlink(victim + "/thesis", path + "/file")
            symlink(victim, path + "/directory")
            symlink(victim + "/new", path + "/dangling")
            func code(_ body: () throws -> Void) -> Int32? {
                do { try body() } catch { return (error as? SystemError)?.code }
                return nil
            }
            for name in ["file", "dangling"] {
                #expect(code { _ = try system.open(directory.at(name)) } == ELOOP)
                #expect(code { _ = try system.create(directory.at(name)) } == EEXIST)
                #expect(code { _ = try system.openOrCreate(directory.at(name), appending: true) } == ELOOP)
                #expect(try directory.status(of: name)?.kind == .symbolicLink)
            }
            #expect(code { _ = try system.openDirectory(directory.at("directory")) } == ENOTDIR)
            #expect(code { try system.removeDirectory(directory.at("directory")) } == ENOTDIR)
            // A second name for the link, not for what it leads to.
            try system.link(directory.at("file"), to: directory.at("second"))
            #expect(try directory.status(of: "second")?.kind == .symbolicLink)
            try directory.replaceFile("file") { sink in try Array("mine".utf8).withUnsafeBytes(sink) }
            #expect(try text(path + "/file") == "mine")
            #expect(
                failure { _ = try directory.directory("directory", orFailWith: .badData) }
                    == Failure(
                        .badData,
                        "\(path)/directory: a symbolic link, expected a directory; links inside a run directory are not "
                            + "followed: remove the link, or put what it leads to in its place"))
        }
    }

    @Test("a link that is planted under the name of a temporary file costs the link, not what it leads to")
    func plantedTemporary() throws {
        try withVictim { directory, path, victim in
            for ending in ["", ".again"] { symlink(victim + "/thesis", path + "/.incomplete-config.yaml" + ending) }
            try directory.replaceFile("config.yaml") { sink in try Array("mine".utf8).withUnsafeBytes(sink) }
            #expect(try names(in: path) == ["config.yaml"])
        }
    }

    @Test("a file that is replaced is on the disk before it has its name, and its name before the call returns")
    func replacedDurably() throws {
        try withVictim { _, path, _ in
            let disk = FaultyDisk()
            try Directory(Place(path), fileSystem: disk).replaceFile("new") { sink in try Array("x".utf8).withUnsafeBytes(sink)
            }
            #expect(
                disk.log.suffix(4) == [
                    "fsync \(path)/.incomplete-new", "close \(path)/.incomplete-new",
                    "rename \(path)/new", "fsync \(path)"
                ])
        }
    }

    @Test("a directory goes on being the same when its path leads elsewhere meanwhile")
    func swapped() throws {
        try withVictim { directory, path, victim in
            try write("", to: path + "/thesis")
            rename(path, path + "-moved")
            symlink(victim, path)
            try directory.removeTree("thesis")
            try directory.replaceFile("new") { sink in try Array("x".utf8).withUnsafeBytes(sink) }
            #expect(try names(in: path + "-moved") == ["new"])
        }
    }

    @Test("a file that is cut while it is open is no whole file")
    func cutFile() throws {
        try withVictim { directory, path, _ in
            try write("0123456789", to: path + "/data")
            let file = try InputFile(directory.at("data"), fileSystem: PosixFileSystem())
            #expect(try file.bytes(at: 4, count: 6) == Array("456789".utf8))
            truncate(path + "/data", 7)
            #expect(try file.bytes(at: 4, count: 3) == Array("456".utf8))
            for found in [failure { _ = try file.bytes(at: 4, count: 6) }, failure { _ = try file.digest() }] {
                #expect(found == Failure(.badData, "\(path)/data: truncated while it is read: it ends at byte 7"))
            }
        }
    }

    @Test("a small file may have its largest size, and no byte more")
    func smallFile() throws {
        try withVictim { _, path, _ in
            let file = SmallFile("note", largestByteCount: 10, misfit: .badConfiguration)
            try write("0123456789", to: path + "/ten")
            try write("0123456789a", to: path + "/eleven")
            #expect(try file.bytes(at: path + "/ten").count == 10)
            #expect(
                failure { _ = try file.bytes(at: path + "/eleven") }
                    == Failure(
                        .badConfiguration, "\(path)/eleven: more than 10 bytes, which no note has; is it the right file?"))
        }
    }

    @Test("pipes and devices are no input files, and no open waits for a pipe's other end")
    func inputs() throws {
        try withVictim { directory, path, _ in
            mkfifo(path + "/pipe", 0o600)
            #expect(
                failure { _ = try InputFile(path: path + "/pipe") }
                    == Failure(.badData, "\(path)/pipe: a named pipe, expected a file"))
            #expect(failure { _ = try InputFile(path: "/dev/zero") }?.message == "/dev/zero: a device, expected a file")
            #expect(failure { _ = try InputFile(path: path) }?.message == "\(path): a directory, expected a file")
            #expect(failure { _ = try InputFile(path: path + "/none") }?.code == .missingInput)
        }
    }
}
