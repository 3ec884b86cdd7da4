/// Ways of exchanging gradients other than at once, for the same tests as `networkKinds`.
let delayedKinds: [Example] = [
    Example(
        name: "gradients a step late: batch norm, dropout, AdamW with decay",
        text: """
            model:
              layers: [dense: {units: 33}, batch_norm, relu, dropout: {rate: 0.2}, dense: {units: 10}]
            optimizer: {adamw: {learning_rate: 0.01, weight_decay: 0.1}}
            schedule: cosine
            validation: {every_steps: 5}
            checkpoint: {every_steps: 4}
            training:
              max_steps: 17
              global_batch_size: 210
              micro_batch_size: 30
              log_every: 1
              delay: 1
            """),
    Example(
        name: "gradients a step late, clipped by norm, with L2 and frozen weights",
        text: """
            model:
              layers: [dense: {units: 33}, relu, dense: {units: 17, name: body}, tanh, dense: {units: 10}]
              freeze: [0.weight]
            optimizer: {sgd: {learning_rate: 0.05, momentum: 0.9}}
            gradient_clipping: {norm: 0.5}
            regularization: {l2: 0.001}
            checkpoint: {every_steps: 7}
            training:
              max_steps: 16
              global_batch_size: 150
              micro_batch_size: 20
              log_every: 1
              delay: 1
            """),
    Example(
        name: "gradients a step late of a weight that two layers use, a convolution's among the others",
        text: """
            data: {format: text, train: {path: text.txt}, validation_fraction: 0.2, context: 9}
            model:
              layers:
                - embedding: {embedding_dim: 6, name: tokens}
                - permute: {dimensions: [2, 1]}
                - conv1d: {filters: 6, kernel: 3, padding: causal}
                - permute: {dimensions: [2, 1]}
                - dense: {units: 26, tied_to: tokens}
            optimizer: {adam: {learning_rate: 0.01}}
            training:
              max_steps: 14
              global_batch_size: 12
              micro_batch_size: 2
              log_every: 1
              delay: 1
            """)
]
