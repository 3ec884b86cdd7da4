import Diagnostics
import Storage

/// Samples of numbers that stay as a file has them: inputs, or the targets of others.
protocol EncodedFile {
    /// What messages call it.
    var path: String { get }
    /// The shape of one sample.
    var shape: Shape { get }
    var samples: EncodedSamples { get }
}

extension EncodedFile {
    /// Refuses numbers that are not finite as Float32.
    func requireFinite() throws {
        guard samples.type.isFloatingPoint else { return }
        var numbers = [Double](repeating: 0, count: samples.width)
        for sample in 0..<samples.count {
            samples.numbers(sample: sample, into: &numbers)
            if let place = numbers.firstIndex(where: { !Float($0).isFinite }) {
                throw Failure(
                    .badData,
                    "\(path): sample \(sample), element \(place): expected a finite Float32 "
                        + "number, found \(numbers[place])")
            }
        }
    }
}

extension DataConfiguration {
    /// The splits of files of inputs and targets that stay as they are. Targets are nil where the inputs are the targets.
    func splits<Samples: EncodedFile>(
        _ inputs: Samples, targets: Samples?, validation: (inputs: Samples, targets: Samples?)?, _ rule: TargetRule,
        _ stored: Preprocessing?
    ) throws -> DataSplits {
        let rule = stored.map(TargetRule.init) ?? rule
        try inputs.requireFinite()
        let coded =
            try targets.map {
                try $0.targets(
                    following: rule, sampleCount: inputs.samples.count, inputs: inputs.path, isTraining: stored == nil)
            } ?? CodedLabels(targets: nil, kind: .inputs(count: inputs.shape.count))
        var splits = try splits(
            inputs.samples, inputShape: inputs.shape, coded,
            rows: try split(count: inputs.samples.count, name: inputs.path), stored, fallback: .none, name: inputs.path)
        guard let validation else { return splits }
        splits.validation = try splits.preprocessing.dataset(of: validation.inputs, targets: validation.targets)
        return splits
    }
}
