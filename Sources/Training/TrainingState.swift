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

    /// Reads `state.json` of the checkpoint at `path`.
    package static func decode(_ data: Data, path: String) throws -> TrainingState {
        let decoder = JSONDecoder()
        decoder.nonConformingFloatDecodingStrategy = .convertFromString(positiveInfinity: "inf", negativeInfinity: "-inf",
                                                                        nan: "nan")
        do {
            let state = try decoder.decode(TrainingState.self, from: data)
            if let problem = state.problem { throw Failure(.badData, "\(path): state.json \(problem)") }
            return state
        } catch let failure as Failure {
            throw failure
        } catch {
            throw Failure(.badData, "\(path): state.json isn't the state of a training run: \(Self.explanation(of: error))")
        }
    }

    /// What a decoder found, and under which key.
    private static func explanation(of error: any Error) -> String {
        let context: DecodingError.Context? = switch error as? DecodingError {
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .keyNotFound(_, let context),
             .dataCorrupted(let context): context
        default: nil
        }
        guard let context else { return "\(error)" }
        let key = context.codingPath.map(\.stringValue).joined(separator: ".")
        return (key.isEmpty ? "" : key + ": ") + context.debugDescription
    }

    /// What can't be; nil if all can. A later step counts on from these numbers.
    private var problem: String? {
        let most = 1 << 53
        guard (0...most).contains(step), (0...step).contains(skippedSteps) else {
            return "counts \(step) steps, \(skippedSteps) of them skipped"
        }
        guard (0...most).contains(epochSamples), (0...most).contains(parameterCount), dataDigests.count == 2 else {
            return "counts \(epochSamples) samples, \(parameterCount) parameters and \(dataDigests.count) data splits"
        }
        guard (0...most).contains(earlyStopping.failures), plateau.map({ $0.isPossible }) ?? true,
              bestStep.map({ (0...step).contains($0) }) ?? true else {
            return "counts validations or a best step that can't be"
        }
        return nil
    }

    private static let nonFinite = JSONEncoder.NonConformingFloatEncodingStrategy.convertToString(
        positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
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
        let improved = best.map { best in
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
