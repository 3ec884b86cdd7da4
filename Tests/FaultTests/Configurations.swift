/// Configurations of the digits, of different weight.
enum Configurations {
    /// - Parameters:
    ///   - layers: units of the hidden layers.
    ///   - steps: where the run ends.
    ///   - every: steps between checkpoints.
    static func digits(
        layers: [Int] = [16], steps: Int, batch: Int = 64, microBatch: Int = 16, every: Int,
        keep: Int = 3, validateEvery: Int = 1_000_000_000, onError: String = "warn"
    ) -> String {
        let hidden = layers.map { "    - dense: {units: \($0)}\n    - relu\n" }.joined()
        return """
            data: {format: digits}
            model:
              layers:
            \(hidden)    - dense: {units: 10}
            optimizer: {adam: {learning_rate: 0.001}}
            training: {max_steps: \(steps), global_batch_size: \(batch), micro_batch_size: \(microBatch), log_every: 1}
            validation: {every_steps: \(validateEvery)}
            checkpoint: {every_steps: \(every), keep: \(keep), on_error: \(onError)}

            """
    }

    /// Steps of about a millisecond, without an end.
    static func endless(every: Int = 20) -> String {
        digits(layers: [128], steps: 100_000_000, batch: 256, microBatch: 32, every: every)
    }

    /// 4.3 million parameters: a checkpoint takes a while to write. Steps are short against it.
    static func heavy(every: Int) -> String {
        digits(layers: [2048, 2048], steps: 100_000_000, batch: 2, microBatch: 1, every: every)
    }
}
