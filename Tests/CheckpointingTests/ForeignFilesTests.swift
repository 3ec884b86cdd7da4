import Checkpointing
import Diagnostics
import Files
import Foundation
import TestSupport
import Testing

/// A run directory from a stranger: links that lead to a victim's files, and things of other kinds in the places of ours.
@Suite("Nothing outside the run directory is touched")
struct ForeignFilesTests {
    /// Runs `body` with a run of steps 1 and 2 and a victim beside it, and expects the victim to stay as it was.
    private func withVictim(_ body: (_ run: String, _ victim: String, CheckpointStore) throws -> Void) throws {
        try withTemporaryDirectory { path in
            let run = path + "/run"
            let victim = path + "/victim"
            for name in [run, victim + "/sub"] {
                try FileManager.default.createDirectory(atPath: name, withIntermediateDirectories: true)
            }
            try write("precious".utf8, to: victim + "/thesis")
            try write("deep".utf8, to: victim + "/sub/deep")
            let store = CheckpointStore(runDirectory: run)
            try save(1, in: store)
            try save(2, in: store, to: [.numbered, .best])
            try body(run, victim, store)
            #expect(try names(in: victim) == ["sub", "thesis"])
            #expect(try contents(of: victim + "/thesis") == Array("precious".utf8))
            #expect(try contents(of: victim + "/sub/deep") == Array("deep".utf8))
        }
    }

    /// Expects a refusal that names the path.
    private func expectRefusal(
        _ path: String, _ codes: [ExitCode], sourceLocation: SourceLocation = #_sourceLocation,
        _ body: () throws -> Void
    ) {
        let found = failure(sourceLocation: sourceLocation, body)
        #expect(found.map { codes.contains($0.code) } == true, "\(found?.message ?? "")", sourceLocation: sourceLocation)
        #expect(found?.message.contains(path + ": a ") == true, "\(found?.message ?? "")", sourceLocation: sourceLocation)
    }

    @Test(
        "a link in a place of ours is refused by name: by a search, by recovery, and no save writes through it",
        arguments: [
            ".incomplete-x", ".incomplete-step-00000003", ".incomplete-best", ".deleting-step-00000001", ".deleting-",
            ".replaced-step-00000009", ".replaced-best", "step-00000000", "step-00000009", "best",
            "step-00000002/model.safetensors", "step-00000001/state.json", "best/optimizer.safetensors"
        ])
    func links(name: String) throws {
        try withVictim { run, victim, store in
            let path = store.directory + "/" + name
            try? FileManager.default.removeItem(atPath: path)
            symlink(name.contains(".safetensors") || name.hasSuffix("json") ? victim + "/thesis" : victim, path)
            expectRefusal(path, [.badData]) { _ = try store.newestValid() }
            expectRefusal(path, [.badData]) { try store.recover() }
            // A save may work beside it, but never through it.
            _ = try? save(3, in: store, to: [.numbered, .best], keep: 1)
            _ = try? save(9, in: store, to: [.numbered, .best], keep: 1)
            _ = try? store.supersede(after: 0)
        }
    }

    @Test(
        "links under the names of the run's own files and of `checkpoints` are refused when the run is opened",
        arguments: [
            ".lock", "config.yaml", "metrics.jsonl", "checkpoints"
        ], [true, false])
    func runLinks(name: String, dangling: Bool) throws {
        try withVictim { run, victim, store in
            let path = run + "/" + name
            let target = name == "checkpoints" ? victim : victim + "/thesis"
            try? FileManager.default.removeItem(atPath: path)
            symlink(dangling ? victim + "/none" : target, path)
            expectRefusal(path, [.cannotCreate]) { _ = try RunDirectory.open(run, resuming: true) }
            if name == "checkpoints" {
                expectRefusal(path, [.badData]) { _ = try store.newestValid() }
                expectRefusal(path, [.inputOutput]) { try save(3, in: store) }
            }
            // Of a directory that holds no run yet, too.
            let others = try names(in: run).filter { $0 != name }
            for other in others { try FileManager.default.removeItem(atPath: run + "/" + other) }
            let refused = failure { _ = try RunDirectory.open(run, resuming: false) }
            #expect(refused?.code == .cannotCreate)
        }
    }

    @Test("a lock file that is planted after the run was opened is refused: a link, a pipe, another's file")
    func lock() throws {
        try withVictim { run, victim, _ in
            let opened = try RunDirectory.open(run, resuming: true)
            let path = run + "/.lock"
            for plant in [
                { symlink(victim + "/thesis", path) }, { mkfifo(path, 0o600) }, { link(victim + "/thesis", path) },
                { mkdir(path, 0o700) }
            ] {
                _ = plant()
                expectRefusal(path, [.cannotCreate]) { _ = try RunLock(opened, job: JobIdentity(name: "job")) }
                try FileManager.default.removeItem(atPath: path)
            }
        }
    }

