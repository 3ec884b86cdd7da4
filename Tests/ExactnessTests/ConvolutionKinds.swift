/// Convolutional networks for the same tests as `networkKinds`.
let convolutionKinds: [Example] = [
    Example(
        name: "convolutions, pooling and dense layers, clipping by norm",
        text: """
            model:
              layers:
                - reshape: {shape: [8, 8]}
                - conv2d: {filters: 9, kernel: 3, padding: same}
                - relu
                - max_pool2d: {size: 2}
                - conv2d: {filters: 17, kernel: [2, 3], bias: false}
                - tanh
                - average_pool2d: {size: 2, stride: 1}
                - dropout2d: {rate: 0.1}
                - flatten
                - dense: {units: 10}
            optimizer: {adam: {learning_rate: 0.01}}
            gradient_clipping: {norm: 1}
            validation: {every_steps: 5}
            training:
              max_steps: 13
              global_batch_size: 75
              micro_batch_size: 10
              log_every: 1
            """),
    Example(
        name: "batch norm of images in residual blocks with shortcuts, a short last micro-batch",
        text: """
            model:
              layers:
                - reshape: {shape: [1, 8, 8]}
                - conv2d: {filters: 8, kernel: 3, padding: same, bias: false}
                - batch_norm
                - relu
                - repeat:
                    times: 2
                    layers:
                      - residual:
                          layers: [{conv2d: {filters: 12, kernel: 3, stride: 2, padding: 1, bias: false}}, batch_norm, relu, {conv2d: {filters: 12, kernel: 3, padding: same, bias: false}}, batch_norm]
                          shortcut: {layers: [{conv2d: {filters: 12, kernel: 1, stride: 2, bias: false}}, {batch_norm: {momentum: none}}]}
                      - relu
                - global_average_pool2d
                - dense: {units: 10}
            optimizer: {sgd: {learning_rate: 0.05, momentum: 0.9, weight_decay: 0.001}}
            validation: {every_steps: 4}
            checkpoint: {every_steps: 5}
            training:
              max_steps: 12
              global_batch_size: 67
              micro_batch_size: 16
              log_every: 1
            """),
    Example(
        name: "a convolutional autoencoder with noise: strides, transposes, upsampling",
        text: """
            data: {target_kind: input, augmentation: [gaussian_noise: {std: 0.3}]}
            model:
              layers:
                - reshape: {shape: [1, 8, 8]}
                - conv2d: {filters: 6, kernel: 3, stride: 2, padding: 1}
                - relu
                - conv2d: {filters: 9, kernel: 3, stride: 2, padding: same}
                - sigmoid
                - conv2d_transpose: {filters: 6, kernel: 3, stride: 2, padding: 1, output_padding: 1}
                - relu
                - upsample2d: {scale_factor: 2, mode: bilinear}
                - zero_pad2d: {padding: 1}
                - conv2d: {filters: 1, kernel: 3}
                - flatten
            loss: mean_squared_error
            optimizer: {adamw: {learning_rate: 0.005, weight_decay: 0.1}}
            gradient_clipping: {norm: 1}
            validation: {every_steps: 5}
            training:
              max_steps: 12
              global_batch_size: 100
              micro_batch_size: 15
              log_every: 1
            """),
    Example(
        name: "depthwise and grouped convolutions, group and instance norm, dilation",
        text: """
            model:
              layers:
                - reshape: {shape: [1, 8, 8]}
                - conv2d: {filters: 12, kernel: 3, padding: same}
                - group_norm: {groups: 3}
                - silu
                - conv2d: {filters: 12, kernel: 3, padding: 2, dilation: 2, groups: 12, bias: false}
                - instance_norm: {affine: true}
                - relu
                - conv2d: {filters: 16, kernel: 1, groups: 4}
                - global_max_pool2d
                - dense: {units: 10}
            optimizer: {rmsprop: {learning_rate: 0.003}}
            training:
              max_steps: 11
              global_batch_size: 60
              micro_batch_size: 7
              log_every: 1
            """),
    Example(
        name: "branches side by side, a frozen one among them",
        text: """
            model:
              freeze: ["1.0.*"]
              layers:
                - reshape: {shape: [1, 8, 8]}
                - parallel:
                    branches:
                      - {layers: [{conv2d: {filters: 3, kernel: 1}}, relu]}
                      - {layers: [{conv2d: {filters: 4, kernel: 3, padding: 1}}, batch_norm, relu]}
                      - {layers: [{max_pool2d: {size: 3, stride: 1, padding: 1}}, {conv2d: {filters: 2, kernel: 1}}]}
                      - {layers: []}
                - conv2d: {filters: 8, kernel: 3, stride: 2}
                - relu
                - flatten
                - parallel: {combine: add, branches: [{layers: [{dense: {units: 10}}]}, {layers: [{dense: {units: 10, bias: false}}, tanh]}]}
            optimizer: {adam: {learning_rate: 0.005}}
            gradient_clipping: {value: 0.01}
            validation: {every_steps: 6}
            training:
              max_steps: 11
              global_batch_size: 90
              micro_batch_size: 12
              log_every: 1
            """),
    Example(
        name: "conv1d over the rows of an image, parameter groups",
        text: """
            model:
              layers:
                - reshape: {shape: [8, 8]}
                - permute: {dimensions: [2, 1]}
                - conv1d: {filters: 11, kernel: 3, padding: same}
                - batch_norm
                - relu
                - conv1d: {filters: 7, kernel: 3, stride: 2, dilation: 2, bias: false}
                - gelu
                - flatten
                - dense: {units: 10}
            optimizer: {adamw: {learning_rate: 0.01, weight_decay: 0.1}}
            parameter_groups:
              - "*.bias": {weight_decay: 0}
            training:
              max_steps: 12
              global_batch_size: 64
              micro_batch_size: 16
              log_every: 1
            """)
]
