import Datasets
import Diagnostics
import Metrics
import Network
import Storage

extension TrainedModel {
    /// What the network says of every sample of a split, beside the truth.
    ///
    /// - Throws: 64 where it doesn't tell classes apart.
    package func judgements(_ split: Split, note: (String) -> Void = { _ in }) throws -> [Judgement] {
        let outputs = network.outputShape.count
        guard case .classes(let classes) = state.preprocessing.targetKind, outputs == classes || outputs == 1,
            configuration.loss.outputTransform != .none
        else {
            throw Failure(
                .usage,
                "\(checkpoint.path): it doesn't tell classes apart (cross_entropy, or binary_cross_entropy with one output for two classes); "
                    + "leave out --group and --calibration")
        }
        let dataset = try judged(split, note: note)
        let targets = AlignedBuffer<Int32>(count: dataset.count, repeating: 0)
        dataset.gatherClasses((0..<Int32(dataset.count)).map { $0 }[...], into: targets.elements)
        var judgements: [Judgement] = []
        try forEachOutput(of: dataset) { sample, values in
            let target = Int(targets.elements[Int(sample)])
            if values.count == 1 {
                let probability = Double(values[0])
                let predicted = values[0] > 0.5 ? 1 : 0
                judgements.append(
                    Judgement(predicted: predicted, target: target, confidence: predicted == 1 ? probability : 1 - probability))
            } else {
                let best = values.indices.reduce(0) { values[$1] > values[$0] ? $1 : $0 }
                judgements.append(Judgement(predicted: best, target: target, confidence: Double(values[best])))
            }
        }
        return judgements
    }

    /// The groups that a column divides the samples of a split into, by the order of the samples.
    package func groups(_ column: String, of split: Split, count: Int) throws -> [String] {
        let table: DataConfiguration.TableSplit =
            switch split {
            case .train: .train
            case .validation: .validation
            case .file(let path, _): .file(path)
            }
        return try configuration.data.groups(column, of: table, count: count)
    }

    /// The class whose prediction `--group` counts: the one of this name, or the second of two; nil where none stands out.
    package func positiveClass(_ name: String?) throws -> Int? {
        guard case .classes(let count) = state.preprocessing.targetKind else { return nil }
        guard let name else { return count == 2 ? 1 : nil }
        let names = (0..<count).map { state.preprocessing.className($0) }
        guard let index = names.firstIndex(of: name) else {
            throw Failure(
                .usage,
                "--positive \(name): no such class\(suggestion(for: name, among: names)); expected one of \(Network.list(names))"
            )
        }
        return index
    }

    /// What a class is called.
    package func name(ofClass index: Int) -> String { state.preprocessing.className(index) }
}
