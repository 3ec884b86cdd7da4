"""Measures dtrain and its peers alternately and writes a table: see launch/bench.sh, which starts it.

Every round starts every program once, in an order that rotates from round to round; each warms up by itself and then
measures one window. So a disturbance of the machine meets neighbours alike, and a ratio is taken between windows of the
same round. Needs Python's standard library alone.
"""

import argparse
import collections
import datetime
import json
import os
import shlex
import statistics
import subprocess
import sys

import workloads

HERE = os.path.dirname(os.path.abspath(__file__))


def fail(code, message):
    print(f"bench.sh: {message}", file=sys.stderr)
    sys.exit(code)


# --- What is compared -------------------------------------------------------------------------------------------------

class Dtrain:
    """A way of running dtrain. `rows` is the global batch; None: the workload's batch on each rank."""

    def __init__(self, ranks=1, rows=None, settings=()):
        self.ranks, self.rows, self.settings = ranks, rows, settings

    def command(self, workload, options):
        batch = workloads.WORKLOADS[workload]["batch"]
        settings = [f"training.global_batch_size={self.rows or batch * self.ranks}", *self.settings]
        settings += workloads.settings_of(workload)
        command = [options.program, "bench", f"benchmarks/configs/{workload}.yaml", "--windows", "1",
                   "--seconds", f"{options.seconds:g}", "--json"]
        for setting in settings:
            command += ["--set", setting]
        if self.ranks > 1:
            return command + ["--ranks", str(self.ranks)]     # pinned by mpirun
        return ["taskset", "-c", str(min(os.sched_getaffinity(0))), *command]


class Peer:
    """A script of this directory, which pins itself."""

    def __init__(self, script, *settings):
        self.script, self.settings = script, settings

    def command(self, workload, options):
        return [sys.executable, os.path.join(HERE, self.script), "--workload", workload,
                "--seconds", f"{options.seconds:g}", "--windows", "1", *self.settings]


