import Checkpointing
import Diagnostics
import Foundation
import TestSupport
import Testing

@Suite(
    "A real disk that fills up",
    .enabled(if: SmallDisk.isPermitted, "\(SmallDisk.reason)"))
struct SmallDiskTests {
    @Test("a full disk fails the save with what to do, keeps the older checkpoint, and room again lets it go on")
    func full() throws {
        try SmallDisk.run(bytes: 64 << 10) { path in
            let store = CheckpointStore(runDirectory: path)
            try save(1, in: store)
            let filler = path + "/filler"
            try write([], to: filler)
            let handle = try #require(FileHandle(forWritingAtPath: filler))
            while (try? handle.write(contentsOf: Data(repeating: 7, count: 4096))) != nil {}
            try handle.close()
            let full = failure { _ = try save(2, in: store) }
            #expect(full?.code == .inputOutput)
            #expect(full?.message.contains("No space left on device; free space") == true)
            let left = try names(in: store.directory)
            #expect(left == ["step-00000001"])
            let step = try store.newestValid().checkpoint?.step
            #expect(step == 1)
            unlink(filler)
            try save(2, in: store, keep: 1)
            let now = try names(in: store.directory)
            #expect(now == ["step-00000002"])
        }
    }

    @Test("a read-only disk fails the save, and a run directory on it is refused with 73")
    func readOnly() throws {
        try SmallDisk.run(bytes: 1 << 20) { path in
            let store = CheckpointStore(runDirectory: path)
            try save(1, in: store)
            try SmallDisk.remount(path, readOnly: true)
            let found = failure { _ = try save(2, in: store) }
            #expect(found?.code == .inputOutput)
            #expect(found?.message.contains("Read-only file system; make it writable") == true)
            let step = try store.newestValid().checkpoint?.step
            #expect(step == 1)
            let refused = failure { _ = try RunDirectory.open(path, resuming: true) }
            #expect(refused?.code == .cannotCreate)
            let locked = failure { _ = try RunLock(runDirectory: path, job: JobIdentity(name: "job")) }
            #expect(locked?.code == .cannotCreate)
            try SmallDisk.remount(path, readOnly: false)
        }
    }
}