    @Test("`checkpoints` or the run directory that is swapped for a link, or for another directory, is noticed")
    func swapped() throws {
        try withVictim { run, victim, _ in
            let opened = try RunDirectory.open(run, resuming: true)
            let store = CheckpointStore(opened)
            #expect(try store.newestValid().checkpoint?.step == 2)
            rename(run, run + "-moved")
            symlink(victim, run)
            #expect(
                failure { _ = try store.newestValid() }?.message
                    == "\(run): the run directory was replaced by another while it was in use; put the run's own back and go on "
                    + "with --resume")
            #expect(failure { try save(3, in: store) }?.code == .inputOutput)
            #expect(failure { try store.recover() }?.code == .inputOutput)
            #expect(failure { _ = try RunLock(opened, job: JobIdentity(name: "job")) }?.code == .inputOutput)
            unlink(run)
            rename(run + "-moved", run)
            try save(3, in: store)
        }
    }

    @Test("a run directory that is a link of the user's own is fine")
    func ownLink() throws {
        try withVictim { run, _, _ in
            symlink("run", run + "-link")
            let opened = try RunDirectory.open(run + "-link", resuming: true)
            _ = try RunLock(opened, job: JobIdentity(name: "job"))
            try save(3, in: CheckpointStore(opened))
            #expect(try CheckpointStore(runDirectory: run).newestValid().checkpoint?.step == 3)
        }
    }

    @Test("what lies among the checkpoints and isn't ours is left alone, and nothing fails")
    func strays() throws {
        try withVictim { run, _, store in
            let strays = ["notes.txt", "step-3", "step-00000004.bak", "step-abc", ".hidden", ".replaced-notes", "best.old"]
            for name in strays { try write("mine".utf8, to: store.directory + "/" + name) }
            symlink("/nowhere", store.directory + "/link")
            #expect(try store.newestValid().checkpoint?.step == 2)
            #expect(try store.newestValid().rejected == [])
            try store.recover()
            try save(3, in: store, to: [.numbered, .best], keep: 1)
            #expect(try names(in: store.directory) == (strays + ["best", "link", "step-00000003"]).sorted())
        }
    }

    @Test(
        "a file or pipe in the place of a checkpoint is passed over with its name, and set aside when its place is needed",
        arguments: ["step-00000003", "best"], [true, false])
    func foreignKinds(name: String, isPipe: Bool) throws {
        try withVictim { run, _, store in
            let path = store.directory + "/" + name
            try? FileManager.default.removeItem(atPath: path)
            if isPipe { mkfifo(path, 0o600) } else { try write("mine".utf8, to: path) }
            let (checkpoint, rejected) = try store.newestValid()
            #expect(checkpoint?.step == 2)
            #expect(rejected.map(\.path) == (name == "best" ? [] : [path]))
            #expect(
                rejected.allSatisfy {
                    $0.reason.contains(isPipe ? "a named pipe, not a checkpoint" : "a file, not a checkpoint")
                })
            try store.recover()
            let saved = try save(3, in: store, to: [.numbered, .best])
            #expect(
                saved.warnings.count == 1 && saved.warnings[0].contains("set aside as \(path).damaged-1"), "\(saved.warnings)")
            try expectWhole(try LoadedCheckpoint(path: path))
        }
    }

    @Test("hidden leftovers of whatever content are removed, links in them with them")
    func leftovers() throws {
        try withVictim { run, victim, store in
            for name in [".incomplete-step-00000007", ".deleting-best"] {
                let path = store.directory + "/" + name
                try FileManager.default.createDirectory(atPath: path + "/a/b", withIntermediateDirectories: true)
                symlink(victim, path + "/a/b/link")
                symlink(victim + "/thesis", path + "/state.json")
                mkfifo(path + "/pipe", 0o600)
            }
            try write("x".utf8, to: store.directory + "/.incomplete-file")
            try store.recover()
            #expect(try names(in: store.directory) == ["best", "step-00000001", "step-00000002"])
        }
    }

    @Test("names that lead out of the directory are no names of ours", arguments: [".replaced-..", ".replaced-.", ".replaced-"])
    func dots(name: String) throws {
        try withVictim { run, _, store in
            try FileManager.default.createDirectory(atPath: store.directory + "/" + name, withIntermediateDirectories: false)
            #expect(try store.newestValid().checkpoint?.step == 2)
            try store.recover()
            #expect(try names(in: store.directory).contains(name))
        }
    }
}