def flags():
    """What /proc/cpuinfo says that the processor has."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        return next((set(line.split()) for line in file if line.startswith("flags")), set())


TWO_RANKS = {
    "dtrain, 2 ranks": Dtrain(ranks=2),
    "PyTorch DDP, gloo, 2 processes × 1 thread": Peer("pytorch_ddp.py", "--ranks", "2"),
    "JAX, mpi4py, 2 processes": Peer("jax_ranks.py", "--exchange", "mpi"),
    "JAX, gloo, 2 processes": Peer("jax_ranks.py", "--exchange", "gloo"),
}
ONE_RANK = {
    "dtrain, 1 rank": Dtrain(),
    "JAX, 1 thread": Peer("jax_train.py"),
    "PyTorch, 1 process × 1 thread": Peer("pytorch_ddp.py"),
}
# Fewer digits for more speed, where the processor multiplies bfloat16; elsewhere it would be slower than float32.
BFLOAT16 = {}
if flags() & {"amx_bf16", "avx512_bf16"}:
    BFLOAT16 = {"PyTorch in bfloat16, 1 process × 1 thread": Peer("pytorch_ddp.py", "--bfloat16")}
# Of networks on images: how PyTorch lays them out, and how many digits it takes.
FORMS = {"NCHW": [], "channels-last": ["--channels-last"]}
if BFLOAT16:
    FORMS |= {"bfloat16": ["--bfloat16"], "channels-last, bfloat16": ["--channels-last", "--bfloat16"]}
DDP_FORMS = {f"PyTorch DDP, gloo, 2 processes, {form}": Peer("pytorch_ddp.py", "--ranks", "2", *settings)
             for form, settings in FORMS.items()}
SOLO_FORMS = {f"PyTorch, 1 process, {form}": Peer("pytorch_ddp.py", *settings) for form, settings in FORMS.items()}
IMAGES = {"dtrain, 2 ranks": Dtrain(ranks=2), **DDP_FORMS, "dtrain, 1 rank": Dtrain(), **SOLO_FORMS}
LANGUAGE = {
    "dtrain, 2 ranks": Dtrain(ranks=2),
    "PyTorch DDP, gloo, 2 processes × 1 thread": Peer("pytorch_gpt.py", "--ranks", "2"),
    "dtrain, 1 rank": Dtrain(),
    "PyTorch, 1 process × 1 thread": Peer("pytorch_gpt.py"),
}
PROGRAMS = {
    "small": {
        **TWO_RANKS,
        "dtrain, 2 ranks, `synchronization: allreduce`":
            Dtrain(ranks=2, settings=["training.synchronization=allreduce"]),
        "dtrain, 2 ranks, `summation: arrival`": Dtrain(ranks=2, settings=["training.summation=arrival"]),
        **ONE_RANK,
        "Keras on TensorFlow, 1 thread": Peer("keras_train.py"),
        "dtrain, 1 rank, 4 micro-batches of 32": Dtrain(rows=128),
        "dtrain, 1 rank, 1 micro-batch of 128": Dtrain(rows=128, settings=["training.micro_batch_size=128"]),
    },
    "large": {**TWO_RANKS, **ONE_RANK, **BFLOAT16},
    "cnn": IMAGES,
    "resnet20": IMAGES,
    "lstm": {**TWO_RANKS, **ONE_RANK},
    "gru": {**TWO_RANKS, **ONE_RANK},
    "gpt": LANGUAGE,
    "gpt-large": LANGUAGE,
    # Two would want 4 GB of each program.
    "gpt2": {name: LANGUAGE[name] for name in ("dtrain, 1 rank", "PyTorch, 1 process × 1 thread")},
}
# Pairs of names: the ratio is the first one's samples per second to the second one's.
ACROSS = [
    ("dtrain, 2 ranks", "PyTorch DDP, gloo, 2 processes × 1 thread"),
    ("dtrain, 2 ranks", "JAX, mpi4py, 2 processes"),
    ("dtrain, 2 ranks", "JAX, gloo, 2 processes"),
    ("dtrain, 1 rank", "JAX, 1 thread"),
    ("dtrain, 1 rank", "PyTorch, 1 process × 1 thread"),
]
SCALING = [
    ("dtrain, 2 ranks", "dtrain, 1 rank"),
    ("PyTorch DDP, gloo, 2 processes × 1 thread", "PyTorch, 1 process × 1 thread"),
]
ACROSS_IMAGES = [
    *(("dtrain, 2 ranks", name) for name in DDP_FORMS),
    *(("dtrain, 1 rank", name) for name in SOLO_FORMS),
    ("dtrain, 2 ranks", "dtrain, 1 rank"),
    *zip(DDP_FORMS, SOLO_FORMS),
]
ACROSS_LANGUAGE = [
    ("dtrain, 2 ranks", "PyTorch DDP, gloo, 2 processes × 1 thread"),
    ("dtrain, 1 rank", "PyTorch, 1 process × 1 thread"),
]
COMPARISONS = {
    "small": ACROSS + [
        ("dtrain, 1 rank", "Keras on TensorFlow, 1 thread"),
        ("dtrain, 2 ranks, `synchronization: allreduce`", "PyTorch DDP, gloo, 2 processes × 1 thread"),
        *SCALING,
        ("dtrain, 2 ranks", "dtrain, 2 ranks, `summation: arrival`"),
        ("dtrain, 1 rank, 4 micro-batches of 32", "dtrain, 1 rank, 1 micro-batch of 128"),
    ],
    "large": ACROSS + [("dtrain, 1 rank", name) for name in BFLOAT16] + SCALING,
    "cnn": ACROSS_IMAGES,
    "resnet20": ACROSS_IMAGES,
    "lstm": ACROSS + SCALING,
    "gru": ACROSS + SCALING,
    "gpt": ACROSS_LANGUAGE + SCALING,
    "gpt-large": ACROSS_LANGUAGE + SCALING,
    "gpt2": ACROSS_LANGUAGE[1:],
}


# --- Measuring --------------------------------------------------------------------------------------------------------

def run(command):
    """The JSON line that a program prints for its one window."""
    result = subprocess.run(command, cwd=workloads.ROOT, capture_output=True, text=True)
    lines = [line for line in result.stdout.splitlines() if line.startswith("{")]
    if result.returncode != 0 or len(lines) != 1:
        said = "\n".join(result.stderr.strip().splitlines()[-5:]) or "nothing on standard error"
        fail(70, f"a program ended with {result.returncode} and {len(lines)} lines of results, expected 0 and 1:\n"
                 f"  {shlex.join(command)}\n{said}")
    return json.loads(lines[0])


def measure(workload, options):
    """Windows of every program of the workload, by name: one for each round."""
    programs = list(PROGRAMS[workload].items())
    windows = {name: [] for name, _ in programs}
    for turn in range(options.windows):
        shift = turn % len(programs)
        for name, program in programs[shift:] + programs[:shift]:
            window = run(program.command(workload, options))
            windows[name].append(window)
            print(f"{workload}, round {turn + 1} of {options.windows}: {name}: "
                  f"{rate(window['samples_per_second'])} samples/s", file=sys.stderr)
    return windows


def rates(windows):
    return [window["samples_per_second"] for window in windows]


def sgemm_fractions(workload, windows):
    """What share of the machine's measured matrix product rate each window of dtrain's one rank reached.

    A step's products take six operations for each weight and sample: two forward and two for each gradient, of the
    weights and of the inputs; but nobody needs the gradient of the data.
    """
    if "units" not in workloads.WORKLOADS[workload]:
        return []
    inputs, units = workloads.INPUTS, workloads.WORKLOADS[workload]["units"]
    weights = sum(rows * columns for rows, columns in zip([inputs] + units, units))
    operations = 6 * weights - 2 * inputs * units[0]
    return [operations * window["samples_per_second"] / (window["sgemm_gflops"] * 1e9)
            for window in windows if window.get("sgemm_gflops")]


# --- The table --------------------------------------------------------------------------------------------------------

def rate(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def ratio(value):
    return f"{value:.2f}"


def spread(values, form):
    return f"{form(statistics.median(values))} | {form(min(values))} to {form(max(values))}"


def tables(workload, windows):
    yield f"## {workload}: {workloads.WORKLOADS[workload]['title']}, " \
          f"{workloads.WORKLOADS[workload]['batch']} samples a step on each rank, {workloads.source(workload)}"
    yield ""
    yield "| program | samples/s, median | all windows | peak memory of a process |"
    yield "|---|---:|---|---:|"
    for name, of_program in windows.items():
        # Of the first rank; the process's resident memory at its highest, the data included.
        memory = [window["peak_memory_bytes"] / 1e6 for window in of_program if "peak_memory_bytes" in window]
        peak = f"{statistics.median(memory):,.0f} MB" if memory else "–"
        yield f"| {name} | {spread(rates(of_program), rate)} | {peak} |"
    yield ""
    yield "| ratio | median of the rounds | all rounds |"
    yield "|---|---:|---|"
    for first, second in COMPARISONS[workload]:
        ratios = [a / b for a, b in zip(rates(windows[first]), rates(windows[second]))]
        yield f"| {first} : {second} | {spread(ratios, ratio)} |"
    fractions = sgemm_fractions(workload, windows["dtrain, 1 rank"])
    if fractions:
        yield f"| dtrain, 1 rank : the rate of sgemm measured beside it | {spread(fractions, ratio)} |"
    yield ""


def extra_table(path):
    """Rows measured elsewhere, one JSON object for each window and a line each:
    {"row": "what, and what the peer is", "dtrain": 9.8, "peer": 44.1, "unit": "ms"}.

    What is measured is a time, so the ratio says how many times faster dtrain is.
    """
    rows = collections.defaultdict(list)
    with open(path, encoding="utf-8") as file:
        for line in filter(str.strip, file):
            window = json.loads(line)
            rows[window["row"], window["unit"]].append((window["dtrain"], window["peer"]))
    yield "## Further measurements"
    yield ""
    yield "| what | windows | dtrain, median | peer, median | times faster, median | all windows |"
    yield "|---|---:|---:|---:|---:|---|"
    for (row, unit), pairs in rows.items():
        ours, theirs = (statistics.median(values) for values in zip(*pairs))
        ratios = spread([peer / dtrain for dtrain, peer in pairs], ratio)
        yield f"| {row} | {len(pairs)} | {ours:g} {unit} | {theirs:g} {unit} | {ratios} |"
    yield ""


def machine():
    model = "unknown processor"
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return f"{model}, {len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f} at the start"


def versions(results, program):
    """Everything that the windows say of versions, and dtrain's own."""
    said = subprocess.run([program, "--version"], capture_output=True, text=True).stdout.strip()
    found = {}
    for windows in results.values():
        for of_program in windows.values():
            for window in of_program:
                found.update(window.get("versions", {}))
    return ", ".join(filter(None, [said] + [f"{name} {value}" for name, value in sorted(found.items())]))


