"""Loads a checkpoint of dtrain into torch.nn.Sequential and prints its validation loss and accuracy on the digits.

Usage: load_checkpoint.py CHECKPOINT_DIR [DIGITS_CSV] [--units 64,32,10]

Prints one JSON object and exits 0; exits 1 with a message when the tensors' names or shapes are not those of the
network (dense layers of the given sizes with relu between them). Without a path the digits come from scikit-learn.
"""

import argparse
import json
import os
import sys

import torch
from safetensors.torch import load_file
from torch import nn

from reference import prepare, read_digits, split_digits


def main():
    parser = argparse.ArgumentParser(description="load a checkpoint of dtrain into PyTorch")
    parser.add_argument("checkpoint", help="the directory with model.safetensors")
    parser.add_argument("digits", nargs="?", help="the digits as CSV or .csv.gz")
    parser.add_argument("--units", default="64,32,10", help="inputs and outputs of the dense layers")
    options = parser.parse_args()
    prepare()

    sizes = [int(size) for size in options.units.split(",")]
    layers = []
    for inputs, outputs in zip(sizes, sizes[1:]):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    network = nn.Sequential(*layers[:-1])
    state = load_file(os.path.join(options.checkpoint, "model.safetensors"))
    for name, tensor in state.items():
        if tensor.dtype != torch.float32:
            sys.exit(f"{name} is {tensor.dtype}, not torch.float32")
    try:
        network.load_state_dict(state, strict=True)
    except RuntimeError as error:
        sys.exit(f"the checkpoint does not fit the network: {error}")

    _, (inputs, labels) = split_digits(*read_digits(options.digits))
    with torch.no_grad():
        outputs = network(torch.from_numpy(inputs))
        answers = torch.from_numpy(labels)
        print(json.dumps({
            "validation_loss": nn.functional.cross_entropy(outputs, answers).item(),
            "validation_accuracy": (outputs.argmax(dim=1) == answers).double().mean().item(),
            "samples": len(labels),
            "tensors": {name: list(tensor.shape) for name, tensor in sorted(state.items())},
        }))


if __name__ == "__main__":
    main()
