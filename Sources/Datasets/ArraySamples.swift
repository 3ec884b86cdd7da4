import Diagnostics
import Storage

/// Samples that a program hands over as numbers in memory, as they are before they are normalised.
package struct ArraySamples: Sendable {
    package enum Targets: Sendable {
        /// A class index for each sample, and what the classes are called; nil where they are just numbers.
        case classes([Int], count: Int, names: [String]?)
        /// So many numbers for each sample, one sample behind the other.
        case values([Float], count: Int)
    }

    let inputs: [Float]
    let shape: Shape
    /// Nil where nobody knows them.
    let targets: Targets?
    let count: Int

    /// - Parameters:
    ///   - inputs: one sample behind the other.
    ///   - name: what messages call them.
    /// - Throws: 65 for what doesn't fit together, and for numbers that aren't finite.
    package init(inputs: [Float], shape: [Int], targets: Targets?, name: String) throws {
        func refuse(_ text: String) -> Failure { Failure(.badData, "\(name): \(text)") }
        var width = 1
        for dimension in shape {
            let (product, overflows) = width.multipliedReportingOverflow(by: dimension)
            guard dimension > 0, !overflows else {
                throw refuse("samples of shape \(shape); expected dimensions of 1 or more, whose product can be counted")
            }
            width = product
        }
        guard inputs.count % width == 0 else {
            throw refuse("\(inputs.count) numbers; expected a multiple of \(width), which a sample of shape \(shape) has")
        }
        count = inputs.count / width
        guard count <= Int(Int32.max) else { throw refuse("\(count) samples; expected \(Int32.max) at most") }
        if let place = inputs.firstIndex(where: { !$0.isFinite }) {
            throw refuse("sample \(place / width), number \(place % width): expected a finite number, found \(inputs[place])")
        }
        self.inputs = inputs
        self.shape = Shape(shape)
        self.targets = targets
        switch targets {
        case nil: break
        case .classes(let classes, let classCount, let names):
            guard classCount > 0, classCount <= Int(Int32.max), names?.count ?? classCount == classCount else {
                throw refuse(
                    "\(classCount) classes with \(names?.count ?? 0) names; expected one class or more, and a name for each")
            }
            if let names, Set(names).count != names.count { throw refuse("two classes have one name: \(names)") }
            guard classes.count == count else { throw refuse("\(classes.count) classes for \(count) samples") }
            if let place = classes.firstIndex(where: { !(0..<classCount).contains($0) }) {
                throw refuse("sample \(place): class \(classes[place]); expected 0 to \(classCount - 1)")
            }
        case .values(let values, let valueCount):
            guard valueCount > 0, values.count % valueCount == 0, values.count / valueCount == count else {
                throw refuse("\(values.count) target numbers, \(valueCount) each, for \(count) samples")
            }
            if let place = values.firstIndex(where: { !$0.isFinite }) {
                throw refuse("the target of sample \(place / valueCount): expected a finite number, found \(values[place])")
            }
        }
    }

    /// As they are gathered: normalised, with the targets that `rule` makes of theirs.
    fileprivate func dataset(_ normalization: Normalization, _ kind: TargetKind, classNames: [String]?) -> Dataset {
        let width = shape.count
        let ready = inputs.indices.map { Float(normalization.apply(Double(inputs[$0]), feature: $0 % width)) }
        let stored: StoredTargets? =
            switch (kind, targets) {
            case (.classes, .classes(let classes, _, _)): .classes(classes.map { Int32($0) })
            case (.values, .classes(let classes, _, _)): .values(classes.map { Float($0) })
            case (.values, .values(let values, _)): .values(values)
            default: nil
            }
        return Dataset(
            inputs: .ready(ready, count: count), inputShape: shape, targets: stored, targetKind: kind, classNames: classNames)
    }

    /// What its targets are by what a configuration says of them.
    fileprivate func kind(_ rule: TargetRule, name: String) throws -> (kind: TargetKind, names: [String]?) {
        if rule.wantsInputs { return (.inputs(count: shape.count), nil) }
        switch targets {
        case nil:
            throw Failure(.badData, "\(name): samples without targets; expected some to train on, or data.target_kind: input")
        case .classes(_, let count, let names):
            if rule.wantsClasses == false { return (.values(count: 1), nil) }
            guard rule.classCount ?? count == count else {
                throw Failure(.badConfiguration, "data.classes: found \(rule.classCount ?? 0), but \(name) has \(count)")
            }
            return (.classes(count: count), rule.classNames ?? names)
        case .values(_, let count):
            guard rule.wantsClasses != true else {
                throw Failure(
                    .badConfiguration,
                    "data.target_kind: the targets of \(name) are numbers, not classes; leave out target_kind, classes and class_names"
                )
            }
            return (.values(count: count), nil)
        }
    }
}

