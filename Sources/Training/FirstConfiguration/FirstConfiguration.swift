import Datasets
import Diagnostics
import Foundation
import Reporting
import Settings
import Storage

/// `dtrain init`: a configuration for data that nobody has described, which trains well at once.
///
/// `DataSketch` finds out how the data are read; they are read so, and what they turn out to be decides on normalisation, network
/// and training. The result is built once more as `dtrain train` would, so that what is written works.
package struct FirstConfiguration {
    /// The file's content.
    package let text: String
    /// What was decided from what the data look like, a line each.
    package let notes: [String]
    /// What there is, for people.
    package let summary: String

    /// - Parameters:
    ///   - path: a file or folder of data.
    ///   - name: of the file that the configuration will be, for its first lines.
    ///
    /// Errors as those of `DataSketch` and of reading the data.
    package init(path: String, name: String, _ wishes: DataSketch.Wishes) throws {
        let sketch = try DataSketch(path: path, wishes)
        let plan: TrainingPlan
        do {
            let (traits, notes) = try Self.traits(of: sketch, path: path)
            plan = try TrainingPlan(sketch, traits)
            self.notes = sketch.notes + notes.filter { !sketch.notes.contains($0) }
            summary =
                "\(HumanText.count(traits.trainCount)) samples to train, \(HumanText.count(traits.validationCount)) to validate, "
                + plan.task
        }
        text =
            """
            # Written by dtrain init for \(printable(path)): \(plan.task).
            #
            #   dtrain train \(printable(name))
            #
            # `dtrain inspect \(printable(name))` prints layers, memory and every other key with its default.

            """ + plan.text
        let configuration = try TrainingConfiguration(
            try SettingsDocument(text: text, name: name, overrides: []), name: "init")
        _ = try Experiment(configuration)
    }

    /// Reads the data by what the sketch says.
    private static func traits(of sketch: DataSketch, path: String) throws -> (DataTraits, notes: [String]) {
        let lines = sketch.lines + (sketch.hasValidation ? [] : ["validation_fraction: 0.2"])
        let document = try SettingsDocument(
            text: configurationText(["data:"] + lines.map { " " + $0 }), name: "the configuration for \(path)", overrides: [])
        let root = try document.root
        let data = try DataConfiguration(try root.section("data"))
        try root.finish()
        let splits = try data.load(preference: sketch.wantsClasses == false ? .numbers : .classes)
        return (try DataTraits(splits), splits.notes)
    }
}

/// What the data turned out to be, as far as network and training follow from it.
struct DataTraits {
    let shape: Shape
    let trainCount: Int
    let validationCount: Int
    let kind: TargetKind
    /// Training samples of each class; nil where targets are no classes.
    let classCounts: [Int]?
    /// Mean and deviation of each target that is a number.
    let targets: [RunningStatistics]
    /// Of the inputs: of each channel, or of all.
    let inputs: [RunningStatistics]
    let areBytes: Bool
    let tokenCount: Int

    init(_ splits: DataSplits) throws {
        let train = splits.train
        let statistics = train.statistics(splits.preprocessing)
        shape = train.inputShape
        trainCount = train.count
        validationCount = splits.validation?.count ?? 0
        kind = train.targetKind
        classCounts = statistics.classCounts
        inputs = statistics.parts.map(\.numbers)
        areBytes = statistics.elementType == "unsigned8"
        tokenCount = train.tokenCount ?? 0
        guard case .values(let width) = train.targetKind else {
            targets = []
            return
        }
        var numbers = [RunningStatistics](repeating: RunningStatistics(), count: width)
        let row = AlignedBuffer<Float>(count: width)
        for sample in 0..<Int32(train.count) {
            train.gatherTargets([sample][...], into: row.matrix(rows: 1, columns: width))
            for place in 0..<width { numbers[place].add(Double(row.elements[place])) }
        }
        targets = numbers
    }
}
