"""The network that JAX's peers train, and Adam by hand. Imported after `workloads.pin`, since JAX counts the cores."""

import os

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = (os.environ.get("XLA_FLAGS", "")
                           + " --xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
import jax
import jax.numpy as jnp
import numpy

import workloads


def recurrent_weights(workload, generator):
    """Of each layer weights of the input and of the state and both biases, gates in PyTorch's order; a dense layer behind them."""
    gates, units, inputs = {"lstm": 4, "gru": 3}[workload["cell"]], workload["units"], workload["shape"][1]
    bound, layers = units ** -0.5, []

    def draw(*shape):
        return generator.uniform(-bound, bound, shape).astype(numpy.float32)

    for _ in range(workload["layers"]):
        layers.append((draw(inputs, gates * units), draw(units, gates * units), draw(gates * units), draw(gates * units)))
        inputs = units
    return jax.tree.map(jnp.asarray, (layers, (draw(units, 10), draw(10))))


def advance(cell, units):
    """A step: the state, and what the input adds to the sums of the gates."""
    def lstm(weights, state, x):
        h, c = state
        i, f, g, o = jnp.split(x + h @ weights[1] + weights[3], 4, axis=1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    def gru(weights, state, x):
        (h,) = state
        own = h @ weights[1] + weights[3]
        r, z = jnp.split(jax.nn.sigmoid(x[:, :2 * units] + own[:, :2 * units]), 2, axis=1)
        n = jnp.tanh(x[:, 2 * units:] + r * own[:, 2 * units:])
        h = (1 - z) * n + z * h
        return (h,), h

    return lstm if cell == "lstm" else gru


def recurrent_scores(workload, weights, x):
    """Products with the inputs of all steps at once, then a scan over the steps."""
    layers, (weight, bias) = weights
    states = 2 if workload["cell"] == "lstm" else 1
    step = advance(workload["cell"], workload["units"])
    x = jnp.swapaxes(x, 0, 1)
    for layer in layers:
        zeros = tuple(jnp.zeros((x.shape[1], workload["units"]), jnp.float32) for _ in range(states))
        _, x = jax.lax.scan(lambda state, x, layer=layer: step(layer, state, x), zeros, x @ layer[0] + layer[2])
    return x[-1] @ weight + bias


def initial_weights(workload, generator):
    """A weight and a bias for each layer."""
    if "cell" in workload:
        return recurrent_weights(workload, generator)
    inputs, layers = workloads.INPUTS, []
    for units in workload["units"]:
        bound = inputs ** -0.5
        layers.append((generator.uniform(-bound, bound, (inputs, units)).astype(numpy.float32),
                       generator.uniform(-bound, bound, units).astype(numpy.float32)))
        inputs = units
    return jax.tree.map(jnp.asarray, layers)


def pixels(images, rows):
    """Rows of bytes as the numbers that go into the network."""
    return images[rows].astype(jnp.float32) * workloads.SCALE + workloads.SHIFT


def loss(weights, pixels, classes, workload):
    """Cross entropy, the mean over the rows."""
    if "cell" in workload:
        return cross_entropy(recurrent_scores(workload, weights, pixels), classes)
    for index, (weight, bias) in enumerate(weights):
        pixels = pixels @ weight + bias
        if index + 1 < len(weights):
            pixels = jax.nn.relu(pixels)
    return cross_entropy(pixels, classes)


def cross_entropy(outputs, classes):
    """The mean over the rows."""
    scores = jax.nn.log_softmax(outputs)
    return -jnp.take_along_axis(scores, classes[:, None], axis=1).mean()


def initial_state(weights):
    """Adam's count and moments."""
    zeros = jax.tree.map(jnp.zeros_like, weights)
    return jnp.zeros((), jnp.int32), zeros, jax.tree.map(jnp.zeros_like, weights)


def adam(weights, gradient, state):
    """The weights and the state after a step."""
    count, first, second = state
    count += 1
    rate = workloads.LEARNING_RATE / (1 - 0.9 ** count.astype(jnp.float32))
    correction = 1 / jnp.sqrt(1 - 0.999 ** count.astype(jnp.float32))
    first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradient)
    second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradient)
    weights = jax.tree.map(lambda w, m, v: w - rate * m / (jnp.sqrt(v) * correction + 1e-8), weights, first, second)
    return weights, (count, first, second)
