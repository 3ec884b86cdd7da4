import Datasets
import Diagnostics
import Metrics
import Network
import Settings
import Storage

extension Loss {
    /// What the loss asks of targets that could be classes or numbers.
    var targetPreference: TargetPreference {
        switch targetDemand {
        case .classes: .classes
        case .binary: .answers
        case .values: .numbers
        }
    }
}

/// How the targets of a data set are handed to a loss, and what task that makes.
package struct TargetForm: Sendable {
    /// What the trainer gathers for a row.
    package enum Content: Sendable, Equatable {
        case classes
        /// So many numbers; classes become one-hot rows, or 0 and 1 in one column.
        case values(Int)
    }

    package let content: Content
    package let task: LearningTask
    /// How many targets a sample has, each compared with outputs of its own: 1, or the positions of a sequence.
    package let positions: Int

    /// Checks that the targets of `kind` and the network's `outputs` fit the loss. Every message names the key that makes
    /// them fit.
    init(kind: TargetKind, loss: any Loss, outputs: Shape, settings: Settings) throws {
        let name = type(of: loss).kind
        if case .positions(let classes, let positions) = kind {
            try Self.check(positions: positions, classes: classes, loss, outputs, settings)
            content = .classes
            task = .classification(classes: classes)
            self.positions = positions
            return
        }
        positions = 1
        guard outputs.dimensions.count == 1 else {
            throw settings.failure(
                "layers",
                "the network's output has the shape \(outputs), but \(name) takes a row of "
                    + "numbers; end in flatten and a dense layer")
        }
        let units = outputs.count
        func mismatch(_ expected: Int, _ what: String, _ other: String) -> Failure {
            settings.failure(
                "layers",
                "the last layer has \(Self.count(units, "output")), but the data have \(what); \(name) "
                    + "needs \(expected): set units: \(expected), or \(other)")
        }
        let asNumber = "data.target_kind: value (with loss: mean_squared_error) if the target is a number"
        switch (loss.targetDemand, kind) {
        case (.classes, .classes(let count)):
            guard units == count else {
                throw mismatch(
                    count, Self.count(count, "class", "classes"),
                    count == 2 && units == 1
                        ? "loss: binary_cross_entropy for one output" : asNumber)
            }
            content = .classes
            task = .classification(classes: count)
        case (.classes, .values(let count)):
            guard count > 1 else {
                throw settings.failure(
                    "layers",
                    "cross_entropy needs classes, but the target is a number; set "
                        + "data.target_kind: class, or use loss: mean_squared_error or binary_cross_entropy")
            }
            guard units == count else {
                throw mismatch(
                    count, "targets of \(count) class probabilities",
                    "name one column of classes in "
                        + "data.train.target")
            }
            content = .values(count)
            task = .classification(classes: count)
        case (.binary, .classes(let count)):
            guard units == count || (units == 1 && count == 2) else {
                throw mismatch(
                    count == 2 ? 1 : count, Self.count(count, "class", "classes"),
                    "data.target_kind: value if the target is a probability")
            }
            content = .values(units)
            task = .binary(outputs: units)
        case (.binary, .values(let count)):
            guard units == count else {
                throw mismatch(
                    count, "\(Self.count(count, "target")) per sample",
                    count == 1
                        ? "data.target_kind: class if the target is a class" : "name other columns in data.train.target")
            }
            content = .values(count)
            task = .binary(outputs: count)
        case (.values, .classes(let count)):
            guard units == count || (units == 1 && count == 2) else {
                throw mismatch(count, Self.count(count, "class", "classes"), asNumber)
            }
            content = .values(units)
            task = units == count ? .classification(classes: count) : .regression(outputs: 1)
        case (.values, .values(let count)):
            guard units == count else {
                throw mismatch(
                    count, "\(Self.count(count, "target")) per sample",
                    count == 1
                        ? "data.target_kind: class for one output per class" : "name other columns in data.train.target")
            }
            content = .values(count)
            task = .regression(outputs: count)
        case (_, .positions): preconditionFailure("targets at positions have been seen to")
        case (.classes, .inputs):
            throw settings.failure(
                "layers",
                "\(name) needs classes, but data.target_kind: input makes the inputs the targets; "
                    + "use loss: mean_squared_error, or binary_cross_entropy for inputs from 0 to 1")
        case (.binary, .inputs(let count)), (.values, .inputs(let count)):
            guard units == count else {
                throw mismatch(count, "\(Self.count(count, "input")) to give back", "leave out data.target_kind: input")
            }
            content = .values(count)
            task = loss.targetDemand == .binary ? .binary(outputs: count) : .regression(outputs: count)
        }
    }

    /// What metrics need to know beside outputs and targets; nil where the loss doesn't take outputs for logits of classes.
    ///
    /// - Throws: 66 and 65 for a tokenizer that a metric asks for.
    func likelihoods(_ configuration: TrainingConfiguration, _ preprocessing: Preprocessing) throws -> Likelihoods? {
        let loss = configuration.loss
        guard loss.outputTransform == .softmax, case .classification(let classes) = task else { return nil }
        // A tokenizer is read for whom it matters to alone.
        let asks = configuration.metrics?.contains { $0.name == "bits_per_byte" } ?? false
        let byteCounts =
            try asks ? preprocessing.with(tokenizer: configuration.data.tokenizerPath).targetByteCounts() : nil
        precondition(byteCounts?.count ?? classes == classes, "\(byteCounts?.count ?? 0) lengths of \(classes) tokens")
        return Likelihoods(ignoredClass: loss.ignoredClass, byteCounts: byteCounts)
    }

    private init(content: Content, task: LearningTask, positions: Int) {
        self.content = content
        self.task = task
        self.positions = positions
    }

    /// The same for targets that an augmentation has mixed: classes are rows of their shares.
    ///
    /// - Throws: 78 where an option of the loss takes classes alone.
    func mixed(for loss: any Loss, settings: Settings) throws -> TargetForm {
        guard content == .classes, case .classification(let classes) = task else { return self }
        if let problem = loss.problem(outputs: classes, hasClasses: false) {
            throw settings.failure(
                "data.augmentation",
                "mixup and cutmix make shares of several classes of the targets, but loss.\(type(of: loss).kind).\(problem.option) "
                    + "takes one class for each sample; leave out one of the two")
        }
        return TargetForm(content: .values(classes), task: task, positions: positions)
    }

    private static func check(positions: Int, classes: Int, _ loss: any Loss, _ outputs: Shape, _ settings: Settings) throws {
        guard loss.targetDemand == .classes else {
            throw settings.failure(
                "layers",
                "the data have one of \(classes) classes at each of \(positions) positions, but "
                    + "\(type(of: loss).kind) doesn't compare classes; use loss: cross_entropy")
        }
        guard outputs.dimensions == [positions, classes] else {
            throw settings.failure(
                "layers",
                "the network's output has the shape \(outputs), but the data have one of \(classes) "
                    + "classes at each of \(positions) positions; cross_entropy needs [\(positions), \(classes)]: keep the positions, "
                    + "and end in dense: {units: \(classes)}")
        }
    }

    /// Refuses options of the loss that don't fit the outputs of a sample.
    func check(_ loss: any Loss, outputs: Int, settings: Settings) throws {
        if let problem = loss.problem(outputs: outputs / positions, hasClasses: content == .classes) {
            throw settings.failure("loss.\(type(of: loss).kind).\(problem.option)", problem.text)
        }
    }

    private static func count(_ number: Int, _ one: String, _ many: String? = nil) -> String {
        "\(number) \(number == 1 ? one : many ?? one + "s")"
    }

    /// The one class that all samples are of, for answers with one output or two classes; nil where both occur.
    func onlyAnswer(in dataset: Dataset) -> String? {
        guard dataset.count > 0 else { return nil }
        let samples = (0..<Int32(dataset.count)).map { $0 }
        if case .classes = dataset.targetKind {
            let classes = AlignedBuffer<Int32>(count: dataset.count, repeating: 0)
            dataset.gatherClasses(samples[...], into: classes.elements)
            let first = classes.elements[0]
            return classes.elements.allSatisfy { $0 == first } ? dataset.className(Int(first)) : nil
        }
        guard case .values(1) = content else { return nil }
        let answers = AlignedBuffer<Float>(count: dataset.count)
        dataset.gatherTargets(samples[...], into: answers.matrix(rows: dataset.count, columns: 1))
        let first = answers.elements[0] > 0.5
        return answers.elements.allSatisfy { ($0 > 0.5) == first } ? (first ? "1" : "0") : nil
    }

    /// Checks what only the targets themselves can tell: that yes/no answers and class probabilities lie in 0 … 1.
    func check(_ dataset: Dataset, loss: any Loss) throws {
        guard loss.targetDemand != .values, case .values(let columns) = content else { return }
        if case .classes = dataset.targetKind { return }
        let chunk = 4096
        let buffer = AlignedBuffer<Float>(count: chunk * columns)
        for first in stride(from: 0, to: dataset.count, by: chunk) {
            let samples = (Int32(first)..<Int32(min(first + chunk, dataset.count))).map { $0 }
            let rows = buffer.matrix(rows: samples.count, columns: columns)
            dataset.gatherTargets(samples[...], into: rows)
            if let index = rows.elements.firstIndex(where: { !($0 >= 0 && $0 <= 1) }) {
                guard !dataset.targetKind.areInputs else {
                    throw Failure(
                        .badData,
                        "input \(index % columns) of sample \(first + index / columns), which is its "
                            + "target as well, is \(rows.elements[index]), but \(type(of: loss).kind) needs numbers from 0 to 1; "
                            + "scale the inputs with data.normalize, or use loss: mean_squared_error")
                }
                throw Failure(
                    .badData,
                    "the target of sample \(first + index / columns) is \(rows.elements[index]), but "
                        + "\(type(of: loss).kind) needs numbers from 0 to 1; set data.target_kind: class if they are classes, or use "
                        + "loss: mean_squared_error for other numbers")
            }
        }
    }
}
