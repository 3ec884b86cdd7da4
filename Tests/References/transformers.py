"""Layers of Transformers on sequences, [n, steps, width], head by head and step by step, from their formulas in NumPy."""

import math

import numpy as np

erf = np.vectorize(math.erf)


def rms_norm(options, x, weight):
    """Zhang and Sennrich, 2019."""
    axes = tuple(range(-options.get("dimensions", 1), 0))
    return x / np.sqrt((x ** 2).mean(axes, keepdims=True) + options.get("epsilon", 2.0 ** -23)) * weight


def layer_norm(x, weight, bias, epsilon):
    centered = x - x.mean(-1, keepdims=True)
    return centered / np.sqrt((centered ** 2).mean(-1, keepdims=True) + epsilon) * weight + bias


def positions(options, x, parameters, prefix):
    """A row of a table for each step (Vaswani et al., 2017, where it isn't trained)."""
    steps, width = x.shape[1:]
    if options.get("kind", "learned") == "learned":
        return x + parameters[f"{prefix}.weight"][:steps]
    table = np.zeros((steps, width))
    for step in range(steps):
        for column in range(width):
            angle = step / 10000 ** ((column - column % 2) / width)
            table[step, column] = math.cos(angle) if column % 2 else math.sin(angle)
    return x + table


def rotate(head, base):
    """Su et al., 2021: pairs half a head apart, as complex numbers."""
    half = head.shape[1] // 2
    numbers = head[:, :half] + 1j * head[:, half:]
    angles = np.outer(np.arange(len(head)), [base ** (-2 * i / (2 * half)) for i in range(half)])
    numbers = numbers * np.exp(1j * angles)
    return np.concatenate([numbers.real, numbers.imag], 1)


def attention(options, x, parameters, prefix, lengths):
    """Vaswani et al., 2017; a step that sees nobody gets zeros from the heads."""
    heads = options["heads"]
    groups = options.get("key_value_heads", heads)
    width = x.shape[2] // heads

    def project(y, name):
        return y @ parameters[f"{prefix}.{name}.weight"].T + parameters.get(f"{prefix}.{name}.bias", 0)

    result = np.zeros_like(x)
    for sample, own in enumerate(x):
        length = lengths[sample] if lengths else len(own)
        if groups == heads:
            together = own @ parameters[f"{prefix}.in_proj_weight"].T + parameters.get(f"{prefix}.in_proj_bias", 0)
            q, k, v = np.split(together, 3, 1)
        else:
            q, k, v = (project(own, name) for name in ("q_proj", "k_proj", "v_proj"))
        for head in range(heads):
            group = head // (heads // groups)
            query, key, value = (part[:, place * width:(place + 1) * width] for part, place in ((q, head), (k, group), (v, group)))
            if options.get("rotary"):
                base = options["rotary"]["base"] if isinstance(options["rotary"], dict) else 10000.0
                query, key = rotate(query, base), rotate(key, base)
            for step in range(length):
                last = step + 1 if options.get("causal") else length
                scores = key[:last] @ query[step] / math.sqrt(width)
                weights = np.exp(scores - scores.max())
                result[sample, step, head * width:(head + 1) * width] = weights @ value[:last] / weights.sum()
    return project(result, "out_proj")


def block(options, x, parameters, prefix, lengths):
    """Attention and a feed-forward network, each added to what goes in."""
    hasNorms = options.get("normalization", "layer_norm") == "layer_norm"

    def norm(y, name):
        weight = parameters[f"{prefix}.{name}.weight"]
        if hasNorms:
            return layer_norm(y, weight, parameters.get(f"{prefix}.{name}.bias", 0), options.get("epsilon", 1e-5))
        return rms_norm({"epsilon": options.get("epsilon", 2.0 ** -23)}, y, weight)

    def linear(y, name):
        return y @ parameters[f"{prefix}.{name}.weight"].T + parameters.get(f"{prefix}.{name}.bias", 0)

    def function(y):
        return {
            "gelu": lambda: y * (1 + erf(y / math.sqrt(2))) / 2,
            "gelu_tanh": lambda: y * (1 + np.tanh(math.sqrt(2 / math.pi) * (y + 0.044715 * y ** 3))) / 2,
            "relu": lambda: np.maximum(y, 0),
            "silu": lambda: y / (1 + np.exp(-y)),
        }[options.get("activation", "gelu")]()

    def network(y):
        if options.get("gated"):
            return linear(function(linear(y, "linear_gate")) * linear(y, "linear1"), "linear2")
        return linear(function(linear(y, "linear1")), "linear2")

    def attend(y):
        return attention(options, y, parameters, f"{prefix}.self_attn", lengths)

    if options.get("norm", "pre") == "pre":
        x = x + attend(norm(x, "norm1"))
        return x + network(norm(x, "norm2"))
    x = norm(x + attend(x), "norm1")
    return norm(x + network(x), "norm2")


def run(kind, options, x, parameters, prefix, lengths):
    """The output of a layer; None where it is another one."""
    if kind == "rms_norm":
        return rms_norm(options, x, parameters.get(f"{prefix}.weight", 1))
    if kind == "positional_embedding":
        return positions(options, x, parameters, prefix)
    if kind == "multi_head_attention":
        return attention(options, x, parameters, prefix, lengths)
    return block(options, x, parameters, prefix, lengths) if kind == "transformer_block" else None
