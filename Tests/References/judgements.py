"""Writes judgements.json: metrics by group by scikit-learn, and the calibration error by NumPy from its definition."""

import json
import pathlib

import numpy
from sklearn.metrics import accuracy_score, recall_score


def calibration(confidence, right, bins=10):
    """Guo et al. 2017, equation 3: bins (m-1)/M < confidence <= m/M."""
    table, expected = [], 0.0
    for number in range(bins):
        low, high = number / bins, (number + 1) / bins
        inside = (confidence > low) & (confidence <= high)
        accuracy = float(right[inside].mean()) if inside.any() else 0.0
        mean = float(confidence[inside].mean()) if inside.any() else 0.0
        table.append({"count": int(inside.sum()), "accuracy": accuracy, "confidence": mean})
        expected += inside.mean() * abs(accuracy - mean)
    return {"bins": table, "expected_error": float(expected)}


def case(name, seed, classes, positive, count=400):
    random = numpy.random.default_rng(seed)
    logits = random.normal(size=(count, classes)) * 2
    probabilities = numpy.exp(logits) / numpy.exp(logits).sum(axis=1, keepdims=True)
    predicted = probabilities.argmax(axis=1)
    targets = numpy.where(random.random(count) < 0.6, predicted, random.integers(classes, size=count))
    groups = random.choice(["a", "b", "c"], size=count, p=[0.6, 0.3, 0.1])
    confidence = probabilities.max(axis=1)
    rows = []
    for group in ["a", "b", "c"]:
        own = groups == group
        rows.append({
            "name": group, "count": int(own.sum()), "accuracy": accuracy_score(targets[own], predicted[own]),
            "positive_rate": float((predicted[own] == positive).mean()),
            "true_positive_rate": float(recall_score(targets[own], predicted[own], labels=[positive], average="macro")),
        })
    return {
        "name": name, "positive": positive, "predicted": predicted.tolist(), "targets": targets.tolist(),
        "confidence": confidence.tolist(), "groups": groups.tolist(), "expected_groups": rows,
        "calibration": calibration(confidence, predicted == targets),
    }


cases = [case("two classes", 0, 2, 1), case("five classes", 1, 5, 3)]
pathlib.Path(__file__).with_name("judgements.json").write_text(json.dumps({"cases": cases}) + "\n")
