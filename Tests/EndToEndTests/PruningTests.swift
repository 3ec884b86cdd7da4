import Checkpointing
import Foundation
import TestSupport
import Testing

/// `training.pruning`.
@Suite("Pruning")
struct PruningTests {
    private static func configuration(_ pruning: String, steps: Int = 20, training: String = "") -> String {
        Material.digits(
            steps: steps, training: ", pruning: {\(pruning)}\(training)",
            sections: "optimizer: {adam: {learning_rate: 0.01}}\ncheckpoint: {every_steps: 1, keep: 100}")
    }

    private func weights(_ bench: Workbench, _ run: String, _ step: Int, _ name: String) throws -> [Float] {
        let number = String(repeating: "0", count: 8 - "\(step)".count) + "\(step)"
        return try SafetensorsFile(path: bench.path("\(run)/checkpoints/step-\(number)/model.safetensors")).floats(name)
    }

    private func zeros(_ weights: [Float]) -> Set<Int> { Set(weights.indices.filter { weights[$0] == 0 }) }

    @Test(
        "makes 0 of the weights next to 0, as many as the schedule says, and leaves them so", arguments: ["global", "layer"],
        ["owner", "allreduce"])
    func schedule(scope: String, strategy: String) throws {
        try withWorkbench { bench in
            try bench.write(
                "c.yaml",
                Self.configuration(
                    "sparsity: 0.8, scope: \(scope), start_step: 4, end_step: 12, every_steps: 4",
                    training: ", synchronization: \(strategy)"))
            expectSuccess(try bench.dtrain(["train", "c.yaml", "--run", "run", "--quiet"], ranks: 2))
            let names = ["0.weight", "2.weight"], counts = [16 * 64, 10 * 16]
            func taken(_ step: Int) throws -> [Set<Int>] { try names.map { zeros(try weights(bench, "run", step, $0)) } }
            #expect(try taken(3).allSatisfy { $0.count < 5 })
            for (step, share) in [(8, 0.8 * (1 - 0.125)), (12, 0.8), (20, 0.8)] {
                let found = try taken(step)
                if scope == "layer" {
                    #expect(
                        zip(found, counts).allSatisfy { $0.count == Int(share * Double($1)) },
                        "step \(step): \(found.map(\.count))")
                } else {
                    #expect(found[0].count + found[1].count == Int(share * 1184), "step \(step): \(found.map(\.count))")
                }
            }
            // Those next to 0 in front of the step, and from then on the same ones.
            let before = try weights(bench, "run", 11, "0.weight")
            let after = try taken(12)
            let kept = before.indices.filter { !after[0].contains($0) }.map { abs(before[$0]) }.min() ?? 0
            #expect(after[0].allSatisfy { abs(before[$0]) <= kept })
            for step in 13...20 { #expect(try taken(step) == after) }
            #expect(try weights(bench, "run", 20, "0.weight") != weights(bench, "run", 13, "0.weight"))
            #expect(try weights(bench, "run", 20, "0.bias").allSatisfy { $0 != 0 })
            let text = try bench.dtrain("inspect", "run")
            let line = "total     947  of 1,184  80.0 %"
            #expect(text.output.contains("weights that are 0\n") && (scope == "layer" || text.output.contains(line)), "\(text)")
        }
    }

    @Test("zeros stay where a network is trained on with sparsity 0, and don't where it isn't pruned")
    func fineTuning() throws {
        try withWorkbench { bench in
            try bench.write("c.yaml", Self.configuration("sparsity: 0.7, start_step: 5", steps: 6))
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "run", "--quiet"))
            let before = zeros(try weights(bench, "run", 6, "0.weight"))
            #expect(before.count > 500)
            let start = "run/checkpoints/step-00000006/model.safetensors"
            try bench.write("keep.yaml", Self.configuration("sparsity: 0", steps: 6))
            expectSuccess(
                try bench.dtrain("train", "keep.yaml", "--run", "keep", "--quiet", "--initialize", start, "--seed", "3"))
            #expect(try zeros(weights(bench, "keep", 6, "0.weight")) == before)
            #expect(try weights(bench, "keep", 6, "0.weight") != weights(bench, "run", 6, "0.weight"))
            try bench.write("free.yaml", Material.digits(steps: 6, sections: "checkpoint: {every_steps: 1, keep: 100}"))
            expectSuccess(try bench.dtrain("train", "free.yaml", "--run", "free", "--quiet", "--initialize", start))
            #expect(try zeros(weights(bench, "free", 6, "0.weight")).count < before.count)
        }
    }

    @Test("is refused where weights aren't what ranks share and a step leaves them as they are")
    func refusals() throws {
        try withWorkbench { bench in
            for (option, named) in [
                ("delay: 1", "delay: 1"), ("exchange: bfloat16", "exchange: bfloat16"),
                ("synchronization: {local: {workers: 2, steps: 2}}", "workers")
            ] {
                try bench.write("c.yaml", Self.configuration("sparsity: 0.5", training: ", \(option)"))
                expectRefusal(
                    try bench.dtrain("train", "c.yaml", "--run", "run"), .badConfiguration, ["training.pruning", named])
            }
        }
    }
}
