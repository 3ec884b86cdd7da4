import Diagnostics
import Testing

/// A row of the tables of bad input: how to arrange it, and what has to come of it.
struct BadInput: Sendable, CustomTestStringConvertible {
    /// What is wrong.
    let name: String
    let code: ExitCode
    /// What the message has to say: where, what was expected, what was found.
    let says: [String]
    /// Whether the row is also run on three ranks.
    let onRanks: Bool
    /// Puts the files in place and returns the command line.
    let arrange: @Sendable (Workbench) throws -> [String]

    init(
        _ name: String, _ code: ExitCode, says: [String], onRanks: Bool = false,
        arrange: @escaping @Sendable (Workbench) throws -> [String]
    ) {
        self.name = name
        self.code = code
        self.says = says
        self.onRanks = onRanks
        self.arrange = arrange
    }

    /// A configuration that is wrong; the message has to name its file.
    init(
        _ name: String, says: [String], onRanks: Bool = false, code: ExitCode = .badConfiguration,
        configuration: String
    ) {
        self.init(name, code, says: ["c.yaml"] + says, onRanks: onRanks) { bench in
            try bench.write("c.yaml", configuration)
            return ["train", "c.yaml", "--run", "run"]
        }
    }

    /// An augmentation that can't change the digits.
    static func augmentation(_ name: String, _ augmentation: String, data: String = "", says: [String]) -> BadInput {
        BadInput(name, .badConfiguration, says: says) { bench in
            let data = "format: digits, augment: [\(augmentation)]\(data)"
            try bench.write("c.yaml", Material.digits.replacing("format: digits", with: data))
            return ["train", "c.yaml", "--run", "run"]
        }
    }

    /// A table that is wrong, named `t.csv`.
    static func table(
        _ name: String, says: [String], onRanks: Bool = false, code: ExitCode = .badData, _ text: String?,
        target: String = "kind", units: Int = 2, data: String = "", sections: String = ""
    ) -> BadInput {
        BadInput(name, code, says: says, onRanks: onRanks) { bench in
            if let text { try bench.write("t.csv", text) }
            try bench.write(
                "c.yaml",
                Material.table(
                    "t.csv", target: target, units: units, data: data,
                    sections: sections))
            return ["train", "c.yaml", "--run", "run"]
        }
    }

    /// IDX files that are wrong: `x` holds the inputs, `y` the targets.
    static func pictures(
        _ name: String, says: [String], onRanks: Bool = false, code: ExitCode = .badData,
        x: [UInt8]? = Material.images, y: [UInt8]? = Material.labels, inputs: String = "x",
        units: Int = 3, data: String = ""
    ) -> BadInput {
        BadInput(name, code, says: says, onRanks: onRanks) { bench in
            if let x { try bench.write(inputs, x) }
            if let y { try bench.write("y", y) }
            try bench.write("c.yaml", Material.pictures(inputs: inputs, units: units, data: data))
            return ["train", "c.yaml", "--run", "run"]
        }
    }

    /// A run of four steps in `run`, from `c.yaml`; `damage` changes it and returns the command line.
    static func checkpoint(
        _ name: String, _ code: ExitCode, says: [String], onRanks: Bool = false,
        damage: @escaping @Sendable (Workbench) throws -> [String]
    ) -> BadInput {
        BadInput(name, code, says: says, onRanks: onRanks) { bench in
            try bench.write("c.yaml", Material.digits(steps: 8, sections: "checkpoint: {every_steps: 2}"))
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "run", "--steps", "4", "--quiet"))
            return try damage(bench)
        }
    }

    var testDescription: String { name }
}

extension BadInput {
    // MARK: - Configurations

