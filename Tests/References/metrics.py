"""Writes metrics.json: metrics of classification and regression by NumPy, from their definitions."""

import numpy

from reference import exact, write_cases


def ratio(numerator, denominator):
    """Element by element, and 0 where the denominator is 0 (scikit-learn's zero_division=0)."""
    return numpy.divide(numerator, denominator, out=numpy.zeros(len(numerator)), where=denominator != 0)


def from_confusion(confusion):
    """Per-class metrics and their unweighted means over all classes, also those that never occur."""
    hits = numpy.diag(confusion).astype(float)
    precision = ratio(hits, confusion.sum(axis=0))
    recall = ratio(hits, confusion.sum(axis=1))
    f1 = ratio(2 * hits, (confusion.sum(axis=0) + confusion.sum(axis=1)))
    return {
        "accuracy": float(hits.sum() / confusion.sum()),
        "confusion": confusion.tolist(),
        "precision": precision.tolist(), "recall": recall.tolist(), "f1": f1.tolist(),
        "macro_precision": float(precision.mean()),
        "macro_recall": float(recall.mean()),
        "macro_f1": float(f1.mean()),
    }


def count(targets, predicted, classes):
    """The confusion matrix: rows are true classes, columns are predicted ones."""
    confusion = numpy.zeros((classes, classes), dtype=int)
    numpy.add.at(confusion, (targets, predicted), 1)
    return confusion


def classification(name, outputs, targets):
    """One column of logits per class. Of equal logits the lower class index counts as the higher."""
    outputs, targets = exact(outputs), numpy.asarray(targets)
    classes = outputs.shape[1]
    order = numpy.argsort(-outputs, axis=1, kind="stable")
    place = numpy.argmax(order == targets[:, None], axis=1)
    result = {
        "name": name, "kind": "classification", "classes": classes,
        "outputs": outputs.tolist(), "targets": targets.tolist(),
    } | from_confusion(count(targets, order[:, 0], classes))
    for k in (2, 3):
        if k <= classes:
            result[f"top_{k}_accuracy"] = float((place < k).mean())
    if classes == 2:
        result["roc_auc"] = area(outputs[:, 1] - outputs[:, 0], targets)
    return result


def binary(name, outputs, targets):
    """One logit per row; above 0 it says class 1."""
    outputs, targets = exact(outputs), numpy.asarray(targets)
    predicted = (outputs > 0).astype(int)
    return {
        "name": name, "kind": "binary", "classes": 2,
        "outputs": outputs[:, None].tolist(), "targets": targets.tolist(),
    } | from_confusion(count(targets, predicted, 2)) | {"roc_auc": area(outputs, targets)}


def area(scores, targets):
    """Area under the ROC curve by the rank statistic, ties at their average rank; null when a class is missing."""
    positives = int((targets == 1).sum())
    negatives = len(targets) - positives
    if positives == 0 or negatives == 0:
        return None
    ranks = numpy.array([(scores < score).sum() + ((scores == score).sum() + 1) / 2 for score in scores])
    return float((ranks[targets == 1].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def regression(name, outputs, targets):
    """Means over all numbers; R² is the mean over the columns of each one's own.

    A column whose targets are all equal has R² 1 where every output is exact, else 0, as scikit-learn has it.
    """
    outputs, targets = exact(outputs), exact(targets)
    residual = ((targets - outputs) ** 2).sum(axis=0)
    total = ((targets - targets.mean(axis=0)) ** 2).sum(axis=0)
    columns = [
        float(1 - r / t) if t != 0 else (1.0 if r == 0 else 0.0)
        for r, t in zip(residual, total)
    ]
    return {
        "name": name, "kind": "regression", "outputs": outputs.tolist(), "targets": targets.tolist(),
        "mean_squared_error": float(((targets - outputs) ** 2).mean()),
        "mean_absolute_error": float(numpy.abs(targets - outputs).mean()),
        "r2": float(numpy.mean(columns)), "r2_per_output": columns,
    }


def main():
    random = numpy.random.default_rng(23)
    targets = random.integers(0, 5, 60)
    logits = random.standard_normal((60, 5)) + 1.5 * numpy.eye(5)[targets]
    # Class 4 is never predicted, class 1 never a target.
    absent = numpy.array([0, 2, 3, 4, 2, 0, 3, 4, 0, 2, 3])
    shy = random.standard_normal((11, 5))
    shy[:, 4] = -20
    binary_targets = random.integers(0, 2, 50)
    scores = random.standard_normal(50) + binary_targets
    ties = (numpy.round(scores * 2) + 0.5) / 2
    numbers = random.standard_normal((20, 3))
    near = numbers + 0.3 * random.standard_normal((20, 3))
    constant = numbers.copy()
    constant[:, 1] = 2.5
    exact_column = near.copy()
    exact_column[:, 1] = 2.5
    cases = [
        classification("five classes", logits, targets),
        classification("a class that is never predicted and one that never occurs", shy, absent),
        classification("three classes, all right", 5 * numpy.eye(3)[[0, 1, 2, 1]] - numpy.arange(3) / 4, [0, 1, 2, 1]),
        classification("three classes, all wrong", 5 * numpy.eye(3)[[1, 2, 0, 2]] - numpy.arange(3) / 4, [0, 1, 2, 1]),
        classification("ten classes, two rows", random.standard_normal((2, 10)), [7, 7]),
        classification("one row", [[0.25, -1.0, 2.0, 1.0]], [3]),
        classification("equal logits: the lower class index first", numpy.zeros((6, 4)), [0, 1, 2, 3, 0, 2]),
        classification("two classes", random.standard_normal((30, 2)), random.integers(0, 2, 30)),
        binary("binary", scores, binary_targets),
        binary("binary with ties", ties, binary_targets),
        binary("binary, every score equal", numpy.full(6, 0.75), [0, 1, 1, 0, 1, 1]),
        binary("binary, separated", [-3.0, -1.0, 2.0, 4.0], [0, 0, 1, 1]),
        binary("binary, the wrong way round", [3.0, 1.0, -2.0, -4.0], [0, 0, 1, 1]),
        binary("binary, only one class in the targets", [3.0, -1.0, 2.0], [1, 1, 1]),
        regression("one output", near[:, :1], numbers[:, :1]),
        regression("three outputs", near, numbers),
        regression("a constant target, missed", near, constant),
        regression("a constant target, met", exact_column, constant),
        regression("worse than the mean", -2 * numbers, numbers),
        regression("exact", numbers, numbers),
        regression("targets far from zero", 1000 + near, 1000 + numbers),
    ]
    write_cases("metrics.json", cases)


if __name__ == "__main__":
    main()
