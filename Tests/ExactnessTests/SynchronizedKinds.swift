/// Layers that bring sums together over all ranks in the middle of a step, for the same tests as `networkKinds`. The last batches
/// of an epoch have leaves for some ranks only.
let synchronizedKinds: [Example] = [
    Example(
        name: "synchronised batch norm of features beside one of micro-batches, gradients a step late",
        text: """
            model:
              layers: [dense: {units: 33}, batch_norm: {synchronized: true}, relu, residual: {layers: [dense: {units: 33}, batch_norm: {momentum: none, synchronized: true}, dropout: {rate: 0.2}]}, batch_norm, dense: {units: 10}]
            optimizer: {adam: {learning_rate: 0.01}}
            gradient_clipping: {norm: 1}
            validation: {every_steps: 4}
            checkpoint: {every_steps: 5}
            training:
              max_steps: 14
              global_batch_size: 157
              micro_batch_size: 20
              log_every: 1
              delay: 1
            """),
    Example(
        name:
            "synchronised batch norm of images: behind a relu, at the end of a residual, in a shortcut, between frozen layers",
        text: """
            model:
              freeze: [1.weight, "2.*"]
              layers:
                - reshape: {shape: [1, 8, 8]}
                - conv2d: {filters: 6, kernel: 3, padding: same, bias: false}
                - batch_norm: {synchronized: true}
                - relu
                - residual:
                    layers: [{conv2d: {filters: 9, kernel: 3, stride: 2, padding: 1, bias: false}}, {batch_norm: {synchronized: true}}, relu, {conv2d: {filters: 9, kernel: 3, padding: same, bias: false}}, {batch_norm: {synchronized: true}}]
                    shortcut: {layers: [{conv2d: {filters: 9, kernel: 1, stride: 2, bias: false}}, {batch_norm: {synchronized: true, affine: false}}]}
                - relu
                - dropout2d: {rate: 0.1}
                - flatten
                - dense: {units: 10}
            optimizer: {sgd: {learning_rate: 0.05, momentum: 0.9}}
            training:
              max_steps: 13
              global_batch_size: 120
              micro_batch_size: 8
              log_every: 1
            """),
    Example(
        name: "synchronised batch norm in front of and behind an LSTM, in branches side by side",
        text: """
            model:
              layers:
                - reshape: {shape: [8, 8]}
                - parallel: {branches: [{layers: [conv1d: {filters: 5, kernel: 3, padding: same}, {batch_norm: {synchronized: true}}]}, {layers: [{batch_norm: {synchronized: true}}]}]}
                - permute: {dimensions: [2, 1]}
                - lstm: {units: 11, layers: 2, dropout: 0.1, output: all}
                - permute: {dimensions: [2, 1]}
                - repeat: {times: 2, layers: [{batch_norm: {synchronized: true}}, relu]}
                - global_max_pool1d
                - dense: {units: 10}
            optimizer: {adamw: {learning_rate: 0.01}}
            training:
              max_steps: 13
              global_batch_size: 90
              micro_batch_size: 7
              log_every: 1
            """)
]
