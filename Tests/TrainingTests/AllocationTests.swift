import Foundation
import TestSupport
import Testing

/// A steady step takes no memory from the C library, whoever would ask for it: our code, Swift's runtime or MPI's.
///
/// Two things do, and are no part of this: MPI_Iallreduce itself, for the strategy `allreduce` on several ranks; and the closures
/// of kernels that are shared by several threads.
@Suite("Allocations", .serialized, .enabled(if: MPIRun.isAvailable, "mpirun is not installed"))
struct AllocationTests {
    static let settings: [[String]] = [
        [],
        ["gradient_clipping={norm: 1}", "training.log_every=1", "schedule=cosine"],
        [
            "data.target_kind=input", "model.layers.2.dense.units=64", "loss=mean_squared_error",
            "data.augmentation=[gaussian_noise: {std: 0.1}, masking_noise: {rate: 0.1}, salt_and_pepper: {rate: 0.1}]"
        ],
        ["training.log_every=1", "logging.tensorboard=true"],
        ["training.on_nonfinite=skip", "optimizer={sgd: {momentum: 0.9}}", "regularization={l2: 0.01}"],
        [
            "model={freeze: ['1.*', '2.*'], layers: [flatten, {dense: {units: 24}}, batch_norm, relu, "
                + "{residual: {layers: [{dense: {units: 24}}, layer_norm, gelu, {dropout: {rate: 0.1}}]}}, {dense: {units: 10}}]}"
        ],
        [
            "model.layers=[reshape: {shape: [1, 8, 8]}, conv2d: {filters: 6, kernel: 3, padding: same, bias: false}, batch_norm, relu, "
                + "max_pool2d: {size: 2}, residual: {layers: [conv2d: {filters: 6, kernel: 3, padding: 1}, {group_norm: {groups: 2}}]}, "
                + "average_pool2d: {size: 2}, {upsample2d: {scale_factor: 2, mode: bilinear}}, {zero_pad2d: {padding: 1}}, "
                + "{dropout2d: {rate: 0.1}}, {conv2d_transpose: {filters: 4, kernel: 3, stride: 2}}, flatten, dense: {units: 10}]"
        ],
        [
            "model.layers=[reshape: {shape: [1, 8, 8]}, {parallel: {branches: [{layers: [conv2d: {filters: 2, kernel: 1}]}, "
                + "{layers: [conv2d: {filters: 3, kernel: 3, stride: 1, padding: 1}, instance_norm]}]}}, "
                + "{repeat: {times: 2, layers: [conv2d: {filters: 4, kernel: 3, stride: 2, padding: 1}, tanh]}}, "
                + "global_average_pool2d, dense: {units: 10}]"
        ],
        [
            "training.synchronization={local: {workers: 3, steps: 2, outer: nesterov}}", "gradient_clipping={norm: 1}",
            "model.layers=[flatten, {dense: {units: 24}}, batch_norm, relu, {dense: {units: 10}}]"
        ],
        ["training.synchronization={local: {workers: 3, steps: 5}}", "training.on_nonfinite=skip"],
        [
            "model.layers=[reshape: {shape: [1, 8, 8]}, conv2d: {filters: 6, kernel: 3}, {batch_norm: {synchronized: true}}, relu, "
                + "flatten, {dense: {units: 9}}, {batch_norm: {synchronized: true}}, dense: {units: 10}]"
        ],
        [
            "optimizer={lion: {weight_decay: 0.1, decay: matrices}}", "training.ema={decay: 0.9}",
            "parameter_groups=['2.weight': {learning_rate_factor: 0.5}]"
        ],
        [
            "optimizer={adam: {amsgrad: true}}", "training.ema={every_steps: 3}", "gradient_clipping={norm: 1}",
            "training.delay=1"
        ],
        [
            "data={format: text, train: {path: t.txt}, context: 4}", "training.log_every=1",
            "metrics=[accuracy, perplexity, bits_per_byte]", "loss={cross_entropy: {label_smoothing: 0.1, ignore_index: 1}}",
            "model={layers: [{embedding: {embedding_dim: 8}}, {dense: {units: 11}}]}"
        ],
        [
            "data={format: text, train: {path: t.txt}, context: 4}", "gradient_clipping={norm: 1}",
            "model={layers: [{embedding: {embedding_dim: 8}}, {dense: {units: 11, tied_to: 0}}]}"
        ],
        [
            "data={format: text, train: {path: t.txt}, context: 4}",
            "model={initializer: gpt2, layers: [{embedding: {units: 8}}, "
                + "positional_embedding, {transformer_block: {heads: 2, causal: true}}, {transformer_block: {heads: 4, "
                + "key_value_heads: 2, gated: true, normalization: rms_norm, rotary: true}}, layer_norm, "
                + "{dense: {units: vocabulary, bias: false, tie: 0}}]}"
        ],
        [
            "data={format: texts, train: {path: t.csv, text: x, target: y, weight: w}}",
            "model={layers: [{embedding: {embedding_dim: 8}}, flatten, {dense: {units: 2}}]}"
        ]
    ]

