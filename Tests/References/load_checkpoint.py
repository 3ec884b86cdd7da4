"""Loads a checkpoint of dtrain into torch.nn.Sequential and prints its validation loss and accuracy on the digits.

Usage: load_checkpoint.py CHECKPOINT_DIR [DIGITS_CSV] [--units 64,32,10 | --network small-cnn | small-resnet |
                          small-lstm | small-gru]

Prints one JSON object and exits 0; exits 1 with a message when the tensors' names or shapes are not those of the
network (dense layers of the given sizes with relu between them, or one of networks.py). Without a path the digits
come from scikit-learn.

    load_checkpoint.py CHECKPOINT_DIR --layers LAYERS.json --images IMAGES.idx PREDICTIONS.csv --normalize SCALE,MEAN,STD

compares instead with the probabilities that `dtrain predict CHECKPOINT_DIR IMAGES.idx --output PREDICTIONS.csv` wrote, for a
network whose layers a file lists as JSON, as a configuration does; exits 1 if one is more than 1e-4 apart.
"""

import argparse
import csv
import gzip
import json
import os
import sys

import numpy
import torch
from safetensors.torch import load_file
from torch import nn

from networks import NETWORKS, network_of
from reference import prepare, read_digits, split_digits


def read_images(path):
    """Bytes of an IDX file, .gz or plain, as float32."""
    with (gzip.open if path.endswith(".gz") else open)(path, "rb") as file:
        content = file.read()
    assert content[:3] == b"\0\0\x08", f"{path} isn't an IDX file of bytes"
    shape = numpy.frombuffer(content, ">u4", content[3], 4)
    return numpy.frombuffer(content, numpy.uint8, offset=4 + 4 * content[3]).reshape(shape).astype(numpy.float32)


def compare(network, path, predictions, normalize):
    """Prints how far the probabilities of a file of predictions are from the network's."""
    scale, mean, deviation = map(float, normalize.split(","))
    inputs = torch.from_numpy((read_images(path) / scale - mean) / deviation)
    with torch.no_grad():
        ours = torch.cat([network(part).softmax(dim=1) for part in inputs.split(500)]).numpy()
    with open(predictions, newline="") as file:
        header, *rows = csv.reader(file)
    columns = [index for index, name in enumerate(header) if name.startswith("probability_")]
    theirs = numpy.array([[float(row[index]) for index in columns] for row in rows])
    if theirs.shape != ours.shape:
        sys.exit(f"{predictions} holds {theirs.shape} probabilities, expected {ours.shape}")
    difference = float(abs(theirs - ours).max())
    print(json.dumps({"samples": len(rows), "largest_difference": difference}))
    sys.exit(0 if difference <= 1e-4 else 1)


def main():
    parser = argparse.ArgumentParser(description="load a checkpoint of dtrain into PyTorch")
    parser.add_argument("checkpoint", help="the directory with model.safetensors")
    parser.add_argument("digits", nargs="?", help="the digits as CSV or .csv.gz")
    parser.add_argument("--units", default="64,32,10", help="inputs and outputs of the dense layers")
    parser.add_argument("--network", choices=[name for name in NETWORKS if name.startswith("small-")])
    parser.add_argument("--layers")
    parser.add_argument("--images", nargs=2, metavar=("IMAGES", "PREDICTIONS"))
    parser.add_argument("--normalize", default="255,0,1")
    options = parser.parse_args()
    prepare()

    if options.layers:
        with open(options.layers) as file:
            layers = json.load(file)
        network = network_of(layers, list(read_images(options.images[0]).shape[1:]))
    elif options.network:
        network = network_of(*NETWORKS[options.network])
    else:
        sizes = [int(size) for size in options.units.split(",")]
        layers = []
        for inputs, outputs in zip(sizes, sizes[1:]):
            layers += [nn.Linear(inputs, outputs), nn.ReLU()]
        network = nn.Sequential(*layers[:-1])
    # Outside training: running averages count, nothing is dropped.
    network.to(torch.float32).eval()
    state = load_file(os.path.join(options.checkpoint, "model.safetensors"))
    for name, tensor in state.items():
        # PyTorch counts in whole numbers, to which load_state_dict turns ours.
        if tensor.dtype != torch.float32:
            sys.exit(f"{name} is {tensor.dtype}, not torch.float32")
    try:
        network.load_state_dict(state, strict=True)
    except RuntimeError as error:
        sys.exit(f"the checkpoint does not fit the network: {error}")

    if options.images:
        compare(network, *options.images, options.normalize)
    _, (inputs, labels) = split_digits(*read_digits(options.digits))
    with torch.no_grad():
        outputs = network(torch.from_numpy(inputs).float())
        answers = torch.from_numpy(labels)
        print(json.dumps({
            "validation_loss": nn.functional.cross_entropy(outputs, answers).item(),
            "validation_accuracy": (outputs.argmax(dim=1) == answers).double().mean().item(),
            "samples": len(labels),
            "tensors": {name: list(tensor.shape) for name, tensor in sorted(state.items())},
        }))


if __name__ == "__main__":
    main()