    static let configurations: [BadInput] = [
        BadInput(
            "an unknown key", says: ["c.yaml:8", "\"trainning\"", "did you mean \"training\"?"], onRanks: true,
            configuration: Material.digits + "trainning: {epochs: 3}\n"),
        BadInput(
            "an unknown key in a section",
            says: ["c.yaml:7", "\"epoch\" in \"training\"", "did you mean \"epochs\"?"],
            configuration: Material.digits.replacing("max_steps: 4", with: "epoch: 4")),
        // Large files may take long to be read only to be thrown away.
        BadInput(
            "an unknown key in a section, before the data are looked at",
            says: ["\"batch_size\" in \"training\"", "did you mean \"global_batch_size\"?"],
            configuration: Material.table("missing.csv", target: "kind", units: 2, data: "", sections: "")
                .replacing("max_steps: ", with: "batch_size: 8, max_steps: ")),
        BadInput(
            "a number that 32 bits don't hold", says: ["slope", "±3.4e38", "1e39"],
            configuration: Material.digits.replacing("- relu", with: "- leaky_relu: {slope: 1e39}")),
        BadInput(
            "an unknown option of a layer", says: ["c.yaml:4", "\"unit\"", "did you mean \"units\"?"],
            configuration: Material.digits.replacing("units: 16", with: "units: 16, unit: 8")),
        BadInput(
            "an unknown layer", says: ["c.yaml:5", "\"rellu\"", "did you mean \"relu\"?"],
            configuration: Material.digits.replacing("- relu", with: "- rellu")),
        BadInput(
            "an unknown optimizer", says: ["c.yaml:8", "\"adm\"", "did you mean \"adam\"?"],
            configuration: Material.digits + "optimizer: adm\n"),
        BadInput(
            "an unknown loss", says: ["c.yaml:8", "\"crossentropy\"", "did you mean \"cross_entropy\"?"],
            configuration: Material.digits + "loss: crossentropy\n"),
        BadInput(
            "an unknown schedule", says: ["c.yaml:8", "\"cosin\"", "did you mean \"cosine\"?"],
            configuration: Material.digits + "schedule: cosin\n"),
        BadInput(
            "mixed targets of a loss that ignores a class",
            says: ["data.augmentation: mixup and cutmix", "loss.cross_entropy.ignore_index", "leave out one of the two"],
            onRanks: true,
            configuration: Material.digits.replacing("format: digits", with: "format: digits, augment: [mixup]")
                + "loss: {cross_entropy: {ignore_index: 1}}\n"),
        .augmentation("cutmix of what is no image", "cutmix", says: ["data.augmentation: cutmix changes images", "shape [64]"]),
        .augmentation(
            "mixup of samples that are their targets", "mixup", data: ", target_kind: input",
            says: ["data.augmentation: mixup mixes targets", "data.target_kind: input"]),
        BadInput(
            "an unknown metric", says: ["c.yaml:8", "\"acuracy\"", "did you mean \"accuracy\"?"],
            configuration: Material.digits + "metrics: [acuracy]\n"),
        BadInput(
            "a metric of another task", says: ["c.yaml:8", "r2", "classification"],
            configuration: Material.digits + "metrics: [r2]\n"),
        BadInput(
            "an unknown initializer", says: ["c.yaml:4", "\"he\""],
            configuration: Material.digits.replacing("units: 16", with: "units: 16, initializer: he")),
        BadInput(
            "an unknown format of data", says: ["c.yaml:1", "data.format", "\"digit\"", "digits, images, npz, idx, npy"],
            configuration: Material.digits.replacing("format: digits", with: "format: digit")),
        BadInput(
            "a monitor that nobody measures", says: ["c.yaml:8", "\"validation_acc\"", "validation_accuracy"],
            configuration: Material.digits + "early_stopping: {monitor: validation_acc}\n"),

        BadInput(
            "a word where a number belongs",
            says: [
                "c.yaml:4", "model.layers[0].dense.units",
                "expected a whole number", "\"many\""
            ], onRanks: true,
            configuration: Material.digits.replacing("units: 16", with: "units: many")),
        BadInput(
            "a fraction where a whole number belongs",
            says: ["c.yaml:7", "training.max_steps", "whole number", "\"4.5\""],
            configuration: Material.digits.replacing("max_steps: 4", with: "max_steps: 4.5")),
        BadInput(
            "a list where a number belongs", says: ["c.yaml:7", "training.max_steps", "a list of 2"],
            configuration: Material.digits.replacing("max_steps: 4", with: "max_steps: [4, 5]")),
        BadInput(
            "a list where a section belongs", says: ["c.yaml:8", "validation", "a list of 1"],
            configuration: Material.digits + "validation: [every_epochs]\n"),
        BadInput(
            "a number where yes or no belongs", says: ["c.yaml:7", "training.shuffle", "\"3\""],
            configuration: Material.digits.replacing("max_steps: 4", with: "max_steps: 4, shuffle: 3")),
        BadInput(
            "a number where layers belong", says: ["c.yaml:2", "model.layers", "\"5\""],
            configuration: "data: {format: digits}\nmodel: {layers: 5}\n"),

        BadInput(
            "a layer without units", says: ["c.yaml:4", "model.layers[0].dense.units", "missing"],
            configuration: Material.digits.replacing("{units: 16}", with: "{bias: true}")),
        BadInput(
            "no units", says: ["c.yaml:4", "units", "1 to", "found 0"],
            configuration: Material.digits.replacing("units: 16", with: "units: 0")),
        BadInput(
            "more units than an integer holds", says: ["c.yaml:4", "units", "99999999999999999999"],
            configuration: Material.digits.replacing("units: 16", with: "units: 99999999999999999999")),
        BadInput(
            "more parameters than a machine holds", says: ["c.yaml:4", "units", "too many parameters"],
            configuration: Material.digits.replacing("units: 16", with: "units: 1000000000")),
        BadInput(
            "a dropout of more than everything", says: ["c.yaml:5", "rate", "from 0 to below 1", "1.5"],
            configuration: Material.digits.replacing("- relu", with: "- dropout: {rate: 1.5}")),
        BadInput(
            "a negative learning rate", says: ["c.yaml:8", "optimizer.adam.learning_rate", "-0.1"],
            configuration: Material.digits + "optimizer: {adam: {learning_rate: -0.1}}\n"),
        BadInput(
            "a learning rate that isn't finite", says: ["c.yaml:8", "optimizer.adam.learning_rate", ".inf"],
            configuration: Material.digits + "optimizer: {adam: {learning_rate: .inf}}\n"),
        BadInput(
            "an empty batch", says: ["c.yaml:7", "training.global_batch_size", "found 0"], onRanks: true,
            configuration: Material.digits.replacing("global_batch_size: 64", with: "global_batch_size: 0")),
        BadInput(
            "a micro-batch larger than the batch", says: ["c.yaml:7", "training.micro_batch_size", "64", "65"],
            configuration: Material.digits.replacing("micro_batch_size: 16", with: "micro_batch_size: 65")),
        BadInput(
            "no threads", says: ["c.yaml:7", "training.threads", "found 0"],
            configuration: Material.digits.replacing("max_steps: 4", with: "max_steps: 4, threads: 0")),
        BadInput(
            "clipping by norm and by value", says: ["c.yaml:8", "gradient_clipping", "\"norm\"", "\"value\""],
            configuration: Material.digits + "gradient_clipping: {norm: 1, value: 1}\n"),
        BadInput(
            "a label smoothing above 1", says: ["c.yaml:8", "label_smoothing", "from 0.0 to 1.0", "2"],
            configuration: Material.digits + "loss: {cross_entropy: {label_smoothing: 2}}\n"),

        BadInput(
            "a model without layers", says: ["c.yaml:2", "model.layers", "at least one layer"], onRanks: true,
            configuration: "data: {format: digits}\nmodel: {}\n"),
        BadInput("no model", says: ["model.layers", "at least one layer"], configuration: "data: {format: digits}\n"),
        BadInput(
            "an empty list of layers", says: ["c.yaml:2", "model.layers", "at least one layer"],
            configuration: "data: {format: digits}\nmodel: {layers: []}\n"),
        BadInput(
            "a residual layer without layers", says: ["c.yaml:5", "residual", "at least one"],
            configuration: Material.digits.replacing("- relu", with: "- residual: {layers: []}")),
        BadInput(
            "layers without parameters", says: ["c.yaml:2", "no parameters to train"],
            configuration: "data: {format: digits}\nmodel: {layers: [relu]}\n"),
        BadInput(
            "two layers of one name", says: ["c.yaml:6", "\"a\"", "another layer"],
            configuration: Material.digits.replacing("units: 16", with: "units: 16, name: a")
                .replacing("units: 10", with: "units: 10, name: a")),

        BadInput(
            "a class count unlike the last layer", says: ["model.layers", "7 outputs", "10 classes"],
            onRanks: true,
            configuration: Material.digits.replacing("units: 10", with: "units: 7")),
        BadInput(
            "a residual layer of another width", says: ["c.yaml:5", "[12]", "[16]"],
            configuration: Material.digits.replacing(
                "- relu",
                with: "- residual: {layers: [dense: {units: 12}]}")),
        BadInput(
            "one output for ten classes", says: ["model.layers", "1 output", "10 classes", "binary_cross_entropy"],
            configuration: Material.digits.replacing(
                "units: 10",
                with: "units: 1") + "loss: binary_cross_entropy\n"),
        BadInput(
            "softmax in front of a binary cross entropy",
            says: ["softmax", "binary_cross_entropy contains a sigmoid"],
            configuration: Material.digits.replacing("{units: 10}\n", with: "{units: 10}\n    - softmax\n")
                + "loss: binary_cross_entropy\n"),
        BadInput(
            "sigmoid in front of a cross entropy", says: ["sigmoid", "cross_entropy contains a softmax"],
            configuration: Material.digits.replacing("{units: 10}\n", with: "{units: 10}\n    - sigmoid\n")),

        BadInput("an empty file", says: ["empty", "\"data\"", "\"model\""], onRanks: true, configuration: ""),
        BadInput("a file of comments", says: ["empty"], configuration: "# nothing here\n\n"),
        BadInput(
            "a text that isn't YAML", says: ["not YAML", "line 2"], onRanks: true,
            configuration: "data: {format: digits\nmodel: [\n"),
        BadInput(
            "tabs for indentation", says: ["not YAML", "line 2", "column 1"],
            configuration: "data:\n\tformat: digits\n"),
        BadInput(
            "a key that stands twice", says: ["\"data\"", "twice"],
            configuration: Material.digits + "data: {format: digits}\n"),
        BadInput("a lone word", says: ["expected keys and values", "\"hello\""], configuration: "hello\n"),
        BadInput("a configuration of bytes", .badConfiguration, says: ["c.yaml", "UTF-8"]) { bench in
            try bench.write("c.yaml", [0xff, 0xfe, 0x80, 0x00, 0x31])
            return ["train", "c.yaml", "--run", "run"]
        },
        BadInput(
            "a configuration that isn't there", .missingInput, says: ["nowhere.yaml", "no such"],
            onRanks: true
        ) { _ in
            ["train", "nowhere.yaml", "--run", "run"]
        },
        BadInput("a directory for a configuration", .badConfiguration, says: ["folder", "is a directory"]) { bench in
            try bench.write("folder/a", "")
            return ["train", "folder", "--run", "run"]
        },
        BadInput(
            "an override of an unknown key", .badConfiguration,
            says: ["--set training.epoch=2", "did you mean \"epochs\"?"]
        ) { bench in
            try bench.write("c.yaml", Material.digits)
            return ["train", "c.yaml", "--run", "run", "--set", "training.epoch=2"]
        },
        BadInput(
            "an override of the wrong type", .badConfiguration,
            says: ["--set training.max_steps=soon", "whole number", "\"soon\""]
        ) { bench in
            try bench.write("c.yaml", Material.digits)
            return ["train", "c.yaml", "--run", "run", "--set", "training.max_steps=soon"]
        }
    ]

