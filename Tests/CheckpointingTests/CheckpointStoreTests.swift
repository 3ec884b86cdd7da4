import Checkpointing
import Diagnostics
import Files
import Foundation
import TestSupport
import Testing

@Suite("Checkpoints")
struct CheckpointStoreTests {
    @Test("a saved checkpoint is found with the same weights and state, byte for byte")
    func roundTrip() throws {
        try withTemporaryDirectory { path in
            let store = CheckpointStore(runDirectory: path)
            #expect(try store.newestValid().checkpoint == nil)
            #expect(try store.isEmpty())
            let saved = try save(500, in: store)
            #expect(saved.path == path + "/checkpoints/step-00000500")
            #expect(saved.warnings == [])
            #expect(try names(in: saved.path) == ["model.safetensors", "optimizer.safetensors", "state.json"])
            let loaded = try #require(try store.newestValid().checkpoint)
            try expectWhole(loaded)
            #expect(loaded.digest == saved.digest)
            #expect(try loaded.digest == SHA256.hexadecimal(of: contents(of: saved.path + "/model.safetensors")))
            #expect(
                try JSONSerialization.jsonObject(with: Data(contents(of: saved.path + "/state.json")))
                    is [String: Any])
            #expect(try !store.isEmpty())
        }
    }

    @Test("an average of the weights is part of a checkpoint where one is kept, of the best one too")
    func average() throws {
        try withTemporaryDirectory { path in
            let store = CheckpointStore(runDirectory: path)
            try save(1, in: store, to: [.numbered, .best])
            #expect(try LoadedCheckpoint(path: store.bestPath).average == nil)
            let saved = try save(2, in: store, to: [.numbered, .best], keepsAverage: true)
            let expected = ["ema.safetensors", "model.safetensors", "optimizer.safetensors", "state.json"]
            for place in [saved.path, store.bestPath] {
                #expect(try names(in: place) == expected)
                #expect(try LoadedCheckpoint(path: place).average?.floats("0.weight") == weights(2))
                #expect(try LoadedCheckpoint(path: place).openFiles().map(\.name).sorted() == expected)
            }
            // The next best one keeps none.
            try save(3, in: store, to: [.numbered, .best])
            #expect(try names(in: store.bestPath) == expected.filter { $0 != "ema.safetensors" })
        }
    }

    @Test("two runs with the same weights save the same bytes")
    func canonical() throws {
        try withTemporaryDirectory { path in
            var files: [[[UInt8]]] = []
            for name in ["a", "b"] {
                try FileManager.default.createDirectory(atPath: path + "/" + name, withIntermediateDirectories: false)
                let saved = try save(1, in: CheckpointStore(runDirectory: path + "/" + name))
                files.append(try names(in: saved.path).map { try contents(of: saved.path + "/" + $0) })
            }
            #expect(files[0] == files[1])
        }
    }

    @Test("the newest are kept, and the best")
    func retention() throws {
        try withTemporaryDirectory { path in
            let store = CheckpointStore(runDirectory: path, fileSystem: FaultyDisk())
            for step in 0..<6 { try save(step, in: store, to: step == 2 ? [.numbered, .best] : .numbered, keep: 3) }
            #expect(try names(in: store.directory) == ["best", "step-00000003", "step-00000004", "step-00000005"])
            #expect(try LoadedCheckpoint(path: store.bestPath).step == 2)
            try save(123_456_789, in: store, keep: 1)
            #expect(try names(in: store.directory) == ["best", "step-123456789"])
        }
    }

    @Test(
        "best shares its files with the numbered checkpoint where the file system can, and is copied where not",
        arguments: [nil, ENOTSUP, EPERM, ENOSYS, EMLINK, EXDEV] as [Int32?])
    func links(refusal: Int32?) throws {
        try withTemporaryDirectory { path in
            let disk = FaultyDisk { _, call, _ in call == "link" ? refusal.map { .fail($0) } ?? .pass : .pass }
            let store = CheckpointStore(runDirectory: path, fileSystem: disk)
            try save(1, in: store, to: [.numbered, .best])
            let a = try PosixFileSystem().status(of: Place(store.path(ofStep: 1) + "/model.safetensors"))
            let b = try PosixFileSystem().status(of: Place(store.bestPath + "/model.safetensors"))
            #expect((a?.identity == b?.identity) == (refusal == nil))
            try expectWhole(try LoadedCheckpoint(path: store.bestPath))
        }
    }

    @Test("checkpoints of later steps don't count when an older run goes on, and can be set aside")
    func supersede() throws {
        try withTemporaryDirectory { path in
            let store = CheckpointStore(runDirectory: path, fileSystem: FaultyDisk())
            for step in [10, 20, 30] { try save(step, in: store, keep: 3) }
            try save(15, in: store, keep: 1)
            #expect(try names(in: store.directory) == ["step-00000015", "step-00000020", "step-00000030"])
            #expect(try store.supersede(after: 15).count == 2)
            #expect(
                try names(in: store.directory)
                    == ["step-00000015", "step-00000020.superseded-1", "step-00000030.superseded-1"])
            #expect(try store.newestValid().checkpoint?.step == 15)
        }
    }

    @Test("a damaged step is set aside before it is written again, a valid one is replaced")
    func damagedStep() throws {
        try withTemporaryDirectory { path in
            let store = CheckpointStore(runDirectory: path, fileSystem: FaultyDisk())
            for _ in 0..<2 {
                try save(7, in: store)
                try write([], to: store.path(ofStep: 7) + "/optimizer.safetensors")
                let saved = try save(7, in: store)
                #expect(saved.warnings.first?.contains("optimizer.safetensors: truncated: expected ") == true)
                #expect(try save(7, in: store).warnings == [])
            }
            #expect(
                try names(in: store.directory)
                    == ["step-00000007", "step-00000007.damaged-1", "step-00000007.damaged-2"])
            try expectWhole(try #require(try store.newestValid().checkpoint))
        }
    }

    @Test("loading what isn't there is 66, what is no checkpoint 65, each with its reason")
    func loadErrors() throws {
        try withTemporaryDirectory { path in
            let none = failure { _ = try LoadedCheckpoint(path: path + "/checkpoints/best") }
            #expect(none == Failure(.missingInput, "\(path)/checkpoints/best: there is no checkpoint here"))
            let store = CheckpointStore(runDirectory: path)
            try save(1, in: store)
            let run = failure { _ = try LoadedCheckpoint(path: path + "/") }
            #expect(run?.code == .badData)
            #expect(run?.message.contains("not a checkpoint: state.json is missing; this is a run") == true)
            let file = failure { _ = try LoadedCheckpoint(path: store.path(ofStep: 1) + "/model.safetensors") }
            #expect(file?.code == .badData)
            #expect(file?.message.contains("not a checkpoint, which is a directory with") == true)
        }
    }

    @Test("a checkpoint that steps aside while it is read is still found")
    func swappedWhileRead() throws {
        try withTemporaryDirectory { path in
            let store = CheckpointStore(runDirectory: path, fileSystem: FaultyDisk())
            try save(1, in: store, to: .best)
            try PosixFileSystem().rename(Place(store.bestPath), to: Place(store.directory + "/.replaced-best"))
            let loaded = try LoadedCheckpoint(path: store.bestPath)
            // Open files outlive their names.
            try FileManager.default.removeItem(atPath: store.directory)
            try expectWhole(loaded)
        }
    }

    @Test("a state of another format, step or kind is refused although its seal is right")
    func forgedState() throws {
        try withTemporaryDirectory { path in
            let store = CheckpointStore(runDirectory: path, fileSystem: FaultyDisk())
            try save(3, in: store)
            let state = store.path(ofStep: 3) + "/state.json"
            let text = String(decoding: try contents(of: state), as: UTF8.self)
            func forge(_ old: String, _ new: String) throws -> String? {
                let body = try #require(text.range(of: "\"sha256\": \"", options: .backwards)).lowerBound
                let changed = text[..<body].replacingOccurrences(of: old, with: new)
                let seal = try SHA256.hexadecimal(of: changed.utf8)
                try write((changed + "\"sha256\": \"\(seal)\"\n}\n").utf8, to: state)
                return failure { _ = try LoadedCheckpoint(path: store.path(ofStep: 3)) }?.message
            }
            #expect(
                try forge("\"format\": 1", "\"format\": 2")?.hasSuffix(
                    "written in format 2, but this dtrain reads "
                        + "format 1; use the dtrain that wrote it") == true)
            #expect(
                try forge("\"step\": 3", "\"step\": 4")?.contains("it is of step 4, but the directory's name says step 3")
                    == true)
            #expect(try forge("\"step\": 3", "\"step\": -4")?.contains("expected a step of 0 or more, found -4") == true)
            #expect(try forge("model.safetensors", "mode.safetensors")?.contains("holds no checksum of model") == true)
            #expect(try forge("{", "[")?.contains("not the state of a checkpoint") == true)
            #expect(try forge("\n\"state\"", "\"state\"")?.contains("not the state of a checkpoint") == true)
        }
    }
}

