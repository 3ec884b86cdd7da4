import Datasets
import Diagnostics
import Foundation
import Settings
import Storage
import Synchronization
import Tokenization

extension FuzzTarget {
    /// Tables and texts: read by lines.
    static let tables: [FuzzTarget] = [
        FuzzTarget("csv", largestInput: 1024) { bytes, folder in
            let path = try folder.write("table.csv", bytes)
            try readSplits(
                folder,
                [
                    "format: csv, train: {path: \(path), target: -1}, missing: mean, standardize: true, validation_fraction: 0.3",
                    "format: csv, train: {path: \(path), target: 0, header: false, delimiter: space, comment: '#'}, target_kind: value",
                    "format: csv, train: {path: \(path), target: 0, delimiter: ';', decimal: ',', thousands: '.', weight: 1}"
                ])
        },
        FuzzTarget("series", largestInput: 1024) { bytes, folder in
            let path = try folder.write("series.csv", bytes)
            try readSplits(
                folder,
                [
                    "format: series, train: {path: \(path), target: -1, time: 0}, window: 3, horizon: 2, standardize: true, "
                        + "validation_fraction: 0.4",
                    "format: series, train: {path: \(path), target: [2], time: 0, key: 1}, window: 2, stride: 2"
                ])
        },
        FuzzTarget("texts", largestInput: 1024) { bytes, folder in
            let path = try folder.write("texts.csv", bytes)
            try readSplits(
                folder,
                [
                    "format: texts, train: {path: \(path), text: 0, target: 1}, tokens: words, vocabulary: 8",
                    "format: texts, train: {path: \(path), text: 0, target: 1}, tokens: characters, length: 5, validation_fraction: 0.3",
                    "format: texts, train: {path: \(path), text: 1, target: 0}, tokens: bytes"
                ])
        },
        FuzzTarget("text", largestInput: 1024) { bytes, folder in
            let path = try folder.write("text.txt", bytes)
            try readSplits(folder, ["format: text, train: {path: \(path)}, context: 4, stride: 3, validation_fraction: 0.3"])
        },
        FuzzTarget("tokenizer", largestInput: 2048) { bytes, folder in
            let path = try folder.write("tokenizer.json", bytes)
            let text = try folder.write(
                "text.txt", Array("The a's of <s>  this\u{3000}text: \u{E9}\u{1F600}12\r\n\n ab <|endoftext|>b".utf8))
            let tokenizer = try TokenizerFile.read(path: path)
            var decoder = TokenDecoder(tokenizer)
            for token in 0..<Int32(tokenizer.count) { _ = decoder.add(token) }
            try readSplits(folder, ["format: text, train: {path: \(text)}, tokens: {tokenizer: \(path)}, context: 2"])
        },
        FuzzTarget("tokens", largestInput: 2048) { bytes, folder in
            let path = try folder.write("tokens.bin", bytes)
            try readSplits(
                folder,
                [
                    "format: tokens, train: {path: \(path)}, vocabulary: 300, context: 4, validation_fraction: 0.3",
                    "format: tokens, train: {paths: [\(path), \(path)]}, vocabulary: 300, dtype: uint32, context: 3, stride: 2"
                ])
        },
        FuzzTarget("ucr", largestInput: 1024) { bytes, folder in
            let path = try folder.write("series.ts", bytes)
            try readSplits(
                folder,
                [
                    "format: ucr, train: {path: \(path)}, standardize: true, validation_fraction: 0.3",
                    "format: ucr, train: {path: \(path)}, length: 3"
                ])
        }
    ]

    /// Arrays of numbers, whose header says what follows.
    static let arrays: [FuzzTarget] = [
        FuzzTarget("idx", largestInput: 1024) { bytes, folder in
            let path = try folder.write("array.idx", bytes)
            let inputs = try folder.write("inputs.idx", [0, 0, 8, 2, 0, 0, 0, 4, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8])
            try readSplits(
                folder,
                [
                    "format: idx, train: {inputs: \(path)}, target_kind: input, standardize: true, validation_fraction: 0.3",
                    "format: idx, train: {inputs: \(inputs), targets: \(path)}"
                ])
        },
        FuzzTarget("npy", largestInput: 1024) { bytes, folder in
            let path = try folder.write("array.npy", bytes)
            try readSplits(
                folder,
                [
                    "format: npy, train: {inputs: \(path)}, target_kind: input, standardize: true",
                    "format: npy, train: {inputs: \(path)}, target_kind: input, channels_last: true"
                ])
        },
        FuzzTarget("npz", largestInput: 2048) { bytes, folder in
            let path = try folder.write("arrays.npz", bytes)
            try readSplits(
                folder,
                [
                    "format: npz, path: \(path), validation_fraction: 0.3", "format: npz, path: \(path), target_kind: value"
                ])
        },
        FuzzTarget("packed", largestInput: 8192) { bytes, folder in
            let path = try folder.write("samples.packed", bytes)
            try readSplits(
                folder,
                [
                    "format: packed, train: {path: \(path)}, standardize: true",
                    "format: packed, train: {path: \(path)}, target_kind: input"
                ])
        },
        FuzzTarget("cifar", largestInput: 8192) { bytes, folder in
            let path = try folder.write("batch.bin", bytes)
            try readSplits(
                folder,
                [
                    "format: cifar10, train: {path: \(path)}", "format: cifar100, train: {path: \(path)}, coarse: true"
                ])
        }
    ]

