"""Writes follow/encoder* and follow/gpt*: Transformers that PyTorch initialised, and the losses that it gets over 20 steps.

Usage: follow_transformers.py
       follow_transformers.py --load encoder | gpt CHECKPOINT    loads a checkpoint of dtrain by load_state_dict(strict=True), and
                                                                 prints its logits for the first samples as JSON; exits 1 if
                                                                 a tensor is missing, left over, or of another shape

The encoder is nn.TransformerEncoderLayer itself, before and behind its norms, on texts of different lengths. The GPT is built and
trained as nanoGPT does: no biases, tied ends, decay of matrices only, betas, clipping, warm-up and cosine.
"""

import argparse
import collections
import copy
import csv
import json
import math
import os
import sys

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional

from reference import FOLDER, prepare

FOLLOW = os.path.join(FOLDER, "follow")
STEPS, SHOWN = 20, 4

ENCODER_YAML = """\
# A Transformer encoder on texts of 1 to 12 letters; written by follow_transformers.py.
# Start it here with `--initialize initial-encoder.safetensors`; PyTorch's losses are in losses-encoder.json.
data: {format: texts, train: {path: encoder.csv, text: text, target: label}, tokens: bytes, length: 12}
model:
  layers:
    - embedding: {embedding_dim: 16, padding_index: 0}
    - positional_embedding
    - transformer_block: {heads: 4, hidden: 40, dropout: 0}
    - transformer_block: {heads: 2, hidden: 24, norm: post, activation: relu, dropout: 0}
    - permute: {dimensions: [2, 1]}
    - global_average_pool1d
    - dense: {units: 3}
loss: cross_entropy
optimizer: {adamw: {learning_rate: 0.003, weight_decay: 0.01}}
training: {max_steps: 20, global_batch_size: 8, micro_batch_size: 4, shuffle: false, log_every: 1}
"""
GPT_YAML = """\
# A GPT as nanoGPT builds and trains it; written by follow_transformers.py.
# Start it here with `--initialize initial-gpt.safetensors`; PyTorch's losses are in losses-gpt.json.
data: {format: text, train: {path: gpt.txt}, context: 16, stride: 16}
model:
  layers:
    - embedding: {units: 24, name: tokens}
    - positional_embedding
    - repeat: {times: 2, layers: [{transformer_block: {heads: 3, hidden: 96, causal: true, bias: false, dropout: 0}}]}
    - layer_norm: {bias: false}
    - dense: {units: vocabulary, bias: false, tie: tokens}
loss: cross_entropy
optimizer: {adamw: {learning_rate: 0.003, betas: [0.9, 0.95], weight_decay: 0.1, decay: matrices}}
schedule: {cosine: {warmup_steps: 4, warmup_inclusive: false, total_steps: 14, minimum: 0.0003}}
gradient_clipping: {norm: 1.0}
training: {max_steps: 20, global_batch_tokens: 64, micro_batch_size: 2, shuffle: false, log_every: 1}
"""
CONTEXT, BATCH = 16, 4
LETTERS = "\n abcdefghijklmnopqrstuvwxyz"


# --- The encoder ------------------------------------------------------------------------------------------------------

class Encoder(nn.ModuleList):
    """Texts as rows of tokens, 0 behind their ends; names are the places that the layers have in the configuration."""

    def __init__(self):
        super().__init__()
        positions = nn.Module()
        positions.weight = nn.Parameter(torch.randn(12, 16))
        self.extend([
            nn.Embedding(257, 16, padding_idx=0), positions,
            nn.TransformerEncoderLayer(16, 4, 40, dropout=0.0, activation="gelu", batch_first=True, norm_first=True),
            nn.TransformerEncoderLayer(16, 2, 24, dropout=0.0, activation="relu", batch_first=True),
            nn.Identity(), nn.Identity(), nn.Linear(16, 3)])

    def forward(self, tokens):
        isPadding = tokens == 0
        x = self[0](tokens) + self[1].weight
        for place in (2, 3):
            x = self[place](x, src_key_padding_mask=isPadding)
        own = (~isPadding).to(x.dtype)[..., None]
        return self[6]((x * own).sum(1) / own.sum(1))


