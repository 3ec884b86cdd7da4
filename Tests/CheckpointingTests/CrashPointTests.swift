import Checkpointing
import Diagnostics
import Foundation
import TestSupport
import Testing

/// What is on the disk, and what is then done until the process is killed.
struct Scenario: CustomTestStringConvertible, Sendable {
    let testDescription: String
    /// Done in peace.
    let before: @Sendable (CheckpointStore) throws -> Void
    /// Interrupted.
    let action: @Sendable (CheckpointStore) throws -> Void
    /// The steps that a resume may find, the older first, nil for none; and likewise the steps of `best`.
    let newest: [Int?]
    let best: [Int?]
    var hasLinks = true

    static let all: [Scenario] = [
        Scenario(
            testDescription: "the first checkpoint of a run", before: { _ in },
            action: { try save(0, in: $0) }, newest: [nil, 0], best: [nil]),
        Scenario(
            testDescription: "one more, the oldest removed", before: twoAndBest,
            action: { try save(3, in: $0) }, newest: [2, 3], best: [2]),
        Scenario(
            testDescription: "one more that is the best", before: twoAndBest,
            action: { try save(3, in: $0, to: [.numbered, .best], keep: 1) }, newest: [2, 3], best: [2, 3]),
        Scenario(
            testDescription: "one more that is the best, with an average", before: twoAndBest,
            action: { try save(3, in: $0, to: [.numbered, .best], keep: 1, keepsAverage: true) }, newest: [2, 3], best: [2, 3]),
        Scenario(
            testDescription: "one more that is the best, without hard links", before: twoAndBest,
            action: { try save(3, in: $0, to: [.numbered, .best]) }, newest: [2, 3], best: [2, 3],
            hasLinks: false),
        Scenario(
            testDescription: "the best alone", before: twoAndBest,
            action: { try save(3, in: $0, to: .best) }, newest: [2], best: [2, 3]),
        Scenario(
            testDescription: "a step that is there already", before: twoAndBest,
            action: { try save(2, in: $0, to: [.numbered, .best]) }, newest: [2], best: [2]),
        Scenario(
            testDescription: "a step that is there and damaged",
            before: { store in
                try twoAndBest(store)
                try save(3, in: store)
                try write([1, 2, 3], to: store.path(ofStep: 3) + "/state.json")
            }, action: { try save(3, in: $0) }, newest: [2, 3], best: [2]),
        Scenario(
            testDescription: "two in a row", before: { _ in },
            action: { store in
                try save(0, in: store, to: [.numbered, .best], keep: 1)
                try save(1, in: store, to: [.numbered, .best], keep: 1)
            }, newest: [nil, 0, 1], best: [nil, 0, 1])
    ]

    private static let twoAndBest: @Sendable (CheckpointStore) throws -> Void = { store in
        try save(1, in: store)
        try save(2, in: store, to: [.numbered, .best])
    }

    /// A rule that also refuses hard links if there are none.
    func rule(_ rule: @escaping FaultyDisk.Rule) -> FaultyDisk.Rule {
        let hasLinks = hasLinks
        return { index, call, path in
            let verdict = rule(index, call, path)
            if case .pass = verdict, call == "link", !hasLinks { return .fail(EPERM) }
            return verdict
        }
    }

    /// How many calls the whole action takes.
    func callCount() throws -> Int {
        try withTemporaryDirectory { path in
            try before(CheckpointStore(runDirectory: path, fileSystem: FaultyDisk()))
            let disk = FaultyDisk(rule { _, _, _ in .pass })
            try action(CheckpointStore(runDirectory: path, fileSystem: disk))
            return disk.callCount
        }
    }

    /// Expects that the newest valid and the best checkpoint are allowed ones, whole, and returns the newest's step.
    @discardableResult
    func check(
        _ store: CheckpointStore, _ comment: Comment,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> Int? {
        let (checkpoint, rejected) = try store.newestValid()
        #expect(newest.contains(checkpoint?.step), comment, sourceLocation: sourceLocation)
        if let checkpoint { try expectWhole(checkpoint, comment, sourceLocation: sourceLocation) }
        if !testDescription.contains("damaged") {
            #expect(rejected == [], comment, sourceLocation: sourceLocation)
            // Not only the newest: whatever has a name that counts is whole.
            let visible = try store.isEmpty() ? [] : names(in: store.directory).filter { !$0.hasPrefix(".") }
            for name in visible {
                let loaded = try? LoadedCheckpoint(path: store.directory + "/" + name)
                #expect(loaded != nil, "\(name), \(comment)", sourceLocation: sourceLocation)
            }
        }
        do {
            let loaded = try LoadedCheckpoint(path: store.bestPath)
            #expect(best.contains(loaded.step), comment, sourceLocation: sourceLocation)
            try expectWhole(loaded, comment, sourceLocation: sourceLocation)
        } catch let failure as Failure {
            #expect(
                failure.code == .missingInput && best.contains(nil), "\(comment): \(failure)",
                sourceLocation: sourceLocation)
        }
        return checkpoint?.step
    }

