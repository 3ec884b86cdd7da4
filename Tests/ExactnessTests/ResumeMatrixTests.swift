import Foundation
import TestSupport
import Testing

/// A run that was stopped anywhere and goes on with other ranks ends as if it had never been stopped.
@Suite("Resume at any rank count", .enabled(if: MPIRun.isAvailable, "mpirun is not installed"))
struct ResumeMatrixTests {
    /// Seven steps per epoch, the last a short one; a validation every four. No validation is good enough for early
    /// stopping, which counts from the second on and ends the run after step 20.
    static let stoppedEarly = """
        model:
          layers: [dense: {units: 33}, relu, dropout: {rate: 0.25}, dense: {units: 10}]
        optimizer: {adam: {learning_rate: 0.01}}
        schedule: {cosine: {warmup_steps: 3}}
        gradient_clipping: {norm: 0.3}
        early_stopping: {patience: 4, minimum_improvement: 100}
        validation: {every_steps: 4}
        checkpoint: {every_steps: 7}
        training:
          max_steps: 30
          global_batch_size: 220
          micro_batch_size: 44
          log_every: 1

        """

    /// The rate falls at most validations, so that what the plateau rule remembers matters; momentum has a state too.
    static let plateau = """
        model:
          layers: [dense: {units: 17}, tanh, dropout: {rate: 0.25}, dense: {units: 10}]
        optimizer: {sgd: {learning_rate: 0.2, momentum: 0.9, nesterov: true}}
        schedule: {reduce_on_plateau: {patience: 1, factor: 0.7, threshold: 0.5}}
        early_stopping: {patience: 9}
        validation: {every_steps: 3}
        training:
          epochs: 4
          global_batch_size: 210
          micro_batch_size: 30
          log_every: 1

        """

    /// Where a run of `stoppedEarly` is stopped.
    enum Point: Int, CaseIterable, Sendable {
        case first = 1
        case middleOfEpoch = 10
        case lastOfEpoch = 14
        case firstOfEpoch = 15
        case validation = 16
        case lastButOne = 19
        /// The step after which it stops by itself.
        case earlyStop = 20
    }

    /// Rank counts before and after.
    struct Pair: Sendable, CustomTestStringConvertible {
        let before: Int, after: Int
        var testDescription: String { "\(before) → \(after)" }
    }

    static let pairs = [Pair(before: 1, after: 3), Pair(before: 4, after: 2), Pair(before: 3, after: 5)]

    @Test("stopped after a step and resumed on another number of ranks", arguments: Point.allCases, pairs)
    func matrix(_ point: Point, _ pair: Pair) throws {
        try withBench(Self.stoppedEarly) { bench in
            try bench.train("whole")
            try expectStepsOnce(bench.run("whole"), 20)
            try bench.train("parts", ranks: pair.before, ["--steps", "\(point.rawValue)"])
            #expect(bench.run("parts").savedStep == point.rawValue)
            try bench.train("parts", ranks: pair.after, ["--resume"])
            expectSame(bench.run("whole").result, bench.run("parts").result, "stopped after step \(point.rawValue)")
        }
    }

    @Test("stopped twice, on three numbers of ranks", arguments: [[5, 12, 2, 7, 1], [14, 15, 3, 1, 4], [9, 27, 8, 2, 3]])
    func twice(_ numbers: [Int]) throws {
        try withBench(Self.plateau) { bench in
            try bench.train("whole")
            try expectStepsOnce(bench.run("whole"), 28)
            let rates = Set(try bench.run("whole").lines("step").compactMap { $0.numbers["learning_rate"] })
            #expect(rates.count > 3, "the plateau rule lowers the rate")
            try bench.train("parts", ranks: numbers[2], ["--steps", "\(numbers[0])"])
            try bench.train("parts", ranks: numbers[3], ["--steps", "\(numbers[1])", "--resume"])
            try bench.train("parts", ranks: numbers[4], ["--resume"])
            expectSame(bench.run("whole").result, bench.run("parts").result, "stopped after \(numbers[0]) and \(numbers[1])")
        }
    }

    @Test("a run that died between a validation and the checkpoint behind it repeats both")
    func betweenValidationAndCheckpoint() throws {
        try withBench(Self.stoppedEarly) { bench in
            try bench.train("whole")
            try bench.train("parts", ranks: 2, ["--steps", "16"])
            // The log and the best checkpoint tell of the validation after step 16, the newest checkpoint is that of 14.
            try FileManager.default.removeItem(atPath: "\(bench.run("parts").path)/checkpoints/step-00000016")
            #expect(bench.run("parts").savedStep == 14 && bench.run("parts").loggedStep == 16)
            try bench.train("parts", ranks: 3, ["--resume"])
            expectSame(bench.run("whole").result, bench.run("parts").result, "resumed from step 14")
        }
    }

    @Test("a finished run that is resumed stays as it is", arguments: [1, 3])
    func finished(ranks: Int) throws {
        try withBench(Self.stoppedEarly) { bench in
            try bench.train("run")
            let files = bench.run("run").files
            try bench.train("run", ranks: ranks, ["--resume"])
            expectSame(files, bench.run("run").files, "resumed at its end")
        }
    }
}

/// Expects the log to have each of the steps once, in order, and one end.
func expectStepsOnce(_ run: Run, _ count: Int, sourceLocation: SourceLocation = #_sourceLocation) throws {
    #expect(try run.lines("step").compactMap(\.step) == Array(1...count), sourceLocation: sourceLocation)
    #expect(try run.lines("end").count == 1, sourceLocation: sourceLocation)
}
