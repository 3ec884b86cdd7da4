"""What every script here needs: exact numbers, JSON that is pleasant to compare, and the digits."""

import csv
import gzip
import json
import os

import numpy
import torch

FOLDER = os.path.dirname(os.path.abspath(__file__))


def prepare():
    """Float64 throughout, and sums in one thread so that their order does not depend on the machine's core count."""
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)


def exact(values):
    """The values rounded to float32 and held as float64: a Float32 program computes on the same numbers."""
    return numpy.asarray(values, dtype=numpy.float32).astype(numpy.float64)


def write_cases(name, cases):
    """Writes a list of cases to a file beside the scripts, one key to a line, floats as the repr of a float64."""
    names = [case["name"] for case in cases]
    assert len(set(names)) == len(names), "two cases have the same name"
    texts = []
    for case in cases:
        lines = [f"  {json.dumps(key)}: {json.dumps(value, allow_nan=False)}" for key, value in case.items()]
        texts.append("{\n" + ",\n".join(lines) + "\n}")
    path = os.path.join(FOLDER, name)
    with open(path, "w") as file:
        file.write("[\n" + ",\n".join(texts) + "\n]\n")
    with open(path) as file:
        assert json.load(file) == cases, f"{name} does not read back as it was written"
    print(f"{name}: {len(cases)} cases, {os.path.getsize(path):,} bytes")


def read_cases(name):
    """The cases of a file beside the scripts."""
    with open(os.path.join(FOLDER, name)) as file:
        return json.load(file)


def read_digits(path=None):
    """The UCI digits (64 pixels 0…16, the label last) as pixels / 16 and labels, from a CSV file, plain or .gz.

    Without a path they come from scikit-learn, which bundles the same 1,797 rows in the same order.
    """
    if path is None:
        from sklearn.datasets import load_digits
        digits = load_digits()
        return digits.data / 16, digits.target.astype(numpy.int64)
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rt", newline="") as file:
        rows = numpy.array([[float(field) for field in row] for row in csv.reader(file) if row])
    assert rows.shape == (1797, 65), f"{path} has shape {rows.shape}, not 1797 rows of 64 pixels and a label"
    return rows[:, :64] / 16, rows[:, 64].astype(numpy.int64)


def split_digits(inputs, labels):
    """Training rows and validation rows, in file order: every fifth (index 4, 9, 14, …) is validation."""
    validation = numpy.arange(len(labels)) % 5 == 4
    return (inputs[~validation], labels[~validation]), (inputs[validation], labels[validation])
