"""Writes losses.json: values and gradients of PyTorch's losses (reduction "mean") in float64."""

import numpy
import torch
from torch import nn

from reference import exact, prepare, write_cases


def build(configuration, reduction="mean"):
    """PyTorch's loss for dtrain's configuration of a loss."""
    if isinstance(configuration, str):
        kind, options = configuration, {}
    else:
        ((kind, options),) = configuration.items()
    return {
        "mean_squared_error": lambda: nn.MSELoss(reduction=reduction),
        "mean_absolute_error": lambda: nn.L1Loss(reduction=reduction),
        "huber": lambda: nn.HuberLoss(delta=options.get("delta", 1.0), reduction=reduction),
        "binary_cross_entropy": lambda: nn.BCEWithLogitsLoss(
            pos_weight=tensor(options.get("pos_weight")), reduction=reduction),
        "cross_entropy": lambda: nn.CrossEntropyLoss(
            reduction=reduction, weight=tensor(options.get("class_weights")), ignore_index=options.get("ignore_index", -100),
            label_smoothing=options.get("label_smoothing", 0.0)),
    }[kind]()


def tensor(numbers):
    return None if numbers is None else torch.tensor(numbers, dtype=torch.float64)


def weighted_mean(loss, x, targets, weights):
    """The mean of PyTorch's losses in which each counts with its sample's weight, and in classes with that of its class."""
    each = build(loss, "none")(x, targets)
    counts = tensor(weights)
    if each.ndim > 1:
        return (each * counts[:, None]).sum() / (counts.sum() * each.shape[1])
    if targets.ndim == 1:
        options = loss["cross_entropy"] if isinstance(loss, dict) else {}
        each_class = tensor(options.get("class_weights", numpy.ones(x.shape[1])))
        ones = each_class[targets] * (targets != options.get("ignore_index", -100))
        return (each * counts).sum() / (counts * ones).sum()
    return (each * counts).sum() / counts.sum()


def case(name, loss, outputs, targets, weights=None):
    """One row of the table. Targets are class indices (integers) or rows of numbers; weights are one for each row."""
    outputs = exact(outputs)
    targets = numpy.asarray(targets)
    if targets.dtype.kind != "i":
        targets = exact(targets)
    x = torch.from_numpy(outputs).requires_grad_()
    y = torch.from_numpy(targets)
    value = build(loss)(x, y) if weights is None else weighted_mean(loss, x, y, weights)
    value.backward()
    return {
        "name": name,
        "loss": loss,
        **({} if weights is None else {"sample_weights": weights}),
        "outputs": outputs.tolist(),
        "targets": targets.tolist(),
        "value": value.item(),
        "gradient": x.grad.tolist(),
    }


def mixed_case(name, options, logits, own, others, shares):
    """One row of the table for mixed samples: each loss is share · (that of its own class) + (1 − share) · (that of another), as in
    the paper on mixup, and the mean divides by the samples. The targets of the row are the shares of the classes."""
    logits = exact(logits)
    shares = exact(shares)
    x = torch.from_numpy(logits).requires_grad_()
    loss = {"cross_entropy": options}
    share = torch.from_numpy(shares)
    each = build(loss, "none")
    value = (share * each(x, torch.tensor(own)) + (1 - share) * each(x, torch.tensor(others))).mean()
    value.backward()
    classes = numpy.eye(logits.shape[1])
    return {
        "name": name,
        "loss": loss,
        "outputs": logits.tolist(),
        "targets": (shares[:, None] * classes[own] + (1 - shares)[:, None] * classes[others]).tolist(),
        "value": value.item(),
        "gradient": x.grad.tolist(),
    }


