"""Writes follow/: networks initialised by PyTorch, and the losses that PyTorch gets over some steps without shuffling.

Usage: follow.py [DIGITS_CSV]. Without a path the digits come from scikit-learn.
       follow.py --full FOLDER     the full-size CNN and ResNet-20 on random images, 20 MB in all, into FOLDER
       follow.py --compare FILE RUN_DIRECTORY     whether a run of dtrain has the losses, running averages and weights of
                                                  one of these files; exits 1 if not

The full-size networks are followed so:

    follow.py --full FOLDER
    dtrain train FOLDER/resnet20.yaml --initialize FOLDER/initial-resnet20.safetensors --run RUN
    follow.py --compare FOLDER/losses-resnet20.json RUN
"""

import argparse
import copy
import json
import os
import struct
import sys

import numpy
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from networks import CNN, RESNET20, SMALL_CNN, SMALL_GRU, SMALL_LSTM, SMALL_RESNET, network_of
from reference import FOLDER, prepare, read_digits, split_digits

STEPS = 50
BATCH = 64

# Below some of the gradients' norms (0.29 to 0.9) and above others, so that both ways through clipping are followed.
CLIPPING_NORM = 0.5

CONFIGURATION = """\
# {title}; written by follow.py.
# Start it with `--initialize initial.safetensors` of this folder; PyTorch's losses are in {losses}.
data: {{format: digits}}
model:
  layers:
    - dense: {{units: 32}}
    - relu
    - dense: {{units: 10}}
loss: cross_entropy
optimizer: {{{optimizer}}}
{clipping}training:
  max_steps: {steps}
  global_batch_size: {batch}
  micro_batch_size: 16
  shuffle: false
  log_every: 1
"""


def train(initial, training, validation, make_optimizer, norm, dtype):
    """Fifty steps of 64 samples in file order; an epoch's last batch is short, and the next starts from the front."""
    network = copy.deepcopy(initial).to(dtype)
    optimizer = make_optimizer(network.parameters())
    inputs, labels = torch.tensor(training[0], dtype=dtype), torch.from_numpy(training[1])
    loss_of = nn.CrossEntropyLoss()
    losses, norms, start = [], [], 0
    for _ in range(STEPS):
        batch = slice(start, start + BATCH)
        optimizer.zero_grad()
        loss = loss_of(network(inputs[batch]), labels[batch])
        loss.backward()
        norms.append(nn.utils.clip_grad_norm_(network.parameters(), norm or float("inf")).item())
        optimizer.step()
        losses.append(loss.item())
        start = start + BATCH if start + BATCH < len(labels) else 0
    with torch.no_grad():
        outputs = network(torch.tensor(validation[0], dtype=dtype))
        answers = torch.from_numpy(validation[1])
        result = {
            "losses": losses,
            "gradient_norms": norms,
            "validation_loss": loss_of(outputs, answers).item(),
            "validation_accuracy": (outputs.argmax(dim=1) == answers).double().mean().item(),
        }
    return network, result


def save(network, name, folder=os.path.join(FOLDER, "follow")):
    """The weights as float32 under the names of torch.nn.Sequential; what is counted stays whole numbers."""
    tensors = {key: (value.to(torch.float32) if value.is_floating_point() else value).contiguous()
               for key, value in network.state_dict().items()}
    path = os.path.join(folder, name)
    save_file(tensors, path)
    os.chmod(path, 0o644)


# --- Networks on images and sequences ---------------------------------------------------------------------------------

