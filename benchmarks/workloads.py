"""What all peers share: the workloads, the data, and the way of measuring. Needs nothing but numpy."""

import argparse
import gzip
import json
import os
import struct
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# Units of the layers after the 784 inputs, and rows of a batch on each rank.
WORKLOADS = {
    "small": {"units": [128, 10], "batch": 32},
    "large": {"units": [4096, 4096, 10], "batch": 128},
}
INPUTS = 784
LEARNING_RATE = 1e-3
MEAN, DEVIATION = 0.1307, 0.3081
# A byte becomes byte * SCALE + SHIFT: the same as (byte / 255 - MEAN) / DEVIATION, in one pass.
SCALE, SHIFT = 1 / (255 * DEVIATION), -MEAN / DEVIATION


def data_directory():
    """Where the training images are: MNIST, or else files of the same shape full of random bytes, made here once."""
    fetched = os.path.join(ROOT, "data", "mnist")
    if all(os.path.exists(os.path.join(fetched, name)) for name in ("train-images-idx3-ubyte.gz",
                                                                   "train-labels-idx1-ubyte.gz")):
        return fetched
    made = os.path.join(ROOT, ".build", "benchmarks-data")
    if not os.path.exists(os.path.join(made, "train-labels-idx1-ubyte.gz")):
        import random
        os.makedirs(made, exist_ok=True)
        generator = random.Random(0)
        labels = bytes(generator.randrange(10) for _ in range(60_000))
        # The labels last: they say that the images are complete.
        for name, header, content in (
                ("images-idx3", struct.pack(">IIII", 0x803, 60_000, 28, 28), generator.randbytes(60_000 * INPUTS)),
                ("labels-idx1", struct.pack(">II", 0x801, 60_000), labels)):
            path = os.path.join(made, f"train-{name}-ubyte.gz")
            # Several processes may find that it is missing.
            draft = f"{path}.{os.getpid()}"
            with gzip.open(draft, "wb", compresslevel=1) as file:
                file.write(header + content)
            os.replace(draft, path)
    return made


def load():
    """The training images as uint8 [60000, 784] and their classes as int64 [60000], in memory."""
    import numpy
    directory = data_directory()

    def content(name, header):
        with gzip.open(os.path.join(directory, name)) as file:
            return numpy.frombuffer(bytearray(file.read()[header:]), numpy.uint8)

    images = content("train-images-idx3-ubyte.gz", 16).reshape(-1, INPUTS)
    return images, content("train-labels-idx1-ubyte.gz", 8).astype(numpy.int64)


def arguments_of(peer):
    """The command line that all peers have; beyond it a peer adds its own settings."""
    parser = argparse.ArgumentParser(description=f"Measures {peer}: a JSON line for every window.")
    parser.add_argument("--workload", choices=WORKLOADS, default="small")
    parser.add_argument("--seconds", type=float, default=3, help="length of a window")
    parser.add_argument("--windows", type=int, default=1)
    return parser


def pin(rank=0):
    """Binds this process, and all threads that it will start, to one core of its own. Call it before the import of a
    library that sizes its thread pools by the cores it finds."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[rank % len(cores)]})
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"


def measure(arguments, run, *, peer, ranks, versions, agree=lambda count: count, is_first=True):
    """Warms up, then prints a line for every window.

    `run(steps)` trains about so many steps, waits until they are done, and returns how many they were. `agree` makes
    all ranks use the same count, and is a barrier too.
    """
    batch = WORKLOADS[arguments.workload]["batch"]
    run(1)                                      # whatever is compiled or allocated at first
    steps, elapsed = 1, 0.0
    while elapsed < min(1.0, arguments.seconds):
        steps = agree(max(steps, int(steps * min(10.0, 1.2 / max(elapsed, 1e-3)))))
        begin = time.perf_counter()
        done = run(steps)
        elapsed = time.perf_counter() - begin
        # Every rank must leave this loop in the same round.
        elapsed = agree(int(elapsed * 1e6)) / 1e6
    count = agree(max(1, round(done * arguments.seconds / elapsed)))
    for _ in range(arguments.windows):
        agree(0)
        begin = time.perf_counter()
        done = run(count)
        agree(0)
        elapsed = time.perf_counter() - begin
        if is_first:
            print(json.dumps({"peer": peer, "workload": arguments.workload, "ranks": ranks,
                              "samples_per_second": round(done * batch * ranks / elapsed, 1), "versions": versions}))
            sys.stdout.flush()
