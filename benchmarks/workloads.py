"""What all peers share: the workloads, the data, and the way of measuring. Needs nothing but numpy."""

import argparse
import gzip
import json
import math
import os
import struct
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# Rows of a batch on each rank, the shape of a sample, and of dense networks the units of the layers.
WORKLOADS = {
    "small": {"title": "784-128-10", "batch": 32, "shape": (784,), "units": [128, 10]},
    "large": {"title": "784-4096-4096-10", "batch": 128, "shape": (784,), "units": [4096, 4096, 10]},
    "cnn": {"title": "convolutions of 3×3 to 32 and 64 channels on 28×28, 128, 10", "batch": 64, "shape": (1, 28, 28)},
    "resnet20": {"title": "ResNet-20 on 3×32×32", "batch": 64, "shape": (3, 32, 32)},
    "lstm": {"title": "LSTM of 128 units on 28 steps of 28 features, 10", "batch": 64, "shape": (28, 28),
             "cell": "lstm", "units": 128, "layers": 1},
    "gru": {"title": "GRU of 256 units in two layers on 100 steps of 64 features, 10", "batch": 32, "shape": (100, 64),
            "cell": "gru", "units": 256, "layers": 2},
    # Windows of `context` tokens; `shape` is that of a sample.
    "gpt": {"title": "GPT of 4 blocks of width 128, 65 tokens, windows of 64", "batch": 12, "shape": (64,),
            "vocabulary": 65, "width": 128, "heads": 4, "blocks": 4, "bias": False},
    "gpt-large": {"title": "GPT of 6 blocks of width 384, 65 tokens, windows of 256", "batch": 8, "shape": (256,),
                  "vocabulary": 65, "width": 384, "heads": 6, "blocks": 6, "bias": False},
    "gpt2": {"title": "GPT-2 small, windows of 256", "batch": 2, "shape": (256,),
             "vocabulary": 50257, "width": 768, "heads": 12, "blocks": 12, "bias": True},
}
INPUTS = 784
LEARNING_RATE = 1e-3
MEAN, DEVIATION = 0.1307, 0.3081
# A byte becomes byte * SCALE + SHIFT: the same as (byte / 255 - MEAN) / DEVIATION, in one pass.
SCALE, SHIFT = 1 / (255 * DEVIATION), -MEAN / DEVIATION
# Of the channels of CIFAR-10.
COLOUR_MEANS, COLOUR_DEVIATIONS = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


def is_colour(workload):
    return WORKLOADS[workload]["shape"][0] == 3


def is_language(workload):
    return "vocabulary" in WORKLOADS[workload]


def token_file(workload):
    """A file of random tokens of 16 bits, made here once."""
    path = os.path.join(ROOT, ".build", "benchmarks-data", f"tokens-{WORKLOADS[workload]['vocabulary']}.bin")
    if not os.path.exists(path):
        import random
        os.makedirs(os.path.dirname(path), exist_ok=True)
        generator = random.Random(0)
        vocabulary = WORKLOADS[workload]["vocabulary"]
        draft = f"{path}.{os.getpid()}"
        with open(draft, "wb") as file:
            file.write(struct.pack("<1048577H", *(generator.randrange(vocabulary) for _ in range(1048577))))
        os.replace(draft, path)
    return path


def data_files(workload):
    """The files of training images and of their classes: MNIST or CIFAR-10, or else files of the same shape full of random
    bytes, made here once. CIFAR-10's are five, of both images and classes."""
    names = ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz")
    fetched = os.path.join(ROOT, "data", "mnist")
    made = os.path.join(ROOT, ".build", "benchmarks-data")
    shape = (60_000, 28, 28)
    if WORKLOADS[workload]["shape"] == (100, 64):
        names, shape, fetched = ("series-idx3-ubyte.gz", "series-labels-idx1-ubyte.gz"), (10_000, 100, 64), made
    if is_colour(workload):
        names, shape = ("colour-images-idx4-ubyte.gz", "colour-labels-idx1-ubyte.gz"), (50_000, 3, 32, 32)
        fetched = os.path.join(ROOT, "data", "cifar10", "cifar-10-batches-bin")
        batches = [os.path.join(fetched, f"data_batch_{number}.bin") for number in range(1, 6)]
        if all(map(os.path.exists, batches)):
            return batches
    elif all(os.path.exists(os.path.join(fetched, name)) for name in names):
        return [os.path.join(fetched, name) for name in names]
    paths = [os.path.join(made, name) for name in names]
    if not os.path.exists(paths[1]):
        import random
        os.makedirs(made, exist_ok=True)
        generator = random.Random(0)
        labels = bytes(generator.randrange(10) for _ in range(shape[0]))
        count = math.prod(shape)
        # The labels last: they say that the images are complete.
        for path, dimensions, content in ((paths[0], shape, (generator.randbytes(min(1 << 24, count - begin))
                                                             for begin in range(0, count, 1 << 24))),
                                          (paths[1], shape[:1], [labels])):
            # Several processes may find that it is missing.
            draft = f"{path}.{os.getpid()}"
            with gzip.open(draft, "wb", compresslevel=1) as file:
                file.write(struct.pack(f">I{len(dimensions)}I", 0x800 + len(dimensions), *dimensions))
                for piece in content:
                    file.write(piece)
            os.replace(draft, path)
    return paths


