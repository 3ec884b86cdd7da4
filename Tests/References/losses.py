"""Writes losses.json: values and gradients of PyTorch's losses (reduction "mean") in float64."""

import numpy
import torch
from torch import nn

from reference import exact, prepare, write_cases


def build(configuration):
    """PyTorch's loss for dtrain's configuration of a loss."""
    if isinstance(configuration, str):
        kind, options = configuration, {}
    else:
        ((kind, options),) = configuration.items()
    return {
        "mean_squared_error": lambda: nn.MSELoss(),
        "mean_absolute_error": lambda: nn.L1Loss(),
        "huber": lambda: nn.HuberLoss(delta=options.get("delta", 1.0)),
        "binary_cross_entropy": lambda: nn.BCEWithLogitsLoss(),
        "cross_entropy": lambda: nn.CrossEntropyLoss(label_smoothing=options.get("label_smoothing", 0.0)),
    }[kind]()


def case(name, loss, outputs, targets):
    """One row of the table. Targets are class indices (integers) or rows of numbers."""
    outputs = exact(outputs)
    targets = numpy.asarray(targets)
    if targets.dtype.kind != "i":
        targets = exact(targets)
    x = torch.from_numpy(outputs).requires_grad_()
    value = build(loss)(x, torch.from_numpy(targets))
    value.backward()
    return {
        "name": name,
        "loss": loss,
        "outputs": outputs.tolist(),
        "targets": targets.tolist(),
        "value": value.item(),
        "gradient": x.grad.tolist(),
    }


def soft(random, rows, classes):
    """Rows of class probabilities that sum to one exactly, also after rounding (multiples of 1/64)."""
    counts = numpy.array([random.multinomial(64, numpy.ones(classes) / classes) for _ in range(rows)])
    return counts / 64


def main():
    prepare()
    random = numpy.random.default_rng(7)
    smoothed = {"cross_entropy": {"label_smoothing": 0.1}}
    cases = []
    for rows in (1, 7):
        batch = "one row" if rows == 1 else f"{rows} rows"
        for loss, name in [
            ("mean_squared_error", "mean_squared_error"),
            ("mean_absolute_error", "mean_absolute_error"),
            ("huber", "huber"),
            ({"huber": {"delta": 0.5}}, "huber with delta 0.5"),
            ({"huber": {"delta": 2.5}}, "huber with delta 2.5"),
        ]:
            for columns in (1, 3):
                cases.append(case(
                    f"{name}, {batch} of {columns}", loss,
                    random.standard_normal((rows, columns)) * 2, random.standard_normal((rows, columns))))
        for columns in (1, 3):
            logits = random.standard_normal((rows, columns)) * 2
            cases.append(case(
                f"binary_cross_entropy, {batch} of {columns}", "binary_cross_entropy",
                logits, random.integers(0, 2, (rows, columns)).astype(float)))
            cases.append(case(
                f"binary_cross_entropy with soft targets, {batch} of {columns}", "binary_cross_entropy",
                logits, random.random((rows, columns))))
        for loss, name in [("cross_entropy", "cross_entropy"), (smoothed, "cross_entropy smoothed by 0.1")]:
            logits = random.standard_normal((rows, 5)) * 2
            classes = random.integers(0, 5, rows)
            cases.append(case(f"{name}, classes, {batch}", loss, logits, classes))
            cases.append(case(f"{name}, one-hot, {batch}", loss, logits, numpy.eye(5)[classes]))
            cases.append(case(f"{name}, soft targets, {batch}", loss, logits, soft(random, rows, 5)))

    extreme = [[100.0], [-100.0], [100.0], [-100.0], [0.0], [30.0], [-30.0]]
    cases += [
        case("mean_absolute_error where outputs are exact", "mean_absolute_error",
             [[1.0, 2.0], [3.0, -4.0]], [[1.0, 2.5], [3.0, -5.0]]),
        case("mean_squared_error of large numbers", "mean_squared_error", [[1e6], [-3e5]], [[-1e6], [2e5]]),
        case("huber exactly at delta", "huber", [[1.0, 3.0, 0.0]], [[0.0, 4.0, 0.0]]),
        case("binary_cross_entropy, extreme logits", "binary_cross_entropy",
             extreme, [[1.0], [0.0], [0.0], [1.0], [1.0], [0.0], [1.0]]),
        case("binary_cross_entropy, extreme logits in 3 columns", "binary_cross_entropy",
             [[100.0, -100.0, 0.0], [-100.0, 100.0, 1e-4]], [[0.0, 0.0, 1.0], [1.0, 0.25, 0.0]]),
        case("cross_entropy of one class", "cross_entropy", [[3.0], [-100.0]], [0, 0]),
        case("cross_entropy of two classes", "cross_entropy", random.standard_normal((7, 2)), [0, 1, 1, 0, 1, 0, 0]),
    ]
    logits = [[100.0, -100.0, 0.0], [-100.0, 100.0, 0.0], [100.0, 100.0, -100.0], [-100.0, -100.0, -100.0],
              [1000.0, 999.0, -1000.0]]
    classes = numpy.array([0, 2, 1, 0, 1])
    for loss, name in [("cross_entropy", "cross_entropy"), (smoothed, "cross_entropy smoothed by 0.1")]:
        cases.append(case(f"{name}, extreme logits, classes", loss, logits, classes))
        cases.append(case(f"{name}, extreme logits, one-hot", loss, logits, numpy.eye(3)[classes]))
    write_cases("losses.json", cases)


if __name__ == "__main__":
    main()