@Suite("Damage")
struct DamageTests {
    /// What happens to a file of a checkpoint.
    enum Damage: CaseIterable {
        case truncatedToOne, truncatedInHeader, truncatedByOne, emptied, missing, firstBit, middleBit, lastBit
        case lengthened, replaced, directory
    }

    @Test(
        "every damage of every file is found and named, and the next older checkpoint is used",
        arguments: ["model.safetensors", "optimizer.safetensors", "ema.safetensors", "state.json"], Damage.allCases)
    func damage(file: String, damage: Damage) throws {
        try withTemporaryDirectory { path in
            let store = CheckpointStore(runDirectory: path, fileSystem: FaultyDisk())
            for step in 1...2 { try save(step, in: store, keepsAverage: true) }
            let victim = store.path(ofStep: 2) + "/" + file
            let bytes = try contents(of: victim)
            func flip(_ index: Int) -> [UInt8] {
                var flipped = bytes
                flipped[index] ^= 1
                return flipped
            }
            switch damage {
            case .truncatedToOne: try write(bytes.prefix(1), to: victim)
            case .truncatedInHeader: try write(bytes.prefix(40), to: victim)
            case .truncatedByOne: try write(bytes.dropLast(), to: victim)
            case .emptied: try write([], to: victim)
            case .missing: try FileManager.default.removeItem(atPath: victim)
            case .firstBit: try write(flip(0), to: victim)
            case .middleBit: try write(flip(bytes.count / 2), to: victim)
            case .lastBit: try write(flip(bytes.count - 1), to: victim)
            case .lengthened: try write(bytes + [0], to: victim)
            case .replaced: try write(contents(of: store.path(ofStep: 1) + "/" + file), to: victim)
            case .directory:
                try FileManager.default.removeItem(atPath: victim)
                try FileManager.default.createDirectory(atPath: victim, withIntermediateDirectories: false)
            }
            let before = try names(in: store.directory)
            let (checkpoint, rejected) = try store.newestValid()
            #expect(checkpoint?.step == 1)
            if let checkpoint { try expectWhole(checkpoint) }
            #expect(rejected.map(\.path) == [store.path(ofStep: 2)])
            #expect(rejected.first?.reason.contains(file) == true, "\(rejected)")
            #expect(rejected.first?.reason.contains("\n") == false)
            #expect(try names(in: store.directory) == before)
            let loading = failure { _ = try LoadedCheckpoint(path: store.path(ofStep: 2)) }
            #expect(loading?.code == .badData)
        }
    }

