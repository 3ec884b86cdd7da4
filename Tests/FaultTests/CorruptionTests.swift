import Diagnostics
import Foundation
import TestSupport
import Testing

extension FaultTests {
    /// Every way in which a file of a checkpoint goes bad, and what the program makes of it.
    @Suite("Damaged checkpoints")
    struct CorruptionTests {
        private static let files = ["model.safetensors", "optimizer.safetensors", "state.json"]
        private static let config = Configurations.digits(steps: 8, every: 2, validateEvery: 4)
        private static let newest = "step-00000006"

        /// A damage: what it is called, and how it changes a file's bytes; nil removes the file.
        private struct Damage {
            let name: String
            let apply: @Sendable (Data) -> Data?
        }

        private static func damages(others: [(String, Data)]) -> [Damage] {
            let cuts: [(String, @Sendable (Int) -> Int)] = [
                ("emptied", { _ in 0 }), ("cut to a byte", { _ in 1 }), ("cut in the header", { _ in 40 }),
                ("cut in the middle", { $0 / 2 }), ("without its last byte", { $0 - 1 })
            ]
            let flips: [(String, @Sendable (Int) -> Int)] = [
                ("first byte", { _ in 0 }), ("header", { _ in 20 }), ("middle", { $0 / 2 }), ("last byte", { $0 - 1 })
            ]
            return cuts.map { cut in Damage(name: cut.0) { Data($0.prefix(cut.1($0.count))) } }
                + flips.map { flip in
                    Damage(name: "a bit flipped: \(flip.0)") {
                        var bytes = [UInt8]($0)
                        bytes[flip.1(bytes.count)] ^= 0x10
                        return Data(bytes)
                    }
                }
                + [Damage(name: "a byte too long") { $0 + Data([0]) }, Damage(name: "missing") { _ in nil }]
                + others.map { other in Damage(name: other.0) { _ in other.1 } }
        }

        private func damage(_ bench: FaultBench, _ path: String, _ damage: Damage) throws {
            let before = bench.bytes(path)
            guard let after = damage.apply(before) else { return try bench.remove(path) }
            try #require(after != before, "\(path), \(damage.name): no change")
            try bench.write(path, after)
        }

        /// Runs that stopped after step 6: `base`, and `other` with another seed; and `reference`, which never stopped.
        private func prepare(_ bench: FaultBench) throws {
            try bench.write("c.yaml", Self.config)
            for (run, more) in [
                ("reference", []), ("base", ["--steps", "6"]),
                ("other", ["--steps", "6", "--seed", "5"])
            ] {
                let ended = try bench.train(.plain, run, more)
                try #require(ended.status == 0, "\(ended)")
            }
            try #require(bench.state("base").entries == ["best", "step-00000002", "step-00000004", Self.newest])
        }

        @Test("whatever happens to a file of the newest checkpoint, the older one is resumed and the end is the same")
        func table() throws {
            try withFaultBench { bench in
                try prepare(bench)
                for file in Self.files {
                    let others = [
                        ("of another run", bench.bytes("other/checkpoints/\(Self.newest)/\(file)")),
                        ("of another step", bench.bytes("base/checkpoints/step-00000004/\(file)"))
                    ]
                    for kind in Self.damages(others: others) {
                        try bench.copy("base", to: "r")
                        defer { try? bench.remove("r") }
                        try damage(bench, "r/checkpoints/\(Self.newest)/\(file)", kind)
                        try expectFallBack(bench, .plain, "\(file) \(kind.name)", naming: file)
                    }
                }
            }
        }

        @Test("three ranks fall back like one, and one of them says so")
        func ranks() throws {
            try withFaultBench { bench in
                try prepare(bench)
                try bench.copy("base", to: "r")
                try bench.write("r/checkpoints/\(Self.newest)/optimizer.safetensors", Data())
                try expectFallBack(bench, .bare(3), "on three ranks", naming: "optimizer.safetensors")
            }
        }

