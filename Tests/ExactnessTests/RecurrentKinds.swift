/// Recurrent networks for the same tests as `networkKinds`.
let recurrentKinds: [Example] = [
    Example(
        name: "an LSTM over texts of different lengths, embedding with padding",
        text: """
            data: {format: texts, train: {path: sentences.csv, text: text, target: kind}, length: 20, validation_fraction: 0.2}
            model:
              layers:
                - embedding: {embedding_dim: 7, padding_index: 0}
                - lstm: {units: 9, forget_bias: 1, recurrent_initializer: orthogonal}
                - dense: {units: 3}
            optimizer: {adamw: {learning_rate: 0.01}}
            gradient_clipping: {norm: 1}
            validation: {every_steps: 5}
            training:
              max_steps: 13
              global_batch_size: 30
              micro_batch_size: 4
              log_every: 1
            """),
    Example(
        name: "a GRU of two layers both ways with dropout, then means over time",
        text: """
            model:
              layers:
                - reshape: {shape: [8, 8]}
                - gru: {units: 6, layers: 2, bidirectional: true, dropout: 0.3, output: all}
                - permute: {dimensions: [2, 1]}
                - global_average_pool1d
                - dense: {units: 10}
            optimizer: {adam: {learning_rate: 0.01}}
            validation: {every_steps: 5}
            training:
              max_steps: 13
              global_batch_size: 75
              micro_batch_size: 10
              log_every: 1
            """),
    Example(
        name: "texts of different lengths: convolution over time, largest numbers, a simple network behind",
        text: """
            data: {format: texts, train: {path: sentences.csv, text: text, target: kind}, tokens: words, length: 12, validation_fraction: 0.2}
            model:
              layers:
                - embedding: {embedding_dim: 6, padding_index: 0}
                - simple_rnn: {units: 8, output: all, bidirectional: true}
                - permute: {dimensions: [2, 1]}
                - conv1d: {filters: 9, kernel: 3, padding: causal}
                - relu
                - global_max_pool1d
                - dense: {units: 3}
            optimizer: {adamw: {learning_rate: 0.01}}
            training:
              max_steps: 13
              global_batch_size: 29
              micro_batch_size: 5
              log_every: 1
            """),
    Example(
        name: "streams of a text: states go on from step to step, through two epochs",
        text: """
            data: {format: text, train: {path: text.txt}, validation_fraction: 0.2, context: 9}
            model:
              layers:
                - embedding: {embedding_dim: 6}
                - lstm: {units: 11, layers: 2, output: all, dropout: 0.1}
                - gru: {units: 5, output: all}
                - dense: {units: 26}
            optimizer: {adamw: {learning_rate: 0.01}}
            checkpoint: {every_steps: 4}
            validation: {every_steps: 7}
            training:
              max_steps: 15
              global_batch_size: 43
              micro_batch_size: 6
              stateful: true
              log_every: 1
            """),
    Example(
        name: "forecasts of several series from several columns, three steps ahead",
        text: """
            data:
              format: series
              train: {path: stations.csv, inputs: [x0, x1], target: [y, x0], time: day, key: place}
              window: 11
              horizon: 3
              standardize: true
              validation_fraction: 0.2
            model:
              layers:
                - lstm: {units: 9}
                - dense: {units: 6}
            loss: mean_squared_error
            optimizer: {adamw: {learning_rate: 0.01}}
            gradient_clipping: {norm: 1}
            validation: {every_steps: 5}
            training:
              max_steps: 13
              global_batch_size: 30
              micro_batch_size: 4
              log_every: 1
            """),
    Example(
        name: "streams of series: states go on from window to window of each, through several epochs",
        text: """
            data:
              format: series
              train: {path: stations.csv, target: y, time: day, key: place}
              window: 5
              stride: 5
              validation_fraction: 0.2
            model:
              layers:
                - gru: {units: 7, dropout: 0.1, layers: 2}
                - dense: {units: 1}
            loss: mean_squared_error
            optimizer: {adam: {learning_rate: 0.01}}
            validation: {every_steps: 5}
            training:
              max_steps: 29
              global_batch_size: 5
              micro_batch_size: 1
              stateful: true
              log_every: 1
            """),
    Example(
        name: "classified series of different lengths, in two dimensions",
        text: """
            data: {format: ucr, train: {path: paths.ts}, validation_fraction: 0.2, standardize: true}
            model:
              layers:
                - gru: {units: 7, bidirectional: true}
                - dense: {units: 3}
            optimizer: {adamw: {learning_rate: 0.01}}
            training:
              max_steps: 13
              global_batch_size: 29
              micro_batch_size: 5
              log_every: 1
            """)
]