# --- The command line -------------------------------------------------------------------------------------------------

def main():
    parser = argparse.ArgumentParser(prog="launch/bench.sh", add_help=False, allow_abbrev=False)
    parser.error = lambda message: fail(64, f"{message}; see launch/bench.sh --help")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--workload", choices=list(workloads.WORKLOADS), action="append")
    parser.add_argument("--windows", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--output", default=os.path.join(HERE, "RESULTS.md"))
    parser.add_argument("--extra")
    parser.add_argument("--program", default=os.path.join(workloads.ROOT, ".build", "release", "dtrain"))
    options = parser.parse_args()
    if options.windows is None:
        options.windows = 5 if options.quick else 7
    if options.seconds is None:
        options.seconds = 1 if options.quick else 3
    options.program = os.path.abspath(options.program)
    if options.windows < 1 or options.seconds <= 0:
        fail(64, f"--windows {options.windows} --seconds {options.seconds:g}: expected a window and more than no time")
    if not os.access(options.program, os.X_OK):
        fail(66, f"{options.program}: dtrain isn't built; build it with: swift build -c release --product dtrain")
    if len(os.sched_getaffinity(0)) < 2:
        fail(69, "this process may use one core only; two ranks need two, or the table says nothing")

    begin = datetime.datetime.now(datetime.timezone.utc)
    place = machine()
    results = {workload: measure(workload, options) for workload in options.workload or workloads.WORKLOADS}
    lines = ["# dtrain and its peers, side by side", "",
             f"* machine: {place}",
             f"* versions: {versions(results, options.program)}",
             f"* date: {begin:%Y-%m-%d %H:%M} UTC",
             f"* command: `{shlex.join(['launch/bench.sh', *sys.argv[1:]])}`",
             f"* {options.windows} rounds, each with a window of {options.seconds:g} s of every program, in an order "
             "that rotates",
             "* data in memory; Adam, for all but small and large AdamW (JAX: Adam); cross entropy, float32 unless it says bfloat16; one core for "
             "each rank, process or peer", ""]
    for workload, windows in results.items():
        lines += tables(workload, windows)
    if options.extra:
        lines += extra_table(options.extra)
    text = "\n".join(lines)
    print(text)
    with open(options.output, "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    main()
