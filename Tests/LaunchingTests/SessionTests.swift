import Diagnostics
import Foundation
import Launching
import TestSupport
import Testing

/// Directories for mpirun where everybody may write.
@Suite("Sessions")
struct SessionTests {
    @Test("what others planted where sessions lie is left alone, what links lead to as well")
    func planted() throws {
        let planted = try PlantedSessions()
        defer { planted.remove() }
        do {
            let session = try Session(bases: [planted.base], requiredBytes: 0)
            #expect(FileManager.default.fileExists(atPath: session.path + "/lock"))
        }
        planted.expectUntouched()
    }

    @Test("a name that somebody could foresee keeps nobody from starting")
    func foreseen() throws {
        try withTemporaryFolder { base in
            let foreseen = "\(base)/dtrain-\(geteuid())-\(getpid())"
            try FileManager.default.createDirectory(atPath: foreseen + "/in the way", withIntermediateDirectories: true)
            let session = try Session(bases: [base], requiredBytes: 0)
            let other = try Session(bases: [base], requiredBytes: 0)
            #expect(session.path != foreseen && session.path != other.path)
            #expect(FileManager.default.fileExists(atPath: foreseen + "/in the way"))
        }
    }

    @Test("a session ends with everything in it, but for what its links lead to")
    func ending() throws {
        try withTemporaryFolder { base in
            try FileManager.default.createDirectory(atPath: base + "/victim/deep", withIntermediateDirectories: true)
            do {
                let session = try Session(bases: [base], requiredBytes: 0)
                try FileManager.default.createDirectory(atPath: session.path + "/a/b", withIntermediateDirectories: true)
                symlink(base + "/victim", session.path + "/a/b/link")
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: base) == ["victim"])
            #expect(FileManager.default.fileExists(atPath: base + "/victim/deep"))
        }
    }

    @Test("a session whose name was taken by a link meanwhile empties its own directory, and leaves the link")
    func swapped() throws {
        try withTemporaryFolder { base in
            try FileManager.default.createDirectory(atPath: base + "/victim/deep", withIntermediateDirectories: true)
            chmod(base + "/victim", 0o700)
            var path = ""
            do {
                let session = try Session(bases: [base], requiredBytes: 0)
                path = session.path
                #expect(rename(path, base + "/elsewhere") == 0 && symlink(base + "/victim", path) == 0)
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: base + "/elsewhere").isEmpty)
            #expect(FileManager.default.fileExists(atPath: base + "/victim/deep"))
            #expect((try? FileManager.default.destinationOfSymbolicLink(atPath: path)) != nil)
        }
    }

    @Test("a place where none can be made is told with its reason")
    func refused() {
        let failure = #expect(throws: Failure.self) { try Session(bases: ["/nowhere"], requiredBytes: 0) }
        #expect(failure == Failure(.cannotCreate, "/nowhere: no directory can be made for mpirun: No such file or directory"))
    }
}
