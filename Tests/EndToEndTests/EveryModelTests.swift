import Diagnostics
import Foundation
import TestSupport
import Testing
import Training

/// What `train` has made, `eval`, `predict`, `inspect` and a resume read: for every metric, loss, layer, data format and
/// option.
@Suite("Every model")
struct EveryModelTests {
    /// A configuration, and a file to predict from.
    struct Model: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let data: String
        var layers: String
        var sections = ""
        var training = ""
        var input = "t.csv"
        /// A labelled file, and the file of targets where that is another.
        var labelled = ["t.csv"]

        var configuration: String {
            "data: {\(data)}\nmodel: {layers: [\(layers)]}\n\(sections)\ntraining: {max_steps: 2, global_batch_size: 8, "
                + "micro_batch_size: 4\(training)}\n"
        }
    }

    private static let kinds = "format: csv, train: {path: t.csv, target: kind}, validation_fraction: 0.3"
    private static let answers = "format: csv, train: {path: t.csv, target: yes}, validation_fraction: 0.3"
    private static let numbers = "format: csv, train: {path: t.csv, target: z}, validation_fraction: 0.3"
    private static let many = "format: csv, train: {path: t.csv, target: [z, v]}, validation_fraction: 0.3"

    private static func table(
        _ name: String, options: String, layers: String = "dense: {units: 3}", sections: String = "",
        input: String = "t.csv"
    ) -> Model {
        Model(testDescription: name, data: options, layers: layers, sections: sections, input: input, labelled: [input])
    }

    private static let metricsOfClasses: [(String, String)] = [
        ("accuracy", "accuracy"), ("top_k", "{top_k: {k: 2}}"), ("top_k alone", "top_k"), ("precision", "precision"),
        ("recall", "recall"), ("f1", "f1"), ("confusion_matrix", "confusion_matrix"),
        ("all of them", "accuracy, {top_k: {k: 1}}, {top_k: {k: 3}}, f1, precision, recall, confusion_matrix"), ("none", "")
    ]
    private static let metricsOfAnswers = ["roc_auc", "accuracy", "f1, precision, recall, confusion_matrix"]
    private static let metricsOfNumbers = ["mean_squared_error", "mae", "r2, mse, mean_absolute_error"]

    private static let metrics: [Model] = {
        var models = metricsOfClasses.map { table("the metric \($0.0)", options: kinds, sections: "metrics: [\($0.1)]") }
        for name in metricsOfAnswers {
            models.append(
                table(
                    "answers: the metric \(name)", options: answers, layers: "dense: {units: 1}",
                    sections: "loss: binary_cross_entropy\nmetrics: [\(name)]"))
        }
        for name in metricsOfNumbers {
            models.append(
                table(
                    "numbers: the metric \(name)", options: numbers, layers: "dense: {units: 1}",
                    sections: "loss: mean_squared_error\nmetrics: [\(name)]"))
        }
        return models
    }()

    private static let lossRows: [(loss: String, data: String, units: Int)] = [
        ("cross_entropy: {label_smoothing: 0.1}", kinds, 3), ("binary_cross_entropy", answers, 1),
        ("binary_cross_entropy", kinds, 3), ("mean_squared_error", kinds, 3), ("mean_squared_error", numbers, 1),
        ("mean_squared_error", answers, 1), ("mean_absolute_error", many, 2), ("huber: {delta: 0.5}", numbers, 1),
        ("huber", many, 2), ("cross_entropy", answers, 2)
    ]
    private static let losses: [Model] = lossRows.map { row in
        let loss = row.loss.contains(":") ? row.loss : row.loss + ": {}"
        return table(
            "the loss \(row.loss) with \(row.units) outputs", options: row.data, layers: "dense: {units: \(row.units)}",
            sections: "loss: {\(loss)}")
    }

    private static let layerNames: [String] = [
        "relu", "sigmoid", "tanh", "silu", "softmax", "leaky_relu: {slope: 0.1}", "elu: {alpha: 0.5}", "gelu",
        "gelu: {approximation: tanh}", "dropout: {rate: 0.3}", "flatten", "residual: {layers: [dense: {units: 4}, relu]}",
        "dense: {units: 4, bias: false, name: middle, initializer: {uniform: {bound: 0.1}}}",
        "dense: {units: 4, initializer: {normal: {mean: 0.1, standard_deviation: 0.2}}}",
        "dense: {units: 4, initializer: zeros}", "layer_norm", "rms_norm: {epsilon: 0.001}",
        "reshape: {shape: [2, 2]}, permute: {dimensions: [2, 1]}, dense: {units: 2}, flatten",
        "parallel: {branches: [{layers: [relu]}, {layers: [dense: {units: 2}]}], combine: concatenate}",
        "repeat: {times: 2, layers: [dense: {units: 4}, relu]}",
        "residual: {layers: [dense: {units: 3}], shortcut: {layers: [dense: {units: 3, bias: false}]}}"
    ]
    /// On images of 1 × 2 × 2, or 2 × 2.
    private static let imageLayerNames: [String] = [
        "conv2d: {filters: 2, kernel: [2, 1], stride: 1, padding: same, dilation: 1, groups: 1, bias: false, initializer: he_normal}",
        "conv2d: {filters: 2, kernel: 2}, conv2d_transpose: {filters: 2, kernel: 2, stride: 2, padding: 1, output_padding: 1}",
        "reshape: {shape: [2, 2]}, conv1d: {filters: 3, kernel: 2, padding: 1, stride: 2, dilation: 1, groups: 1}",
        "reshape: {shape: [2, 2]}, conv1d: {filters: 3, kernel: 2, padding: causal}, global_average_pool1d",
        "reshape: {shape: [2, 2]}, positional_embedding, multi_head_attention: {heads: 2, causal: true, dropout: 0.1, bias: false}",
        "reshape: {shape: [2, 2]}, positional_embedding: {kind: sinusoidal}, transformer_block: {heads: 1, hidden: 3, rotary: true}",
        "reshape: {shape: [2, 2]}, max_pool1d: {size: 2, stride: 1, padding: 1}",
        "reshape: {shape: [2, 2]}, average_pool1d: {size: 2, count_include_pad: false}",
        "reshape: {shape: [2, 2]}, global_max_pool1d",
        "reshape: {shape: [2, 2]}, simple_rnn: {units: 3, nonlinearity: relu, bias: false}",
        "reshape: {shape: [2, 2]}, lstm: {units: 2, layers: 2, dropout: 0.1, forget_bias: 1, recurrent_initializer: orthogonal}",
        "reshape: {shape: [2, 2]}, gru: {units: 2, bidirectional: true, output: all}",
        "max_pool2d: {size: 2}", "average_pool2d: {size: 3, stride: 1, padding: 1, count_include_pad: false}",
        "global_average_pool2d", "global_max_pool2d", "upsample2d: {scale_factor: 2, mode: bilinear}",
        "zero_pad2d: {padding: [0, 1, 0, 1]}", "dropout2d: {rate: 0.25}", "batch_norm, relu",
        "batch_norm: {synchronized: true}",
        "conv2d: {filters: 4, kernel: 1}, group_norm: {groups: 2}", "instance_norm: {affine: true}"
    ]
    private static let finalLayers: [Model] = [
        // Its last micro-batch of an epoch would be one row.
        Model(
            testDescription: "the layer batch_norm", data: kinds,
            layers: "dense: {units: 4}, batch_norm: {momentum: 0.2}, dense: {units: 3}", training: ", drop_last: true"),
        table("a final softmax", options: kinds, layers: "dense: {units: 3}, softmax"),
        table("a final sigmoid", options: answers, layers: "dense: {units: 1}, sigmoid", sections: "loss: binary_cross_entropy")
    ]
    private static let layers: [Model] =
        layerNames.map { name in
            table("the layer \(name)", options: kinds, layers: "dense: {units: 4}, \(name), dense: {units: 3}")
        }
        + imageLayerNames.map { name in
            table(
                "the layer \(name)", options: kinds,
                layers: "dense: {units: 4}, reshape: {shape: [1, 2, 2]}, \(name), flatten, dense: {units: 3}")
        } + finalLayers

    private static let formats: [Model] = [
        Model(
            testDescription: "digits", data: "format: digits", layers: "dense: {units: 10}", input: "digits.csv",
            labelled: ["digits-labelled.csv"]),
        Model(
            testDescription: "IDX",
            data: "format: idx, train: {inputs: x, targets: y}, validation_fraction: 0.5, normalize: "
                + "{scale: 255, mean: 0.5, std: 2}", layers: "flatten, dense: {units: 3}", input: "x", labelled: ["x", "y"]),
        Model(
            testDescription: "IDX, labels with gaps",
            data: "format: idx, train: {inputs: x, targets: gaps}, validation: "
                + "{inputs: x, targets: gaps}", layers: "flatten, dense: {units: 3}", input: "x", labelled: ["x", "gaps"]),
        Model(
            testDescription: "IDX, numbers",
            data: "format: idx, train: {inputs: x, targets: y}, standardize: true, "
                + "validation_fraction: 0.5", layers: "flatten, dense: {units: 1}", sections: "loss: mean_squared_error",
            input: "x",
            labelled: ["x", "y"]),
        Model(
            testDescription: "IDX, class names",
            data: "format: idx, train: {inputs: x, targets: y}, validation_fraction: 0.5, "
                + "class_names: [ant, \"1.10\", \"a,b\"]", layers: "flatten, dense: {units: 3}", input: "x",
            labelled: ["x", "y"]),
        Model(
            testDescription: "arrays",
            data: "format: npy, train: {inputs: numbers.npy, targets: labels.npy}, validation_fraction: 0.5",
            layers: "flatten, dense: {units: 3}", input: "numbers.npy", labelled: ["numbers.npy", "labels.npy"]),
        Model(
            testDescription: "an archive of arrays",
            data: "format: npz, path: arrays.npz, validation: {inputs: x_train, targets: y_train}",
            layers: "flatten, dense: {units: 3}", input: "arrays.npz", labelled: ["arrays.npz:x_train", "arrays.npz:y_train"]),
        Model(
            testDescription: "images",
            data: "format: images, train: {path: trees}, validation: {path: trees}, channels: 1, size: [6, 6], crop: true, "
                + "exif_orientation: true, damaged: skip", layers: "flatten, dense: {units: 3}", input: "trees/oak/0.png",
            labelled: ["trees"]),
        Model(
            testDescription: "CIFAR-10", data: "format: cifar10, train: {path: [cifar/ten.bin]}, validation_fraction: 0.5",
            layers: "flatten, dense: {units: 10}", input: "cifar/ten.bin", labelled: ["cifar/ten.bin"]),
        Model(
            testDescription: "CIFAR-100",
            data: "format: cifar100, coarse: true, train: {path: cifar/hundred.bin}, validation: {path: cifar/hundred.bin}",
            layers: "flatten, dense: {units: 20}", input: "cifar/hundred.bin", labelled: ["cifar/hundred.bin"]),
        Model(
            testDescription: "a packed folder",
            data: "format: packed, train: {path: trees.packed}, validation: {path: trees.packed}",
            layers: "flatten, dense: {units: 3}", input: "trees.packed", labelled: ["trees.packed"]),
        table(
            "a validation file, categories, statistics",
            options: "format: csv, train: {path: t.csv, target: kind, "
                + "features: [u, colour, v], categorical: [v, colour], unknown_category: ignore}, validation: {path: t.csv}, "
                + "missing: mean, standardize: true"),
        table(
            "every format option",
            options: "format: csv, train: {path: odd.csv, target: kind, delimiter: \"|\", decimal: \",\", "
                + "thousands: space, missing_values: [\"-\"], comment: \"#\", skip_lines: 1, quotes: false}, missing: mean, "
                + "validation: {path: t.csv, delimiter: \",\", decimal: \".\", thousands: \"_\", comment: \"%\", skip_lines: 0, "
                + "missing_values: [none]}", input: "odd.csv"),
        table(
            "no header", options: "format: csv, train: {path: bare.csv, target: -1, header: false}, validation_fraction: 0.3",
            input: "bare.csv"),
        Model(
            testDescription: "a file of targets",
            data: "format: csv, train: {path: inputs.csv, targets: targets.csv}, "
                + "validation: {path: inputs.csv, targets: targets.csv}", layers: "dense: {units: 3}", input: "inputs.csv",
            labelled: ["inputs.csv", "targets.csv"]),
        Model(
            testDescription: "text",
            data: "format: text, train: {path: words.txt}, validation_fraction: 0.5, context: 5, stride: 2",
            layers: "embedding: {embedding_dim: 4}, dense: {units: 7, tied_to: 0}", input: "words.txt", labelled: ["words.txt"]),
        Model(
            testDescription: "bytes of a text",
            data: "format: text, train: {path: words.txt}, validation: {path: words.txt}, tokens: bytes, context: 5",
            layers: "embedding: {embedding_dim: 4}, dense: {units: 256}", input: "words.txt", labelled: ["words.txt"]),
        Model(
            testDescription: "files of tokens",
            data:
                "format: tokens, train: {paths: [tokens.bin, tokens.bin]}, validation: {path: tokens.bin}, vocabulary: 7, context: 5, "
                + "dtype: uint16", layers: "embedding: {embedding_dim: 4}, dense: {units: 7}", input: "tokens.bin",
            labelled: ["tokens.bin"]),
        Model(
            testDescription: "labelled texts",
            data: "format: texts, train: {path: messages.csv, text: message, target: label, weight: z}, tokens: words, "
                + "vocabulary: 5, lowercase: false, length: 4, validation_fraction: 0.3",
            layers: "embedding: {embedding_dim: 4, padding_index: 0}, lstm: {units: 3}, dense: {units: 3}",
            input: "messages.csv",
            labelled: ["messages.csv"]),
        Model(
            testDescription: "labelled texts of bytes with numbers, without a header",
            data: "format: texts, train: {path: bare.tsv, text: 0, target: 1, header: false, delimiter: tab, quotes: false}, "
                + "tokens: bytes, validation: {path: bare.tsv, quotes: true}",
            layers: "embedding: {embedding_dim: 4}, flatten, dense: {units: 1}", sections: "loss: huber", input: "lines.txt",
            labelled: ["bare.tsv"]),
        Model(
            testDescription: "series",
            data:
                "format: series, train: {path: series.csv, inputs: [level, rain], target: [rain, level], time: date, key: station}, "
                + "window: 4, horizon: 2, stride: 2, season: 3, standardize: true, validation_fraction: 0.2",
            layers: "lstm: {units: 3}, dense: {units: 4}", sections: "loss: mean_squared_error", input: "series.csv",
            labelled: ["series.csv"]),
        Model(
            testDescription: "streams of series without a column of times, a convolution over them",
            data: "format: series, train: {path: level.csv, target: 0, header: false, delimiter: tab}, window: 3, stride: 3, "
                + "validation: {path: level.csv}",
            layers: "gru: {units: 3, output: all}, permute: {dimensions: [2, 1]}, conv1d: {filters: 2, kernel: 2}, flatten, "
                + "dense: {units: 1}", sections: "loss: huber", training: ", stateful: true", input: "level.csv",
            labelled: ["level.csv"]),
        Model(
            testDescription: "classified series of different lengths",
            data: "format: ucr, train: {path: waves.tsv}, standardize: true, length: 9, validation_fraction: 0.3",
            layers: "gru: {units: 3}, dense: {units: 2}", input: "waves.tsv", labelled: ["waves.tsv"]),
        Model(
            testDescription: "classified series of two dimensions",
            data: "format: ucr, train: {path: pairs.ts}, validation: {path: pairs.ts}",
            layers: "permute: {dimensions: [2, 1]}, conv1d: {filters: 2, kernel: 2}, global_max_pool1d, dense: {units: 2}",
            input: "pairs.ts", labelled: ["pairs.ts"]),
        table(
            "labels like versions",
            options: "format: csv, train: {path: t.csv, target: version}, target_kind: class, "
                + "validation_fraction: 0.3"),
        table("labels that are ids", options: "format: csv, train: {path: t.csv, target: id}, validation_fraction: 0.3"),
        table(
            "labels that YAML has words for",
            options: "format: csv, train: {path: t.csv, target: word}, class_names: "
                + "[\"null\", \"yes\", \"~\"], validation_fraction: 0.3"),
        table(
            "classes by number",
            options: "format: csv, train: {path: t.csv, target: count}, classes: 5, "
                + "validation_fraction: 0.3, split_seed: 7", layers: "dense: {units: 5}"),
        table(
            "a count as a number", options: "format: csv, train: {path: t.csv, target: count}, validation_fraction: 0.3",
            layers: "dense: {units: 1}", sections: "loss: huber"),
        Model(
            testDescription: "digits that are their targets",
            data: "format: digits, target_kind: input, augmentation: "
                + "[gaussian_noise: {std: 0.1}, masking_noise: {rate: 0.1}, salt_and_pepper: {rate: 0.1}]",
            layers: "dense: {units: 64}",
            sections: "loss: mean_squared_error", input: "digits.csv", labelled: ["digits.csv"]),
        Model(
            testDescription: "IDX images that are their targets",
            data: "format: idx, train: {inputs: x}, "
                + "target_kind: input, validation_fraction: 0.5, normalize: {scale: 255}",
            layers: "flatten, dense: {units: 16}",
            sections: "loss: binary_cross_entropy", input: "x", labelled: ["x"]),
        table(
            "a table whose features are the targets, with weights",
            options: "format: csv, train: {path: t.csv, features: "
                + "[u, v, colour], weight: z}, target_kind: input, validation_fraction: 0.3", layers: "dense: {units: 4}",
            sections: "loss: huber"),
        table("weights", options: "format: csv, train: {path: t.csv, target: kind, weight: z}, validation: {path: t.csv}"),
        table(
            "a gzip table", options: "format: csv, train: {path: t.csv.gz, target: kind}, validation_fraction: 0.3",
            input: "t.csv.gz")
    ]

    private static let sectionRows: [String] = [
        "optimizer: {sgd: {momentum: 0.9, nesterov: true, weight_decay: 0.1}}", "optimizer: {adamw: {amsgrad: true}}",
        "optimizer: {adam: {betas: [0.8, 0.9]}}", "schedule: {constant: {warmup_steps: 1}}",
        "schedule: {multi_step: {milestones: [1], gamma: 0.5}}", "schedule: {polynomial: {total_steps: 4, power: 2}}",
        "optimizer: {lion: {weight_decay: 0.1, decay: matrices}}", "metrics: [perplexity]",
        "schedule: {cosine: {warmup_steps: 1, warmup_inclusive: false}}",
        "optimizer: {rmsprop: {centered: true, momentum: 0.5}}", "optimizer: {adagrad: {learning_rate_decay: 0.1}}",
        "schedule: {step: {step_size: 1, gamma: 0.5}}", "schedule: {exponential: {gamma: 0.9, warmup_steps: 1}}",
        "schedule: {cosine: {total_steps: 5, minimum: 0.001}}",
        "schedule: {reduce_on_plateau: {monitor: validation_accuracy, factor: 0.1, patience: 0, threshold: 0.1, cooldown: 1, "
            + "minimum: 0.00001}}",
        "gradient_clipping: {norm: 1}", "gradient_clipping: {value: 0.1}", "regularization: {l1: 0.1, l2: 0.2}",
        "validation: {every_steps: 1}",
        "checkpoint: {every_steps: 1, keep: 1, monitor: validation_f1, on_error: stop}\nmetrics: [f1]",
        "early_stopping: {monitor: validation_accuracy, patience: 1, minimum_improvement: 0.1, target: 2}"
    ]
    private static let trainingRows: [String] = [
        "seed: 3, shuffle: false", "threads: 2, log_every: 1, verify_every: 1, audit: true", "summation: arrival",
        "synchronization: allreduce, on_nonfinite: skip", "ema: {decay: 0.9, validate: true}", "epochs: 3", "drop_last: true",
        "synchronization: {local: {workers: 2, steps: 2, outer: nesterov}}"
    ]
    private static let options: [Model] =
        sectionRows.map { table("the option \($0)", options: kinds, sections: $0) }
        + trainingRows.map {
            Model(testDescription: "training: \($0)", data: kinds, layers: "dense: {units: 3}", training: ", \($0)")
        }

    private static let models = [metrics, losses, layers, formats, options].flatMap { $0 }

    @Test("all that a configuration can name is in one of the models")
    func everyName() {
        let configurations = Self.models.map(\.configuration)
        let catalogue = Catalogue.standard
        for (what, names) in [
            ("layer", catalogue.layers.names), ("loss", catalogue.losses.names), ("optimizer", catalogue.optimizers.names),
            ("schedule", catalogue.schedules.names), ("metric", catalogue.metrics.names),
            ("data format", catalogue.dataFormats.names)
        ] {
            for name in names {
                let isThere = configurations.contains { text in
                    text.split { !($0.isLetter || $0.isNumber || $0 == "_") }.contains { $0 == name }
                }
                #expect(isThere, "the \(what) \(name)")
            }
        }
    }

    @Test("is read by eval, predict, inspect and a resume", arguments: models)
    func everyModel(_ model: Model) throws {
        try withWorkbench { bench in
            try write(bench)
            try bench.write("c.yaml", model.configuration)
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "run", "--quiet"))
            let targets = model.labelled.count > 1 ? ["--targets", model.labelled[1]] : []
            for command in [
                ["eval", "run"], ["eval", "run", "--split", "train", "--json"],
                ["eval", "run", "--data", model.labelled[0]] + targets, ["predict", "run", model.input],
                ["inspect", "run"], ["inspect", "run/config.yaml"]
            ] {
                let outcome = try bench.dtrain(command)
                expectSuccess(outcome)
                #expect(!outcome.output.isEmpty, "\(command)")
            }
            expectSuccess(
                try bench.dtrain(
                    "train", "c.yaml", "--run", "run", "--resume", "--quiet", "--set",
                    "training.max_steps=3"))
        }
    }

    private static func row(_ row: Int) -> [String] {
        let u = Double(row * 37 % 101) / 100
        let v = Double(row * 53 % 89) / 8
        let z = Double(row * 7 % 24) / 10
        let colour = ["red", "blue"][row % 2]
        let kind = ["ash", "birch", "oak"][row % 3]
        let answer = ["no", "yes"][row / 3 % 2]
        let version = ["1.1", "1.10", "2.0"][row % 3]
        let word = ["null2", "yes", "~"][row % 3]
        return ["\(u)", "\(v)", colour, kind, answer, "\(z)", version, "3000000000\(row % 3)", word, "\(row % 5)"]
    }

    /// The files that the models are made from.
    private func write(_ bench: Workbench) throws {
        let header = "u,v,colour,kind,yes,z,version,id,word,count"
        let rows = (0..<24).map(Self.row)
        let text = Material.csv(rows, header: header).replacing("null2", with: "\"null\"")
        try bench.write("t.csv", text)
        try #require(try bench.run("/bin/sh", ["-c", "gzip -c t.csv > t.csv.gz"]).status == 0)
        try bench.write("bare.csv", Material.csv(rows.map { Array($0[..<4]) }, header: nil))
        try bench.write("inputs.csv", Material.csv(rows.map { Array($0[..<3]) }, header: "u,v,colour"))
        try bench.write("targets.csv", Material.csv(rows.map { [$0[3]] }, header: "kind"))
        let odd = rows.enumerated().map { index, row in
            ["1 0\(index + 10),5", index % 5 == 0 ? "-" : "\(index),25", row[2], row[3]].joined(separator: "|")
        }
        let header4 = ["u", "v", "colour", "kind"].joined(separator: "|")
        try bench.write("odd.csv", "a table\r# of odd form\r\r\(header4) # names\r" + odd.joined(separator: "\r"))
        try bench.write(
            "messages.csv", Material.csv(rows.map { ["\"\($0[2]), \($0[3])!\"", $0[3], $0[5]] }, header: "message,label,z"))
        try bench.write("bare.tsv", rows.map { "\($0[2]) \($0[3])\t\($0[5])\n" }.joined())
        try bench.write("lines.txt", "red ash\nblue\n")
        try bench.write("tokens.bin", (0..<80).flatMap { [UInt8($0 % 7), 0] })
        try bench.write("words.txt", String(repeating: "a \"b\",\nc", count: 9))
        try bench.write("series.csv", Material.stations())
        try bench.write("level.csv", (0..<40).map { "\($0 % 7)\t\($0 % 3)\n" }.joined())
        try bench.write(
            "waves.tsv",
            Material.waves(24).map { "\($0.name)\t\($0.values.map { "\($0)" }.joined(separator: "\t"))\tNaN\n" }.joined())
        try bench.write(
            "pairs.ts",
            "@dimensions 2\n@classLabel true b a\n@data\n"
                + (0..<24).map { "\($0),1,\($0 % 5):0,\($0 % 2),3:\(["a", "b"][$0 % 2])\n" }.joined())
        try bench.writeArrays()
        try bench.writeImages("trees")
        expectSuccess(try bench.dtrain("pack", "trees", "trees.packed"))
        try bench.write("x", Material.images)
        try bench.write("y", Material.labels)
        try bench.write("gaps", Material.idx([42], (0..<42).map { [UInt8(3), 7, 26][$0 % 3] }))
        let digits = (0..<3).map { row in (0..<64).map { "\(($0 + row) % 17)" } }
        try bench.write("digits.csv", Material.csv(digits, header: nil))
        try bench.write("digits-labelled.csv", Material.csv(digits.map { $0 + ["7"] }, header: nil))
    }
}