    // MARK: - Workers with weights of their own

    private static func workers(_ name: String, _ training: String, says: [String], onRanks: Bool = false) -> BadInput {
        BadInput(
            name, says: says, onRanks: onRanks,
            configuration: Material.digits(steps: 4, training: ", synchronization: \(training)"))
    }

    static let workers: [BadInput] = [
        workers(
            "workers and a delay", "{local: {workers: 2, steps: 2}}, delay: 1",
            says: ["training.delay", "with local, gradients don't travel"]),
        workers(
            "workers and an exchange in 16 bits", "{local: {workers: 2, steps: 2}}, exchange: bfloat16",
            says: ["training.exchange", "with local, gradients don't travel"]),
        workers(
            "workers and sums in the order of arrival", "{local: {workers: 2, steps: 2}}, summation: arrival",
            says: ["training.summation: arrival", "each worker adds up its own gradients"]),
        workers(
            "more workers than micro-batches", "{local: {workers: 5, steps: 2}}",
            says: ["training.synchronization.local.workers", "5 workers share a batch of 4 micro-batches"], onRanks: true),
        workers(
            "nobody says how many workers", "{local: {steps: 2}}", says: ["training.synchronization.local.workers", "missing"]),
        workers(
            "nobody says when they meet", "{local: {workers: 2}}", says: ["training.synchronization.local.steps", "missing"]),
        workers(
            "workers that never meet", "{local: {workers: 2, steps: 0}}",
            says: ["training.synchronization.local.steps", "1 or more, found 0"]),
        workers(
            "an unknown outer step", "{local: {workers: 2, steps: 2, outer: adam}}",
            says: ["unknown outer step", "average, momentum, nesterov"]),
        workers(
            "an outer momentum that never ends", "{local: {workers: 2, steps: 2, outer: {nesterov: {momentum: 1}}}}",
            says: ["outer.nesterov.momentum", "from 0 to below 1, found 1"]),
        workers(
            "options of a strategy that has none", "{owner: {workers: 2}}",
            says: ["unknown key", "training.synchronization.owner"]),
        BadInput(
            "workers and synchronised batch norm",
            says: ["training.synchronization", "the workers of local know nothing of each other"],
            configuration: Material.digits(steps: 4, training: ", synchronization: {local: {workers: 2, steps: 2}}")
                .replacing("- relu", with: "- batch_norm: {synchronized: true}"))
    ]

