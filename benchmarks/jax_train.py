"""JAX on one core: one compiled program that trains many steps (lax.scan), buffers donated, Adam written out.

On an Intel Xeon with AVX-512 the small workload was 1.4 times as fast so as with a call for every step, and 1.1 times
as fast as with optax or with all weights in one vector. Wider vectors, oneDNN and fast mathematics made no difference.

    python benchmarks/jax_train.py --workload small --seconds 3 --windows 5
"""

import os

import workloads


def main():
    parser = workloads.arguments_of("JAX")
    parser.add_argument("--steps-per-call", type=int, help="steps in a compiled program; 1: a call for every step")
    parser.add_argument("--adam", choices=["flat", "tree", "optax"], default="tree",
                        help="written by hand over one flat vector or over each array, or optax")
    arguments = parser.parse_args()
    workloads.pin()
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.environ["XLA_FLAGS"] = (os.environ.get("XLA_FLAGS", "")
                               + " --xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
    import jax
    import jax.numpy as jnp
    import numpy

    workload = workloads.WORKLOADS[arguments.workload]
    batch = workload["batch"]
    steps_per_call = arguments.steps_per_call or (400 if arguments.workload == "small" else 4)
    images, labels = (jnp.asarray(array) for array in workloads.load())
    labels = labels.astype(jnp.int32)
    generator = numpy.random.default_rng(0)

    def initial_weights():
        inputs, layers = workloads.INPUTS, []
        for units in workload["units"]:
            bound = inputs ** -0.5
            layers.append((generator.uniform(-bound, bound, (inputs, units)).astype(numpy.float32),
                           generator.uniform(-bound, bound, units).astype(numpy.float32)))
            inputs = units
        return jax.tree.map(jnp.asarray, layers)

    def loss(weights, pixels, classes):
        for index, (weight, bias) in enumerate(weights):
            pixels = pixels @ weight + bias
            if index + 1 < len(weights):
                pixels = jax.nn.relu(pixels)
        scores = jax.nn.log_softmax(pixels)
        return -jnp.take_along_axis(scores, classes[:, None], axis=1).mean()

    if arguments.adam == "optax":
        import optax
        transformation = optax.adam(workloads.LEARNING_RATE)

    def initial_state(weights):
        if arguments.adam == "optax":
            return transformation.init(weights)
        zeros = jax.tree.map(jnp.zeros_like, weights)
        return jnp.zeros((), jnp.int32), zeros, jax.tree.map(jnp.zeros_like, weights)

    def adam(weights, gradient, state):
        if arguments.adam == "optax":
            updates, state = transformation.update(gradient, state)
            return optax.apply_updates(weights, updates), state
        count, first, second = state
        count += 1
        rate = workloads.LEARNING_RATE / (1 - 0.9 ** count.astype(jnp.float32))
        correction = 1 / jnp.sqrt(1 - 0.999 ** count.astype(jnp.float32))
        first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradient)
        second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradient)
        weights = jax.tree.map(lambda w, m, v: w - rate * m / (jnp.sqrt(v) * correction + 1e-8), weights, first, second)
        return weights, (count, first, second)

    weights = initial_weights()
    unflatten = lambda unchanged: unchanged
    if arguments.adam == "flat":
        from jax.flatten_util import ravel_pytree
        weights, unflatten = ravel_pytree(weights)

    def step(images, labels, carry, rows):
        weights, state = carry
        pixels = images[rows].astype(jnp.float32) * workloads.SCALE + workloads.SHIFT
        gradient = jax.grad(lambda weights: loss(unflatten(weights), pixels, labels[rows]))(weights)
        return adam(weights, gradient, state)

    @jax.jit(donate_argnums=2)
    def train(images, labels, carry, rows):
        if rows.shape[0] == 1:
            return step(images, labels, carry, rows[0])
        return jax.lax.scan(lambda carry, rows: (step(images, labels, carry, rows), None), carry, rows)[0]

    carry = weights, initial_state(weights)
    order, position = generator.permutation(len(labels)).astype(numpy.int32), 0

    def run(steps):
        nonlocal carry, order, position
        calls = max(1, round(steps / steps_per_call))
        for _ in range(calls):
            if position + steps_per_call * batch > len(order):
                order, position = generator.permutation(len(labels)).astype(numpy.int32), 0
            rows = order[position:position + steps_per_call * batch].reshape(steps_per_call, batch)
            position += rows.size
            carry = train(images, labels, carry, rows)
        jax.block_until_ready(carry)
        return calls * steps_per_call

    workloads.measure(arguments, run, peer="JAX", ranks=1, versions={"jax": jax.__version__})


if __name__ == "__main__":
    main()
