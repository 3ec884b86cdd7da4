import Checkpointing
import Datasets
import Diagnostics
import Foundation
import Optimization

/// Everything beside weights and optimizer state that a run needs to go on as if it had never stopped, and what it needs
/// to notice that it can't: `state.json` of a checkpoint.
package struct TrainingState: Codable, Sendable {
    /// Completed optimizer steps.
    package var step = 0
    /// Steps among them whose update was left out, because a loss or gradient wasn't finite.
    var skippedSteps = 0
    /// Samples of the epoch so far and the sums of their losses and statistics, for the epoch's means.
    var epochSums: [Double] = []
    var epochSamples = 0
    /// What the epoch's mean loss is divided by, where that doesn't follow from the number of samples.
    var epochDivisor: Double?
    var plateau: PlateauState?
    var earlyStopping = EarlyStoppingState()
    /// Why the run ended before its time; nil while it may go on.
    package var stopReason: String?
    /// The best value of what is monitored so far, and the step that reached it.
    var bestValue: Double?
    var bestStep: Int?

    /// The effective configuration, as YAML and key by key.
    package var configuration = ""
    var settings: [String: String] = [:]
    package var preprocessing: Preprocessing
    /// Hashes of the training and validation data.
    var dataDigests: [String]
    /// The shapes of one sample's input and of the parameters, for messages.
    var parameterCount: Int
    /// The program that wrote the checkpoint, and its kernels: another one may compute other bits.
    package var build: String

    init(preprocessing: Preprocessing, dataDigests: [String], parameterCount: Int, build: String) {
        self.preprocessing = preprocessing
        self.dataDigests = dataDigests
        self.parameterCount = parameterCount
        self.build = build
    }

    /// Sorted keys, so that the same state gives the same file.
    func encoded() throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.nonConformingFloatEncodingStrategy = Self.nonFinite
        return try encoder.encode(self)
    }

    /// Reads `state.json` of a checkpoint. Whoever wrote it, what is returned can be counted with.
    package static func decode(_ checkpoint: LoadedCheckpoint) throws -> TrainingState {
        let path = checkpoint.path + "/state.json"
        let decoder = JSONDecoder()
        decoder.nonConformingFloatDecodingStrategy = .convertFromString(
            positiveInfinity: "inf", negativeInfinity: "-inf",
            nan: "nan")
        let state: TrainingState
        do {
            state = try decoder.decode(TrainingState.self, from: checkpoint.state)
        } catch {
            throw Failure(.badData, "\(path): not the state of a training run: \(explanation(of: error))")
        }
        if state.step != checkpoint.step {
            throw Failure(
                .badData, "\(path): it holds the state of step \(state.step), but the checkpoint is of step \(checkpoint.step)")
        }
        if let problem = state.problem { throw Failure(.badData, "\(path): not the state of a training run: \(problem)") }
        return state
    }

    /// More of anything than a run can have, and small enough for sums and for Doubles, as which steps are logged.
    private static let largestCount = 1 << 53

    /// What can't be so in any run; nil if nothing is wrong.
    private var problem: String? {
        func isCount(_ number: Int) -> Bool { (0...Self.largestCount).contains(number) }
        guard isCount(step) else { return "step \(step)" }
        guard (0...step).contains(skippedSteps) else { return "\(skippedSteps) of \(step) steps were skipped" }
        guard isCount(epochSamples), epochSums.isEmpty == (epochSamples == 0) else {
            return "\(epochSums.count) sums over \(epochSamples) samples"
        }
        guard epochDivisor.map({ $0.isFinite && $0 >= 0 }) ?? true else { return "a divisor of \(epochDivisor ?? 0)" }
        if let problem = plateau?.problem { return "plateau: \(problem)" }
        guard isCount(earlyStopping.failures), earlyStopping.best?.isNaN != true else {
            return "earlyStopping: \(earlyStopping.failures) failures"
        }
        guard bestStep.map({ (0...step).contains($0) }) ?? (bestValue == nil), bestValue?.isNaN != true else {
            return "the best value is of step \(bestStep.map(String.init) ?? "none"), after \(step) steps"
        }
        guard isCount(parameterCount), dataDigests.count == 2 else {
            return "\(parameterCount) parameters, \(dataDigests.count) data splits"
        }
        return nil
    }

    /// Holds the counts against the run that is to go on.
    func check(against sampler: Sampler, path: String) throws {
        let stepsPerEpoch = sampler.stepsPerEpoch
        // Every sample's draw has a number.
        let draws = (step / stepsPerEpoch + 1).multipliedReportingOverflow(by: sampler.sampleCount)
        guard !draws.overflow else {
            throw Failure(
                .badData, "\(path)/state.json: step \(step), at \(stepsPerEpoch) steps per epoch, is beyond any possible run")
        }
        let steps = step % stepsPerEpoch
        let seen = steps == 0 ? sampler.samplesPerEpoch : steps * sampler.globalBatchSize
        guard epochSamples <= seen else {
            throw Failure(
                .badData,
                "\(path)/state.json: it sums over \(epochSamples) samples of an epoch that has had only "
                    + "\(seen)")
        }
    }

    /// What the decoder has to say, in one line.
    private static func explanation(of error: any Error) -> String {
        func place(_ context: DecodingError.Context) -> String {
            let keys = context.codingPath.prefix(8).map(\.stringValue).joined(separator: ".")
            return keys.isEmpty ? "it" : "\"\(keys)\""
        }
        switch error {
        case DecodingError.keyNotFound(let key, let context): return "\(place(context)) has no \"\(key.stringValue)\""
        case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
            return "\(place(context)) has the wrong type"
        case DecodingError.dataCorrupted(let context): return "\(place(context)): \(context.debugDescription)"
        default: return "it can't be read"
        }
    }

    private static let nonFinite = JSONEncoder.NonConformingFloatEncodingStrategy.convertToString(
        positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
}

