/// Networks of Transformer blocks, for the same tests as `networkKinds`.
let languageKinds: [Example] = [
    Example(
        name: "a GPT with a tied weight, dropout and clipping",
        text: """
            data: {format: text, train: {path: text.txt}, validation_fraction: 0.2, context: 11}
            model:
              initializer: gpt2
              layers:
                - embedding: {units: 12, name: tokens}
                - positional_embedding
                - dropout: {rate: 0.1}
                - repeat: {times: 2, layers: [{transformer_block: {heads: 3, hidden: 20, causal: true, dropout: 0.1, activation: gelu_tanh}}]}
                - layer_norm
                - dense: {units: vocabulary, bias: false, tie: tokens}
            optimizer: {adamw: {learning_rate: 0.01, weight_decay: 0.1}}
            gradient_clipping: {norm: 1}
            validation: {every_steps: 5}
            training:
              max_steps: 14
              global_batch_size: 12
              micro_batch_size: 2
              log_every: 1
            """),
    Example(
        name: "an encoder of texts of different lengths, norms behind, synchronised batch norm of what it makes of them",
        text: """
            data: {format: texts, train: {path: sentences.csv, text: text, target: kind}, tokens: words, length: 12, validation_fraction: 0.2}
            model:
              layers:
                - embedding: {units: 12, padding_index: 0}
                - positional_embedding: {kind: sinusoidal}
                - transformer_block: {heads: 2, hidden: 16, norm: post, activation: relu}
                - multi_head_attention: {heads: 3, dropout: 0.1}
                - permute: {dimensions: [2, 1]}
                - global_average_pool1d
                - batch_norm: {synchronized: true}
                - dense: {units: 3}
            optimizer: {adam: {learning_rate: 0.005}}
            training:
              max_steps: 13
              global_batch_size: 30
              micro_batch_size: 4
              log_every: 1
            """),
    Example(
        name: "a gated block with grouped heads, rotary positions, rms_norm and a frozen body",
        text: """
            data: {format: text, train: {path: text.txt}, validation_fraction: 0.2, context: 70}
            model:
              freeze: ["1.*"]
              layers:
                - embedding: {units: 8}
                - transformer_block: {heads: 2, hidden: 9, causal: true, rotary: true}
                - transformer_block: {heads: 4, key_value_heads: 2, hidden: 12, causal: true, gated: true, normalization: rms_norm, activation: silu, rotary: {base: 500}, dropout: 0.2}
                - rms_norm
                - dense: {units: vocabulary}
            optimizer: {sgd: {learning_rate: 0.05, momentum: 0.9}}
            training:
              max_steps: 12
              global_batch_size: 7
              micro_batch_size: 1
              log_every: 1
            """)
]
