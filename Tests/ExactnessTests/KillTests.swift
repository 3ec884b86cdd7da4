import Foundation
import TestSupport
import Testing

/// SIGKILL between two checkpoints: the steps since the last one are lost and done again.
@Suite("Killed and resumed", .serialized, .enabled(if: MPIRun.isAvailable, "mpirun is not installed"))
struct KillTests {
    /// Six steps per epoch; long enough to be killed on the way.
    private static let configuration = """
        model:
          layers: [dense: {units: 512}, relu, dropout: {rate: 0.2}, dense: {units: 10}]
        optimizer: {adam: {learning_rate: 0.003}}
        schedule: {cosine: {warmup_steps: 20}}
        gradient_clipping: {norm: 0.5}
        early_stopping: {patience: 100}
        validation: {every_steps: 70}
        checkpoint: {every_steps: 250}
        training:
          max_steps: 900
          global_batch_size: 256
          micro_batch_size: 52
          audit: true
          log_every: 1

        """

    /// Who is killed, on how many ranks, and on how many the run goes on.
    struct Case: Sendable, CustomTestStringConvertible {
        let name: String
        let before: Int?, after: Int?
        let takesAll: Bool
        var testDescription: String { name }
    }

    @Test(
        "a killed run goes on from its last checkpoint and ends in the same bits, with every step in the log once",
        arguments: [
            Case(name: "one process, then 2 ranks", before: nil, after: 2, takesAll: true),
            Case(name: "one of 3 ranks, then a plain process", before: 3, after: nil, takesAll: false),
            Case(name: "all of 2 ranks and mpirun, then 3 ranks", before: 2, after: 3, takesAll: true)
        ])
    func killed(_ killing: Case) throws { try check(killing, Self.configuration) }

    @Test("so does one of workers that are killed between two meetings")
    func workers() throws {
        let configuration = Self.configuration.replacingOccurrences(
            of: "  audit: true", with: "  audit: true\n  synchronization: {local: {workers: 4, steps: 60, outer: nesterov}}")
        try check(
            Case(name: "one of 3 ranks, then 2 ranks", before: 3, after: 2, takesAll: false), configuration)
    }

    @Test("so does a GPT with dropout, tied ends and clipping, whose windows move and whose average is kept")
    func language() throws {
        let configuration = """
            data: {format: text, train: {path: text.txt}, validation_fraction: 0.2, context: 11}
            model:
              initializer: gpt2
              layers:
                - embedding: {units: 24, name: tokens}
                - positional_embedding
                - dropout: {rate: 0.1}
                - repeat: {times: 2, layers: [{transformer_block: {heads: 3, hidden: 40, causal: true, dropout: 0.1}}]}
                - layer_norm
                - dense: {units: vocabulary, bias: false, tie: tokens}
            optimizer: {adamw: {learning_rate: 0.003, weight_decay: 0.1, decay: matrices}}
            schedule: {cosine: {warmup_steps: 20}}
            gradient_clipping: {norm: 0.5}
            validation: {every_steps: 70}
            checkpoint: {every_steps: 250}
            training:
              max_steps: 900
              global_batch_size: 61
              micro_batch_size: 13
              ema: {decay: 0.99}
              audit: true
              log_every: 1

            """
        try check(
            Case(name: "one of 3 ranks, then 2 ranks", before: 3, after: 2, takesAll: false), configuration, sampleCount: 363)
    }

    private func check(_ killing: Case, _ configuration: String, sampleCount: Int = AuditTests.sampleCount) throws {
        try withBench(configuration) { bench in
            try bench.train("whole")
            // Where the kill lands isn't in our hands: mostly on steps that no checkpoint has.
            var lost = 0
            for attempt in 0..<5 where lost == 0 {
                let run = bench.run("parts\(attempt)")
                let job = try bench.start(run.name, ranks: killing.before)
                try #require(job.waitUntil { _ in run.loggedStep >= 280 }, "\(job.errors)")
                let processes = Processes.inDirectory(bench.folder)
                let ranks = processes.filter { Processes.name($0) == "dtrain" }
                for process in killing.takesAll ? processes : Array(ranks.suffix(1)) { kill(process, SIGKILL) }
                let result = job.wait()
                // On a busy machine a look can come too late.
                if try !run.lines("end").isEmpty { continue }
                #expect(result.status != 0 && !result.timedOut, "\(result)")
                lost = run.loggedStep - run.savedStep
                try bench.train(run.name, ranks: killing.after, ["--resume"])
                expectSame(bench.run("whole").result, run.result, "killed, \(lost) steps lost")
                try expectStepsOnce(run, 900)
                let audit = try Audit(run)
                #expect(audit.lines.map(\.step) == Array(1...900))
                #expect(audit.brokenEpochs(150, sampleCount: sampleCount) == [])
            }
            #expect(lost > 0, "every kill landed on a checkpoint")
        }
    }
}

/// The processes of a job, found by their working directory.
enum Processes {
    static func inDirectory(_ path: String) -> [pid_t] {
        let resolved = URL(fileURLWithPath: path).resolvingSymlinksInPath().path
        return ((try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []).compactMap { pid_t($0) }.sorted()
            .filter { (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\($0)/cwd")) == resolved }
    }

    static func name(_ process: pid_t) -> String {
        ((try? String(contentsOfFile: "/proc/\(process)/comm", encoding: .utf8)) ?? "").trimmingCharacters(in: .newlines)
    }
}
