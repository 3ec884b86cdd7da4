import Checkpointing
import Diagnostics
import Files
import Foundation
import Synchronization
import TestSupport
import Testing

@Suite("Faults of the disk")
struct DiskFaultTests {
    @Test(
        "a call that fails once costs at most this save: the older checkpoints stay, nothing is left, the next works",
        arguments: Scenario.all, [ENOSPC, EIO])
    func once(_ scenario: Scenario, code: Int32) throws {
        let total = try scenario.callCount()
        for failing in 0..<total {
            try withTemporaryDirectory { path in
                try scenario.before(CheckpointStore(runDirectory: path, fileSystem: FaultyDisk()))
                let disk = FaultyDisk(scenario.rule { index, _, _ in index == failing ? .tear(code) : .pass })
                let comment: Comment = "call \(failing) of \(total)"
                do {
                    try scenario.action(CheckpointStore(runDirectory: path, fileSystem: disk))
                } catch let failure as Failure {
                    #expect(failure.code == .inputOutput, comment)
                    #expect(failure.message.contains(code == ENOSPC ? "free space" : "the disk"), "\(failure)")
                    #expect(!failure.message.contains("\n"), comment)
                    if FileManager.default.fileExists(atPath: path + "/checkpoints") {
                        #expect(
                            try names(in: path + "/checkpoints").filter { $0.hasPrefix(".incomplete") } == [],
                            comment)
                    }
                }
                try scenario.checkRecovery(path, comment)
            }
        }
    }

    @Test("a disk that stays full leaves the older checkpoints as they were", arguments: Scenario.all)
    func fullDisk(_ scenario: Scenario) throws {
        let total = try scenario.callCount()
        for full in 0..<total {
            try withTemporaryDirectory { path in
                try scenario.before(CheckpointStore(runDirectory: path, fileSystem: FaultyDisk()))
                // What takes room fails; removing and renaming still work.
                let disk = FaultyDisk(
                    scenario.rule { index, call, _ in
                        index >= full && ["open", "write", "mkdir", "link", "fsync"].contains(call) ? .tear(ENOSPC) : .pass
                    })
                do {
                    try scenario.action(CheckpointStore(runDirectory: path, fileSystem: disk))
                } catch let failure as Failure {
                    #expect(failure.message.contains("No space left on device; free space on this file system"))
                }
                try scenario.checkRecovery(path, "full from call \(full) of \(total) on")
            }
        }
    }

    @Test("after a failed sync a file is written anew under another name and never synced again")
    func failedSync() throws {
        try withTemporaryDirectory { path in
            let disk = FaultyDisk { _, call, path in
                call == "fsync" && path.hasSuffix(".safetensors") ? .fail(EIO) : .pass
            }
            let store = CheckpointStore(runDirectory: path, fileSystem: disk)
            try save(1, in: store)
            let syncs = disk.log.filter { $0.hasPrefix("fsync ") && $0.contains(".safetensors") }
                .map { $0.split(separator: "/").last.map(String.init) ?? "" }
            #expect(
                syncs == [
                    "model.safetensors", "model.safetensors.again", "optimizer.safetensors",
                    "optimizer.safetensors.again"
                ])
            try expectWhole(try #require(try store.newestValid().checkpoint))
            #expect(
                try names(in: store.path(ofStep: 1))
                    == ["model.safetensors", "optimizer.safetensors", "state.json"])
        }
    }

    @Test("a sync that fails again and again fails the save")
    func failingSync() throws {
        try withTemporaryDirectory { path in
            let disk = FaultyDisk { _, call, path in call == "fsync" && path.contains("model") ? .fail(EIO) : .pass }
            let store = CheckpointStore(runDirectory: path, fileSystem: disk)
            let found = failure { _ = try save(1, in: store) }
            #expect(found?.code == .inputOutput)
            #expect(found?.message.contains("model.safetensors.again: fsync failed: Input/output error") == true)
            let left = try names(in: store.directory)
            #expect(left == [])
        }
    }

    @Test("a checkpoint of the same step has its name back at once where the new one can't take it")
    func failedExchange() throws {
        try withTemporaryDirectory { path in
            try save(1, in: CheckpointStore(runDirectory: path, fileSystem: FaultyDisk()))
            let tries = Tries()
            let store = CheckpointStore(
                runDirectory: path,
                fileSystem: FaultyDisk { _, call, path in
                    call == "rename" && path.hasSuffix("/step-00000001") && tries.isFirst() ? .fail(EIO) : .pass
                })
            #expect(failure { _ = try save(1, in: store) }?.code == .inputOutput)
            #expect(try names(in: store.directory) == ["step-00000001"])
            try expectWhole(try LoadedCheckpoint(path: store.path(ofStep: 1)))
        }
    }

    @Test("the new name of a checkpoint that goes is on the disk before any of its files is removed")
    func removalInOrder() throws {
        try withTemporaryDirectory { path in
            let disk = FaultyDisk()
            let store = CheckpointStore(runDirectory: path, fileSystem: disk)
            for step in [1, 2] { try save(step, in: store, keep: 1) }
            let hidden = store.directory + "/.deleting-step-00000001"
            let renamed = try #require(disk.log.firstIndex(of: "rename \(hidden)"))
            #expect(disk.log[renamed + 1] == "fsync \(store.directory)")
            #expect(disk.log[(renamed + 2)...].contains { $0.hasPrefix("unlink \(hidden)/") })
        }
    }

    private final class Tries: Sendable {
        private let count = Atomic<Int>(0)

        func isFirst() -> Bool { count.add(1, ordering: .relaxed).oldValue == 0 }
    }

    @Test("an older checkpoint that can't be removed is a warning")
    func unremovable() throws {
        try withTemporaryDirectory { path in
            try save(1, in: CheckpointStore(runDirectory: path, fileSystem: FaultyDisk()))
            let disk = FaultyDisk { _, call, _ in call == "unlink" ? .fail(EIO) : .pass }
            let store = CheckpointStore(runDirectory: path, fileSystem: disk)
            let saved = try save(2, in: store, keep: 1)
            #expect(saved.warnings.first?.contains("unlink failed: Input/output error") == true)
            #expect(try store.newestValid().checkpoint?.step == 2)
        }
    }

    @Test("a file is replaced atomically: old or new, whole, at every call")
    func atomicWrite() throws {
        var count = 0
        while true {
            let isDone = try withTemporaryDirectory { path in
                let file = path + "/config.yaml"
                try write("old".utf8, to: file)
                let disk = FaultyDisk.dying(after: count, tearing: true)
                let found: Failure?
                do {
                    try Directory(Place(path), fileSystem: disk).replaceFile("config.yaml") { sink in
                        try Array("newer".utf8).withUnsafeBytes(sink)
                    }
                    found = nil
                } catch {
                    found = error as? Failure
                    #expect(found?.code == .inputOutput)
                }
                let text = String(decoding: try contents(of: file), as: UTF8.self)
                #expect(found == nil ? text == "newer" : ["old", "newer"].contains(text))
                try Directory(Place(path), fileSystem: FaultyDisk()).replaceFile("config.yaml") { sink in
                    try Array("third".utf8).withUnsafeBytes(sink)
                }
                #expect(try String(decoding: contents(of: file), as: UTF8.self) == "third")
                #expect(try names(in: path) == ["config.yaml"])
                return found == nil
            }
            if isDone { break }
            count += 1
        }
        #expect(count > 5)
    }
}
