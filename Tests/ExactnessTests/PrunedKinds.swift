/// Weights that are pruned, for the same tests as `networkKinds`.
let prunedKinds: [Example] = [
    Example(
        name: "pruning of convolutions and dense layers together, with clipping by norm, penalties and an average",
        text: """
            model:
              layers: [reshape: {shape: [1, 8, 8]}, conv2d: {filters: 5, kernel: 3}, relu, flatten, dense: {units: 33}, relu, dense: {units: 10}]
            optimizer: {adam: {learning_rate: 0.01}}
            gradient_clipping: {norm: 0.5}
            regularization: {l2: 0.001}
            checkpoint: {every_steps: 4}
            training:
              max_steps: 14
              global_batch_size: 157
              micro_batch_size: 20
              log_every: 1
              ema: {decay: 0.8}
              pruning: {sparsity: 0.8, start_step: 2, end_step: 11, every_steps: 3}
            """),
    Example(
        name: "pruning of each layer by itself, of weights that nothing is agreed on first",
        text: """
            model:
              layers: [dense: {units: 70}, batch_norm, relu, dense: {units: 10}]
            optimizer: {sgd: {learning_rate: 0.1, momentum: 0.9}}
            training:
              max_steps: 13
              global_batch_size: 120
              micro_batch_size: 8
              log_every: 1
              pruning: {sparsity: 0.6, scope: layer, start_step: 3, end_step: 9, every_steps: 2}
            """)
]
