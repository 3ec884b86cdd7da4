import Diagnostics

/// The targets in a file of numbers, turned into classes or values.
struct CodedLabels {
    /// Nil where they are the inputs.
    let targets: StoredTargets?
    let kind: TargetKind
    /// The numbers that the labels have, class by class; nil where they are 0 to K−1.
    var labels: [Int]?
    /// What people should know of how the labels were understood.
    var notes: [String] = []

    /// What the classes are called where it is no number.
    var names: [String]?

    /// What the classes are called where that isn't 0 to K−1.
    var classNames: [String]? { names ?? labels?.map(String.init) }
}

extension EncodedFile {
    /// The file as targets of `sampleCount` samples: classes where each sample has one whole number and `rule` makes
    /// classes of them, else values.
    ///
    /// Labels that are other numbers than 0, 1 … K−1, each of which occurs, become classes in ascending order, unless
    /// `rule` counts the classes.
    func targets(following rule: TargetRule, sampleCount: Int, inputs: String, isTraining: Bool) throws -> CodedLabels {
        guard samples.count == sampleCount else {
            throw Failure(.badData, "\(path): \(samples.count) targets, but \(inputs) has \(sampleCount) samples")
        }
        try requireFinite()
        let isSingle = shape.dimensions.isEmpty || rule.wantsClasses == true || rule.preference == .classes
        let areNumbers = rule.wantsClasses == false || rule.preference == .numbers && samples.type.isFloatingPoint
        guard samples.width == 1, isSingle, !areNumbers || rule.wantsClasses == true else {
            guard rule.wantsClasses != true else {
                throw Failure(
                    .badData,
                    "\(path): targets of shape \(shape); expected one class per sample, or set "
                        + "data.target_kind: value")
            }
            return CodedLabels(targets: .values(values()), kind: .values(count: samples.width))
        }
        var different: Set<Double> = []
        forEachLabel { different.insert($1) }
        let numbers = different.sorted()
        guard rule.makesClasses(of: numbers, sampleCount: sampleCount, areIntegers: !samples.type.isFloatingPoint) else {
            var coded = CodedLabels(targets: .values(values()), kind: .values(count: 1))
            if rule.wantsClasses == nil, !samples.type.isFloatingPoint, (2...20).contains(numbers.count),
                TargetRule.isCounted(numbers)
            {
                coded.notes = [
                    "\(path): the targets are read as numbers, as the loss asks; data.target_kind: class makes "
                        + "\(numbers.count) classes of them"
                ]
            }
            return coded
        }
        if isTraining { try TargetRule.requireTwoClasses(numbers.count, name: Self.text(numbers[0]), place: path) }
        return try coded(numbers, rule)
    }

    /// The labels, of which `numbers` are the different ones in ascending order, as classes.
    private func coded(_ numbers: [Double], _ rule: TargetRule) throws -> CodedLabels {
        var wholes: [Int] = []
        for number in numbers {
            guard let whole = Int(exactly: number) else { throw outOfRange(number, "a whole number") }
            wholes.append(whole)
        }
        let labels: [Int]?
        let count: Int
        if let known = rule.labels {
            labels = known
            count = known.count
        } else if let given = rule.classCount {
            labels = nil
            count = given
        } else {
            labels = TargetRule.isCounted(numbers) ? nil : wholes
            count = numbers.count
        }
        guard count <= Int(Int32.max) else {
            throw Failure(.badData, "\(path): \(count) classes are too many; expected at most \(Int32.max)")
        }
        let known = labels.map { Dictionary(uniqueKeysWithValues: $0.enumerated().map { ($1, Int32($0)) }) }
        var places: [Double: Int32] = [:]
        for (number, whole) in zip(numbers, wholes) {
            if let known {
                guard let place = known[whole] else {
                    throw outOfRange(
                        number,
                        "one of the labels of the training data ("
                            + CSVTable.list((labels ?? []).map(String.init)) + ")")
                }
                places[number] = place
            } else {
                guard (0..<count).contains(whole) else { throw outOfRange(number, "a class from 0 to \(count - 1)") }
                places[number] = Int32(whole)
            }
        }
        var classes: [Int32] = []
        classes.reserveCapacity(samples.count)
        forEachLabel { classes.append(places[$1] ?? 0) }
        let isNew = labels != nil && rule.labels == nil
        return CodedLabels(
            targets: .classes(classes), kind: .classes(count: count), labels: labels,
            notes: isNew
                ? [
                    "\(path): the labels \(CSVTable.list(wholes.map(String.init))) are \(count) classes; data.classes: N takes "
                        + "them for 0 to N-1"
                ] : [])
    }

    private func values() -> [Float] {
        var values: [Float] = []
        var numbers = [Double](repeating: 0, count: samples.width)
        values.reserveCapacity(samples.count * samples.width)
        for sample in 0..<samples.count {
            samples.numbers(sample: sample, into: &numbers)
            for number in numbers { values.append(Float(number)) }
        }
        return values
    }

    /// Calls `body` with every sample and its one number.
    private func forEachLabel(_ body: (Int, Double) -> Void) {
        var number = [0.0]
        for sample in 0..<samples.count {
            samples.numbers(sample: sample, into: &number)
            body(sample, number[0])
        }
    }

    /// The error for a label that is no class, with its first place.
    private func outOfRange(_ label: Double, _ expected: String) -> Failure {
        var first = 0
        var isFound = false
        forEachLabel { sample, number in
            if number == label, !isFound { (first, isFound) = (sample, true) }
        }
        return Failure(
            .badData,
            "\(path): sample \(first): label out of range: expected \(expected), found "
                + Self.text(label))
    }

    private static func text(_ number: Double) -> String { Int(exactly: number).map(String.init) ?? "\(number)" }
}