    // MARK: - Data

    static let data: [BadInput] = [
        .table("no data file", says: ["t.csv", "no such data file"], onRanks: true, code: .missingInput, nil),
        .pictures("no file of inputs", says: ["x: no such data file"], code: .missingInput, x: nil),
        .pictures("no file of targets", says: ["y: no such data file"], code: .missingInput, y: nil),
        .table(
            "no file of validation data", says: ["v.csv", "no such data file"], code: .missingInput,
            Material.csv(Material.trees()), data: "validation: {path: v.csv}"),
        BadInput(
            "no train files", says: ["c.yaml:1", "data.train", "missing"],
            configuration: Material.digits.replacing("format: digits", with: "format: csv")),

        .pictures(
            "a truncated IDX file", says: ["x: truncated", "42×4×4", "expected 688 bytes", "found 678"],
            onRanks: true,
            x: Material.images.dropLast(10)),
        .pictures(
            "an IDX file that ends in its header", says: ["x: truncated in its header", "expected 16", "found 9"],
            x: Array(Material.images.prefix(9))),
        .pictures("an empty IDX file", says: ["x: empty", "found 0 bytes"], x: []),
        .pictures(
            "an oversized IDX file", says: ["x: oversized", "expected 688 bytes", "found 691"],
            x: Material.images + [1, 2, 3]),
        .pictures(
            "an IDX header that promises more than can be", says: ["x:", "4294967295"],
            x: Array(Material.images.prefix(4)) + Array(repeating: 0xff, count: 12) + [1, 2, 3]),
        .pictures(
            "a wrong magic number", says: ["x: not an IDX file", "00 00", "found 08 00 08 03"], onRanks: true,
            x: [8] + Material.images.dropFirst()),
        .pictures(
            "an unknown IDX type", says: ["x: not an IDX file", "00 00 07 03"],
            x: [0, 0, 7] + Material.images.dropFirst(3)),
        .pictures(
            "fewer labels than inputs", says: ["y: 41 targets", "x has 42 samples"], onRanks: true,
            y: Material.idx([41], Array(Material.labels.dropFirst(8).dropLast()))),
        .pictures(
            "a label out of range", says: ["y: sample 2", "from 0 to 2", "found 7"], onRanks: true,
            y: Array(Material.labels.prefix(8)) + [0, 1, 7] + Material.labels.dropFirst(11), data: "classes: 3"),
        .pictures(
            "a negative label", says: ["y: sample 0", "from 0 to 2", "-1"],
            y: Material.idx([42], [0xff] + Array(Material.labels.dropFirst(9)), type: 9), data: "classes: 3"),
        .pictures(
            "more classes in the data than outputs", says: ["3 outputs", "4 classes", "data.target_kind"],
            code: .badConfiguration,
            y: Array(Material.labels.prefix(8)) + [0, 1, 7] + Material.labels.dropFirst(11)),
        .pictures(
            "NaN in an IDX file", says: ["x: sample 5, element 1", "finite", "nan"],
            x: Material.idx(
                [42, 4], (0..<168).flatMap { $0 == 21 ? [0x7f, 0xc0, 0, 0] : [0x3f, 0x80, 0, 0] },
                type: 0x0d)),
        .pictures(
            "an IDX file without samples", says: ["x: an empty set"], x: Material.idx([0, 4, 4], []),
            y: Material.idx([0], [])),
        .pictures(
            "a gzip file that breaks off", says: ["x.gz", "gzip data end in the middle"], onRanks: true,
            x: Array(gzipped.prefix(gzipped.count / 2)), inputs: "x.gz"),
        .pictures(
            "a gzip file with a flipped bit", says: ["x.gz", "gzip data are damaged"],
            x: gzipped.prefix(gzipped.count - 6) + [gzipped[gzipped.count - 6] ^ 1] + gzipped.suffix(5),
            inputs: "x.gz"),
        .pictures(
            "bytes behind a gzip file", says: ["x.gz", "other bytes follow"], x: gzipped + [1, 2, 3, 4],
            inputs: "x.gz"),
        .pictures(
            "a table for a picture", says: ["x: not an IDX file", "75 2c 76 2c"],
            x: Array(Material.csv(Material.trees()).utf8)),
        BadInput(
            "samples of two dimensions where the loss takes one", .badConfiguration,
            says: ["c.yaml", "[4, 3]", "flatten"]
        ) { bench in
            try bench.write("x", Material.images)
            try bench.write("y", Material.labels)
            try bench.write("c.yaml", Material.pictures().replacing("    - flatten\n", with: ""))
            return ["train", "c.yaml", "--run", "run"]
        },

        .table(
            "a row with a cell too many", says: ["t.csv:6", "expected 3 cells", "found 4"], onRanks: true,
            Material.csv(column: 2, replacedBy: "ash,1")),
        .table(
            "a row with a cell too few", says: ["t.csv:6", "expected 3 cells", "found 2"],
            Material.csv(Array(Material.trees().prefix(4)) + [["0.1", "ash"]] + Material.trees().suffix(5))),
        .table(
            "a word where a number belongs", says: ["t.csv:6", "column \"v\"", "expected a number", "\"tall\""],
            onRanks: true, Material.csv(column: 1, replacedBy: "tall")),
        .table(
            "NaN in a table", says: ["t.csv:6", "column \"v\"", "missing"],
            Material.csv(column: 1, replacedBy: "nan")),
        .table(
            "infinity in a table", says: ["t.csv:6", "column \"v\"", "finite", "inf"],
            Material.csv(column: 1, replacedBy: "inf")),
        .table(
            "a missing value", says: ["t.csv:6", "column \"v\"", "missing", "data.missing: mean"],
            Material.csv(column: 1, replacedBy: "")),
        .table(
            "a missing target", says: ["t.csv:6", "column \"kind\"", "missing"],
            Material.csv(column: 2, replacedBy: "")),
        .table(
            "a number too large for Float32", says: ["t.csv:6", "column \"v\"", "too large"],
            Material.csv(column: 1, replacedBy: "1e300")),
        .table(
            "a quotation mark without its end", says: ["t.csv:6", "never closed"],
            Material.csv(column: 2, replacedBy: "\"ash")),
        .table("a table without rows", says: ["t.csv", "an empty set"], onRanks: true, "u,v,kind\n"),
        .table("an empty table", says: ["t.csv", "an empty set"], ""),
        .table(
            "bytes for a table", says: ["t.csv", "not a text file"],
            String(decoding: [0, 1, 2, 3] as [UInt8], as: UTF8.self)),
        .table(
            "no such column", says: ["data.train.target", "\"kin\"", "t.csv", "did you mean \"kind\"?"],
            code: .badConfiguration, Material.csv(Material.trees()), target: "kin"),
        .table(
            "a column beyond the last", says: ["data.train.target", "9", "3 columns"], code: .badConfiguration,
            Material.csv(Material.trees()), target: "9"),
        .table(
            "a header of numbers", says: ["t.csv:1", "header: false"],
            Material.csv(Material.trees(), header: "1.5,2,7"),
            target: "2"),
        .table(
            "one class only", says: ["t.csv", "column \"kind\"", "one class \"ash\"", "two or more"], onRanks: true,
            Material.csv(Material.trees().map { [$0[0], $0[1], "ash"] })),
        .table(
            "a column of names", says: ["t.csv:2", "column \"u\" holds 60 different texts", "categorical: [\"u\"]"],
            Material.csv(Material.trees().enumerated().map { ["name \($0)", $1[1], $1[2]] })),
        .table(
            "a decimal comma in the validation data",
            says: [
                "v.csv:2: column \"u\"", "found \"0,5\"",
                "data.validation.decimal: \",\""
            ],
            Material.csv(Material.trees()),
            data: "validation: {path: v.csv}"
        ).adding("v.csv", "u,v,kind\n\"0,5\",2,ash\n"),
        .table(
            "a count for cross entropy that can't be", says: ["cross_entropy needs classes", "data.target_kind"],
            code: .badConfiguration, Material.csv(Material.trees().map { [$0[0], $0[1], $0[0]] })),
        .table(
            "classes for a single output", says: ["1 output", "2 classes", "binary_cross_entropy"],
            code: .badConfiguration, Material.csv(Material.trees()), units: 1),
        .table(
            "a number for several outputs", says: ["2 outputs", "1 target", "data.target_kind: class"],
            code: .badConfiguration, Material.csv(Material.trees().map { [$0[0], $0[1], $0[0]] }),
            sections: "loss: huber"),
        .table(
            "an area under a curve that isn't there",
            says: [
                "c.yaml", "early_stopping.monitor", "validation_roc_auc",
                "undefined", "one class, \"ash\""
            ],
            code: .badConfiguration, Material.csv(Material.trees()), units: 1, data: "validation: {path: v.csv}",
            sections: "loss: binary_cross_entropy\nmetrics: [roc_auc]\n"
                + "early_stopping: {monitor: validation_roc_auc}"
        ).adding("v.csv", "u,v,kind\n1,2,ash\n3,4,ash\n"),
        .table(
            "two classes for three outputs", says: ["3 outputs", "2 classes"], onRanks: true,
            code: .badConfiguration,
            Material.csv(Material.trees()), units: 3),
        .table(
            "names for a regression", says: ["2 classes", "mean_squared_error"], code: .badConfiguration,
            Material.csv(Material.trees()), units: 5, sections: "loss: mean_squared_error"),
        .table(
            "targets that are no probabilities", says: ["binary_cross_entropy", "from 0 to 1"],
            Material.csv(Material.trees().map { [$0[0], $0[1], "\((Double($0[0]) ?? 0) + 3)"] }), units: 1,
            sections: "loss: binary_cross_entropy"),
        .table(
            "a part of nothing for validation", says: ["c.yaml:4", "validation_fraction", "found 0"],
            code: .badConfiguration, Material.csv(Material.trees()), data: "validation_fraction: 0"),
        .table(
            "an unknown class in the validation data", says: ["v.csv:2", "\"oak\"", "ash, birch"],
            Material.csv(Material.trees()),
            data: "validation: {path: v.csv}"
        ).adding("v.csv", "u,v,kind\n1,2,oak\n")
    ]

    /// The images as a gzip file of one stored block (RFC 1951, RFC 1952).
    private static let gzipped: [UInt8] = {
        func littleEndian(_ number: Int, _ count: Int) -> [UInt8] {
            (0..<count).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
        }
        let content = Material.images
        var remainder: UInt32 = 0xffff_ffff
        for byte in content {
            remainder ^= UInt32(byte)
            for _ in 0..<8 { remainder = remainder & 1 == 1 ? remainder >> 1 ^ 0xedb8_8320 : remainder >> 1 }
        }
        let head: [UInt8] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1]
        return head + littleEndian(content.count, 2) + littleEndian(~content.count, 2) + content
            + littleEndian(Int(~remainder), 4) + littleEndian(content.count, 4)
    }()

    /// The row with one more file.
    func adding(_ file: String, _ text: String) -> BadInput {
        BadInput(name, code, says: says, onRanks: onRanks) { bench in
            try bench.write(file, text)
            return try arrange(bench)
        }
    }
}
