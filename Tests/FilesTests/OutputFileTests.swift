import Diagnostics
import Files
import Foundation
import Testing

@Suite("Output files")
struct OutputFileTests {
    private func write(_ text: String, _ file: OutputFile) throws {
        try Array(text.utf8).withUnsafeBytes { try file.write($0) }
    }

    @Test("until it is complete the old file is whole, and what isn't completed leaves nothing", arguments: [false, true])
    func complete(namesDraft: Bool) throws {
        try withTemporaryDirectory { path in
            try FilesTests.write("old", to: path + "/out")
            do {
                let file = try OutputFile(path: path + "/out", namesDraft: namesDraft)
                try write("half", file)
                #expect(try text(path + "/out") == "old")
                #expect(try names(in: path).count == (namesDraft ? 2 : 1))
            }
            #expect(try names(in: path) == ["out"] && text(path + "/out") == "old")
            let file = try OutputFile(path: path + "/out", namesDraft: namesDraft)
            try write("new", file)
            try write("er", file)
            #expect(try text(path + "/out") == "old")
            try file.commit()
            #expect(try names(in: path) == ["out"] && text(path + "/out") == "newer")
        }
    }

    @Test("a process that is killed leaves the old file and nothing beside it")
    func killed() throws {
        try withTemporaryDirectory { path in
            try FilesTests.write("old", to: path + "/out")
            let file = try OutputFile(path: path + "/out")
            try write("half", file)
            // What has no name goes with the process.
            #expect(try names(in: path) == ["out"])
            withExtendedLifetime(file) {}
        }
    }

    @Test("mode and owner of the old file stay; a new one has what the umask leaves", arguments: [0o600, 0o644, 0o640, 0o777])
    func mode(_ mode: mode_t) throws {
        try withTemporaryDirectory { path in
            try FilesTests.write("old", to: path + "/out")
            chmod(path + "/out", mode)
            let before = status(path + "/out")
            for name in ["out", "new"] {
                let file = try OutputFile(path: path + "/" + name)
                try write("x", file)
                try file.commit()
            }
            let after = status(path + "/out")
            #expect(after.st_mode == before.st_mode && after.st_uid == before.st_uid && after.st_gid == before.st_gid)
            #expect(after.st_ino != before.st_ino)
            let mask = umask(0)
            umask(mask)
            #expect(status(path + "/new").st_mode & 0o777 == 0o666 & ~mask)
        }
    }

    @Test("the owner of a replaced file stays its owner", .enabled(if: getuid() == 0, "only root can give files away"))
    func owner() throws {
        try withTemporaryDirectory { path in
            try FilesTests.write("old", to: path + "/out")
            chown(path + "/out", 12345, 54321)
            let file = try OutputFile(path: path + "/out")
            try write("x", file)
            try file.commit()
            let after = status(path + "/out")
            #expect(after.st_uid == 12345 && after.st_gid == 54321)
        }
    }

    @Test(
        "links stay links: what they lead to is replaced, or made",
        arguments: ["target", "sub/target", "../elsewhere", "chain"], [true, false])
    func links(target: String, isThere: Bool) throws {
        try withTemporaryDirectory { path in
            for name in ["home/sub", "elsewhere-directory"] {
                try FileManager.default.createDirectory(atPath: path + "/" + name, withIntermediateDirectories: true)
            }
            symlink(target, path + "/home/out")
            symlink("../last", path + "/home/chain")
            let real = target == "chain" ? path + "/last" : path + "/home/" + target
            if isThere { try FilesTests.write("old", to: real) }
            let file = try OutputFile(path: path + "/home/out")
            try write("new", file)
            #expect(FileManager.default.fileExists(atPath: real) == isThere)
            try file.commit()
            #expect(status(path + "/home/out").st_mode & S_IFMT == S_IFLNK)
            #expect(try text(real) == "new")
        }
    }

