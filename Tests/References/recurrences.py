"""Layers on sequences, [n, steps, features], sample by sample and step by step, from their formulas in NumPy."""

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def rnn_step(options, weights, x, state):
    """Elman, "Finding structure in time", 1990: h' = tanh(W x + b + U h + c), or max(0, …)."""
    w, u, b, c = weights
    total = w @ x + b + u @ state[0] + c
    return (np.maximum(total, 0) if options.get("nonlinearity", "tanh") == "relu" else np.tanh(total),)


def lstm_step(options, weights, x, state):
    """Hochreiter and Schmidhuber, 1997, with Gers' forget gate; gates in the order i, f, g, o."""
    w, u, b, c = weights
    i, f, g, o = np.split(w @ x + b + u @ state[0] + c, 4)
    cell = sigmoid(f) * state[1] + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(cell), cell


def gru_step(options, weights, x, state):
    """Cho et al., 2014, the reset gate behind the recurrent product; gates in the order r, z, n."""
    w, u, b, c = weights
    (ir, iz, candidate), (hr, hz, recurrent) = np.split(w @ x + b, 3), np.split(u @ state[0] + c, 3)
    update = sigmoid(iz + hz)
    return ((1 - update) * np.tanh(candidate + sigmoid(ir + hr) * recurrent) + update * state[0],)


STEPS = {"simple_rnn": rnn_step, "lstm": lstm_step, "gru": gru_step}


def walk(kind, options, weights, sequence, units):
    """The output of each step of one sample, in the order in which it is walked through."""
    state = (np.zeros(units), np.zeros(units))
    outputs = []
    for x in sequence:
        state = STEPS[kind](options, weights, x, state)
        outputs.append(state[0])
    return np.array(outputs)


def recurrent(kind, options, x, parameters, prefix, lengths):
    """All layers and both ways; the outputs behind a sample's own steps are 0."""
    units, ways = options["units"], ["", "_reverse"] if options.get("bidirectional", False) else [""]
    last = None
    for layer in range(options.get("layers", 1)):
        outputs, last = np.zeros((*x.shape[:2], units * len(ways))), np.zeros((len(x), units * len(ways)))
        for way, suffix in enumerate(ways):
            weights = [parameters.get(f"{prefix}.{name}_l{layer}{suffix}", 0)
                       for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
            place = slice(way * units, (way + 1) * units)
            for row, length in enumerate(lengths):
                order = slice(None, None, -1) if way else slice(None)
                walked = walk(kind, options, weights, x[row, :length][order], units)
                outputs[row, :length, place] = walked[order]
                last[row, place] = walked[-1]
        x = outputs
    return x if options.get("output", "last") == "all" else last


def causal(x, options):
    """Zeros before the first step for a convolution that sees none that comes later; of numbers [n, channels, steps]."""
    return np.pad(x, [(0, 0), (0, 0), ((options["kernel"] - 1) * options.get("dilation", 1), 0)])


def over_own_steps(x, lengths, combine):
    """What `combine` makes of each channel's numbers of a sample's own steps; of numbers [n, channels, steps]."""
    return np.array([combine(row[:, :length], axis=1) for row, length in zip(x, lengths)])
