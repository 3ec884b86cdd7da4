import Testing

/// A configuration of the matrix: what it is there for, and its text.
struct Example: Sendable, CustomTestStringConvertible {
    let name: String
    let text: String
    var testDescription: String { name }

    /// The same with another line in its section `training`.
    func training(_ line: String) -> String { text.replacingOccurrences(of: "\ntraining:\n", with: "\ntraining:\n  \(line)\n") }
}

/// The configurations that must give the same bits at every rank count. Together they have every optimizer, schedule,
/// way of clipping, loss and layer, and steps of 1, 2, 3, 5, 6, 7, 11 and more micro-batches with short ones at an
/// epoch's end; log_every 1, so that every loss is compared. The 1,438 digits aren't divided evenly by any batch here.
let examples: [Example] = [
    Example(
        name: "Adam, dropout, clipping by norm, cosine with warm-up, 7 micro-batches",
        text: """
            model:
              layers: [dense: {units: 33}, relu, dropout: {rate: 0.3}, dense: {units: 17}, tanh, dropout: {rate: 0.1}, dense: {units: 10}]
            optimizer: {adam: {learning_rate: 0.01}}
            schedule: {cosine: {warmup_steps: 5, minimum: 0.0001}}
            gradient_clipping: {norm: 0.5}
            metrics: [accuracy, f1, confusion_matrix]
            validation: {every_steps: 5}
            checkpoint: {every_steps: 7}
            training:
              max_steps: 24
              global_batch_size: 210
              micro_batch_size: 30
              log_every: 1
            """),
    Example(
        name: "SGD with Nesterov, clipping by value, steps, L1 and L2, 3 micro-batches",
        text: """
            model:
              layers: [dense: {units: 13}, leaky_relu, dense: {units: 10}]
            optimizer: {sgd: {learning_rate: 0.1, momentum: 0.9, nesterov: true}}
            schedule: {step: {step_size: 6, gamma: 0.5}}
            gradient_clipping: {value: 0.01}
            regularization: {l1: 0.0001, l2: 0.001}
            training:
              epochs: 2
              global_batch_size: 96
              micro_batch_size: 32
              log_every: 1
            """),
    Example(
        name: "SGD with momentum, exponential, label smoothing, 5 micro-batches",
        text: """
            model:
              layers: [dense: {units: 33}, elu, dense: {units: 10}]
            loss: {cross_entropy: {label_smoothing: 0.1}}
            optimizer: {sgd: {learning_rate: 0.05, momentum: 0.9, dampening: 0.1, weight_decay: 0.001}}
            schedule: {exponential: {gamma: 0.95, warmup_steps: 3}}
            training:
              max_steps: 20
              global_batch_size: 160
              micro_batch_size: 32
              log_every: 1
            """),
    Example(
        name: "AdamW with AMSGrad, plateau, early stopping by patience, 6 micro-batches",
        text: """
            model:
              layers: [dense: {units: 17}, silu, dense: {units: 10}]
            optimizer: {adamw: {learning_rate: 0.3, weight_decay: 0.05, amsgrad: true}}
            schedule: {reduce_on_plateau: {patience: 0, factor: 0.5, cooldown: 1}}
            early_stopping: {patience: 3, minimum_improvement: 0.02}
            validation: {every_steps: 2}
            training:
              max_steps: 60
              global_batch_size: 300
              micro_batch_size: 50
              log_every: 1
            """),
    Example(
        name: "RMSprop centred with momentum, 1 micro-batch",
        text: """
            model:
              layers: [dense: {units: 33}, sigmoid, dense: {units: 10}]
            optimizer: {rmsprop: {learning_rate: 0.005, centered: true, momentum: 0.5, weight_decay: 0.001}}
            schedule: {constant: {warmup_steps: 4}}
            training:
              max_steps: 25
              global_batch_size: 64
              micro_batch_size: 64
              log_every: 1
            """),
    Example(
        name: "Adagrad, early stopping by target, validation between epochs",
        text: """
            model:
              layers: [dense: {units: 21}, gelu, dense: {units: 10}]
            optimizer: {adagrad: {learning_rate: 0.05, learning_rate_decay: 0.01, weight_decay: 0.0001, initial_accumulator_value: 0.1}}
            early_stopping: {monitor: validation_accuracy, target: 0.8}
            training:
              epochs: 30
              global_batch_size: 250
              micro_batch_size: 25
              log_every: 1
            """),
    Example(
        name: "micro-batches of 1, softmax fused, residual, unshuffled",
        text: """
            data: {format: csv, train: {path: answers.csv, target: y}, validation_fraction: 0.2, standardize: true}
            model:
              layers:
                - residual: {layers: [dense: {units: 13}, gelu: {approximation: tanh}, dropout: {rate: 0.2}, dense: {units: 13}]}
                - dense: {units: 2}
                - softmax
            optimizer: {adam: {learning_rate: 0.01, weight_decay: 0.01}}
            metrics: [accuracy, precision, recall]
            validation: {every_epochs: 2}
            training:
              max_steps: 30
              global_batch_size: 11
              micro_batch_size: 1
              shuffle: false
              log_every: 1
            """),
    Example(
        name: "sigmoid and binary cross entropy, ROC AUC",
        text: """
            data: {format: csv, train: {path: answers.csv, target: y}, validation_fraction: 0.25, split_seed: 3}
            model:
              layers: [dense: {units: 9}, tanh, dense: {units: 1}, sigmoid]
            loss: binary_cross_entropy
            optimizer: {sgd: {learning_rate: 0.5}}
            gradient_clipping: {norm: 0.2}
            metrics: [accuracy, roc_auc, f1]
            early_stopping: {monitor: validation_roc_auc, patience: 40}
            validation: {every_steps: 4}
            training:
              max_steps: 30
              global_batch_size: 35
              micro_batch_size: 5
              log_every: 1
            """),
    Example(
        name: "a regression with the Huber loss and two runs of layers",
        text: """
            data: {format: csv, train: {path: numbers.csv, target: y}, validation_fraction: 0.2, standardize: true}
            model:
              layers: [dense: {units: 17, bias: false}, residual: {layers: [dense: {units: 17}, silu]}, dense: {units: 1}]
            loss: {huber: {delta: 0.5}}
            optimizer: {adam: {learning_rate: 0.02, betas: [0.8, 0.99]}}
            schedule: {reduce_on_plateau: {patience: 1, monitor: validation_mean_absolute_error}}
            metrics: [mean_absolute_error, mean_squared_error, r2]
            validation: {every_steps: 3}
            training:
              max_steps: 35
              global_batch_size: 42
              micro_batch_size: 7
              log_every: 1
            """),
    Example(
        name: "steps that are skipped, since loss or gradient isn't finite",
        text: """
            data: {format: csv, train: {path: extreme.csv, target: y}, validation: {path: usual.csv}}
            model:
              layers: [dense: {units: 33}, leaky_relu, dense: {units: 1}]
            loss: mean_squared_error
            optimizer: {adam: {learning_rate: 0.01}}
            training:
              epochs: 3
              global_batch_size: 12
              micro_batch_size: 4
              on_nonfinite: skip
              log_every: 1
            """),
    Example(
        name: "more rows than memory takes at once",
        text: """
            model:
              layers: [dense: {units: 4096}, relu, dropout: {rate: 0.5}, dense: {units: 10}]
            optimizer: {adam: {learning_rate: 0.001}}
            validation: {every_steps: 4}
            training:
              max_steps: 4
              global_batch_size: 1435
              micro_batch_size: 97
              log_every: 1
            """),
    Example(
        name: "2 micro-batches for all ranks, mean squared error of classes",
        text: """
            model:
              layers: [dense: {units: 33}, relu, dense: {units: 10}]
            loss: mean_squared_error
            optimizer: {sgd: {learning_rate: 0.05, momentum: 0.5}}
            gradient_clipping: {norm: 1.0}
            training:
              epochs: 1
              global_batch_size: 40
              micro_batch_size: 20
              log_every: 1
            """),
    Example(
        name: "one step per epoch, 21 micro-batches, mean absolute error",
        text: """
            data: {format: csv, train: {path: numbers.csv, target: y}}
            model:
              layers: [dense: {units: 13}, elu: {alpha: 0.5}, dense: {units: 1}]
            loss: mean_absolute_error
            optimizer: {rmsprop: {learning_rate: 0.01}}
            training:
              epochs: 15
              global_batch_size: 1000
              micro_batch_size: 7
              log_every: 1
            """),
    Example(
        name: "the built-in configuration",
        text: """
            model:
              layers: [dense: {units: 128}, relu, dense: {units: 10}]
            optimizer: {adam: {learning_rate: 0.003}}
            training:
              epochs: 2
              global_batch_size: 64
              micro_batch_size: 16
              log_every: 1
            """)
]