    @Test("another name of the old file keeps what it had")
    func hardLink() throws {
        try withTemporaryDirectory { path in
            try FilesTests.write("old", to: path + "/out")
            link(path + "/out", path + "/backup")
            let file = try OutputFile(path: path + "/out")
            try write("new", file)
            try file.commit()
            #expect(try text(path + "/out") == "new" && text(path + "/backup") == "old")
        }
    }

    @Test("a pipe gets the bytes as they come and stays a pipe; one that nobody reads is refused in time")
    func pipes() throws {
        try withTemporaryDirectory { path in
            mkfifo(path + "/pipe", 0o600)
            let reader = open(path + "/pipe", O_RDONLY | O_NONBLOCK | O_CLOEXEC)
            defer { close(reader) }
            let file = try OutputFile(path: path + "/pipe")
            try write("bytes", file)
            var buffer = [UInt8](repeating: 0, count: 9)
            #expect(read(reader, &buffer, 9) == 5 && buffer.starts(with: "bytes".utf8))
            try file.commit()
            #expect(status(path + "/pipe").st_mode & S_IFMT == S_IFIFO)
        }
    }

    @Test("a full device is a write that fails", .enabled(if: FileManager.default.fileExists(atPath: "/dev/full")))
    func device() throws {
        let file = try OutputFile(path: "/dev/full")
        let error = #expect(throws: SystemError.self) { try write("x", file) }
        #expect(
            error?.failure()
                == Failure(
                    .inputOutput,
                    "/dev/full: write failed: No space left on device; free space on "
                        + "this file system or name a file elsewhere"))
        #expect(status("/dev/full").st_mode & S_IFMT == S_IFCHR)
    }

    @Test(
        "a descriptor is written into where it stands, by every name it has",
        arguments: ["/dev/fd/N", "/proc/self/fd/N", "/proc/PID/fd/N", "link"])
    func descriptors(name: String) throws {
        try withTemporaryDirectory { path in
            let descriptor = open(path + "/file", O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
            defer { close(descriptor) }
            _ = Foundation.write(descriptor, "first ", 6)
            symlink("/dev/fd/\(descriptor)", path + "/link")
            let real =
                name == "link"
                ? path + "/link"
                : name.replacing("N", with: "\(descriptor)").replacing("PID", with: "\(getpid())")
            let file = try OutputFile(path: real)
            try write("second", file)
            try file.commit()
            #expect(try text(path + "/file") == "first second")
            #expect(try names(in: path) == ["file", "link"])
        }
    }

    @Test(
        "what can't be a file is refused with 73",
        arguments: [
            ("directory", "a directory, expected the name of a file"), ("none/out", "No such file or directory"),
            ("file/out", "Not a directory"), ("new/", "Is a directory"), ("loop", "Too many levels of symbolic links"),
            ("to-directory", "a directory")
        ])
    func refused(name: String, reason: String) throws {
        try withTemporaryDirectory { path in
            try FileManager.default.createDirectory(atPath: path + "/directory", withIntermediateDirectories: false)
            try FilesTests.write("", to: path + "/file")
            symlink("loop", path + "/loop")
            symlink("directory", path + "/to-directory")
            let found = failure { _ = try OutputFile(path: path + "/" + name) }
            #expect(found?.code == .cannotCreate)
            #expect(
                found?.message.hasPrefix("\(path)/\(name): ") == true && found?.message.contains(reason) == true,
                "\(found?.message ?? "")")
        }
    }

    @Test(
        "a file in a directory that can't be written is overwritten when the new one is complete, also by a shorter one",
        .enabled(if: getuid() != 0, "root may write anywhere; the end-to-end tests do this as another user"))
    func unwritableDirectory() throws {
        try withTemporaryDirectory { path in
            let directory = path + "/closed"
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
            try FilesTests.write("a long old text", to: directory + "/out")
            chmod(directory, 0o555)
            defer { chmod(directory, 0o755) }
            let file = try OutputFile(path: directory + "/out")
            try write("new", file)
            #expect(try text(directory + "/out") == "a long old text")
            try file.commit()
            #expect(try text(directory + "/out") == "new")
            #expect(failure { _ = try OutputFile(path: directory + "/other") }?.code == .cannotCreate)
        }
    }
}
