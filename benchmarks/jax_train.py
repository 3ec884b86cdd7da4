"""JAX on one core: one compiled program that trains many steps (lax.scan), buffers donated, Adam written out.

On an Intel Xeon with AVX-512 the small workload was 1.4 times as fast so as with a call for every step, and 1.1 times
as fast as with optax or with all weights in one vector. Wider vectors, oneDNN and fast mathematics made no difference.

    python benchmarks/jax_train.py --workload small --seconds 3 --windows 5
"""

import workloads


def main():
    parser = workloads.arguments_of("JAX", ("small", "large", "lstm", "gru"))
    parser.add_argument("--steps-per-call", type=int, help="steps in a compiled program; 1: a call for every step")
    parser.add_argument("--adam", choices=["flat", "tree", "optax"], default="tree",
                        help="written by hand over one flat vector or over each array, or optax")
    arguments = parser.parse_args()
    workloads.pin()
    import jax_network as network
    import jax
    import jax.numpy as jnp
    import numpy

    workload = workloads.WORKLOADS[arguments.workload]
    batch = workload["batch"]
    steps_per_call = arguments.steps_per_call or (400 if arguments.workload == "small" else 4)
    images, labels = (jnp.asarray(array) for array in workloads.load(arguments.workload))
    labels = labels.astype(jnp.int32)
    generator = numpy.random.default_rng(0)
    initial_state, adam = network.initial_state, network.adam
    if arguments.adam == "optax":
        import optax
        transformation = optax.adam(workloads.LEARNING_RATE)
        initial_state = transformation.init

        def adam(weights, gradient, state):
            updates, state = transformation.update(gradient, state)
            return optax.apply_updates(weights, updates), state

    weights = network.initial_weights(workload, generator)
    unflatten = lambda unchanged: unchanged
    if arguments.adam == "flat":
        from jax.flatten_util import ravel_pytree
        weights, unflatten = ravel_pytree(weights)

    def step(images, labels, carry, rows):
        weights, state = carry
        pixels = network.pixels(images, rows)
        gradient = jax.grad(lambda weights: network.loss(unflatten(weights), pixels, labels[rows], workload))(weights)
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