    /// All of them, each once alone, so that none hides behind another.
    static let augmentations = [
        "shift: 1", "horizontal_flip", "vertical_flip", "rotate: 20", "scale", "brightness: 0.2", "contrast: 0.2",
        "gaussian_noise: 0.1", "masking_noise: 0.1", "salt_and_pepper: 0.1", "cutout: 3", "mixup: 0.2", "mixup: 1", "cutmix"
    ]

    @Test("with augmentations of images neither", arguments: augmentations + [augmentations.joined(separator: ", ")])
    func augmentation(list: String) throws {
        for ranks in [1, 2] {
            try steadyStep(
                [
                    "data={format: idx, train: {inputs: x.idx, targets: y.idx}, augment: [\(list)]}",
                    "model.layers=[flatten, {dense: {units: 16}}, relu, {dense: {units: 10}}]"
                ], ranks: ranks)
        }
    }

    @Test("with allreduce neither, where there is no sum to make")
    func allReduce() throws { try steadyStep(["training.synchronization=allreduce"], ranks: 1) }

    @Test("with weights of samples neither", arguments: [1, 2, 3])
    func weights(ranks: Int) throws {
        try steadyStep(
            ["data={format: csv, train: {path: t.csv, target: y, weight: w}}", "model.layers.2.dense.units=2"],
            ranks: ranks)
    }

    @Test("with weights of classes and ignored targets neither", arguments: [1, 2, 3])
    func classWeights(ranks: Int) throws {
        let weights = "[1, 2, 1, 1, 3, 1, 1, 0.5, 1, 1]"
        try steadyStep(["loss={cross_entropy: {class_weights: \(weights), ignore_index: 3}}"], ranks: ranks)
    }

    @Test("no rank allocates in a steady step", arguments: settings, [1, 2, 3])
    func steadyStep(_ settings: [String], ranks: Int) throws {
        try withTemporaryFolder { folder in
            try FileManager.default.createDirectory(atPath: folder + "/run", withIntermediateDirectories: true)
            // As many samples as the digits have.
            let table = "x,w,y\n" + (0..<1438).map { "\($0 % 17).5,\($0 % 5 + 1),\($0 % 3 == 0 ? "a" : "b")\n" }.joined()
            try Data(table.utf8).write(to: URL(fileURLWithPath: folder + "/t.csv"))
            let text = String(repeating: "the cat sat on a mat, ", count: 262).prefix(1438 * 4 + 1)
            try Data(text.utf8).write(to: URL(fileURLWithPath: folder + "/t.txt"))
            // 1,438 images of three channels of 6 × 5 bytes.
            let pixels = (0..<1438 * 90).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ $0 / 90 &* 11) }
            try Data([0, 0, 8, 4, 0, 0, 5, 158, 0, 0, 0, 3, 0, 0, 0, 6, 0, 0, 0, 5] + pixels)
                .write(to: URL(fileURLWithPath: folder + "/x.idx"))
            try Data([0, 0, 8, 1, 0, 0, 5, 158] + (0..<1438).map { UInt8($0 % 10) })
                .write(to: URL(fileURLWithPath: folder + "/y.idx"))
            let result = try MPIRun.child(
                ranks: ranks, buildFolder + "/rank-scenarios", ["steady-allocations"] + settings,
                directory: folder
            ).run()
            #expect(result.status == 0 && !result.timedOut, "\(result)")
        }
    }

    @Test(
        "memory that isn't there ends all ranks with 71 and one message, whoever asked for it",
        arguments: [
            "malloc", "calloc", "calloc-overflow", "realloc", "aligned_alloc", "posix_memalign", "swift"
        ])
    func refused(function: String) throws {
        let result = try MPIRun.child(ranks: 2, buildFolder + "/rank-scenarios", ["refused-allocation", function]).run()
        #expect(result.status == 71 && !result.timedOut, "\(result)")
        let messages = result.errors.split(separator: "\n").filter { $0.hasPrefix("dtrain: error: ") }
        #expect(
            messages.count == 1 && messages[0].contains("out of memory: ") && messages[0].contains(" bytes were asked for"),
            "\(result)")
        let wanted = function == "calloc-overflow" ? "18,446,744,073,709,551,615" : "1,152,921,504,606,846,"
        #expect(messages.first?.contains(wanted) == true, "\(result)")
    }
}