def position_case(name, options, logits, targets, weights=None):
    """One row of the table for samples with a class at each of their positions: logits [N, P, C], targets [N, P], weights one
    for each sample. The rows of the table are the positions of the samples, one behind the other."""
    loss = {"cross_entropy": options} if options else "cross_entropy"
    logits = exact(logits)
    x = torch.from_numpy(logits).requires_grad_()
    y = torch.from_numpy(numpy.asarray(targets))
    # PyTorch has the classes in front of the positions.
    if weights is None:
        value = build(loss)(x.permute(0, 2, 1), y)
    else:
        each = build(loss, "none")(x.permute(0, 2, 1), y)
        each_class = tensor(options.get("class_weights", numpy.ones(logits.shape[2])))
        ones = each_class[y] * (y != options.get("ignore_index", -100))
        counts = tensor(weights)[:, None]
        value = (each * counts).sum() / (counts * ones).sum()
    value.backward()
    classes = logits.shape[2]
    return {
        "name": name,
        "loss": loss,
        **({} if weights is None else {"sample_weights": weights}),
        "outputs": logits.reshape(-1, classes).tolist(),
        "targets": y.reshape(-1).tolist(),
        "value": value.item(),
        "gradient": x.grad.reshape(-1, classes).tolist(),
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
    weights = [0.5, 2.0, 0.0, 1.25, 8.0]
    for options, name in [
        ({"class_weights": weights}, "class weights"), ({"ignore_index": 1}, "an ignored class"),
        ({"class_weights": weights, "ignore_index": 4}, "class weights and an ignored class"),
        ({"class_weights": weights, "label_smoothing": 0.1}, "class weights, smoothed"),
        ({"ignore_index": 0, "label_smoothing": 0.2}, "an ignored class, smoothed"),
    ]:
        loss = {"cross_entropy": options}
        logits = random.standard_normal((9, 5)) * 2
        cases.append(case(f"cross_entropy with {name}, classes", loss, logits, numpy.array([0, 1, 2, 3, 4, 4, 1, 0, 3])))
        if "ignore_index" not in options:
            cases.append(case(f"cross_entropy with {name}, soft targets", loss, logits, soft(random, 9, 5)))
    for columns in (1, 3):
        loss = {"binary_cross_entropy": {"pos_weight": 7.5}}
        logits = random.standard_normal((6, columns)) * 2
        cases.append(case(f"binary_cross_entropy with pos_weight, {columns} columns", loss, logits,
                          random.integers(0, 2, (6, columns)).astype(float)))
        cases.append(case(f"binary_cross_entropy with pos_weight, soft targets in {columns} columns", loss, logits,
                          random.random((6, columns))))
    cases.append(case("binary_cross_entropy with pos_weight, extreme logits", {"binary_cross_entropy": {"pos_weight": 0.25}},
                      extreme, [[1.0], [0.0], [0.0], [1.0], [1.0], [0.0], [1.0]]))
    # Multiples of a quarter, so that check.py can repeat rows instead.
    counts = [1.5, 0.25, 0.0, 1.0, 3.0, 0.0, 0.75]
    for loss in ("mean_squared_error", "mean_absolute_error", {"huber": {"delta": 0.5}}, "binary_cross_entropy",
                 {"binary_cross_entropy": {"pos_weight": 3.5}}):
        kind = loss if isinstance(loss, str) else " with ".join(f"{k} with {list(o)[0]}" for k, o in loss.items())
        for columns in (1, 3):
            cases.append(case(f"{kind}, weights of samples, {columns} columns", loss,
                              random.standard_normal((7, columns)) * 2, random.random((7, columns)), counts))
    for options, name in [
        ({}, ""), ({"class_weights": weights}, ", class weights"), ({"ignore_index": 1, "label_smoothing": 0.1}, ", an ignored class, smoothed"),
    ]:
        loss = {"cross_entropy": options} if options else "cross_entropy"
        logits = random.standard_normal((7, 5)) * 2
        cases.append(case(f"cross_entropy, weights of samples{name}, classes", loss, logits,
                          numpy.array([3, 0, 1, 4, 1, 2, 0]), counts))
        if "ignore_index" not in options:
            cases.append(case(f"cross_entropy, weights of samples{name}, soft targets", loss, logits, soft(random, 7, 5),
                              counts))
    # Samples with a class at each of their positions; a weight belongs to all positions of its sample.
    for options, name in [
        ({}, ""), ({"ignore_index": 2}, ", an ignored class"),
        ({"class_weights": weights, "ignore_index": 4}, ", class weights and an ignored class"),
        ({"class_weights": weights, "label_smoothing": 0.1}, ", class weights, smoothed"),
    ]:
        logits = random.standard_normal((5, 3, 5)) * 2
        targets = random.integers(0, 5, (5, 3))
        cases.append(position_case(f"cross_entropy per position{name}", options, logits, targets))
        cases.append(position_case(f"cross_entropy per position, weights of samples{name}", options, logits, targets,
                                   [1.5, 0.0, 0.25, 1.0, 0.75]))
    # Multiples of 1/64, so that both shares of a sample are exact.
    for options, name in [
        ({"label_smoothing": 0.0}, ""), ({"label_smoothing": 0.1}, ", smoothed"),
        ({"class_weights": weights, "label_smoothing": 0.1}, ", class weights, smoothed"),
    ]:
        cases.append(mixed_case(
            f"cross_entropy of mixed samples{name}", options, random.standard_normal((7, 5)) * 2, [0, 1, 2, 3, 4, 1, 0],
            [3, 1, 4, 0, 2, 2, 4], random.integers(0, 65, 7) / 64))
    write_cases("losses.json", cases)


if __name__ == "__main__":
    main()
