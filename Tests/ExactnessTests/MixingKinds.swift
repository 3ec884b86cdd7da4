/// Convolutional networks on pictures that are mixed with one another, with a short last batch in each epoch.
let mixingKinds: [Example] = [
    mixing("mixup behind shift and flip, smoothed targets", "mixup: 0.4", loss: "{label_smoothing: 0.1}"),
    mixing("cutmix behind shift and flip, weights of classes", "cutmix", loss: "{class_weights: [1, 2, 1, 0.5, 1]}"),
    mixing(
        "mixup and cutmix, each of some samples, and noise behind them",
        "{mixup: {alpha: 1, probability: 0.5}}, cutmix: {alpha: 1, probability: 0.5}, gaussian_noise: 0.1",
        loss: "{label_smoothing: 0}")
]

private func mixing(_ name: String, _ augmentation: String, loss: String) -> Example {
    Example(
        name: name,
        text: """
            data:
              format: idx
              train: {inputs: pictures.idx, targets: kinds.idx}
              validation_fraction: 0.2
              normalize: {scale: 255, mean: 0.5, std: 0.25}
              augment: [shift: 1, horizontal_flip, \(augmentation)]
            model:
              layers:
                - conv2d: {filters: 9, kernel: 3, padding: same}
                - batch_norm
                - relu
                - max_pool2d: {size: 2}
                - dropout2d: {rate: 0.1}
                - flatten
                - dense: {units: 5}
            loss: {cross_entropy: \(loss)}
            optimizer: {adam: {learning_rate: 0.01}}
            metrics: [accuracy, f1]
            validation: {every_steps: 5}
            checkpoint: {every_steps: 7}
            training:
              max_steps: 13
              global_batch_size: 75
              micro_batch_size: 10
              log_every: 1
            """)
}
