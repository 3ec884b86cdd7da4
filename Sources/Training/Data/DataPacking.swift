import Datasets
import Diagnostics
import Files
import Foundation
import Reporting
import Settings

/// `dtrain pack`: a split of a configuration, or a folder of images, as one file.
package struct DataPacking {
    package let splits: DataSplits
    private let dataset: Dataset

    /// - Parameters:
    ///   - source: a configuration, or a folder with a folder of images for each class.
    ///   - overrides: of the configuration, or of the one that a folder stands for: `data.size=[64, 64]`.
    ///   - validates: packs the validation split.
    ///   - catalogue: what the configuration can name.
    package init(_ source: String, overrides: [String], validates: Bool, catalogue: Catalogue = .standard) throws {
        var isFolder: ObjCBool = false
        if FileManager.default.fileExists(atPath: source, isDirectory: &isFolder), isFolder.boolValue {
            let path = source.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
            let document = try SettingsDocument(
                text: "data: {format: images, train: {path: \"\(path)\"}}\n", name: "the folder \(source)", overrides: overrides
            )
            let root = try document.root
            let data = try DataConfiguration(try root.section("data"))
            try root.finish()
            splits = try data.load()
        } else {
            let configuration = try TrainingConfiguration(
                try SettingsDocument(path: source, overrides: overrides), name: "pack", catalogue: catalogue)
            splits = try configuration.data.load(preference: configuration.loss.targetPreference)
        }
        guard let dataset = validates ? splits.validation : splits.train else {
            throw Failure(.usage, "\(source): it has no validation split; leave out --split validation")
        }
        self.dataset = dataset
    }

    /// Writes the file, durably.
    /// - Returns: what is in it, for people.
    package func write(to path: String) throws -> String {
        let file = try OutputFile(path: path)
        try reportingSystemErrors {
            try dataset.pack(splits.preprocessing) { try file.write($0) }
            try file.commit()
        }
        return "\(path): \(HumanText.count(dataset.count)) samples of shape \(dataset.inputShape), \(dataset.targetKind)"
    }
}
