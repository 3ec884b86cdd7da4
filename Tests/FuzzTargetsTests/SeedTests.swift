import Foundation
import FuzzTargets
import TestSupport
import Testing

/// The seeds of the fuzzers, among them what once ended a reader: each is read, or refused with a message.
struct SeedTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Fuzzing/Seeds")

    private func names(in folder: URL) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
    }

    @Test("every target has a folder of seeds, and every folder a target")
    func folders() throws {
        #expect(try names(in: Self.folder) == FuzzTarget.all.map(\.name).sorted())
    }

    private func seeds(of target: FuzzTarget) throws -> [(name: String, bytes: [UInt8])] {
        let folder = Self.folder.appending(path: target.name)
        return try names(in: folder).map { ($0, [UInt8](try Data(contentsOf: folder.appending(path: $0)))) }
    }

    private func withTarget(_ name: String, _ body: (FuzzTarget, FuzzFolder) throws -> Void) throws {
        let folder = try FuzzFolder()
        defer { folder.remove() }
        try body(try #require(FuzzTarget.all.first { $0.name == name }), folder)
    }

    @Test("no seed ends a reader", arguments: FuzzTarget.all.map(\.name))
    func seeds(name: String) throws {
        try withTarget(name) { target, folder in
            var readCount = 0
            for seed in try seeds(of: target) {
                #expect(seed.bytes.count <= target.largestInput, "\(seed.name): libFuzzer would cut it")
                if target.run(seed.bytes, in: folder) { readCount += 1 }
            }
            // Where none is, what comes behind the reader's first look was never tried.
            #expect(readCount >= 1)
        }
    }

    @Test("no seed that is damaged at random ends a reader", arguments: FuzzTarget.all.map(\.name))
    func damagedSeeds(name: String) throws {
        try withTarget(name) { target, folder in
            let seeds = try seeds(of: target).map(\.bytes)
            var mutations = Mutations(of: seeds, largestInput: target.largestInput, number: UInt64(seeds.count))
            for _ in 0..<(isFullMatrix ? 100_000 : 3000) { target.run(mutations.next(), in: folder) }
        }
    }
}
