"""JAX on several processes, one core each: the strongest ways that a user can write by hand.

--exchange mpi: all gradients in one flat vector, added up by one MPI_Allreduce of mpi4py between two compiled programs.
--exchange gloo: JAX's own collectives; one compiled program of many steps, gradients averaged by `lax.pmean`.

    python benchmarks/jax_ranks.py --exchange mpi --workload small --ranks 2 --seconds 3 --windows 5
"""

import os
import socket
import subprocess
import sys
import time

import workloads


def train_mpi(arguments):
    from mpi4py import MPI
    ranks = MPI.COMM_WORLD
    workloads.pin(ranks.rank)
    import jax_network as network
    import jax
    import numpy
    from jax.flatten_util import ravel_pytree

    workload = workloads.WORKLOADS[arguments.workload]
    batch = workload["batch"]
    images, labels = (jax.numpy.asarray(array) for array in workloads.load(arguments.workload))
    labels = labels.astype(jax.numpy.int32)
    weights, unflatten = ravel_pytree(network.initial_weights(workload, numpy.random.default_rng(0)))

    @jax.jit
    def gradient(weights, images, labels, rows):
        return jax.grad(lambda weights: network.loss(unflatten(weights), network.pixels(images, rows), labels[rows],
                                               workload))(weights)

    @jax.jit(donate_argnums=(0, 1))
    def update(weights, state, total):
        return network.adam(weights, total / ranks.size, state)

    generator = numpy.random.default_rng(ranks.rank + 1)
    order, position = generator.permutation(len(labels)).astype(numpy.int32), 0
    state = network.initial_state(weights)
    total = numpy.empty(weights.shape, numpy.float32)

    def run(steps):
        nonlocal order, position, weights, state
        for _ in range(steps):
            if position + batch > len(order):
                order, position = generator.permutation(len(labels)).astype(numpy.int32), 0
            rows = order[position:position + batch]
            position += batch
            # The array of a gradient on a CPU is read where it lies.
            ranks.Allreduce(numpy.asarray(gradient(weights, images, labels, rows)), total)
            weights, state = update(weights, state, total)
            # `total` is written again in the next step.
            jax.block_until_ready(weights)
        return steps

    def agree(count):
        count = ranks.bcast(count)
        ranks.Barrier()
        return count

    workloads.measure(arguments, run, peer="JAX, mpi4py", ranks=ranks.size, agree=agree, is_first=ranks.rank == 0,
                      versions={"jax": jax.__version__, "mpi": MPI.Get_library_version().split(",")[0]})


def train_gloo(arguments):
    workloads.pin(arguments.rank)
    import jax_network as network
    import jax
    import numpy
    from jax.experimental import multihost_utils
    from jax.sharding import NamedSharding, PartitionSpec

    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(arguments.meeting, arguments.ranks, arguments.rank)
    workload = workloads.WORKLOADS[arguments.workload]
    batch = workload["batch"]
    steps_per_call = 100 if arguments.workload == "small" else 4
    mesh = jax.sharding.Mesh(numpy.array(jax.devices()), ("rank",))
    split, whole = PartitionSpec("rank"), PartitionSpec()

    def on_each(array):
        """An array of which every rank has its own."""
        return jax.make_array_from_process_local_data(NamedSharding(mesh, split), array[None])

    images, labels = workloads.load(arguments.workload)
    images, labels = on_each(images), on_each(labels.astype(numpy.int32))
    weights = network.initial_weights(workload, numpy.random.default_rng(0))
    carry = jax.device_put((weights, network.initial_state(weights)), NamedSharding(mesh, whole))

    def steps_of_a_rank(images, labels, carry, rows):
        def step(carry, rows):
            weights, state = carry
            gradient = jax.grad(network.loss)(weights, network.pixels(images[0], rows), labels[0][rows], workload)
            return network.adam(weights, jax.lax.pmean(gradient, "rank"), state), None
        return jax.lax.scan(step, carry, rows[0])[0]

    train = jax.jit(
        jax.shard_map(steps_of_a_rank, mesh=mesh, in_specs=(split, split, whole, split), out_specs=whole, check_vma=False),
        donate_argnums=2)
    generator = numpy.random.default_rng(arguments.rank + 1)
    count = images.shape[1]
    order, position = generator.permutation(count).astype(numpy.int32), 0

    def run(steps):
        nonlocal carry, order, position
        calls = max(1, round(steps / steps_per_call))
        for _ in range(calls):
            if position + steps_per_call * batch > count:
                order, position = generator.permutation(count).astype(numpy.int32), 0
            rows = order[position:position + steps_per_call * batch].reshape(steps_per_call, batch)
            position += rows.size
            carry = train(images, labels, carry, on_each(rows))
        jax.block_until_ready(carry)
        return calls * steps_per_call

    def agree(count):
        return int(multihost_utils.broadcast_one_to_all(numpy.int32(count)))

    workloads.measure(arguments, run, peer="JAX, gloo", ranks=arguments.ranks, agree=agree, is_first=arguments.rank == 0,
                      versions={"jax": jax.__version__})


def main():
    parser = workloads.arguments_of("JAX on several processes", ("small", "large", "lstm", "gru"))
    parser.add_argument("--exchange", choices=["mpi", "gloo"], default="mpi")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--meeting", help="address at which the processes of gloo meet, with --rank")
    parser.add_argument("--rank", type=int, default=0)
    parser.add_argument("--is-rank", action="store_true", help="this is a process of mpirun's")
    arguments = parser.parse_args()
    if arguments.is_rank:
        return train_mpi(arguments)
    if arguments.meeting:
        return train_gloo(arguments)
    command = [sys.executable, *sys.argv]
    if arguments.exchange == "mpi":
        root = ["--allow-run-as-root"] if os.getuid() == 0 else []
        sys.exit(subprocess.call(
            ["mpirun", "-q", *root, "--bind-to", "none", "-np", str(arguments.ranks), *command, "--is-rank"]))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        meeting = f"127.0.0.1:{free.getsockname()[1]}"
    processes = [subprocess.Popen([*command, "--meeting", meeting, "--rank", str(rank)]) for rank in range(arguments.ranks)]
    # One that fails would leave the other waiting for it.
    while any(process.poll() is None for process in processes):
        if any(process.poll() for process in processes):
            for process in processes:
                process.kill()
        time.sleep(0.02)
    sys.exit(1 if any(process.returncode for process in processes) else 0)


if __name__ == "__main__":
    main()