    @Test("if none is valid, each is named and nothing is touched")
    func noneValid() throws {
        try withTemporaryDirectory { path in
            let store = CheckpointStore(runDirectory: path, fileSystem: FaultyDisk())
            for step in 1...2 { try save(step, in: store, to: [.numbered, .best]) }
            for name in ["best", "step-00000001", "step-00000002"] {
                try write([], to: "\(store.directory)/\(name)/model.safetensors")
            }
            let (checkpoint, rejected) = try store.newestValid()
            #expect(checkpoint == nil)
            #expect(rejected.map(\.path) == [store.path(ofStep: 2), store.path(ofStep: 1), store.bestPath])
            #expect(try names(in: store.directory) == ["best", "step-00000001", "step-00000002"])
            #expect(try !store.isEmpty())
        }
    }

    @Test("best is used where every numbered checkpoint is damaged")
    func fallBackToBest() throws {
        try withTemporaryDirectory { path in
            let store = CheckpointStore(runDirectory: path, fileSystem: FaultyDisk())
            try save(1, in: store, to: [.numbered, .best], keep: 1)
            try save(2, in: store, keep: 1)
            try write([], to: store.path(ofStep: 2) + "/state.json")
            #expect(try store.newestValid().checkpoint?.step == 1)
        }
    }
}