    /// Expects that recovery loses nothing and leaves nothing hidden, and that the run can go on.
    func checkRecovery(
        _ path: String, _ comment: Comment,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let store = CheckpointStore(runDirectory: path, fileSystem: FaultyDisk())
        let step = try check(store, comment, sourceLocation: sourceLocation)
        try store.recover()
        #expect(
            try check(store, comment, sourceLocation: sourceLocation) == step,
            comment, sourceLocation: sourceLocation)
        if FileManager.default.fileExists(atPath: store.directory) {
            #expect(
                try names(in: store.directory).filter { $0.hasPrefix(".") } == [], comment,
                sourceLocation: sourceLocation)
        }
        try save(4, in: store, to: [.numbered, .best], keep: 1)
        let (checkpoint, _) = try store.newestValid()
        #expect(checkpoint?.step == 4, comment, sourceLocation: sourceLocation)
        let left = try names(in: store.directory).filter { !$0.contains("damaged") }
        #expect(left == ["best", "step-00000004"], comment, sourceLocation: sourceLocation)
    }
}

@Suite("Killed at every call")
struct CrashPointTests {
    @Test(
        "whatever is killed at whatever call, a complete checkpoint and a complete best are found",
        arguments: Scenario.all, [false, true])
    func killed(_ scenario: Scenario, tearing: Bool) throws {
        let total = try scenario.callCount()
        #expect(total > 10)
        for count in 0...total {
            try withTemporaryDirectory { path in
                try scenario.before(CheckpointStore(runDirectory: path, fileSystem: FaultyDisk()))
                let disk = FaultyDisk(
                    scenario.rule { index, _, _ in
                        index < count ? .pass : tearing && index == count ? .tear(EIO) : .fail(EIO)
                    })
                do {
                    try scenario.action(CheckpointStore(runDirectory: path, fileSystem: disk))
                    // Only the removal of older ones may be cut off without a word.
                    #expect(
                        try CheckpointStore(runDirectory: path).newestValid().checkpoint?.step
                            == scenario.newest.last)
                } catch let failure as Failure {
                    #expect(failure.code == .inputOutput)
                    #expect(count < total)
                }
                try scenario.checkRecovery(path, "killed after \(count) of \(total) calls: \(disk.log.suffix(3))")
            }
        }
    }

    @Test("a recovery that is killed itself loses nothing", arguments: Scenario.all)
    func killedRecovery(_ scenario: Scenario) throws {
        let total = try scenario.callCount()
        for count in 0..<total {
            var recoveryCount = 0
            while true {
                let isDone = try withTemporaryDirectory { path in
                    try scenario.before(CheckpointStore(runDirectory: path, fileSystem: FaultyDisk()))
                    let disk = FaultyDisk(scenario.rule { index, _, _ in index < count ? .pass : .fail(EIO) })
                    try? scenario.action(CheckpointStore(runDirectory: path, fileSystem: disk))
                    let second = FaultyDisk.dying(after: recoveryCount)
                    try? CheckpointStore(runDirectory: path, fileSystem: second).recover()
                    try scenario.checkRecovery(path, "killed after \(count), recovery after \(recoveryCount) calls")
                    return second.callCount <= recoveryCount
                }
                if isDone { break }
                recoveryCount += 1
            }
        }
    }

    @Test(
        "a power cut at any instant, with any part of what wasn't synced lost, leaves a complete checkpoint",
        arguments: Scenario.all.filter { !$0.testDescription.contains("damaged") })
    func powerCut(_ scenario: Scenario) throws {
        try withTemporaryDirectory { path in
            let disk = FaultyDisk(scenario.rule { _, _, _ in .pass })
            let store = CheckpointStore(runDirectory: path, fileSystem: disk)
            try scenario.before(store)
            let start = disk.events.count
            try scenario.action(store)
            let events = disk.events
            for count in start...events.count {
                for seed in 0..<6 {
                    try withTemporaryDirectory { other in
                        FaultyDisk.replay(events, count: count, seed: UInt64(seed), from: path, to: other)
                        try scenario.checkRecovery(other, "power cut after \(count - start) events, seed \(seed)")
                    }
                }
            }
            // What has returned is there to stay.
            try withTemporaryDirectory { other in
                FaultyDisk.replay(events, count: events.count, seed: 0, from: path, to: other)
                let (checkpoint, _) = try CheckpointStore(runDirectory: other).newestValid()
                #expect(checkpoint?.step == scenario.newest.last)
            }
        }
    }
}
