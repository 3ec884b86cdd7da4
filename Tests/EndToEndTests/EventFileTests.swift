import Foundation
import TestSupport
import Testing

/// `logging.tensorboard` of the built program.
@Suite("Files for TensorBoard")
struct EventFileTests {
    private let short = ["--set", "training.epochs=3", "--set", "training.log_every=5", "--set", "logging.tensorboard=true"]

    private func files(_ bench: Workbench, _ run: String) -> [String] {
        bench.names(run + "/tensorboard").filter { $0.hasPrefix("events.out.tfevents.") }.map { "\(run)/tensorboard/\($0)" }
    }

    private func events(_ bench: Workbench, _ run: String) throws -> [EventReader.Event] {
        try files(bench, run).flatMap { try EventReader.events(path: bench.path($0)) }
    }

    @Test(
        "hold what metrics.jsonl holds, histograms of all weights and gradients, pictures, settings and how it ended; bits stay"
    )
    func content() throws {
        try withWorkbench { bench in
            let plain = try bench.dtrain(["--run", "plain", "--quiet", "--set", "training.epochs=3"])
            for ranks in [nil, 3] as [Int?] {
                if ranks != nil, !MPIRun.isAvailable { continue }
                let run = "run\(ranks ?? 1)"
                let outcome = try bench.dtrain(short + ["--run", run, "--quiet"], ranks: ranks)
                expectSuccess(outcome)
                #expect(outcome.digest == plain.digest)
                let events = try events(bench, run)
                let values = events.flatMap { event in event.values.map { (event.step, $0) } }
                func scalars(_ tag: String) -> [Int: Float] {
                    Dictionary(values.compactMap { $1.tag == tag ? ($0, $1.scalar ?? .nan) : nil }) { $1 }
                }
                var logged: [Int: Float] = [:]
                var validated: [Int: Float] = [:]
                for line in bench.text(run + "/metrics.jsonl").split(separator: "\n") {
                    let object = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
                    guard let step = object["step"] as? Int, let loss = object["loss"] as? Double else { continue }
                    if object["event"] as? String == "step" { logged[step] = Float(loss) }
                    if object["event"] as? String == "validation" { validated[step] = Float(loss) }
                }
                #expect(!logged.isEmpty && scalars("train/loss") == logged && scalars("validation/loss") == validated)
                #expect(
                    scalars("train/learning_rate").count == logged.count && scalars("train/gradient_norm").count == logged.count
                )
                #expect(scalars("train/samples_per_second").count == logged.count - 1)
                for tag in ["weights/0.weight", "weights/2.bias", "gradients/0.weight", "gradients/2.bias"] {
                    let found = values.filter { $1.tag == tag }
                    #expect(found.map(\.0) == [23, 46, 69], "\(tag)")
                    #expect(
                        found.allSatisfy { $1.histogram.map { $0.largest > $0.least && $0.sumOfSquares > 0 } ?? false },
                        "\(tag)")
                }
                let weights = values.first { $1.tag == "weights/0.weight" }?.1.histogram
                #expect(weights?.count == 8192)
                for tag in ["inputs", "filters/0.weight"] {
                    let image = try #require(values.first { $1.tag == tag }?.1.image, "\(tag)")
                    #expect(image.png.prefix(4) == [0x89, 0x50, 0x4e, 0x47] && image.width > 100)
                }
                #expect(values.first { $1.tag == "configuration/text_summary" }?.1.text?.contains("log_every: 5") == true)
                #expect(values.contains { $1.tag == "_hparams_/session_start_info" })
                let end = try #require(values.last { $1.tag == "_hparams_/session_end_info" }?.1)
                #expect(try EventReader.fields(try EventReader.fields(end.content[...])[0].bytes)[0].word == 1)
            }
        }
    }

    @Test("the squares of the gradients that histograms show add up to the logged norm")
    func gradients() throws {
        try withWorkbench { bench in
            let extra = ["--set", "logging.tensorboard={histograms_every_steps: 5}", "--set", "gradient_clipping={norm: 0.5}"]
            expectSuccess(try bench.dtrain(short + extra + ["--run", "run", "--quiet"], ranks: MPIRun.isAvailable ? 2 : nil))
            let events = try events(bench, "run")
            for step in stride(from: 5, through: 65, by: 5) {
                let values = events.filter { $0.step == step }.flatMap(\.values)
                let squares = values.filter { $0.tag.hasPrefix("gradients/") }.compactMap { $0.histogram?.sumOfSquares }
                let logged = values.first { $0.tag == "train/gradient_norm" }?.scalar
                let norm = Double(try #require(logged))
                #expect(squares.count == 4 && abs(squares.reduce(0, +).squareRoot() - norm) < 1e-5 * norm, "step \(step)")
            }
        }
    }

    @Test("a resume writes a file of its own, which takes back what the earlier one says of later steps")
    func resume() throws {
        try withWorkbench { bench in
            expectSuccess(try bench.dtrain(short + ["--run", "run", "--quiet", "--set", "checkpoint.every_steps=20"]))
            expectSuccess(
                try bench.dtrain(
                    short + [
                        "--run", "run", "--quiet", "--resume", "run/checkpoints/step-00000040", "--set",
                        "checkpoint.every_steps=20"
                    ]))
            #expect(files(bench, "run").count == 2)
            let second = try EventReader.events(path: bench.path(files(bench, "run")[1]))
            #expect(second[1].isStart && second[1].step == 41)
            let steps = second.flatMap { event in event.values.filter { $0.tag == "train/loss" }.map { _ in event.step } }
            #expect(steps == Array(stride(from: 45, through: 65, by: 5)))
        }
    }

    @Test("a folder that can't be had is one warning, and the run is as without")
    func foreignFolder() throws {
        try withWorkbench { bench in
            try bench.write("run/tensorboard", "mine")
            let outcome = try bench.dtrain(short + ["--run", "run", "--quiet"])
            expectEnd(outcome, .success)
            #expect(outcome.digest != nil && outcome.errorLines.count == 1)
            #expect(outcome.errors.contains("warning: run/tensorboard: a file, expected a directory"))
            #expect(bench.text("run/tensorboard") == "mine")
        }
    }

    @Test(
        "a full disk there is one warning, and the run is as without",
        .enabled(if: SmallDisk.isPermitted, "\(SmallDisk.reason)"))
    func fullDisk() throws {
        try withWorkbench { bench in
            try SmallDisk.run(bytes: 16 << 10) { disk in
                // The whole folder of events lies on the small disk; run directories follow no links inside, so a mount takes its place.
                try bench.write("run/.keep", "")
                mkdir(bench.path("run/tensorboard"), 0o755)
                guard mount(disk, bench.path("run/tensorboard"), nil, UInt(MS_BIND), nil) == 0 else { return }
                let outcome = try bench.dtrain(short + ["--run", "run", "--quiet"])
                expectEnd(outcome, .success)
                #expect(outcome.digest != nil && outcome.errorLines.count == 1)
                #expect(
                    outcome.errors.contains("No space left on device")
                        && outcome.errors.contains("; nothing more is written for TensorBoard"))
                umount2(bench.path("run/tensorboard"), Int32(MNT_DETACH))
            }
        }
    }

    @Test(
        "what isn't an option of it is refused",
        arguments: [
            ("logging.tensorboard=sometimes", "logging.tensorboard: expected true or false, found \"sometimes\""),
            ("logging.tensorboard={image: 3}", "unknown key \"image\" in \"logging.tensorboard\" (did you mean \"images\"?)"),
            ("logging.tensorbord=true", "unknown key \"tensorbord\" in \"logging\" (did you mean \"tensorboard\"?)"),
            ("logging.tensorboard={images: 5000}", "logging.tensorboard.images: expected")
        ])
    func badOptions(_ setting: String, message: String) throws {
        try withWorkbench { bench in
            expectRefusal(try bench.dtrain(["--set", setting, "--run", "run"]), .badConfiguration, [message])
        }
    }

    /// A character model of a few letters, a blank, a line feed and a sign beyond ASCII.
    private func writeText(_ bench: Workbench) throws {
        try bench.write("text.txt", String(repeating: "ab \u{e9}\nba", count: 40))
        try bench.write(
            "text.yaml",
            """
            data: {format: text, train: {path: text.txt}, tokens: characters, context: 4}
            model: {layers: [{embedding: {units: 3, name: letters}}, {dense: {units: vocabulary}}]}
            loss: cross_entropy
            training: {epochs: 1, global_batch_size: 8}
            logging: {tensorboard: true}
            """)
    }

    @Test("embeddings are tables for the projector, with a line of text for each token")
    func embeddings() throws {
        try withWorkbench { bench in
            try writeText(bench)
            expectSuccess(try bench.dtrain(["train", "text.yaml", "--run", "run", "--quiet"]))
            let folder = "run/tensorboard/"
            #expect(
                bench.text(folder + "projector_config.pbtxt") == """
                    embeddings {
                      tensor_name: "letters.weight"
                      tensor_path: "letters.weight.tsv"
                      metadata_path: "letters.weight-labels.tsv"
                    }

                    """)
            let labels = bench.text(folder + "letters.weight-labels.tsv").split(separator: "\n")
            #expect(Set(labels) == ["a", "b", "\u{2423}", "\u{e9}", "\\n"] && labels.count == 5)
            let rows = bench.text(folder + "letters.weight.tsv").split(separator: "\n").map { line in
                line.split(separator: "\t").map { Float(String($0)) ?? .nan }
            }
            #expect(rows.map(\.count) == [3, 3, 3, 3, 3])
            // As the histogram of the same weights says.
            let weights = try events(bench, "run").flatMap(\.values).last { $0.tag == "weights/letters.weight" }?.histogram
            let numbers = rows.joined().map(Double.init)
            #expect(weights?.least == numbers.min() && weights?.largest == numbers.max())
            let without = try bench.dtrain([
                "train", "text.yaml", "--run", "without", "--quiet", "--set", "logging.tensorboard={embeddings: false}"
            ])
            expectSuccess(without)
            #expect(bench.names("without/tensorboard").count == 1)
        }
    }

    /// Python with TensorBoard's own reader.
    private static let python = ProcessInfo.processInfo.environment["DTRAIN_PYTHON"]
    private static let hasReader: Bool = {
        guard let python else { return false }
        let child = ChildProcess(
            python, ["-c", "import tensorboard.backend.event_processing.event_accumulator"], timeLimitSeconds: 100)
        return (try? child.run().status) == 0
    }()

    @Test(
        "TensorBoard's own reader finds the same, and forgets what a resume took back",
        .enabled(if: hasReader, "DTRAIN_PYTHON names no Python that has tensorboard"))
    func counterpart() throws {
        try withWorkbench { bench in
            expectSuccess(try bench.dtrain(short + ["--run", "run", "--quiet", "--set", "checkpoint.every_steps=20"]))
            expectSuccess(
                try bench.dtrain(
                    short + [
                        "--run", "run", "--quiet", "--resume", "run/checkpoints/step-00000040", "--set",
                        "checkpoint.every_steps=20", "--set", "optimizer.adam.learning_rate=0.1"
                    ]))
            let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
                .appendingPathComponent("References/read_events.py").path
            let result = try bench.run(Self.python ?? "", [script, "run"])
            #expect(result.status == 0, "\(result)")
            try writeText(bench)
            expectSuccess(try bench.dtrain(["train", "text.yaml", "--run", "text", "--quiet"]))
            let projector = try bench.run(
                Self.python ?? "",
                [
                    "-c",
                    """
                    from google.protobuf import text_format
                    from tensorboard.plugins.projector import projector_config_pb2, projector_plugin
                    config = text_format.Parse(open("text/tensorboard/projector_config.pbtxt").read(), projector_config_pb2.ProjectorConfig())
                    [table] = config.embeddings
                    numbers = projector_plugin._read_tensor_tsv_file("text/tensorboard/" + table.tensor_path)
                    assert numbers.shape == (5, 3), numbers.shape
                    assert len(open("text/tensorboard/" + table.metadata_path).read().splitlines()) == 5
                    """
                ])
            #expect(projector.status == 0, "\(projector)")
        }
    }
}
