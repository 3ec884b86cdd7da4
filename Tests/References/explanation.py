"""Writes explanation.json: gradients and integrated gradients of PyTorch's autograd for the network of follow/initial.safetensors."""

import json
import pathlib

import numpy
import torch

here = pathlib.Path(__file__).parent


def read(path):
    """The tensors of a safetensors file (float32)."""
    data = path.read_bytes()
    count = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + count])
    header.pop("__metadata__", None)
    return {
        name: torch.from_numpy(numpy.frombuffer(data[8 + count:][slice(*entry["data_offsets"])], dtype="<f4")
                               .reshape(entry["shape"]).astype("float64"))
        for name, entry in header.items()
    }


model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10)).double()
model.load_state_dict(read(here / "follow" / "initial.safetensors"))
pixels = [(place * 7) % 17 for place in range(64)]
sample = torch.tensor(pixels, dtype=torch.float64) / 16
output = 3


def gradient(point):
    point = point.clone().requires_grad_(True)
    model(point)[output].backward()
    return point.grad


steps = 128
integrated = sample * sum(gradient(sample * ((step + 0.5) / steps)) for step in range(steps)) / steps
(here / "explanation.json").write_text(json.dumps({
    "pixels": pixels, "output": output, "value": model(sample)[output].item(),
    "baseline": model(torch.zeros(64, dtype=torch.float64))[output].item(),
    "gradient": gradient(sample).tolist(), "integrated_gradients": integrated.tolist(),
}) + "\n")