def write_texts(generator):
    """A text is of the class of its most frequent third of the letters a to i, as a rule."""
    with open(os.path.join(FOLLOW, "encoder.csv"), "w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["text", "label"])
        for sample in range(STEPS * 8):
            length = int(torch.randint(1, 13, (1,), generator=generator))
            favourite = int(torch.randint(0, 3, (1,), generator=generator))
            letters = [3 * favourite + int(torch.randint(0, 3, (1,), generator=generator))
                       if torch.rand(1, generator=generator) < 0.6 else int(torch.randint(0, 9, (1,), generator=generator))
                       for _ in range(length)]
            rows.writerow(["".join("abcdefghi"[letter] for letter in letters), favourite if sample > 2 else sample])


def read_texts():
    with open(os.path.join(FOLLOW, "encoder.csv"), newline="") as file:
        rows = list(csv.reader(file))[1:]
    tokens = torch.tensor([[byte + 1 for byte in text.encode()] + [0] * (12 - len(text)) for text, _ in rows])
    return tokens, torch.tensor([int(label) for _, label in rows])


# --- The GPT ----------------------------------------------------------------------------------------------------------

class CausalAttention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.randn(3 * width, width) / math.sqrt(width))
        self.out_proj = nn.Linear(width, width, bias=False)

    def forward(self, x):
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (x @ self.in_proj_weight.T).chunk(3, -1))
        scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
        hidden = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)
        weights = scores.masked_fill(hidden, -math.inf).softmax(-1)
        return self.out_proj((weights @ v).transpose(1, 2).flatten(2))


class Block(nn.Module):
    def __init__(self, width, heads, hidden):
        super().__init__()
        self.self_attn = CausalAttention(width, heads)
        self.linear1, self.linear2 = nn.Linear(width, hidden, bias=False), nn.Linear(hidden, width, bias=False)
        self.norm1, self.norm2 = nn.LayerNorm(width, bias=False), nn.LayerNorm(width, bias=False)

    def forward(self, x):
        x = x + self.self_attn(self.norm1(x))
        return x + self.linear2(functional.gelu(self.linear1(self.norm2(x))))


class GPT(nn.Sequential):
    """Its last layer is the embedding's weight once more, and has no parameter of its own."""

    def __init__(self):
        positions = nn.Module()
        positions.weight = nn.Parameter(torch.randn(CONTEXT, 24) * 0.3)
        blocks = nn.Sequential(*(nn.Sequential(Block(24, 3, 96)) for _ in range(2)))
        super().__init__(collections.OrderedDict([
            ("tokens", nn.Embedding(len(LETTERS), 24)), ("1", positions), ("2", blocks), ("3", nn.LayerNorm(24, bias=False))]))
        nn.init.normal_(self.tokens.weight, 0, 0.3)

    def forward(self, tokens):
        x = self.tokens(tokens) + self[1].weight
        return (self[3](self[2](x)) @ self.tokens.weight.T).flatten(0, 1)


def write_letters(generator):
    """Letters that follow each other more often than by chance; all of them occur."""
    tokens = list(range(len(LETTERS)))
    while len(tokens) < STEPS * BATCH * CONTEXT + 1:
        drawn = int(torch.randint(0, len(LETTERS), (1,), generator=generator))
        tokens.append((tokens[-1] * 3 + 5) % len(LETTERS) if torch.rand(1, generator=generator) < 0.7 else drawn)
    with open(os.path.join(FOLLOW, "gpt.txt"), "w", newline="") as file:
        file.write("".join(LETTERS[token] for token in tokens))


def read_letters():
    with open(os.path.join(FOLLOW, "gpt.txt"), newline="") as file:
        tokens = torch.tensor([LETTERS.index(letter) for letter in file.read()])
    return tokens[:-1].view(-1, CONTEXT), tokens[1:].view(-1, CONTEXT)


# --- Training ---------------------------------------------------------------------------------------------------------

def encoder_optimizer(network):
    return torch.optim.AdamW(network.parameters(), lr=0.003, weight_decay=0.01), lambda step: 0.003, math.inf