    /// Pictures. Their reader tells the two formats apart by content.
    static let images: [FuzzTarget] = ["png", "jpeg"].map { name in
        FuzzTarget(name, largestInput: 2048) { bytes, folder in
            // A classifier wants two classes.
            let file = try folder.write("images/a/1.\(name)", bytes)
            _ = try folder.write("images/b/2.\(name)", bytes)
            let path = folder.path + "/images"
            let splits = try readSplits(
                folder,
                [
                    "format: images, train: {path: \(path)}, channels: 1",
                    "format: images, train: {path: \(path)}, size: [3, 5], crop: true, exif_orientation: true"
                ])
            if let splits { use(try splits.preprocessing.inputs(from: file)) }
        }
    }

    /// Reads the splits of each `data` section and uses them as training and `dtrain data` do. The last that was read.
    @discardableResult
    private static func readSplits(_ folder: FuzzFolder, _ sections: [String]) throws -> DataSplits? {
        var last: DataSplits?
        try folder.forEach(sections) { section in
            let splits = try self.sections.configuration(section).load()
            for split in [splits.train, splits.validation] {
                guard let split else { continue }
                _ = split.statistics(splits.preprocessing)
                _ = split.sequenceStatistics
                _ = try split.digest()
                use(split)
            }
            if self.sections.isNew(splits.preprocessing, of: section) {
                let kept = try JSONDecoder().decode(Preprocessing.self, from: JSONEncoder().encode(splits.preprocessing))
                precondition(kept == splits.preprocessing, "a checkpoint doesn't keep how samples were read")
            }
            last = splits
        }
        return last
    }

    private static let sections = ReadConfigurations()

    /// Gathers what a step would of the first and the last samples.
    static func use(_ dataset: Dataset) {
        // Of a shape that a file only claims, no file of a few kilobytes has a sample.
        guard dataset.count > 0, dataset.inputShape.count <= 1 << 24 else { return }
        let all = (0..<Int32(dataset.count)).map { $0 }
        for samples in [all.prefix(3), all.suffix(1)] {
            let inputs = AlignedBuffer<Float>(count: samples.count * dataset.inputShape.count)
            dataset.gatherInputs(samples, into: inputs.matrix(rows: samples.count, columns: dataset.inputShape.count))
            if dataset.hasWeights {
                let weights = AlignedBuffer<Float>(count: samples.count)
                dataset.gatherWeights(samples, into: weights.elements)
            }
            if dataset.hasLengths {
                let lengths = AlignedBuffer<Int32>(count: samples.count, repeating: 0)
                dataset.gatherLengths(samples, into: lengths.elements)
            }
            guard dataset.hasTargets else { continue }
            switch dataset.targetKind {
            case .classes:
                let classes = AlignedBuffer<Int32>(count: samples.count, repeating: 0)
                dataset.gatherClasses(samples, into: classes.elements)
                for index in classes.elements { _ = dataset.className(Int(index)) }
            case .positions(_, let positions):
                let classes = AlignedBuffer<Int32>(count: samples.count * positions, repeating: 0)
                dataset.gatherClasses(samples, into: classes.elements)
            case .values(let count), .inputs(let count):
                let values = AlignedBuffer<Float>(count: samples.count * count)
                dataset.gatherTargets(samples, into: values.matrix(rows: samples.count, columns: count))
            }
        }
    }
}

/// The `data` sections of targets, which are the same in each attempt.
private final class ReadConfigurations: Sendable {
    private let read = Mutex<[String: DataConfiguration]>([:])
    /// What came of each the last time.
    private let last = Mutex<[String: Preprocessing]>([:])

    /// Whether this isn't what came of the section the last time: of most formats it is, whatever the file.
    func isNew(_ preprocessing: Preprocessing, of section: String) -> Bool {
        last.withLock { last in
            guard last[section] != preprocessing else { return false }
            last[section] = preprocessing
            return true
        }
    }

    func configuration(_ section: String) throws -> DataConfiguration {
        try read.withLock { read in
            if let known = read[section] { return known }
            let settings = try SettingsDocument(text: "data: {\(section)}", name: "fuzz.yaml").root.section("data")
            let configuration = try DataConfiguration(settings)
            // A misspelt key here would leave a reader untried.
            do { try settings.finish() } catch { preconditionFailure("\(error)") }
            read[section] = configuration
            return configuration
        }
    }
}
