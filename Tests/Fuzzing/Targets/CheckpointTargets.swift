import Checkpointing
import Datasets
import Diagnostics
import Files
import Foundation
import Network
import Reporting
import Settings
import Storage
import Training

extension FuzzTarget {
    /// What a run directory holds.
    static let checkpoints: [FuzzTarget] = [
        FuzzTarget("safetensors") { bytes, folder in
            let file = try SafetensorsFile(path: folder.write("model.safetensors", bytes))
            for tensor in file.tensors {
                // A tensor lies in the file, so that there is as much memory as its elements need.
                precondition(tensor.offset + tensor.byteCount <= bytes.count, "\(tensor) of \(bytes.count) bytes")
                do { _ = try file.floats(tensor.name) } catch let failure as Failure where failure.code == .badData {}
            }
            _ = try file.digest()
            let comparison = try SafetensorsComparison(file, file)
            precondition(comparison.isEqual, "a file that differs from itself: \(comparison)")
        },
        // Without its seal, which is put below it: no mutation would pass one.
        FuzzTarget("manifest") { bytes, folder in
            let seal = try SHA256.hexadecimal(of: bytes)
            _ = try folder.write("checkpoint/state.json", bytes + Array("\"sha256\": \"\(seal)\"\n}\n".utf8))
            for name in ["model", "optimizer"] {
                _ = try folder.write("checkpoint/\(name).safetensors", [2, 0, 0, 0, 0, 0, 0, 0] + Array("{}".utf8))
            }
            let checkpoint = try LoadedCheckpoint(path: folder.path + "/checkpoint")
            _ = try TrainingState.decode(checkpoint)
        },
        // The trainer's state, in a checkpoint that is otherwise as it should be.
        FuzzTarget("state", largestInput: 8192) { bytes, folder in
            guard let tree = try? JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any] else { return }
            let step = (tree["step"] as? Int).map { max(0, $0) } ?? 0
            let store = CheckpointStore(runDirectory: folder.path)
            func save(_ model: [TensorSource]) throws -> String {
                try store.save(step: step, model: model, optimizer: [], state: Data(bytes), to: .best, keep: 1).path
            }
            let state = try TrainingState.decode(LoadedCheckpoint(path: try save([])))
            let configuration = try TrainingConfiguration(
                SettingsDocument(text: state.configuration, name: "state.json"), name: "")
            let kept = state.preprocessing
            let network = try Network(
                configuration.model, inputShape: kept.inputShape, tokenKinds: kept.tokenKinds, hasLengths: kept.hasLengths,
                carriesState: configuration.training.stateful, loss: configuration.loss, seed: 0)
            // Larger ones would be so in a real file too, which no few kilobytes are.
            guard network.layout.weightCount <= 1 << 16, kept.inputShape.count <= 1 << 16 else { return }
            let weights = AlignedBuffer<Float>(count: network.layout.weightCount, repeating: 0.25)
            let path = try save(
                network.layout.slots.map {
                    TensorSource(
                        name: $0.name, shape: $0.shape.dimensions,
                        values: UnsafeBufferPointer(
                            rebasing: UnsafeBufferPointer(weights.elements)[network.layout.range(of: $0)]))
                })
            let model = try TrainedModel(path: path, overrides: [])
            let questions = strangers.flatMap { [($0.0, $0.1, true), ($0.0, $0.1, false)] }
            try folder.forEach(questions) { name, bytes, predicts in
                let file = try folder.write(name, bytes)
                if predicts { try model.predict(file) { precondition($0.values.count <= 1 << 20) } }
                if !predicts { _ = try model.evaluate(.file(file, targets: nil)) }
            }
        },
        FuzzTarget("metrics", largestInput: 1024) { bytes, folder in
            let path = try folder.write("metrics.jsonl", bytes)
            let directory = try Directory(Place(folder.path))
            let last = try MetricsLog.lastLoggedStep(in: directory)
            do {
                let lines = try MetricsLog.lines(path: path)
                precondition(LossComparison(lines, lines).isEqual || lines.contains { $0.step == nil })
            } catch let failure as Failure where failure.code == .badData {}
            try MetricsLog.truncate(in: directory, afterStep: last.map { $0 / 2 } ?? 0)
            // What it leaves is a log without damage, and stays when it is cut there again.
            let again = try MetricsLog.truncate(in: directory, afterStep: last.map { $0 / 2 } ?? 0)
            precondition(again.cut == 0 && again.damaged == 0, "cut twice: \(again)")
        }
    ]

    /// Files that a model is asked about; which of them are of its kind depends on its state.
    private static let strangers: [(String, [UInt8])] = [
        ("new.csv", Array("a,b,color,\"quo,ted\",y\n1,2,red,x,cat\n0.5,-3,blue,x,dog\n".utf8)),
        (
            "months.csv",
            Array(
                "date,a,b\n2021-01-01,1,2\n2021-02-01,2,3\n2021-03-01,4,5\n2021-04-01,4,5\n2021-05-01,1,1\n2021-06-01,0,0\n"
                    .utf8)
        ),
        ("mails.csv", Array("text,label\nWin a prize now,spam\nsee you,ham\n".utf8)),
        ("new.txt", Array("It was the best of times, it was the worst of times".utf8)),
        ("new.ts", Array("@classLabel true x y\n@data\n1,2,3,4:x\n2,3,4:y\n".utf8)),
        ("new.idx", [0, 0, 8, 2, 0, 0, 0, 3, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6])
    ]
}
