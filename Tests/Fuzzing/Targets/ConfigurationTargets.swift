import Diagnostics
import Network
import Settings
import Storage
import Training

extension FuzzTarget {
    /// What a person writes.
    static let configurations: [FuzzTarget] = [
        FuzzTarget("yaml", largestInput: 1024) { bytes, folder in
            let document = try SettingsDocument(path: folder.write("fuzz.yaml", bytes))
            let configuration = try TrainingConfiguration(document, name: "fuzz")
            // No data are read, which could be any file of the machine: their shape is one of these.
            let shapes: [(shape: Shape, tokens: Int?, hasLengths: Bool)] = [
                (Shape([64]), nil, false), (Shape([1, 28, 28]), nil, false), (Shape([12]), 65, false),
                (Shape([12, 3]), nil, true)
            ]
            try folder.forEach(shapes) { samples in
                _ = try Network(
                    configuration.model, inputShape: samples.shape, tokenKinds: samples.tokens, hasLengths: samples.hasLengths,
                    carriesState: configuration.training.stateful, loss: configuration.loss, seed: 1)
            }
            let effective = try configuration.root.effectiveYAML()
            // What `inspect` prints is a configuration.
            do { _ = try SettingsDocument(text: effective, name: "effective.yaml").root } catch {
                preconditionFailure("\(error):\n\(effective)")
            }
        },
        FuzzTarget("override", largestInput: 512) { bytes, _ in
            guard let text = String(validating: bytes, as: UTF8.self) else { return }
            let base = "data: {format: digits}\nmodel: {layers: [dense: {units: 4}, relu, dense: {units: 10}]}"
            let document = try SettingsDocument(
                text: base, name: "fuzz.yaml", overrides: text.split(separator: "\n").map(String.init))
            _ = try TrainingConfiguration(document, name: "fuzz")
        }
    ]
}
