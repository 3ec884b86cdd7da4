/// One configuration for each kind of network and each way of training that is more than dense layers on rows of numbers.
/// Not in `examples`, whose every combination CI runs: of these it takes some rank counts and two points of resumption.
let networkKinds: [Example] = [
    Example(
        name: "frozen and grouped parameters, AdamW, clipping by norm, L2",
        text: """
            model:
              layers: [dense: {units: 33}, relu, dense: {units: 17, name: body}, layer_norm, tanh, dense: {units: 10}]
              freeze: [0.weight, body.bias]
            optimizer: {adamw: {learning_rate: 0.01, weight_decay: 0.1}}
            parameter_groups:
              - "*.bias": {weight_decay: 0, learning_rate_factor: 2}
              - body: {learning_rate_factor: 0.25}
            gradient_clipping: {norm: 0.5}
            regularization: {l2: 0.001}
            validation: {every_steps: 5}
            training:
              max_steps: 18
              global_batch_size: 210
              micro_batch_size: 30
              log_every: 1
            """),
    Example(
        name: "several layers on [steps, features], a residual with a shortcut",
        text: """
            model:
              layers:
                - reshape: {shape: [8, -1]}
                - dense: {units: 12}
                - gelu
                - layer_norm
                - permute: {dimensions: [2, 1]}
                - residual: {layers: [dense: {units: 9}, relu, dropout: {rate: 0.2}, dense: {units: 5}], shortcut: [dense: {units: 5, bias: false}]}
                - layer_norm: {dimensions: 2, bias: false}
                - flatten
                - dense: {units: 10}
            optimizer: {sgd: {learning_rate: 0.05, momentum: 0.9}}
            training:
              max_steps: 15
              global_batch_size: 150
              micro_batch_size: 20
              log_every: 1
            """),
    Example(
        name: "batch norm with short last micro-batches, running averages of both kinds",
        text: """
            model:
              layers: [dense: {units: 33}, batch_norm, relu, residual: {layers: [dense: {units: 33}, batch_norm: {momentum: none}]}, dense: {units: 10}]
            optimizer: {adam: {learning_rate: 0.01}}
            gradient_clipping: {norm: 1}
            validation: {every_steps: 4}
            checkpoint: {every_steps: 5}
            training:
              max_steps: 14
              global_batch_size: 157
              micro_batch_size: 20
              log_every: 1
            """),
    Example(
        name: "class weights, an ignored class and label smoothing; the divisor differs from step to step",
        text: """
            model:
              layers: [dense: {units: 17}, relu, dense: {units: 10}]
            loss: {cross_entropy: {class_weights: [1, 2, 0.5, 3, 1, 0.25, 1, 1, 7, 1], ignore_index: 4, label_smoothing: 0.1}}
            optimizer: {adam: {learning_rate: 0.01}}
            validation: {every_steps: 5}
            training:
              max_steps: 14
              global_batch_size: 150
              micro_batch_size: 20
              log_every: 1
            """),
    Example(
        name: "a language model over characters with tied weights, one of them used three times, clipping by norm",
        text: """
            data: {format: text, train: {path: text.txt}, validation_fraction: 0.2, context: 9}
            model:
              layers:
                - embedding: {embedding_dim: 48, num_embeddings: 40, name: tokens, initializer: {normal: {standard_deviation: 0.3}}}
                - dense: {units: 48, name: body}
                - gelu
                - residual: {layers: [layer_norm, dense: {units: 48, tied_to: body}, dropout: {rate: 0.1}]}
                - dense: {units: 40, tied_to: tokens}
                - dense: {units: 26}
            optimizer: {adamw: {learning_rate: 0.01, weight_decay: 0.1}}
            gradient_clipping: {norm: 0.5}
            validation: {every_steps: 5}
            checkpoint: {every_steps: 6}
            training:
              max_steps: 16
              global_batch_size: 75
              micro_batch_size: 10
              log_every: 1
            """),
    Example(
        name: "labelled texts, padded and cut, with characters that aren't in the vocabulary",
        text: """
            data: {format: texts, train: {path: sentences.csv, text: text, target: kind}, vocabulary: 15, length: 20, validation_fraction: 0.2}
            model:
              layers: [embedding: {embedding_dim: 6}, dense: {units: 5}, tanh, flatten, dense: {units: 3}]
            optimizer: {adam: {learning_rate: 0.01}}
            validation: {every_steps: 5}
            training:
              max_steps: 14
              global_batch_size: 75
              micro_batch_size: 10
              log_every: 1
            """),
    Example(
        name: "a denoising autoencoder: noise of three kinds, the target is the input",
        text: """
            data:
              target_kind: input
              augmentation: [gaussian_noise: {std: 0.3}, masking_noise: {rate: 0.1}, salt_and_pepper: {rate: 0.05}]
            model:
              layers: [dense: {units: 33}, relu, dropout: {rate: 0.1}, dense: {units: 64}]
            loss: mean_squared_error
            optimizer: {adam: {learning_rate: 0.01}}
            gradient_clipping: {norm: 1}
            validation: {every_steps: 5}
            training:
              max_steps: 17
              global_batch_size: 210
              micro_batch_size: 30
              log_every: 1
            """),
    Example(
        name: "weights of samples and of classes, a step skipped whose samples all weigh 0",
        text: """
            data: {format: csv, train: {path: weighted.csv, target: y, weight: w}, validation: {path: weighted.csv}}
            model:
              layers: [dense: {units: 17}, tanh, dense: {units: 2}]
            loss: {cross_entropy: {class_weights: [1, 3]}}
            optimizer: {sgd: {learning_rate: 0.1, momentum: 0.9}}
            validation: {every_steps: 5}
            training:
              max_steps: 23
              global_batch_size: 8
              micro_batch_size: 2
              shuffle: false
              on_nonfinite: skip
              log_every: 1
            """)
]