extension DataConfiguration {
    /// The splits of samples in memory, by what the configuration says of all formats.
    ///
    /// - Parameters:
    ///   - validation: nil where there are none, unless the configuration has them cut off.
    ///   - name: what messages call them.
    package func splits(
        train: ArraySamples, validation: ArraySamples?, _ rule: TargetRule, stored: Preprocessing?, name: String
    ) throws -> DataSplits {
        guard train.count > 0 else { throw Failure(.badData, "\(name): no samples to train on") }
        let (kind, names) = try train.kind(rule, name: name)
        if let validation {
            guard validationFraction == nil else {
                throw Failure(
                    .badConfiguration, "data.validation_fraction: \(name) has a validation split of its own; leave it out")
            }
            guard validation.shape == train.shape else {
                throw Failure(.badData, "\(name): samples to validate of shape \(validation.shape), to train on \(train.shape)")
            }
            let other = try validation.kind(rule, name: name).kind
            guard other == kind else {
                throw Failure(.badData, "\(name): each target to validate is \(other), to train on \(kind)")
            }
        }
        let rows = validation == nil ? try split(count: train.count, name: name) : nil
        let width = train.shape.count
        let found = Preprocessing(
            inputShape: train.shape, targetKind: kind, classNames: names,
            normalization: try stored?.normalization
                ?? normalization(train.shape, rows: rows?.train ?? Array(0..<Int32(train.count)), fallback: .none) {
                    row, numbers in
                    for i in 0..<width { numbers[i] = Double(train.inputs[row * width + i]) }
                })
        let preprocessing = try stored.map { try Self.require($0, toFit: found, name: name) } ?? found
        let all = train.dataset(preprocessing.normalization, kind, classNames: preprocessing.classNames)
        return DataSplits(
            train: rows.map { all.part($0.train) } ?? all,
            validation: rows.map { all.part($0.validation) }
                ?? validation?.dataset(preprocessing.normalization, kind, classNames: preprocessing.classNames),
            preprocessing: preprocessing)
    }
}

extension Preprocessing {
    /// New samples, normalised as the training data were.
    ///
    /// - Parameters:
    ///   - isLabelled: whether their targets are asked for.
    ///   - name: what messages call them.
    /// - Throws: 65 for samples of another kind.
    package func dataset(of samples: ArraySamples, isLabelled: Bool, name: String) throws -> Dataset {
        guard takesArrays else {
            throw Failure(.badData, "\(name): arrays of numbers; the network was trained on samples of another kind")
        }
        guard samples.shape == inputShape else {
            throw Failure(
                .badData, "\(name): samples of shape \(samples.shape); expected \(inputShape), as the network was trained on")
        }
        if isLabelled, !targetKind.areInputs {
            let kind: TargetKind? =
                switch samples.targets {
                case nil: nil
                case .classes(_, let count, _): .classes(count: count)
                case .values(_, let count): .values(count: count)
                }
            let isClassAsNumber = if case .classes = kind { targetKind == .values(count: 1) } else { false }
            guard kind == targetKind || isClassAsNumber else {
                let found = kind.map { "each target is \($0)" } ?? "samples without targets"
                throw Failure(.badData, "\(name): \(found); expected \(targetKind)")
            }
        }
        return samples.dataset(normalization, targetKind, classNames: classNames)
    }
}