# Steps of these are one micro-batch each: PyTorch knows no other batch of a batch normalisation.
SHAPED_STEPS = 30
SHAPED_CONFIGURATION = """\
# {title}; written by follow.py.
# Start it with `--initialize {initial}` of this folder; PyTorch's losses are in {losses}.
data: {data}
model:
  layers:
{layers}
loss: cross_entropy
optimizer: {{{optimizer}}}
training:
  max_steps: {steps}
  global_batch_size: {batch}
  micro_batch_size: {batch}
  shuffle: false
  log_every: 1
"""
OPTIMIZERS = {
    "adamw: {learning_rate: 0.001}": lambda parameters: torch.optim.AdamW(parameters, lr=0.001),
    "adamw: {learning_rate: 0.01}": lambda parameters: torch.optim.AdamW(parameters, lr=0.01),
    "sgd: {learning_rate: 0.001, momentum: 0.9, weight_decay: 0.0005}":
        lambda parameters: torch.optim.SGD(parameters, lr=0.001, momentum=0.9, weight_decay=0.0005),
    "sgd: {learning_rate: 0.005, momentum: 0.9, weight_decay: 0.0005}":
        lambda parameters: torch.optim.SGD(parameters, lr=0.005, momentum=0.9, weight_decay=0.0005),
}


def train_shaped(initial, inputs, labels, make_optimizer, batch, dtype):
    """Thirty steps in file order, in training mode."""
    network = copy.deepcopy(initial).to(dtype).train()
    optimizer = make_optimizer(network.parameters())
    inputs, labels = torch.tensor(inputs, dtype=dtype), torch.from_numpy(labels)
    losses, start = [], 0
    for _ in range(SHAPED_STEPS):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(inputs[start:start + batch]), labels[start:start + batch])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        start = start + batch if start + batch < len(labels) else 0
    return network.eval(), losses


def follow_shaped(name, title, layers, shape, data, samples, optimizer, batch=64, validation=None,
                  folder=os.path.join(FOLDER, "follow")):
    """Writes the files of a network on images or sequences: `name`.yaml, initial-, final- and losses-`name`."""
    torch.manual_seed(0)
    initial = network_of(layers, shape).to(torch.float32)
    # What begins as 0 or 1 would hide one that is read wrongly.
    for module in initial.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 1.5)
            module.num_batches_tracked.fill_(7)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.2, 0.2)
    save(initial, f"initial-{name}.safetensors", folder)
    network, losses = train_shaped(initial, *samples, OPTIMIZERS[optimizer], batch, torch.float64)
    float32, single = train_shaped(initial, *samples, OPTIMIZERS[optimizer], batch, torch.float32)
    save(network, f"final-{name}.safetensors", folder)
    with open(os.path.join(folder, f"{name}.yaml"), "w") as output:
        output.write(SHAPED_CONFIGURATION.format(
            title=title, data=data, initial=f"initial-{name}.safetensors", losses=f"losses-{name}.json",
            layers="\n".join("    - " + json.dumps(layer) for layer in layers), optimizer=optimizer, steps=SHAPED_STEPS,
            batch=batch))
    content = {"configuration": f"{name}.yaml", "initial": f"initial-{name}.safetensors",
               "final": f"final-{name}.safetensors", "steps": SHAPED_STEPS, "losses": losses}
    if validation:
        with torch.no_grad():
            outputs, answers = network(torch.tensor(validation[0])), torch.from_numpy(validation[1])
        content |= {"validation_loss": nn.functional.cross_entropy(outputs, answers).item(),
                    "validation_accuracy": (outputs.argmax(dim=1) == answers).double().mean().item()}
    deviation = max(abs(a / b - 1) for a, b in zip(single, losses))
    content |= {"losses_float32": single, "float32_deviation": deviation, "float32_average_deviation": apart(
        float32.state_dict(), network.state_dict(), averages_of(network.state_dict()))}
    with open(os.path.join(folder, f"losses-{name}.json"), "w") as output:
        json.dump(content, output, indent=1)
        output.write("\n")
    print(f"losses-{name}.json: loss {losses[0]:.6f} to {losses[-1]:.6f}, float32 off by {deviation:.1e}, "
          f"{sum(parameter.numel() for parameter in network.parameters()):,} parameters")


