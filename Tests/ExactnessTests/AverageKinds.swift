/// Averages of the weights, and which of these decay, for the same tests as `networkKinds`.
let averageKinds: [Example] = [
    Example(
        name: "Lion that decays matrices, an average that validations look at, gradients a step late",
        text: """
            model:
              layers: [dense: {units: 33}, batch_norm, relu, residual: {layers: [dense: {units: 33}, layer_norm, gelu]}, dense: {units: 10}]
            optimizer: {lion: {learning_rate: 0.002, weight_decay: 0.3, decay: matrices}}
            validation: {every_steps: 3}
            checkpoint: {every_steps: 4}
            training:
              max_steps: 14
              global_batch_size: 157
              micro_batch_size: 20
              log_every: 1
              delay: 1
              ema: {decay: 0.8, validate: true}
            """),
    Example(
        name: "AMSGrad with groups and a frozen layer, an average of every second step from step 3 on, clipping by norm",
        text: """
            model:
              freeze: ["0.*"]
              layers: [dense: {units: 40}, relu, dense: {units: 70}, batch_norm, relu, dense: {units: 10}]
            optimizer: {adamw: {learning_rate: 0.01, weight_decay: 0.1, amsgrad: true, decay: matrices}}
            parameter_groups: ["*.bias": {learning_rate_factor: 2}, "5.weight": {weight_decay: 0.5}, "3.weight": {weight_decay: 0.2}]
            gradient_clipping: {norm: 0.5}
            training:
              max_steps: 13
              global_batch_size: 120
              micro_batch_size: 8
              log_every: 1
              ema: {decay: 0.7, start_step: 3, every_steps: 2}
            """),
    Example(
        name: "an average that skipped steps don't move",
        text: """
            data: {format: csv, train: {path: extreme.csv, target: y}, validation: {path: usual.csv}}
            model:
              layers: [dense: {units: 33}, leaky_relu, dense: {units: 1}]
            loss: mean_squared_error
            optimizer: {adam: {learning_rate: 0.01, amsgrad: true, weight_decay: 0.1, decay: matrices}}
            training:
              epochs: 3
              global_batch_size: 12
              micro_batch_size: 4
              on_nonfinite: skip
              log_every: 1
              ema: {decay: 0.9, validate: true}
            """),
    Example(
        name: "perplexity beside label smoothing and an ignored class, in steps and validations",
        text: """
            model:
              layers: [dense: {units: 13}, tanh, dense: {units: 10}]
            loss: {cross_entropy: {label_smoothing: 0.1, ignore_index: 4}}
            metrics: [accuracy, perplexity]
            optimizer: {adam: {learning_rate: 0.01}}
            checkpoint: {monitor: validation_perplexity}
            validation: {every_steps: 5}
            training:
              max_steps: 14
              global_batch_size: 105
              micro_batch_size: 15
              log_every: 1
              ema: {decay: 0.5, validate: true}
            """)
]
