"""Makes gpt2/: a small random GPT-2 by Hugging Face's transformers, and what it computes.

Usage: gpt2.py

model.safetensors and config.json are what `save_pretrained` wrote; expected.json has the logits of the first windows of
text.txt and the losses of fine-tuning steps on it, in float64, from the float32 weights of the file.
"""

import copy
import json
import os
import string

import torch
from torch.nn import functional
from transformers import GPT2Config, GPT2LMHeadModel

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "gpt2")
CONTEXT, BATCH, STEPS, SHOWN = 16, 4, 20, 2
# As many characters as nanoGPT's Shakespeare has; their order is that of their code points, and so are dtrain's tokens.
CHARACTERS = sorted(string.ascii_letters + string.digits[:3] + "\n !$&',-.:"[:10])
assert len(CHARACTERS) == 65

CONFIGURATION = f"""\
# The small GPT-2 of this folder; written by gpt2.py. Start it here, with `--initialize model.safetensors`; the losses of its steps
# are in expected.json.
data: {{format: text, train: {{path: text.txt}}, context: {CONTEXT}}}
model:
  layers:
    - embedding: {{embedding_dim: 24, name: tokens}}
    - positional_embedding: {{num_embeddings: 24}}
    - repeat: {{times: 2, layers: [{{transformer_block: {{heads: 3, hidden: 96, causal: true, activation: gelu_tanh, dropout: 0}}}}]}}
    - layer_norm
    - dense: {{units: vocabulary, bias: false, tie: tokens}}
loss: cross_entropy
optimizer: {{adamw: {{learning_rate: 0.001, weight_decay: 0.01}}}}
training:
  max_steps: {STEPS}
  global_batch_size: {BATCH}
  micro_batch_size: {BATCH}
  shuffle: false
  log_every: 1
"""


def make_model():
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(
        vocab_size=len(CHARACTERS), n_positions=24, n_embd=24, n_layer=2, n_head=3, resid_pdrop=0.0, embd_pdrop=0.0,
        attn_pdrop=0.0, bos_token_id=0, eos_token_id=0))
    # As it is initialised, biases are 0 and gains 1: whoever forgot one, or took one for another, would pass.
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            deviation = 0.3 if "attn" in name or "mlp" in name else 0.2
            parameter.add_(torch.randn_like(parameter) * deviation)
    return model


def make_text():
    """Characters that follow each other more often than by chance, so that there is something to learn."""
    generator = torch.Generator().manual_seed(1)
    tokens = [0]
    while len(tokens) < BATCH * STEPS * CONTEXT + 1:
        jump = int(torch.randint(0, 4, (1,), generator=generator))
        drawn = int(torch.randint(0, len(CHARACTERS), (1,), generator=generator))
        tokens.append((tokens[-1] * 3 + 7) % len(CHARACTERS) if jump else drawn)
    # Every character occurs, or dtrain would number them otherwise.
    tokens[5:5 + len(CHARACTERS)] = range(len(CHARACTERS))
    assert set(tokens) == set(range(len(CHARACTERS)))
    return tokens


def windows(tokens):
    inputs = torch.tensor(tokens[:-1]).view(-1, CONTEXT)
    return inputs, torch.tensor(tokens[1:]).view(-1, CONTEXT)


def fine_tune(model, inputs, targets):
    """The loss of each step, before its update."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.001, weight_decay=0.01)
    model.train()
    losses = []
    for step in range(STEPS):
        rows = slice(step * BATCH, (step + 1) * BATCH)
        logits = model(inputs[rows]).logits
        loss = functional.cross_entropy(logits.flatten(0, 1), targets[rows].flatten())
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return losses


def main():
    os.makedirs(FOLDER, exist_ok=True)
    model = make_model()
    model.save_pretrained(FOLDER)
    # How it generates text, of which there is nothing to say.
    os.remove(os.path.join(FOLDER, "generation_config.json"))
    os.chmod(os.path.join(FOLDER, "model.safetensors"), 0o644)
    with open(os.path.join(FOLDER, "gpt2.yaml"), "w") as file:
        file.write(CONFIGURATION)
    tokens = make_text()
    with open(os.path.join(FOLDER, "text.txt"), "w", newline="") as file:
        file.write("".join(CHARACTERS[token] for token in tokens))
    inputs, targets = windows(tokens)
    single = fine_tune(copy.deepcopy(model), inputs, targets)
    model = model.double().eval()
    with torch.no_grad():
        logits = model(inputs[:SHOWN]).logits
        whole = functional.cross_entropy(model(inputs).logits.flatten(0, 1), targets.flatten()).item()
    losses = fine_tune(model, inputs, targets)
    deviation = max(abs(a / b - 1) for a, b in zip(single, losses))
    content = {
        "context": CONTEXT, "steps": STEPS, "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "logits": [[float(f"{value:.8g}") for value in row] for row in logits.flatten(0, 1).tolist()],
        "loss": whole, "losses": losses, "losses_float32": single, "float32_deviation": deviation}
    with open(os.path.join(FOLDER, "expected.json"), "w") as output:
        json.dump(content, output)
        output.write("\n")
    print(f"loss of all {len(inputs)} windows {whole:.6f}; of the steps {losses[0]:.6f} to {losses[-1]:.6f}, float32 off by "
          f"{deviation:.1e}; logits from {logits.min():.2f} to {logits.max():.2f}")


if __name__ == "__main__":
    main()
