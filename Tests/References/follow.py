"""Writes follow/: a network initialised by PyTorch, and the losses that PyTorch gets over 50 steps without shuffling.

Usage: follow.py [DIGITS_CSV]. Without a path the digits come from scikit-learn.
"""

import copy
import json
import os
import sys

import torch
from safetensors.torch import save_file
from torch import nn

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


def save(network, name):
    """The weights as float32 under the names of torch.nn.Sequential."""
    tensors = {key: value.to(torch.float32).contiguous() for key, value in network.state_dict().items()}
    path = os.path.join(FOLDER, "follow", name)
    save_file(tensors, path)
    os.chmod(path, 0o644)


def main():
    os.makedirs(os.path.join(FOLDER, "follow"), exist_ok=True)
    torch.manual_seed(0)
    initial = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    assert initial[0].weight.dtype == torch.float32
    prepare()
    training, validation = split_digits(*read_digits(sys.argv[1] if len(sys.argv) > 1 else None))
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


if __name__ == "__main__":
    main()
