import Foundation
import Storage
import TestSupport
import Testing

/// What `inspect` foresees beside what a run then holds at its fullest (`VmHWM` of proc(5)).
@Suite("Memory", .serialized)
struct MemoryTests {
    /// The most that each process named dtrain of a job has held, by process.
    private func peaks(_ job: Job) throws -> [pid_t: Int] {
        let running = try job.begin()
        var peaks: [pid_t: Int] = [:]
        // It never falls: whatever is read last before the end is the highest, but for what the last milliseconds add.
        _ = running.waitUntil(seconds: 60) { running in
            for process in running.processes() where process.name == "dtrain" {
                let status = (try? String(contentsOfFile: "/proc/\(process.identifier)/status", encoding: .utf8)) ?? ""
                peaks[process.identifier] = max(peaks[process.identifier] ?? 0, ProcessMemory(status: status).peak)
            }
            return false
        }
        expectSuccess(try job.wait())
        return peaks
    }

    /// Megabytes in the line that begins "memory:".
    private func foreseen(_ bench: Workbench, _ arguments: [String]) throws -> Double {
        let outcome = try bench.dtrain(["inspect"] + arguments)
        expectSuccess(outcome)
        let line = try #require(outcome.outputLines.first { $0.hasPrefix("memory: ") }, "\(outcome)")
        return try #require(Double(line.split(separator: " ")[1]), "\(line)")
    }

    private func compare(_ bench: Workbench, _ configuration: String, _ overrides: [String] = [], ranks: Int? = nil) throws {
        let options = overrides.flatMap { ["--set", $0] }
        let foreseen = try foreseen(bench, [configuration] + options + (ranks.map { ["--ranks", "\($0)"] } ?? []))
        let job = try bench.start(["train", configuration, "--run", "run-\(ranks ?? 1)", "--quiet"] + options, ranks: ranks)
        // Rank 0 holds most: the copy for checkpoints.
        let measured = Double(try peaks(job).values.max() ?? 0) / 1e6
        #expect(
            abs(foreseen - measured) <= 0.1 * measured,
            "\(configuration) \(overrides) on \(ranks ?? 1): \(foreseen) MB foreseen, \(measured) MB measured")
    }

    @Test(
        "inspect foresees the peak within a tenth where parameters take most of it",
        arguments: [nil, 2, 3].filter { $0 == nil || MPIRun.isAvailable })
    func parameters(ranks: Int?) throws {
        try withWorkbench { bench in
            try bench.write(
                "wide.yaml",
                """
                data: {format: digits}
                model: {layers: [dense: {units: 1536}, relu, dense: {units: 1536}, relu, dense: {units: 10}]}
                optimizer: {adam: {}}
                training: {max_steps: 4, global_batch_size: 96, micro_batch_size: 16}
                """)
            try compare(bench, "wide.yaml", ranks: ranks)
        }
    }

    @Test("likewise where the data do")
    func data() throws {
        try withWorkbench { bench in
            var text = (0..<40).map { "x\($0)," }.joined() + "y\n"
            for row in 0..<60_000 {
                text += (0..<40).map { "\((row * 7919 + $0 * 104_729) % 9973)," }.joined() + "\(row % 977).5\n"
            }
            try bench.write("large.csv", text)
            try bench.write(
                "large.yaml",
                """
                data: {format: csv, train: {path: large.csv, target: y}, standardize: true}
                model: {layers: [dense: {units: 8}, relu, dense: {units: 1}]}
                loss: mean_squared_error
                training: {max_steps: 300, global_batch_size: 64, micro_batch_size: 16}
                """)
            try compare(bench, "large.yaml")
        }
    }

    @Test("likewise where activations and waiting gradients do")
    func activations() throws {
        try withWorkbench { bench in
            try bench.write(
                "deep.yaml",
                """
                data: {format: digits}
                model: {layers: [dense: {units: 4096}, relu, dense: {units: 128}, silu, dense: {units: 10}]}
                optimizer: {sgd: {}}
                training: {max_steps: 3, global_batch_size: 1438, micro_batch_size: 2}
                """)
            try compare(bench, "deep.yaml")
        }
    }

    /// Ready configurations on images of no meaning, of their sizes.
    @Test(
        "likewise of networks on images, in micro-batches of any size",
        arguments: ["cifar10-resnet20", "mnist-cnn", "mnist-autoencoder", "digits-cnn"], [8, 32, 64])
    func images(configuration: String, microBatchSize: Int) throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        try withWorkbench { bench in
            let (count, shape) = (300, configuration.hasPrefix("cifar10") ? [3, 32, 32] : [28, 28])
            func dimensions(_ sizes: [Int]) -> [UInt8] {
                [0, 0, 8, UInt8(sizes.count)] + sizes.flatMap { [0, 0, UInt8($0 >> 8), UInt8($0 & 255)] }
            }
            let pixels = (0..<count * shape.reduce(1, *)).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ $0 / 97) }
            try bench.write("x.idx", dimensions([count] + shape) + pixels)
            try bench.write("y.idx", dimensions([count]) + (0..<count).map { UInt8($0 % 10) })
            let data: [String]
            switch configuration {
            case "digits-cnn": data = []
            case "mnist-autoencoder":
                data = ["data={format: idx, train: {inputs: x.idx}, validation_fraction: 0.2, target_kind: input}"]
            default: data = ["data={format: idx, train: {inputs: x.idx, targets: y.idx}, validation_fraction: 0.2}"]
            }
            try compare(
                bench, root.appending(path: "configs/\(configuration).yaml").path,
                data + [
                    "training.max_steps=2", "training.micro_batch_size=\(microBatchSize)", "training.global_batch_size=128"
                ])
        }
    }

    @Test("what this machine can't hold is refused before it is allocated")
    func refusal() throws {
        try withWorkbench { bench in
            // Twenty layers, each as large as one may be.
            let wide = Array(repeating: "dense: {units: 90000}", count: 20).joined(separator: ", ")
            try bench.write("huge.yaml", "data: {format: digits}\nmodel: {layers: [\(wide), dense: {units: 10}]}\n")
            let outcome = try bench.dtrain("train", "huge.yaml")
            expectRefusal(
                outcome, .badConfiguration,
                [
                    "training takes", "weights 615.6 GB", "this machine has",
                    "use smaller layers"
                ])
            // A bound on addresses is held against what is taken already and what is to come.
            let limited = try bench.run(
                "/bin/sh",
                [
                    "-c",
                    "ulimit -v 3000000; exec \(Workbench.program) train --run limited "
                        + "--set 'model.layers=[dense: {units: 20000}, relu, dense: {units: 10000}, dense: {units: 10}]'"
                ])
            #expect(limited.status == 78 && limited.errors.contains("a process may have 3.1 GB (ulimit -v)"), "\(limited)")
        }
    }
}
