/// The configuration of plain `dtrain`: digits in seconds. `configs/digits.yaml` is the same.
package let builtInConfiguration = """
    # The built-in digits (UCI: 8×8 pixels, 1,438 to train, 359 to validate) and a small network.
    # Expected: validation accuracy 0.967 to 0.975 (seeds 0 to 4), in a second; the same digest on any number of ranks.
    data:
      format: digits
    model:
      layers:
        - dense: {units: 128}
        - relu
        - dense: {units: 10}
    loss: cross_entropy
    optimizer: {adam: {learning_rate: 0.003}}
    training:
      epochs: 25
      global_batch_size: 64
      micro_batch_size: 16
      seed: 0

    """
