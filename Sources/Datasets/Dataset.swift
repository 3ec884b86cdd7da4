import Storage

/// What the target of a sample is.
package enum TargetKind: Hashable, Codable, Sendable, CustomStringConvertible {
    /// One class index, 0 ..< `count`.
    case classes(count: Int)
    /// `count` numbers.
    case values(count: Int)
    /// At each of `positions` one class index, 0 ..< `classes`.
    case positions(classes: Int, positions: Int)
    /// The sample's own input, as many numbers: normalised, and never augmented.
    case inputs(count: Int)

    package var description: String {
        switch self {
        case .classes(let count): "one of \(count) classes"
        case .values(let count): count == 1 ? "a number" : "\(count) numbers"
        case .positions(let classes, let positions): "one of \(classes) classes at each of \(positions) positions"
        case .inputs: "the input itself"
        }
    }

    /// The most numbers that are a sample's target in training.
    var count: Int {
        switch self {
        case .classes(let count), .values(let count), .inputs(let count): count
        case .positions(_, let positions): positions
        }
    }

    /// Whether nothing but the inputs says what the targets are.
    package var areInputs: Bool { if case .inputs = self { true } else { false } }
}

/// One split of a data set, ready to be gathered from. A value that never changes: any number of threads may gather at
/// once. Samples have the numbers 0 ..< `count`, in the order of their file.
package struct Dataset: Sendable {
    /// The shape of one sample's input.
    package let inputShape: Shape
    package let targetKind: TargetKind
    /// What the classes are called; nil where they are just numbers.
    package let classNames: [String]?
    /// How many samples.
    package let count: Int

    let inputs: StoredInputs
    let targets: StoredTargets?
    /// What each stored sample counts in the loss; nil: all the same.
    let weights: [Float]?
    /// What changes inputs while they are gathered for training.
    var augmentation: AugmentationSequence?
    /// Which of the stored samples these are; nil for all of them.
    let rows: [Int32]?

    init(
        inputs: StoredInputs, inputShape: Shape, targets: StoredTargets?, targetKind: TargetKind,
        classNames: [String]?, weights: [Float]? = nil, rows: [Int32]? = nil
    ) {
        self.inputs = inputs
        self.inputShape = inputShape
        self.targets = targets
        self.targetKind = targetKind
        self.classNames = classNames
        self.weights = weights
        self.rows = rows
        count = rows?.count ?? inputs.count(width: inputShape.count)
    }

    /// Samples from memory, one class index each. `inputs` holds one sample behind the other.
    package init(inputs: [Float], inputShape: Shape, classes: [Int32], classCount: Int, classNames: [String]? = nil) {
        precondition(
            inputs.count == classes.count * inputShape.count,
            "\(inputs.count) numbers for \(classes.count) samples of shape \(inputShape)")
        precondition(classes.allSatisfy { $0 >= 0 && $0 < classCount }, "a class outside of 0 ..< \(classCount)")
        precondition(classNames.map { $0.count == classCount } ?? true, "names for \(classCount) classes")
        self.init(
            inputs: .ready(inputs, count: classes.count), inputShape: inputShape, targets: .classes(classes),
            targetKind: .classes(count: classCount), classNames: classNames)
    }

    /// Samples from memory, `valueCount` target numbers each. Both arrays hold one sample behind the other.
    package init(inputs: [Float], inputShape: Shape, values: [Float], valueCount: Int) {
        precondition(valueCount > 0 && values.count % valueCount == 0, "\(values.count) targets, \(valueCount) each")
        let count = values.count / valueCount
        precondition(
            inputs.count == count * inputShape.count,
            "\(inputs.count) numbers for \(count) samples of shape \(inputShape)")
        self.init(
            inputs: .ready(inputs, count: count), inputShape: inputShape, targets: .values(values),
            targetKind: .values(count: valueCount), classNames: nil)
    }

    /// How many different tokens the inputs are made of; nil where they are made of numbers.
    package var tokenKinds: Int? {
        switch (inputs, targetKind) {
        case (.windows, .positions(let classes, _)): classes
        case (.sequences(let sequences), _): sequences.vocabulary.kinds
        default: nil
        }
    }

    /// Whether the samples in their order, cut into `count` streams of equal length, are the pieces of one sequence within each stream,
    /// without gaps and without overlaps.
    package func isCut(intoStreams count: Int) -> Bool {
        if case .series(let windows) = inputs { return rows == nil && windows.areStreams(count) }
        guard let windows = tokenWindows else { return false }
        return windows.stride == windows.context && !windows.moves
    }

    /// Whether there is something to compare predictions with; false for inputs that were read for `predict`.
    package var hasTargets: Bool { targets != nil || targetKind.areInputs }

    /// Whether samples count differently in the loss.
    package var hasWeights: Bool { weights != nil }

    /// Whether training gets targets that an augmentation has mixed, which are rows of numbers.
    package var mixesTargets: Bool { augmentation?.mixes ?? false }

    /// What a message calls a class.
    package func className(_ index: Int) -> String {
        guard let classNames, classNames.indices.contains(index) else { return String(index) }
        return classNames[index]
    }

    // MARK: - Gathering

    /// How many samples before its turn a sample is asked for.
    private static let samplesAhead = 4

    /// Row i of `destination` becomes the normalised input of `samples[i]`; columns are `inputShape.count`. Allocates
    /// nothing.
    ///
    /// - Parameter batch: of which `samples` are a slice: the inputs are augmented, as training asks for. Nil: they stay as they
    ///   are.
    package func gatherInputs(_ samples: ArraySlice<Int32>, into destination: MutableMatrixView, in batch: DrawnBatch? = nil) {
        copyInputs(samples, into: destination)
        guard let batch, let augmentation else { return }
        augmentation.apply(to: destination, of: samples, in: batch) { copyInputs($0, into: $1) }
    }

    /// Row i of `destination` becomes the input of `samples[i]` as it is stored. What kind of inputs they are is asked once,
    /// since to look at a sample through what holds all of them costs more than to copy a small one.
    private func copyInputs(_ samples: ArraySlice<Int32>, into destination: MutableMatrixView) {
        let width = inputShape.count
        precondition(
            destination.rows == samples.count && destination.columns == width,
            "\(samples.count) samples of \(width) into \(destination.rows)×\(destination.columns)")
        var row = 0
        switch inputs {
        case .ready(let values, _):
            for sample in samples {
                let start = stored(sample) * width
                let target = destination.row(row)
                for column in 0..<width { target[column] = values[start + column] }
                row += 1
            }
        case .windows(let windows):
            for sample in samples {
                let start = windows.start(of: Int(sample))
                let target = destination.row(row)
                // Whole numbers up to 2²⁴ are exact.
                windows.store.forEach(start..<start + width) { target[$0] = Float($1) }
                row += 1
            }
        case .sequences(let sequences):
            for sample in samples {
                let tokens = sequences.tokens(of: stored(sample))
                let target = destination.row(row)
                var column = 0
                for token in tokens {
                    target[column] = Float(token)
                    column += 1
                }
                target[column...].update(repeating: Float(TokenRule.padding))
                row += 1
            }
        case .series(let windows):
            for sample in samples {
                windows.copyInputs(of: stored(sample), into: destination.row(row))
                row += 1
            }
        case .steps(let steps):
            for sample in samples {
                steps.copy(stored(sample), into: destination.row(row))
                row += 1
            }
        case .encoded(let encoded, let rescaling):
            // Samples of a batch lie anywhere: the memory is asked for them early.
            for sample in samples.prefix(Self.samplesAhead) { Processor.prefetch(encoded.bytes(ofSample: stored(sample))) }
            for sample in samples {
                let ahead = samples.startIndex + row + Self.samplesAhead
                if ahead < samples.endIndex { Processor.prefetch(encoded.bytes(ofSample: stored(samples[ahead]))) }
                encoded.rescale(sample: stored(sample), by: rescaling, into: destination.row(row))
                row += 1
            }
        }
    }

    /// Element i of `destination` becomes the class of `samples[i]`, or, where there is a class at each of P positions,
    /// elements i·P to i·P + P − 1 those of `samples[i]`. For targets that are classes.
    package func gatherClasses(_ samples: ArraySlice<Int32>, into destination: UnsafeMutableBufferPointer<Int32>) {
        if case .nextTokens = targets, case .windows(let windows) = inputs {
            let width = inputShape.count
            precondition(
                destination.count == samples.count * width, "\(samples.count) samples into \(destination.count) places")
            var place = 0
            for sample in samples {
                let start = windows.start(of: Int(sample)) + 1
                windows.store.forEach(start..<start + width) { destination[place + $0] = $1 }
                place += width
            }
            return
        }
        guard case .classes(let classes) = targets else { preconditionFailure("the targets are not classes") }
        precondition(destination.count == samples.count, "\(samples.count) samples into \(destination.count) places")
        var row = 0
        for sample in samples {
            destination[row] = classes[stored(sample)]
            row += 1
        }
    }

    /// Row i of `destination` becomes the targets of `samples[i]` as numbers.
    ///
    /// Classes are written as one-hot rows into as many columns as there are classes, or as their index (0 or 1, for
    /// binary cross entropy) into a single column.
    ///
    /// - Parameter batch: of which `samples` are a slice: where an augmentation mixes samples, so are their targets. Nil: they stay
    ///   as they are.
    package func gatherTargets(_ samples: ArraySlice<Int32>, into destination: MutableMatrixView, in batch: DrawnBatch? = nil) {
        copyTargets(samples, into: destination)
        guard let batch, let augmentation else { return }
        augmentation.mix(destination, of: samples, in: batch) { copyTargets($0, into: $1) }
    }

    /// Row i of `destination` becomes the targets of `samples[i]` as they are stored.
    private func copyTargets(_ samples: ArraySlice<Int32>, into destination: MutableMatrixView) {
        precondition(destination.rows == samples.count, "\(samples.count) samples into \(destination.rows) rows")
        let columns = destination.columns
        var row = 0
        switch (targets, targetKind) {
        case (.values(let values), .values(let width)):
            precondition(columns == width, "targets of \(width) numbers into \(columns) columns")
            for sample in samples {
                let start = stored(sample) * width
                let target = destination.row(row)
                for column in 0..<width { target[column] = values[start + column] }
                row += 1
            }
        case (.rowsBehind, .values(let width)):
            guard case .series(let windows) = inputs else { preconditionFailure("rows behind samples that are no windows") }
            precondition(columns == width, "targets of \(width) numbers into \(columns) columns")
            for sample in samples {
                windows.copyTargets(of: stored(sample), into: destination.row(row))
                row += 1
            }
        case (.classes(let classes), .classes(let classCount)):
            precondition(columns == classCount || columns == 1, "\(classCount) classes into \(columns) columns")
            for sample in samples {
                let target = destination.row(row)
                let index = Int(classes[stored(sample)])
                if columns == 1 {
                    target[0] = Float(index)
                } else {
                    target.update(repeating: 0)
                    target[index] = 1
                }
                row += 1
            }
        case (_, .inputs(let width)):
            precondition(columns == width, "inputs of \(width) numbers into \(columns) columns")
            copyInputs(samples, into: destination)
        default:
            preconditionFailure("these samples have no targets")
        }
    }

    /// Element i of `destination` becomes the weight of `samples[i]`. For samples that have weights.
    package func gatherWeights(_ samples: ArraySlice<Int32>, into destination: UnsafeMutableBufferPointer<Float>) {
        guard let weights else { preconditionFailure("the samples have no weights") }
        precondition(destination.count == samples.count, "\(samples.count) samples into \(destination.count) places")
        var row = 0
        for sample in samples {
            destination[row] = weights[stored(sample)]
            row += 1
        }
    }

    /// The place of a sample in memory.
    @inline(__always)
    func stored(_ sample: Int32) -> Int {
        precondition(sample >= 0 && sample < count, "sample \(sample) of \(count)")
        guard let rows else { return Int(sample) }
        return Int(rows[Int(sample)])
    }
}

/// The splits that a configuration asks for.
package struct DataSplits: Sendable {
    package internal(set) var train: Dataset
    /// Nil where the configuration names none.
    package internal(set) var validation: Dataset?
    /// What a checkpoint keeps, to read other files the same way.
    package let preprocessing: Preprocessing
    /// What was decided for the user from what the data look like, a line each.
    package var notes: [String]

    package init(train: Dataset, validation: Dataset?, preprocessing: Preprocessing, notes: [String] = []) {
        self.train = train
        self.validation = validation
        self.preprocessing = preprocessing
        self.notes = notes
    }
}