extension TrainingState {
    /// Starts the epoch's means anew.
    mutating func beginEpoch() {
        epochSums = []
        epochSamples = 0
        epochDivisor = nil
    }

    /// Adds a step to the epoch's means; one that was skipped doesn't count.
    ///
    /// - Parameter divisor: what the loss's mean divides by, where that doesn't follow from the number of samples.
    mutating func add(_ sums: UnsafeBufferPointer<Double>, samples: Int, divisor: Double?, isFinite: Bool) {
        guard isFinite else { return }
        if epochSums.isEmpty { epochSums = Array(repeating: 0, count: sums.count) }
        for index in epochSums.indices { epochSums[index] += sums[index] }
        epochSamples += samples
        if let divisor { epochDivisor = (epochDivisor ?? 0) + divisor }
    }
}

/// What early stopping remembers.
struct EarlyStoppingState: Codable, Sendable, Equatable {
    var best: Double?
    /// Validations in a row without improvement.
    var failures = 0

    /// Takes a validation's value and says why the run should stop, if it should.
    mutating func report(_ value: Double, rule: EarlyStopping, higherIsBetter: Bool) -> String? {
        if let target = rule.target, higherIsBetter ? value >= target : value <= target {
            return "\(rule.monitor) reached \(value), the target was \(target)"
        }
        let improved =
            best.map { best in
                higherIsBetter ? value > best + rule.minimumImprovement : value < best - rule.minimumImprovement
            } ?? !value.isNaN
        if improved {
            best = value
            failures = 0
        } else {
            failures += 1
        }
        guard let patience = rule.patience, failures >= patience else { return nil }
        guard best != nil else {
            return "\(rule.monitor) was undefined (NaN) in all of \(failures) validation\(failures == 1 ? "" : "s")"
        }
        return "\(rule.monitor) has not improved for \(failures) validation\(failures == 1 ? "" : "s")"
    }
}