        private func expectFallBack(
            _ bench: FaultBench, _ launch: Launch, _ comment: String, naming file: String,
            sourceLocation: SourceLocation = #_sourceLocation
        ) throws {
            let damaged = bench.state("r").path + "/checkpoints/\(Self.newest)"
            let ended = try bench.train(launch, "r", ["--resume"])
            expectEnd(ended, .success, comment, sourceLocation: sourceLocation)
            let rejected = ended.warnings.filter { $0.contains("is damaged and passed over") }
            #expect(
                rejected.count == 1 && rejected[0].contains("\(Self.newest) ") && rejected[0].contains(file),
                "\(comment): \(ended)", sourceLocation: sourceLocation)
            #expect(
                ended.warnings.filter { $0.contains("set aside as") }.count == 1, "\(comment): \(ended)",
                sourceLocation: sourceLocation)
            #expect(
                ended.result.output.contains("step-00000004 at step 4"), "\(comment): \(ended)",
                sourceLocation: sourceLocation)
            #expect(
                FileManager.default.fileExists(atPath: damaged + ".damaged-1"), "\(comment)",
                sourceLocation: sourceLocation)
            expectSame(bench.state("r"), bench.state("reference"), comment, sourceLocation: sourceLocation)
        }

        @Test("a whole checkpoint of another step is no checkpoint, and a whole one of another run is refused")
        func swapped() throws {
            try withFaultBench { bench in
                try prepare(bench)
                try bench.copy("base", to: "r")
                try bench.remove("r/checkpoints/\(Self.newest)")
                try bench.copy("base/checkpoints/step-00000002", to: "r/checkpoints/\(Self.newest)")
                try expectFallBack(bench, .plain, "the directory of step 2", naming: "it is of step 2")

                try bench.copy("base", to: "s")
                try bench.remove("s/checkpoints/\(Self.newest)")
                try bench.copy("other/checkpoints/\(Self.newest)", to: "s/checkpoints/\(Self.newest)")
                let before = bench.inventory("s")
                expectRefusal(
                    try bench.train(.plain, "s", ["--resume"]), .badConfiguration,
                    [Self.newest, "training.seed"])
                #expect(bench.inventory("s") == before)
            }
        }

        @Test(
            "where every checkpoint is damaged the run is refused with 65 and nothing in its directory is touched",
            arguments: [Launch.plain, .bare(3)])
        func allDamaged(launch: Launch) throws {
            try withFaultBench { bench in
                try prepare(bench)
                let all = bench.state("base").entries
                // `best` shares its files with one of them.
                for (name, kind) in zip(all.dropFirst(), Self.damages(others: []).suffix(3)) {
                    try damage(bench, "base/checkpoints/\(name)/model.safetensors", kind)
                }
                try bench.remove("base/checkpoints/best/state.json")
                // What a killed writer leaves stays too.
                try bench.write(
                    "base/checkpoints/.incomplete-step-00000008/model.safetensors",
                    Data(repeating: 7, count: 99))
                try bench.write("base/checkpoints/.deleting-step-00000000/state.json", "{}")
                let before = bench.inventory("base")
                let ended = try bench.train(launch, "base", ["--resume"])
                expectRefusal(ended, .badData, ["none of its \(all.count) checkpoints is valid", "step-00000006"])
                #expect(bench.inventory("base") == before)
            }
        }

        @Test("a half-written checkpoint is never taken for one, and is cleaned up")
        func halfWritten() throws {
            try withFaultBench { bench in
                try prepare(bench)
                // Even one that is complete, because nobody knows whether its bytes are on the disk.
                try bench.copy("base", to: "r")
                try bench.copy("reference/checkpoints/step-00000008", to: "r/checkpoints/.incomplete-step-00000008")
                try bench.write("r/checkpoints/.incomplete-best/model.safetensors", Data(repeating: 7, count: 9))
                try bench.write("r/checkpoints/.deleting-step-00000000/state.json", "{}")
                let ended = try bench.train(.plain, "r", ["--resume"])
                expectEnd(ended, .success)
                #expect(ended.warnings.isEmpty && ended.result.output.contains("at step 6"), "\(ended)")
                expectSame(bench.state("r"), bench.state("reference"))

                // A run that was killed before its first checkpoint was whole starts from the beginning and says so.
                try bench.write("s/config.yaml", bench.text("base/config.yaml"))
                try bench.write("s/checkpoints/.incomplete-step-00000000/x", "")
                let fresh = try bench.train(.plain, "s", ["--resume"])
                expectEnd(fresh, .success)
                #expect(fresh.warnings.contains { $0.contains("no checkpoint was completed") }, "\(fresh)")
                expectSame(bench.state("s"), bench.state("reference"))
            }
        }

        @Test("eval, predict and inspect refuse a damaged checkpoint with 65 and one message")
        func commands() throws {
            try withFaultBench { bench in
                try prepare(bench)
                let checkpoint = "base/checkpoints/\(Self.newest)"
                for file in Self.files {
                    for kind in Self.damages(others: [])
                    where [
                        "emptied", "cut in the middle", "missing",
                        "a bit flipped: middle"
                    ].contains(kind.name) {
                        let good = bench.bytes("\(checkpoint)/\(file)")
                        try damage(bench, "\(checkpoint)/\(file)", kind)
                        for arguments in [
                            ["eval", checkpoint], ["predict", checkpoint, "x.csv"],
                            ["inspect", checkpoint]
                        ] {
                            let ended = try bench.run(.plain, arguments)
                            expectRefusal(ended, .badData, [Self.newest])
                        }
                        try bench.write("\(checkpoint)/\(file)", good)
                    }
                }
                // Of a run the newest valid one is taken; none is left here.
                for name in bench.state("base").entries { try bench.remove("base/checkpoints/\(name)/state.json") }
                for arguments in [["eval", "base"], ["predict", "base", "x.csv"], ["inspect", "base"]] {
                    expectRefusal(try bench.run(.plain, arguments), .badData, ["base"])
                }
            }
        }
    }
}
