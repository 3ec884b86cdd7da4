import DTrain
import Foundation
import TestSupport
import Testing

@Suite(
    "The library: a program of one's own under mpirun", .serialized, .enabled(if: MPIRun.isAvailable, "mpirun isn't installed"))
struct LibraryProgramTests {
    private static let program = buildFolder + "/library-program"

    private func weights(_ run: String, step: Int) throws -> Data {
        let name = "step-" + String(repeating: "0", count: 8 - "\(step)".count) + "\(step)"
        return try Data(contentsOf: URL(fileURLWithPath: "\(run)/checkpoints/\(name)/model.safetensors"))
    }

    @Test("its layer, loss and metric give the bits of one rank on 2 and 3, and each rank is told the same")
    func exact() throws {
        try withTemporaryFolder { folder in
            let alone = try ChildProcess(Self.program, [folder + "/1"]).run()
            #expect(alone.status == 0, "\(alone)")
            let reports = try #require(
                alone.output.wholeMatch(of: /rank 0 of 1: 64 reports (\d+), step 60 false\n/)?.1, "\(alone)")
            for ranks in [2, 3] {
                let result = try MPIRun.child(ranks: ranks, Self.program, ["\(folder)/\(ranks)"]).run()
                #expect(result.status == 0, "\(result)")
                let lines = result.output.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }
                    .sorted()
                #expect(
                    lines == (0..<ranks).map { "rank \($0) of \(ranks): 64 reports \(reports), step 60 false" }, "\(result)")
                #expect(try weights("\(folder)/\(ranks)", step: 60) == (try weights(folder + "/1", step: 60)))
            }
        }
    }

    @Test("one rank's callback stops all of them, and a rank that fails ends the job")
    func ends() throws {
        try withTemporaryFolder { folder in
            let stopped = try MPIRun.child(ranks: 2, Self.program, [folder + "/stopped", "stop-after-epoch", "2"]).run()
            #expect(stopped.status == 0, "\(stopped)")
            #expect(stopped.output.contains("rank 0 of 2: 33 reports") && stopped.output.contains("step 31 true"), "\(stopped)")
            let failed = try MPIRun.child(ranks: 2, Self.program, [folder + "/failed", "fail-on-rank", "1"]).run()
            #expect(failed.status != 0 && !failed.timedOut, "\(failed)")
            let bad = try MPIRun.child(ranks: 2, Self.program, [""]).run()
            #expect(bad.status != 0 && bad.errors.components(separatedBy: "dtrain: error").count == 2, "\(bad)")
        }
    }

    @Test("a signal ends it behind a step, with a checkpoint and 75")
    func signal() throws {
        try withTemporaryFolder { folder in
            let run = folder + "/run"
            let job = try ChildProcess(Self.program, [run, "wait-in-epoch", "1"]).start()
            #expect(job.waitUntil { _ in FileManager.default.fileExists(atPath: run + "/waiting") })
            job.send(SIGTERM)
            #expect(FileManager.default.createFile(atPath: run + "/go", contents: nil))
            let result = job.wait()
            #expect(result.status == 75 && result.output.contains("step 16 true"), "\(result)")
            #expect(try !weights(run, step: 16).isEmpty)
        }
    }
}
