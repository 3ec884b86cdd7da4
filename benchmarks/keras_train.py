"""Keras, on TensorFlow, on one core: fit over a tf.data pipeline, compiled by XLA, many steps in one execution.

That is the fastest way of those it offers: on an Intel Xeon with AVX-512 the small workload took 1.3 times the time
without XLA and 2 to 3 times with train_on_batch.

    python benchmarks/keras_train.py --workload small --seconds 3 --windows 5
"""

import os

import workloads


def main():
    parser = workloads.arguments_of("Keras")
    parser.add_argument("--way", choices=["fit", "batches"], default="fit",
                        help="fit over a tf.data pipeline, or train_on_batch for every batch")
    parser.add_argument("--no-compile", dest="compile", action="store_false", help="without XLA (jit_compile)")
    parser.add_argument("--steps-per-execution", type=int, default=50)
    arguments = parser.parse_args()
    workloads.pin()
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
    import tensorflow
    tensorflow.config.threading.set_intra_op_parallelism_threads(1)
    tensorflow.config.threading.set_inter_op_parallelism_threads(1)
    import keras
    import numpy

    keras.utils.set_random_seed(0)
    workload = workloads.WORKLOADS[arguments.workload]
    batch = workload["batch"]
    images, labels = workloads.load(arguments.workload)
    hidden = [keras.layers.Dense(units, activation="relu") for units in workload["units"][:-1]]
    model = keras.Sequential([keras.Input((workloads.INPUTS,)),
                              keras.layers.Rescaling(workloads.SCALE, workloads.SHIFT),
                              *hidden, keras.layers.Dense(workload["units"][-1])])
    model.compile(keras.optimizers.Adam(workloads.LEARNING_RATE),
                  keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=arguments.compile,
                  steps_per_execution=arguments.steps_per_execution if arguments.way == "fit" else 1)
    generator = numpy.random.default_rng(0)

    if arguments.way == "fit":
        pixels, classes = tensorflow.constant(images), tensorflow.constant(labels)
        data = tensorflow.data.Dataset.range(len(labels)).shuffle(len(labels)).repeat().batch(batch)
        data = data.map(lambda rows: (tensorflow.gather(pixels, rows), tensorflow.gather(classes, rows)))
        options = tensorflow.data.Options()
        options.threading.private_threadpool_size = 1
        batches = data.with_options(options)

        def run(steps):
            execution = arguments.steps_per_execution
            steps = max(1, round(steps / execution)) * execution
            model.fit(batches, steps_per_epoch=steps, epochs=1, verbose=0)
            return steps
    else:
        order, position = generator.permutation(len(labels)), 0

        def run(steps):
            nonlocal order, position
            for _ in range(steps):
                if position + batch > len(order):
                    order, position = generator.permutation(len(labels)), 0
                rows = order[position:position + batch]
                position += batch
                model.train_on_batch(images[rows], labels[rows])
            return steps

    versions = {"keras": keras.__version__, "tensorflow": tensorflow.__version__}
    workloads.measure(arguments, run, peer="Keras", ranks=1, versions=versions)


if __name__ == "__main__":
    main()
