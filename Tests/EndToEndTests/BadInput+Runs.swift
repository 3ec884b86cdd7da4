import Diagnostics
import Foundation
import Testing

extension BadInput {
    private static func resume(_ more: String...) -> [String] { ["train", "c.yaml", "--run", "run", "--resume"] + more }

    // MARK: - Checkpoints

    static let checkpoints: [BadInput] = [
        .checkpoint(
            "a resume with another network", .badConfiguration,
            says: ["run/checkpoints/step-00000004", "model.layers[0].dense.units: 16 → 12"],
            onRanks: true
        ) { _ in
            resume("--set", "model.layers.0.dense.units=12")
        },
        .checkpoint("a resume with another layer", .badConfiguration, says: ["model.layers[1]: relu → tanh"]) { _ in
            resume("--set", "model.layers.1=tanh")
        },
        .checkpoint(
            "a resume with another optimizer", .badConfiguration, says: ["optimizer: adam → sgd"],
            onRanks: true
        ) { _ in
            resume("--set", "optimizer=sgd")
        },
        .checkpoint(
            "a resume with another batch size", .badConfiguration,
            says: ["training.global_batch_size: 64 → 32"], onRanks: true
        ) { _ in
            resume("--set", "training.global_batch_size=32")
        },
        .checkpoint(
            "a resume with another micro-batch size", .badConfiguration,
            says: ["training.micro_batch_size: 16 → 8"]
        ) { _ in
            resume("--set", "training.micro_batch_size=8")
        },
        .checkpoint("a resume with another seed", .badConfiguration, says: ["training.seed: 0 → 7"]) { _ in
            resume("--seed", "7")
        },
        .checkpoint(
            "a resume with another loss", .badConfiguration,
            says: ["loss.cross_entropy.label_smoothing: 0.0 → 0.1"]
        ) { _ in
            resume("--set", "loss.cross_entropy.label_smoothing=0.1")
        },
        .checkpoint(
            "a resume in another order of samples", .badConfiguration,
            says: ["training.shuffle: true → false"]
        ) { _ in
            resume("--set", "training.shuffle=false")
        },
        .checkpoint(
            "a resume with other numbers for normalising", .badConfiguration,
            says: ["data.normalize.scale", "3"]
        ) { _ in
            resume("--set", "data.normalize.scale=3")
        },
        BadInput(
            "a resume with other data", .badConfiguration,
            says: ["run/checkpoints/step-00000002", "other training data", "SHA-256"], onRanks: true
        ) { bench in
            try bench.write("t.csv", Material.csv(Material.trees()))
            try bench.write("c.yaml", Material.table("t.csv"))
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "run", "--steps", "2", "--quiet"))
            try bench.write("t.csv", Material.csv(column: 0, replacedBy: "0.123"))
            return resume()
        },
        BadInput(
            "a resume with other data for validation", .badConfiguration,
            says: ["other validation data"]
        ) { bench in
            try bench.write("t.csv", Material.csv(Material.trees()))
            try bench.write("v.csv", Material.csv(Material.trees(rows: 20)))
            try bench.write("c.yaml", Material.table("t.csv", data: "validation: {path: v.csv}"))
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "run", "--steps", "2", "--quiet"))
            try bench.write("v.csv", Material.csv(Material.trees(rows: 21)))
            return resume()
        },

        .checkpoint(
            "a truncated checkpoint", .badData,
            says: ["run/checkpoints/step-00000002/model.safetensors: truncated", "found 100"],
            onRanks: true
        ) { bench in
            try bench.truncate("run/checkpoints/step-00000002/model.safetensors", to: 100)
            return resume("run/checkpoints/step-00000002")
        },
        .checkpoint(
            "a checkpoint without its optimizer", .badData,
            says: ["step-00000002/optimizer.safetensors", "missing"]
        ) { bench in
            try bench.remove("run/checkpoints/step-00000002/optimizer.safetensors")
            return resume("run/checkpoints/step-00000002")
        },
        .checkpoint(
            "a checkpoint with a flipped bit", .badData,
            says: ["step-00000002/model.safetensors", "checksum"]
        ) { bench in
            var bytes = Array(bench.bytes("run/checkpoints/step-00000002/model.safetensors"))
            bytes[bytes.count - 100] ^= 4
            try bench.write("run/checkpoints/step-00000002/model.safetensors", bytes)
            return resume("run/checkpoints/step-00000002")
        },
        .checkpoint(
            "a run whose checkpoints are all truncated", .badData,
            says: ["run: none of its 3 checkpoints is valid", "state.json", "nothing was changed"]
        ) { bench in
            for step in [0, 2, 4] { try bench.truncate("run/checkpoints/step-0000000\(step)/state.json", to: 50) }
            return resume()
        },
        .checkpoint("a file that is no checkpoint", .badData, says: ["c.yaml.txt", "not a checkpoint"]) { bench in
            try bench.copy("c.yaml", to: "c.yaml.txt")
            return resume("c.yaml.txt")
        },
        .checkpoint(
            "a directory that is no checkpoint", .badData,
            says: ["run/checkpoints: not a checkpoint", "state.json is missing"]
        ) { _ in
            resume("run/checkpoints")
        },
        .checkpoint(
            "a checkpoint that isn't there", .missingInput,
            says: ["run/checkpoints/step-00000099", "no checkpoint"], onRanks: true
        ) { _ in
            resume("run/checkpoints/step-00000099")
        },
        .checkpoint("eval of a truncated checkpoint", .badData, says: ["state.json"]) { bench in
            try bench.truncate("run/checkpoints/step-00000002/state.json", to: 90)
            return ["eval", "run/checkpoints/step-00000002"]
        },
        .checkpoint(
            "eval of no checkpoint", .badData,
            says: ["c.yaml", "not a checkpoint"]
        ) { _ in ["eval", "c.yaml"] },
        .checkpoint("eval of nothing", .missingInput, says: ["nowhere"]) { _ in ["eval", "nowhere"] },
        .checkpoint("predict from a missing file", .missingInput, says: ["nowhere.csv"]) { _ in
            ["predict", "run", "nowhere.csv"]
        },
        .checkpoint(
            "predict from samples of another shape", .badData,
            says: ["x", "[4, 4]", "expected [64]"]
        ) { bench in
            try bench.write("x", Material.images)
            return ["predict", "run", "x"]
        },
        .checkpoint("predict from a table of another width", .badData, says: ["t.csv", "64", "3 columns"]) { bench in
            try bench.write("t.csv", Material.csv(Material.trees()))
            return ["predict", "run", "t.csv"]
        },
        .checkpoint("predict into a directory that isn't there", .cannotCreate, says: ["nowhere/out.csv"]) { bench in
            try bench.write("x", Material.idx([2, 64], Array(repeating: 3, count: 128)))
            return ["predict", "run", "x", "--output", "nowhere/out.csv"]
        },

        .checkpoint(
            "weights of another network", .badData,
            says: ["step-00000004/model.safetensors", "\"0.weight\"", "[16, 64]", "[12, 64]"],
            onRanks: true
        ) { _ in
            [
                "train", "c.yaml", "--run", "new", "--set", "model.layers.0.dense.units=12", "--initialize",
                "run/checkpoints/step-00000004/model.safetensors"
            ]
        },
        .checkpoint("weights with a tensor too many", .badData, says: ["model.safetensors", "\"2.weight\""]) { bench in
            [
                "train", "c.yaml", "--run", "new", "--set", "model.layers=[dense: {units: 16}, dense: {units: 10}]",
                "--initialize", "run/checkpoints/step-00000004/model.safetensors"
            ]
        },
        .checkpoint(
            "an optimizer's state for weights", .badData,
            says: ["optimizer.safetensors", "no tensor \"0.weight\""]
        ) { _ in
            ["train", "c.yaml", "--run", "new", "--initialize", "run/checkpoints/step-00000004/optimizer.safetensors"]
        },
        .checkpoint("a text for weights", .badData, says: ["c.yaml", "not a safetensors file"]) { _ in
            ["train", "c.yaml", "--run", "new", "--initialize", "c.yaml"]
        },
        .checkpoint("truncated weights", .badData, says: ["w.safetensors"]) { bench in
            try bench.write(
                "w.safetensors",
                Array(bench.bytes("run/checkpoints/step-00000004/model.safetensors").dropLast(9)))
            return ["train", "c.yaml", "--run", "new", "--initialize", "w.safetensors"]
        },
        .checkpoint("no weights", .missingInput, says: ["w.safetensors"]) { _ in
            ["train", "c.yaml", "--run", "new", "--initialize", "w.safetensors"]
        }
    ]

    // MARK: - Run directories

    static let runDirectories: [BadInput] = [
        .checkpoint(
            "a directory that holds a run already", .cannotCreate,
            says: ["run: holds a run already", "--resume", "--run"],
            onRanks: true
        ) { _ in
            ["train", "c.yaml", "--run", "run"]
        },
        BadInput(
            "a file where the directory belongs", .cannotCreate, says: ["run", "a file", "directory"],
            onRanks: true
        ) { bench in
            try bench.write("run", "")
            try bench.write("c.yaml", Material.digits)
            return ["train", "c.yaml", "--run", "run"]
        },
        BadInput("a file above the directory", .cannotCreate, says: ["file", "Not a directory"]) { bench in
            try bench.write("file", "")
            try bench.write("c.yaml", Material.digits)
            return ["train", "c.yaml", "--run", "file/run"]
        },
        BadInput("a file where runs belong", .cannotCreate, says: ["runs"]) { bench in
            try bench.write("runs", "")
            return ["--steps", "1"]
        },
        BadInput("an empty name", .cannotCreate, says: ["empty path"]) { bench in
            try bench.write("c.yaml", Material.digits)
            return ["train", "c.yaml", "--run", ""]
        }
    ]
}
