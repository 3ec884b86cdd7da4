"""Checks graphs of ONNX and runs them with onnxruntime: run_onnx.py CASES.json

CASES.json is a list of {"name", "model" (a path), "inputs": {name: array}, "outputs": {name: array}}; an array is {"type", "shape",
"bytes" (base64)}. Each graph is checked with shape inference, then run for all samples at once and for the first one alone.
Prints one object of the largest difference |found - expected| / max(1, |expected|) by the name of the case.
"""

import base64
import json
import sys

import numpy as np
import onnx
import onnxruntime


def array(described):
    numbers = np.frombuffer(base64.b64decode(described["bytes"]), dtype=described["type"])
    return numbers.reshape(described["shape"])


def difference(found, expected):
    if found.shape != expected.shape:
        return float("inf")
    same = (found == expected) | (np.isnan(found) & np.isnan(expected))
    with np.errstate(invalid="ignore"):
        errors = np.where(same, 0, np.abs(found - expected) / np.maximum(1, np.abs(expected)))
    return float(np.nan_to_num(errors, nan=np.inf).max(initial=0))


def main():
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    results = {}
    for case in json.load(open(sys.argv[1])):
        try:
            onnx.checker.check_model(case["model"], full_check=True)
            session = onnxruntime.InferenceSession(case["model"], options, providers=["CPUExecutionProvider"])
            inputs = {name: array(described) for name, described in case["inputs"].items()}
            expected = {name: array(described) for name, described in case["outputs"].items()}
            names = list(expected)
            worst = 0.0
            for rows in (None, 1):
                given = {name: numbers[:rows] for name, numbers in inputs.items()}
                for name, found in zip(names, session.run(names, given)):
                    worst = max(worst, difference(found, expected[name][:rows]))
            results[case["name"]] = worst
        except Exception as error:  # what a runtime refuses is a result
            results[case["name"]] = 1e9
            print(case["name"], error, file=sys.stderr)
    print(json.dumps(results))


main()