def gpt_optimizer(network):
    """nanoGPT's configure_optimizers and get_lr."""
    matrices = [parameter for parameter in network.parameters() if parameter.dim() >= 2]
    others = [parameter for parameter in network.parameters() if parameter.dim() < 2]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}], lr=0.003, betas=(0.9, 0.95))

    def rate(step):
        if step < 4:
            return 0.003 * (step + 1) / 5
        share = min((step - 4) / 14, 1)
        return 0.0003 + 0.5 * (1 + math.cos(math.pi * share)) * (0.003 - 0.0003)
    return optimizer, rate, 1.0


def train(initial, samples, batch, make_optimizer, dtype):
    network = copy.deepcopy(initial).to(dtype).train()
    optimizer, rate, norm = make_optimizer(network)
    losses, norms = [], []
    for step in range(STEPS):
        inputs, targets = (part[step * batch:(step + 1) * batch] for part in samples)
        for group in optimizer.param_groups:
            group["lr"] = rate(step)
        optimizer.zero_grad()
        loss = functional.cross_entropy(network(inputs), targets.flatten())
        loss.backward()
        norms.append(nn.utils.clip_grad_norm_(network.parameters(), norm).item())
        optimizer.step()
        losses.append(loss.item())
    return network, losses, norms


KINDS = {"encoder": (Encoder, ENCODER_YAML, write_texts, read_texts, 8, encoder_optimizer),
         "gpt": (GPT, GPT_YAML, write_letters, read_letters, BATCH, gpt_optimizer)}


def follow(name, seed):
    make, configuration, write, read, batch, make_optimizer = KINDS[name]
    write(torch.Generator().manual_seed(seed))
    torch.manual_seed(seed)
    initial = make().to(torch.float32)
    # Gains of 1 and biases of 0 would hide one that is taken for another.
    with torch.no_grad():
        for parameter in initial.parameters():
            if parameter.dim() < 2:
                parameter.add_(torch.randn_like(parameter) * 0.2)

    def save(network, file):
        path = os.path.join(FOLLOW, file)
        save_file({key: value.to(torch.float32).contiguous() for key, value in network.state_dict().items()}, path)
        os.chmod(path, 0o644)

    save(initial, f"initial-{name}.safetensors")
    samples = read()
    network, losses, norms = train(initial, samples, batch, make_optimizer, torch.float64)
    _, single, _ = train(initial, samples, batch, make_optimizer, torch.float32)
    save(network, f"final-{name}.safetensors")
    deviation = max(abs(a / b - 1) for a, b in zip(single, losses))
    with open(os.path.join(FOLLOW, f"{name}.yaml"), "w") as output:
        output.write(configuration)
    with open(os.path.join(FOLLOW, f"losses-{name}.json"), "w") as output:
        json.dump({"configuration": f"{name}.yaml", "initial": f"initial-{name}.safetensors",
                   "final": f"final-{name}.safetensors", "steps": STEPS, "losses": losses, "gradient_norms": norms,
                   "losses_float32": single, "float32_deviation": deviation}, output, indent=1)
        output.write("\n")
    print(f"losses-{name}.json: loss {losses[0]:.6f} to {losses[-1]:.6f}, gradient norms {min(norms):.3f} to {max(norms):.3f}, "
          f"float32 off by {deviation:.1e}, {sum(parameter.numel() for parameter in network.parameters()):,} parameters")


def load(name, checkpoint):
    make, _, _, read, _, _ = KINDS[name]
    network = make().to(torch.float64)
    try:
        network.load_state_dict(load_file(os.path.join(checkpoint, "model.safetensors")), strict=True)
    except RuntimeError as error:
        sys.exit(f"the checkpoint does not fit the network: {error}")
    inputs, _ = read()
    with torch.no_grad():
        print(json.dumps({"logits": network.train()(inputs[:SHOWN]).flatten().tolist()}))


def main():
    parser = argparse.ArgumentParser(description="write what PyTorch makes of Transformers, to be followed")
    parser.add_argument("--load", nargs=2, metavar=("NAME", "CHECKPOINT"))
    options = parser.parse_args()
    prepare()
    if options.load:
        return load(*options.load)
    follow("encoder", 1)
    follow("gpt", 2)


if __name__ == "__main__":
    main()