def apart(ours, theirs, names):
    """The largest difference of tensors, each against its largest number."""
    return max((float((ours[name] - theirs[name]).abs().max() / theirs[name].abs().max()) for name in names), default=0.0)


def averages_of(state):
    return [name for name in state if ".running_" in name]


def write_idx(path, array):
    """A file of bytes in MNIST's format."""
    with open(path, "wb") as file:
        file.write(struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes())


def full(folder):
    """The networks of the benchmarks, for 30 steps on images of a class's own pattern with much noise."""
    os.makedirs(folder, exist_ok=True)
    generator = numpy.random.default_rng(0)
    for name, title, layers, shape, optimizer in (
            ("cnn", "The CNN of the benchmarks", CNN, [28, 28], "adamw: {learning_rate: 0.001}"),
            # At five times the rate PyTorch's own float32 is 5e-3 off after 30 steps: a number that is by rounding on another
            # side of relu's 0 is multiplied in step after step.
            ("resnet20", "ResNet-20", RESNET20, [3, 32, 32],
             "sgd: {learning_rate: 0.001, momentum: 0.9, weight_decay: 0.0005}")):
        count = 64 * SHAPED_STEPS
        labels = generator.integers(0, 10, count)
        patterns = generator.integers(0, 96, (10, *shape))
        images = (patterns[labels] + generator.integers(0, 160, (count, *shape))).astype(numpy.uint8)
        write_idx(os.path.join(folder, f"{name}-images.idx"), images)
        write_idx(os.path.join(folder, f"{name}-labels.idx"), labels.astype(numpy.uint8))
        data = ("{format: idx, classes: 10, train: {inputs: %s, targets: %s}, normalize: {scale: 255, mean: 0.5, std: 0.25}}"
                % tuple(json.dumps(os.path.join(os.path.abspath(folder), f"{name}-{kind}.idx")) for kind in ("images", "labels")))
        inputs = ((images / 255 - 0.5) / 0.25).astype(numpy.float32)
        follow_shaped(name, title, layers, shape, data, (inputs, labels), optimizer, folder=folder)


def compare(file, run):
    """Prints how far a run of dtrain is from what a file says; whether that is near enough."""
    with open(file) as content:
        expected = json.load(content)
    with open(os.path.join(run, "metrics.jsonl")) as lines:
        steps = [entry for entry in map(json.loads, lines) if "loss" in entry and "gradient_norm" in entry]
    if len(steps) != expected["steps"]:
        sys.exit(f"the run has {len(steps)} steps, expected {expected['steps']}")
    off = max(abs(step["loss"] / loss - 1) for step, loss in zip(steps, expected["losses"]))
    name = os.path.join("checkpoints", f"step-{expected['steps']:08}", "model.safetensors")
    ours, theirs = load_file(os.path.join(run, name)), load_file(os.path.join(os.path.dirname(file), expected["final"]))
    if ours.keys() != theirs.keys():
        sys.exit(f"tensors differ: {sorted(ours.keys() ^ theirs.keys())}")
    counted = [tensor for tensor in theirs if tensor.endswith("num_batches_tracked")]
    wrong = [tensor for tensor in counted if int(ours[tensor]) != int(theirs[tensor])]
    averages = averages_of(theirs)
    found = apart(ours, theirs, averages)
    # As near as PyTorch's own float32 is to its float64, or nearly so.
    bound = max(1e-3, 2 * expected["float32_average_deviation"])
    weights = [name for name in theirs if name not in counted + averages]
    print(f"losses of {len(steps)} steps: {off:.1e} apart at most, relative (PyTorch's float32: "
          f"{expected['float32_deviation']:.1e}); {len(averages)} running averages: {found:.1e} of the largest (PyTorch's "
          f"float32: {expected['float32_average_deviation']:.1e}); {len(counted)} counts, {len(wrong)} wrong; "
          f"weights: {apart(ours, theirs, weights):.1e} of the largest")
    if off > 1e-3 or found > bound or wrong:
        sys.exit(1)


