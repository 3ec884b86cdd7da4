import Diagnostics

/// What a loss makes of targets that could be classes or numbers.
package enum TargetPreference: Sendable {
    /// A class per sample: whole numbers are classes.
    case classes
    /// Yes/no answers: two whole numbers, or 0 to K−1, are classes.
    case answers
    /// Numbers, also where they are whole.
    case numbers
}

/// What the configuration, the loss or a checkpoint says about targets.
package struct TargetRule: Sendable {
    /// Classes or values; nil lets loss and data decide.
    var wantsClasses: Bool?
    /// Whether the inputs are the targets.
    var wantsInputs = false
    /// How many classes there are; nil lets the data decide.
    var classCount: Int?
    /// What they are called.
    var classNames: [String]?
    /// The numbers that IDX labels have, class by class, where they aren't 0 to K−1.
    var labels: [Int]?
    /// What the loss asks for; nil where nobody has said.
    var preference: TargetPreference?

    /// More classes than this nobody means who doesn't say so.
    static let mostClassesByThemselves = 1000

    init(
        wantsClasses: Bool? = nil, classCount: Int? = nil, classNames: [String]? = nil,
        preference: TargetPreference? = nil
    ) {
        self.wantsClasses = wantsClasses
        self.classCount = classCount
        self.classNames = classNames
        self.preference = preference
    }

    /// The rule that gives the targets of the training data their kind again.
    init(_ preprocessing: Preprocessing) {
        switch preprocessing.targetKind {
        case .classes(let count): self.init(wantsClasses: true, classCount: count, classNames: preprocessing.classNames)
        case .values, .positions: self.init(wantsClasses: false)
        case .inputs:
            self.init(wantsClasses: false)
            wantsInputs = true
        }
        labels = preprocessing.labels
    }

    /// Whether the targets of `sampleCount` samples, numbers of which these are the different ones in ascending order,
    /// are classes.
    ///
    /// - Parameter areIntegers: whether they are stored as whole numbers; nil for a text, which doesn't tell.
    func makesClasses(of numbers: [Double], sampleCount: Int, areIntegers: Bool?) -> Bool {
        if let wantsClasses { return wantsClasses }
        let isFew = numbers.count <= Self.mostClassesByThemselves
        let isCounted = isFew && TargetRule.isCounted(numbers)
        let isWhole = numbers.allSatisfy { $0 == $0.rounded() }
        switch preference {
        case .numbers: return false
        case .answers where areIntegers == nil: return isCounted || isWhole && numbers.count <= 2
        case .classes where areIntegers != true:
            return isCounted || isWhole && isFew && !TextColumn.isNearlyAllDifferent(numbers.count, of: sampleCount)
        default: return areIntegers ?? (isCounted && numbers.count > 1)
        }
    }

    /// Whether the numbers are 0, 1 … K−1.
    static func isCounted(_ numbers: [Double]) -> Bool { numbers.enumerated().allSatisfy { $1 == Double($0) } }

    /// Refuses training data of a single class. `place` is the file, and the column where there are several.
    static func requireTwoClasses(_ count: Int, name: @autoclosure () -> String, place: String) throws {
        guard count < 2 else { return }
        throw Failure(
            .badData,
            "\(place): every sample is of the one class \"\(shortened(name()))\"; a classifier needs "
                + "samples of two or more")
    }
}
