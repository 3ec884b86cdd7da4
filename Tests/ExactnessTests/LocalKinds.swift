/// Workers with weights of their own, for the same tests as `networkKinds`. Steps at which a run is stopped lie between two meetings,
/// and workers come on more and fewer ranks than there are of them.
let localKinds: [Example] = [
    Example(
        name: "workers: batch norm, SGD with momentum, an outer step of Nesterov, five of them on seven micro-batches",
        text: """
            model:
              layers: [dense: {units: 33}, batch_norm, relu, dropout: {rate: 0.2}, dense: {units: 10}]
            optimizer: {sgd: {learning_rate: 0.05, momentum: 0.9}}
            regularization: {l2: 0.001}
            validation: {every_steps: 5}
            checkpoint: {every_steps: 4}
            training:
              max_steps: 18
              global_batch_size: 210
              micro_batch_size: 30
              log_every: 1
              synchronization: {local: {workers: 5, steps: 3, outer: nesterov}}
            """),
    Example(
        name:
            "workers: AdamW clipped by norm, weights of classes, frozen weights, post-local, some without samples at an epoch's end",
        text: """
            model:
              layers: [dense: {units: 33}, relu, dense: {units: 17, name: body}, tanh, dense: {units: 10}]
              freeze: [body.weight]
            loss: {cross_entropy: {class_weights: [1, 2, 1, 1, 3, 1, 1, 0.5, 1, 1], ignore_index: 3}}
            optimizer: {adamw: {learning_rate: 0.01, weight_decay: 0.1}}
            gradient_clipping: {norm: 0.5}
            checkpoint: {every_steps: 7}
            training:
              max_steps: 20
              global_batch_size: 160
              micro_batch_size: 20
              log_every: 1
              audit: true
              synchronization: {local: {workers: 7, steps: 6, start_step: 5}}
            """),
    Example(
        name: "workers: a weight that two layers use, streams of a text, steps that may be skipped, an outer momentum",
        text: """
            data: {format: text, train: {path: text.txt}, validation_fraction: 0.2, context: 9}
            model:
              layers: [{embedding: {embedding_dim: 6}}, lstm: {units: 6, output: all}, {dense: {units: 26, tied_to: 0}}]
            optimizer: {adam: {learning_rate: 0.01}}
            training:
              max_steps: 14
              global_batch_size: 12
              micro_batch_size: 2
              log_every: 1
              stateful: true
              on_nonfinite: skip
              synchronization: {local: {workers: 3, steps: 4, outer: {momentum: {learning_rate: 1, momentum: 0.5}}}}
            """)
]