def main():
    parser = argparse.ArgumentParser(description="write what PyTorch does, to be followed")
    parser.add_argument("digits", nargs="?", help="the digits as CSV or .csv.gz")
    parser.add_argument("--full", metavar="FOLDER")
    parser.add_argument("--compare", nargs=2, metavar=("FILE", "RUN_DIRECTORY"))
    options = parser.parse_args()
    if options.compare:
        return compare(*options.compare)
    if options.full:
        prepare()
        return full(options.full)
    os.makedirs(os.path.join(FOLDER, "follow"), exist_ok=True)
    torch.manual_seed(0)
    initial = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    assert initial[0].weight.dtype == torch.float32
    prepare()
    training, validation = split_digits(*read_digits(options.digits))
    assert len(training[1]) == 1438 and len(validation[1]) == 359
    save(initial, "initial.safetensors")
    runs = [
        ("adam", "losses.json", "Adam", "adam: {learning_rate: 0.001}", None,
         lambda parameters: torch.optim.Adam(parameters, lr=0.001)),
        ("sgd", "losses-sgd.json", "SGD with Nesterov momentum, weight decay and clipping",
         "sgd: {learning_rate: 0.05, momentum: 0.9, nesterov: true, weight_decay: 0.0001}", CLIPPING_NORM,
         lambda parameters: torch.optim.SGD(parameters, lr=0.05, momentum=0.9, nesterov=True, weight_decay=1e-4)),
    ]
    for name, file, title, optimizer, norm, make_optimizer in runs:
        network, result = train(initial, training, validation, make_optimizer, norm, torch.float64)
        _, single = train(initial, training, validation, make_optimizer, norm, torch.float32)
        save(network, f"final-{name}.safetensors")
        with open(os.path.join(FOLDER, "follow", f"{name}.yaml"), "w") as output:
            output.write(CONFIGURATION.format(
                title=title, losses=file, optimizer=optimizer, steps=STEPS, batch=BATCH,
                clipping=f"gradient_clipping: {{norm: {norm}}}\n" if norm else ""))
        deviation = max(abs(a / b - 1) for a, b in zip(single["losses"], result["losses"]))
        content = {
            "configuration": f"{name}.yaml", "initial": "initial.safetensors",
            "final": f"final-{name}.safetensors", "steps": STEPS,
            "clipped_steps": sum(value > norm for value in result["gradient_norms"]) if norm else 0,
        } | result | {"losses_float32": single["losses"], "float32_deviation": deviation}
        with open(os.path.join(FOLDER, "follow", file), "w") as output:
            json.dump(content, output, indent=1)
            output.write("\n")
        print(f"follow/{file}: loss {result['losses'][0]:.6f} to {result['losses'][-1]:.6f}, gradient norms "
              f"{min(result['gradient_norms']):.3f} to {max(result['gradient_norms']):.3f}, validation accuracy "
              f"{result['validation_accuracy']:.4f}, float32 off by {deviation:.1e}")
    follow_shaped("cnn", "A small CNN on the digits", SMALL_CNN, [64], "{format: digits}", training,
                  "adamw: {learning_rate: 0.001}", validation=validation)
    follow_shaped("resnet", "A small ResNet on the digits", SMALL_RESNET, [64], "{format: digits}", training,
                  "sgd: {learning_rate: 0.005, momentum: 0.9, weight_decay: 0.0005}", validation=validation)
    follow_shaped("lstm", "An LSTM on the rows of the digits", SMALL_LSTM, [64], "{format: digits}", training,
                  "adamw: {learning_rate: 0.01}", validation=validation)
    follow_shaped("gru", "A GRU of two layers both ways on the rows of the digits", SMALL_GRU, [64], "{format: digits}", training,
                  "adamw: {learning_rate: 0.01}", validation=validation)


if __name__ == "__main__":
    main()
