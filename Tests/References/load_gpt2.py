"""What Hugging Face's transformers and safetensors make of what dtrain wrote.

Usage: load_gpt2.py FOLDER TEXT CONTEXT     loads `dtrain export --format gpt2`'s folder, and prints the loss on a text
       load_gpt2.py --tied CHECKPOINT WIDTH VOCABULARY
                                            loads a checkpoint of embedding (tokens) and dense (1, tied) by load_model

Exits 1 where a tensor is missing, left over, or of another shape.
"""

import argparse
import collections
import json
import os
import sys

import torch
from safetensors.torch import load_model, save_model
from torch import nn


def loss_on(folder, text, context):
    from transformers import GPT2LMHeadModel
    model, report = GPT2LMHeadModel.from_pretrained(folder, output_loading_info=True)
    wrong = {key: sorted(map(str, names)) for key, names in report.items() if names}
    if wrong:
        sys.exit(f"{folder}: {wrong}")
    if model.lm_head.weight.data_ptr() != model.transformer.wte.weight.data_ptr():
        sys.exit("the last layer has a weight of its own")
    with open(text, newline="") as file:
        content = file.read()
    places = {character: place for place, character in enumerate(sorted(set(content)))}
    tokens = torch.tensor([places[character] for character in content])
    count = (len(tokens) - 1) // context
    inputs, targets = tokens[:count * context].view(-1, context), tokens[1:count * context + 1].view(-1, context)
    with torch.no_grad():
        logits = model.double().eval()(inputs).logits
    print(json.dumps({"loss": nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten()).item(),
                      "heads": model.config.n_head, "activation": model.config.activation_function}))


def load_tied(checkpoint, width, vocabulary):
    model = nn.Sequential(collections.OrderedDict([
        ("tokens", nn.Embedding(vocabulary, width)), ("1", nn.Linear(width, vocabulary, bias=False))]))
    model[1].weight = model[0].weight
    missing, unexpected = load_model(model, os.path.join(checkpoint, "model.safetensors"))
    if missing or unexpected:
        sys.exit(f"missing {missing}, unexpected {unexpected}")
    # What PyTorch writes of such a network has one of the two names, and not ours.
    save_model(model, os.path.join(checkpoint, "..", "pytorch.safetensors"))
    print(json.dumps({"sum": model[1].weight.double().sum().item()}))


def main():
    parser = argparse.ArgumentParser(description="load what dtrain wrote")
    parser.add_argument("--tied", action="store_true")
    parser.add_argument("arguments", nargs=3)
    options = parser.parse_args()
    path, second, third = options.arguments
    if options.tied:
        load_tied(path, int(second), int(third))
    else:
        loss_on(path, second, int(third))


if __name__ == "__main__":
    main()
