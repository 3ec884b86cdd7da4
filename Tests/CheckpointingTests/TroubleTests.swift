import Checkpointing
import Diagnostics
import Files
import Foundation
import TestSupport
import Testing

/// What can't be read tells nothing about what is in it.
@Suite("Trouble with reading isn't damage")
struct TroubleTests {
    private static let codes = [EIO, EACCES, ESTALE, EMFILE, ENOMEM]

    /// Runs `body` with a run of steps 1 and 2, on a disk on which `call` of paths that end in `ending` fails.
    private func withTrouble(
        _ call: String, _ ending: String, _ code: Int32,
        _ body: (CheckpointStore, FaultyDisk) throws -> Void
    ) throws {
        try withTemporaryDirectory { path in
            let healthy = CheckpointStore(runDirectory: path, fileSystem: FaultyDisk())
            try save(1, in: healthy)
            try save(2, in: healthy, to: [.numbered, .best])
            let disk = FaultyDisk(reading: { $0 == call && $1.hasSuffix(ending) ? code : nil })
            try body(CheckpointStore(runDirectory: path, fileSystem: disk), disk)
            // Everything is as it was.
            #expect(try names(in: healthy.directory) == ["best", "step-00000001", "step-00000002"])
            #expect(try healthy.newestValid().checkpoint?.step == 2)
        }
    }

    /// Memory is what the system refuses; everything else is trouble with files.
    private static func exitCode(_ code: Int32) -> ExitCode { code == ENOMEM ? .systemRefused : .inputOutput }

    @Test(
        "a checkpoint that can't be read stops the search with 74: an older one isn't taken, nothing is touched",
        arguments: [
            ("open", "step-00000002"), ("open", "step-00000002/state.json"), ("read", "step-00000002/state.json"),
            ("open", "step-00000002/model.safetensors"), ("read", "step-00000002/model.safetensors"),
            ("read", "step-00000002/optimizer.safetensors"), ("readdir", "checkpoints"), ("open", "checkpoints"),
            ("stat", "step-00000002"), ("stat", "step-00000002/model.safetensors")
        ], codes)
    func search(_ fault: (call: String, ending: String), code: Int32) throws {
        try withTrouble(fault.call, fault.ending, code) { store, disk in
            let found = failure { _ = try store.newestValid() }
            #expect(found?.code == Self.exitCode(code), "\(found?.message ?? "")")
            #expect(found?.message.contains("\(fault.ending): \(fault.call) failed") == true, "\(found?.message ?? "")")
            #expect(
                failure {
                    _ = try LoadedCheckpoint.open(
                        checkpointOrRun: parentDirectory(of: store.directory),
                        fileSystem: disk)
                }?.code == Self.exitCode(code))
            #expect(disk.log == [])
        }
    }

    @Test(
        "a step that can't be read isn't set aside when it is written again: the save fails",
        arguments: ["model.safetensors", "state.json"], codes)
    func unreadableStep(file: String, code: Int32) throws {
        try withTrouble("read", "step-00000002/" + file, code) { store, _ in
            let found = failure { _ = try save(2, in: store) }
            #expect(found?.code == Self.exitCode(code) && found?.message.contains("read failed") == true)
        }
    }

    @Test("a best checkpoint that can't be read is trouble, a missing one is lost, a later one counts as there")
    func best() throws {
        try withTrouble("read", "best/state.json", EIO) { store, _ in
            #expect(failure { _ = try store.best(ofStep: 2) }?.code == .inputOutput)
        }
        try withTemporaryDirectory { path in
            let store = CheckpointStore(runDirectory: path, fileSystem: FaultyDisk())
            #expect(try store.best(ofStep: 1) == .lost)
            for step in 1...3 { try save(step, in: store, to: step == 2 ? [.numbered, .best] : .numbered) }
            #expect(try store.best(ofStep: 2) == .present)
            #expect(try store.best(ofStep: 1) == .present)
            #expect(try store.best(ofStep: 3) == .numbered)
            #expect(try store.publishBest(fromStep: 3) == [])
            #expect(try LoadedCheckpoint(path: store.bestPath).step == 3)
            try FileManager.default.removeItem(atPath: store.bestPath)
            #expect(try store.best(ofStep: 1) == .lost)
        }
    }

    @Test("a state that would be too large to be read back isn't written")
    func largeState() throws {
        try withTemporaryDirectory { path in
            let store = CheckpointStore(runDirectory: path, fileSystem: FaultyDisk())
            let state = Data("{\"x\": \"\(String(repeating: "x", count: 64 << 20))\"}".utf8)
            let found = failure {
                _ = try withTensors([("w", [1], [1])]) {
                    try store.save(step: 1, model: $0, optimizer: [], state: state, keep: 1)
                }
            }
            #expect(found?.code == .inputOutput && found?.message.contains("the state of step 1 takes 67") == true)
            let left = try names(in: store.directory)
            #expect(left == [])
        }
    }
}