def settings_of(workload):
    """What a configuration of benchmarks/configs must be told where its files aren't those that it names."""
    if is_language(workload):
        return [f"data.train.path={os.path.relpath(token_file(workload), ROOT)}"]
    files = [os.path.relpath(path, ROOT) for path in data_files(workload)]
    if len(files) == 2:
        return [f"data.train.inputs={files[0]}", f"data.train.targets={files[1]}"]
    return ["data.format=cifar10", f"data.train={{path: [{', '.join(files)}]}}"]


def source(workload):
    """The data in words."""
    if is_language(workload):
        return "random tokens"
    if WORKLOADS[workload]["shape"] == (100, 64):
        return "random bytes"
    if ".build" in os.path.relpath(data_files(workload)[0], ROOT):
        return f"random bytes in {'CIFAR-10' if is_colour(workload) else 'MNIST'}'s shape"
    return "CIFAR-10" if is_colour(workload) else "MNIST"


def load(workload):
    """The training images as uint8, a row of the workload's shape each, and their classes as int64, in memory."""
    import numpy
    files = data_files(workload)
    shape = WORKLOADS[workload]["shape"]
    if len(files) != 2:
        rows = numpy.concatenate([numpy.fromfile(path, numpy.uint8) for path in files]).reshape(-1, 1 + math.prod(shape))
        return numpy.ascontiguousarray(rows[:, 1:]).reshape(-1, *shape), rows[:, 0].astype(numpy.int64)

    def content(path, header):
        with gzip.open(path) as file:
            return numpy.frombuffer(bytearray(file.read()[header:]), numpy.uint8)

    images = content(files[0], 20 if is_colour(workload) else 16).reshape(-1, *shape)
    return images, content(files[1], 8).astype(numpy.int64)


def peak_memory():
    """Bytes of this process that were resident at once at most, as dtrain's bench gives them for a rank."""
    with open("/proc/self/status", encoding="utf-8") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:"))


def arguments_of(peer, known=("small", "large")):
    """The command line that all peers have; beyond it a peer adds its own settings."""
    parser = argparse.ArgumentParser(description=f"Measures {peer}: a JSON line for every window.")
    parser.add_argument("--workload", choices=known, default="small")
    parser.add_argument("--seconds", type=float, default=3, help="length of a window")
    parser.add_argument("--windows", type=int, default=1)
    return parser


def train_ranks(arguments, train):
    """Calls `train(arguments, rank)` where this process is a rank or the only one, else starts the ranks; doesn't return."""
    if arguments.ranks == 1 or arguments.meeting:
        train(arguments, arguments.rank)
        # PyTorch's threads may still run while Python takes the interpreter down, which then ends with an abort.
        sys.stdout.flush()
        os._exit(0)
    with tempfile.TemporaryDirectory() as directory:
        run_ranks(arguments.ranks, os.path.join(directory, "meeting"))


def run_ranks(count, meeting):
    """Runs this script once for each rank, with the file by which they meet, and ends with 1 where one of them fails."""
    processes = [subprocess.Popen([sys.executable] + sys.argv + ["--meeting", meeting, "--rank", str(rank)])
                 for rank in range(count)]
    # One that fails would leave the other waiting for it.
    while any(process.poll() is None for process in processes):
        if any(process.poll() for process in processes):
            for process in processes:
                process.kill()
        time.sleep(0.02)
    sys.exit(1 if any(process.returncode for process in processes) else 0)


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
                              "samples_per_second": round(done * batch * ranks / elapsed, 3),
                              "peak_memory_bytes": peak_memory(), "versions": versions}))
            sys.stdout.flush()
