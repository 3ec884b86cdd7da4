"""The network that JAX's peers train, and Adam by hand. Imported after `workloads.pin`, since JAX counts the cores."""

import os

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = (os.environ.get("XLA_FLAGS", "")
                           + " --xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
import jax
import jax.numpy as jnp
import numpy

import workloads


def initial_weights(workload, generator):
    """A weight and a bias for each layer."""
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


def loss(weights, pixels, classes):
    """Cross entropy, the mean over the rows."""
    for index, (weight, bias) in enumerate(weights):
        pixels = pixels @ weight + bias
        if index + 1 < len(weights):
            pixels = jax.nn.relu(pixels)
    scores = jax.nn.log_softmax(pixels)
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
