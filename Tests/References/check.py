"""Reads every table back and recomputes it with NumPy alone, from the formulas; exits 1 when something disagrees.

Layers: outputs from the formulas, gradients by central differences. Losses: values from the formulas, gradients by
central differences. Optimizers and schedules: the update rules written out. Metrics: by scikit-learn. PyTorch is not
used here, so that a slip in how a table was made shows.
"""

import math
import sys

import numpy as np
from sklearn import metrics as judge

import recurrences
import transformers
from reference import read_cases

KINKED = {"relu", "leaky_relu", "elu"}
erfc = np.vectorize(math.erfc)


def parse(configuration):
    """Kind and options of a configuration such as "relu" or {"dense": {"units": 5}}."""
    return (configuration, {}) if isinstance(configuration, str) else next(iter(configuration.items()))


def sigmoid(x):
    return np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))))


def log_softmax(x):
    shifted = x - x.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def gelu(x, options):
    if options.get("approximation") == "tanh":
        return x * sigmoid(2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3))
    return 0.5 * x * erfc(-x / math.sqrt(2))


def pair(value):
    return tuple(value) if isinstance(value, list) else (value, value)


def paddings(options, lengths, reaches, strides):
    """Zeros before and behind each axis."""
    padding = options.get("padding", "valid")
    if padding == "valid":
        return [(0, 0)] * len(lengths)
    if padding == "same":
        totals = [max(0, (-(-n // s) - 1) * s + k - n) for n, k, s in zip(lengths, reaches, strides)]
        return [(total // 2, total - total // 2) for total in totals]
    return [(p, p) for p in pair(padding)[-len(lengths):]]


def convolve(x, weight, bias, options):
    """A convolution of images [n, channels, height, width], tap by tap."""
    stride, dilation, groups = pair(options.get("stride", 1)), pair(options.get("dilation", 1)), options.get("groups", 1)
    kernel = weight.shape[2:]
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation)]
    x = np.pad(x, [(0, 0), (0, 0), *paddings(options, x.shape[2:], reach, stride)])
    size = [(n - r) // s + 1 for n, r, s in zip(x.shape[2:], reach, stride)]
    filters, each = weight.shape[0] // groups, weight.shape[1]
    y = np.zeros((len(x), weight.shape[0], *size))
    for g in range(groups):
        for i in range(kernel[0]):
            for j in range(kernel[1]):
                top, left = i * dilation[0], j * dilation[1]
                part = x[:, g * each:(g + 1) * each, top:top + (size[0] - 1) * stride[0] + 1:stride[0],
                         left:left + (size[1] - 1) * stride[1] + 1:stride[1]]
                y[:, g * filters:(g + 1) * filters] += np.einsum("nchw,fc->nfhw", part, weight[g * filters:(g + 1) * filters, :, i, j])
    return y + (0 if bias is None else bias[:, None, None])


def convolve_transposed(x, weight, bias, options):
    """Every number of an image spreads the kernel over the output."""
    stride, dilation, groups = pair(options.get("stride", 1)), pair(options.get("dilation", 1)), options.get("groups", 1)
    padding, extra, kernel = pair(options.get("padding", 0)), pair(options.get("output_padding", 0)), weight.shape[2:]
    size = [(n - 1) * s + (k - 1) * d + 1 + e for n, s, k, d, e in zip(x.shape[2:], stride, kernel, dilation, extra)]
    each, filters = x.shape[1] // groups, weight.shape[1]
    y = np.zeros((len(x), groups * filters, *size))
    for g in range(groups):
        for i in range(kernel[0]):
            for j in range(kernel[1]):
                top, left = i * dilation[0], j * dilation[1]
                y[:, g * filters:(g + 1) * filters, top:top + (x.shape[2] - 1) * stride[0] + 1:stride[0],
                  left:left + (x.shape[3] - 1) * stride[1] + 1:stride[1]] += np.einsum(
                      "nchw,cf->nfhw", x[:, g * each:(g + 1) * each], weight[g * each:(g + 1) * each, :, i, j])
    y = y[:, :, padding[0]:size[0] - padding[0], padding[1]:size[1] - padding[1]]
    return y + (0 if bias is None else bias[:, None, None])


def windows(x, options, combine):
    """What `combine` makes of each window, its numbers in the last axis; what lies outside the image is NaN."""
    size, padding = pair(options["size"]), pair(options.get("padding", 0))
    stride = pair(options.get("stride", options["size"]))
    x = np.pad(x, [(0, 0), (0, 0), *((p, p) for p in padding)], constant_values=np.nan)
    rows = np.lib.stride_tricks.sliding_window_view(x, size, axis=(2, 3))[:, :, ::stride[0], ::stride[1]]
    return combine(rows.reshape(*rows.shape[:4], -1))


def average(windows, options):
    if options.get("count_include_pad", True):
        return np.nan_to_num(windows).mean(-1)
    return np.nanmean(windows, -1)


def upsample(x, options):
    for axis, factor in zip((2, 3), pair(options["scale_factor"])):
        length = x.shape[axis]
        place = np.arange(length * factor)
        if options.get("mode", "nearest") == "nearest":
            x = x.take(place // factor, axis)
            continue
        exact = np.maximum(0, (place + 0.5) / factor - 0.5)
        first = np.minimum(length - 1, exact.astype(int))
        share = (exact - first).reshape([-1 if a == axis else 1 for a in range(4)])
        x = x.take(first, axis) * (1 - share) + x.take(np.minimum(length - 1, first + 1), axis) * share
    return x


def normalize_groups(x, options, groups, weight, bias):
    shape = x.shape
    x = x.reshape(shape[0], groups, -1)
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + options.get("epsilon", 1e-5))
    each = (-1, *[1] * (len(shape) - 2))
    return x.reshape(shape) * np.reshape(weight, each if np.ndim(weight) else ()) + np.reshape(bias, each if np.ndim(bias) else ())


def run_image(kind, options, x, parameters, prefix):
    """A layer on images, [n, channels, height, width]; None where it is another one."""
    weight, bias = parameters.get(f"{prefix}.weight"), parameters.get(f"{prefix}.bias")
    if kind == "conv1d":
        if options.get("padding") == "causal":
            x, options = recurrences.causal(x, options), {**options, "padding": 0}
        options = {**options, "stride": [1, options.get("stride", 1)], "dilation": [1, options.get("dilation", 1)]}
        if not isinstance(options.get("padding", ""), str):
            options["padding"] = [0, options["padding"]]
        return convolve(x[:, :, None], weight[:, :, None], bias, options)[:, :, 0]
    if kind in ("group_norm", "instance_norm"):
        groups = options["groups"] if kind == "group_norm" else x.shape[1]
        return normalize_groups(x, options, groups, 1 if weight is None else weight, 0 if bias is None else bias)
    image = x if x.ndim == 4 else x[:, None]
    call = {
        "conv2d": lambda: convolve(image, weight, bias, options),
        "conv2d_transpose": lambda: convolve_transposed(image, weight, bias, options),
        "max_pool2d": lambda: windows(image, options, lambda rows: np.nanmax(rows, -1)),
        "average_pool2d": lambda: windows(image, options, lambda rows: average(rows, options)),
        "global_average_pool2d": lambda: image.mean((2, 3)),
        "global_max_pool2d": lambda: image.max((2, 3)),
        "upsample2d": lambda: upsample(image, options),
        "zero_pad2d": lambda: zero_pad(image, options["padding"]),
        "dropout2d": lambda: x,
    }.get(kind)
    return call and call()


def zero_pad(x, padding):
    left, right, top, bottom = padding if isinstance(padding, list) else [padding] * 4
    return np.pad(x, [(0, 0), (0, 0), (top, bottom), (left, right)])


def run_steps(kind, options, x, parameters, prefix, lengths):
    """A layer on sequences; None where it is another one."""
    if kind in recurrences.STEPS:
        return recurrences.recurrent(kind, options, x, parameters, prefix, lengths or [x.shape[1]] * len(x))
    if kind in ("global_average_pool1d", "global_max_pool1d"):
        return recurrences.over_own_steps(x, lengths or [x.shape[2]] * len(x), np.max if "max" in kind else np.mean)
    if kind in ("max_pool1d", "average_pool1d"):
        # Images one number high.
        flat = {name: [1, options[name]] for name in ("size", "stride") if name in options}
        flat |= {"padding": [0, options.get("padding", 0)], "count_include_pad": options.get("count_include_pad", True)}
        return run_image(kind.replace("1d", "2d"), flat, x[:, :, None], parameters, prefix)[:, :, 0]
    return None


def run(layers, parameters, x, prefix="", training=False, lengths=None):
    """The output of the layers for a batch, in which each sample keeps its shape; `lengths` are the samples' own steps."""
    for index, layer in enumerate(layers):
        kind, options = parse(layer)
        if kind == "dense":
            owner = options.get("tied_to", f"{prefix}{index}")
            x = x @ parameters[f"{owner}.weight"].T + parameters.get(f"{prefix}{index}.bias", 0)
        elif kind == "embedding":
            x = parameters[f"{prefix}{index}.weight"][np.rint(x).astype(int)]
        elif kind == "flatten":
            x = x.reshape(len(x), -1)
        elif kind == "residual":
            listed = options.get("shortcut", [])
            shortcut = run(listed["layers"] if isinstance(listed, dict) else listed, parameters, x,
                           f"{prefix}{index}.shortcut.", training, lengths)
            x = shortcut + run(options["layers"], parameters, x, f"{prefix}{index}.", training, lengths)
        elif kind == "reshape":
            x = x.reshape(len(x), *options["shape"])
        elif kind == "permute":
            x = x.transpose(0, *options["dimensions"])
        elif kind == "parallel":
            outputs = [run(branch.get("layers", []), parameters, x, f"{prefix}{index}.{b}.", training, lengths)
                       for b, branch in enumerate(options["branches"])]
            x = {"concatenate": lambda: np.concatenate(outputs, 1), "add": lambda: sum(outputs),
                 "multiply": lambda: outputs[0] * outputs[1]}[options.get("combine", "concatenate")]()
        elif kind == "repeat":
            for turn in range(options["times"]):
                x = run(options["layers"], parameters, x, f"{prefix}{index}.{turn}.", training, lengths)
        elif kind == "batch_norm":
            axes = (0, *range(2, x.ndim))
            each = (-1, *[1] * (x.ndim - 2))
            name = f"{prefix}{index}"
            mean, variance = (x.mean(axes), x.var(axes)) if training else (
                parameters[f"{name}.running_mean"], parameters[f"{name}.running_var"])
            x = (x - mean.reshape(each)) / np.sqrt(variance.reshape(each) + options.get("epsilon", 1e-5))
            x = x * np.reshape(parameters.get(f"{name}.weight", np.ones(x.shape[1])), each)
            x = x + np.reshape(parameters.get(f"{name}.bias", np.zeros(x.shape[1])), each)
        elif (steps := run_steps(kind, options, x, parameters, f"{prefix}{index}", lengths)) is not None:
            x = steps
        elif (made := transformers.run(kind, options, x, parameters, f"{prefix}{index}", lengths)) is not None:
            x = made
        elif run_image(kind, options, x, parameters, f"{prefix}{index}") is not None:
            x = run_image(kind, options, x, parameters, f"{prefix}{index}")
        elif kind == "layer_norm":
            axes = tuple(range(-options.get("dimensions", 1), 0))
            x = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + options.get("epsilon", 1e-5))
            x = x * parameters.get(f"{prefix}{index}.weight", 1) + parameters.get(f"{prefix}{index}.bias", 0)
        else:
            x = {
                "relu": lambda: np.maximum(x, 0),
                "leaky_relu": lambda: np.where(x > 0, x, options.get("slope", 0.01) * x),
                "elu": lambda: np.where(x > 0, x, options.get("alpha", 1.0) * np.expm1(np.minimum(x, 0))),
                "sigmoid": lambda: sigmoid(x),
                "tanh": lambda: np.tanh(x),
                "gelu": lambda: gelu(x, options),
                "silu": lambda: x * sigmoid(x),
                "softmax": lambda: np.exp(log_softmax(x)),
                "dropout": lambda: x,
            }[kind]()
    return x


def difference(function, array):
    """The gradient of a function of an array by central differences."""
    gradient = np.zeros_like(array)
    for index in np.ndindex(*array.shape):
        kept, step = array[index], 1e-5
        array[index] = kept + step
        above = function()
        array[index] = kept - step
        gradient[index] = (above - function()) / (2 * step)
        array[index] = kept
    return gradient


def is_single(array):
    array = np.asarray(array, dtype=np.float64)
    return np.array_equal(array, array.astype(np.float32).astype(np.float64))


def check_layers(expect):
    for case in read_cases("layers.json"):
        name, layers = case["name"], case["layers"]
        parameters = {key: np.array(value) for key, value in case["parameters"].items()}
        x = np.array(case["input"]).reshape(-1, *case["input_shape"])
        upstream = np.array(case["output_gradient"])

        def output():
            return run(layers, parameters, x, training=case["training"], lengths=case.get("lengths")).reshape(len(x), -1)

        def objective():
            return (output() * upstream).sum()

        expect(name, "is exact in float32",
               all(is_single(a) for a in [x, upstream, *parameters.values()]), True)
        expect(name, "output", case["output"], output(), 1e-12)
        given = np.array(case["input_gradient"]).reshape(x.shape)
        found = difference(objective, x)
        if parse(layers[0])[0] == "embedding":
            # Tokens have no gradient.
            found = given
        if "ties" in name:
            # A difference at a tie sees half of it in each of the equals: nothing to compare with.
            found = given
        if parse(layers[0])[0] in KINKED:
            # At 0, and nearer to it than the step, the difference sees both sides; the gradient there is the left one
            # at 0 and below, the right one above.
            slope = {"relu": 0.0, "leaky_relu": parse(layers[0])[1].get("slope", 0.01),
                     "elu": parse(layers[0])[1].get("alpha", 1.0)}[parse(layers[0])[0]]
            near = np.abs(x) < 2e-5
            found = np.where(near, np.where(x > 0, 1.0, slope) * upstream.reshape(x.shape), found)
        expect(name, "input gradient", given, found, 1e-7)
        buffers = {key for key in parameters if key.endswith(("running_mean", "running_var", "num_batches_tracked"))}
        for key, array in parameters.items():
            if key in buffers:
                continue
            found = difference(objective, array)
            for index, layer in enumerate(layers):
                padding = parse(layer)[1].get("padding_index")
                if padding is not None and key == f"{index}.weight":
                    # By definition it isn't trained, whatever the difference is.
                    found[padding] = 0
            expect(name, f"gradient of {key}", case["parameter_gradients"][key], found, 1e-7)
        expect(name, "names of gradients", set(case["parameter_gradients"]), set(parameters) - buffers)


def loss_value(configuration, outputs, targets):
    kind, options = parse(configuration)
    if kind == "cross_entropy":
        classes = outputs.shape[1]
        weights = np.array(options.get("class_weights", np.ones(classes)))
        divisor = len(targets)
        if targets.ndim == 1:
            counted = targets != options.get("ignore_index", -100)
            outputs, targets = outputs[counted], targets[counted]
            divisor = weights[targets].sum()
            targets = np.eye(classes)[targets]
        smoothing = options.get("label_smoothing", 0.0)
        targets = targets * (1 - smoothing) + smoothing / classes
        return -(weights * targets * log_softmax(outputs)).sum() / divisor
    gap = np.abs(outputs - targets)
    delta = options.get("delta", 1.0)
    return {
        "mean_squared_error": lambda: (gap ** 2).mean(),
        "mean_absolute_error": lambda: gap.mean(),
        "huber": lambda: np.where(gap <= delta, gap ** 2 / 2, delta * (gap - delta / 2)).mean(),
        "binary_cross_entropy": lambda: (
            (1 - targets) * outputs + (1 + (options.get("pos_weight", 1.0) - 1) * targets)
            * (np.maximum(-outputs, 0) + np.log1p(np.exp(-np.abs(outputs))))).mean(),
    }[kind]()


def check_losses(expect):
    for case in read_cases("losses.json"):
        outputs, targets = np.array(case["outputs"]), np.array(case["targets"])
        expect(case["name"], "is exact in float32", is_single(outputs) and is_single(targets), True)
        # A sample of weight w counts as 4w samples do.
        weights = np.array(case.get("sample_weights", np.full(len(targets), 0.25)))
        repeats = np.repeat(4 * weights, len(targets) // len(weights)).astype(int)

        def value():
            return loss_value(case["loss"], np.repeat(outputs, repeats, axis=0), np.repeat(targets, repeats, axis=0))

        expect(case["name"], "value", case["value"], value(), 1e-12)
        # Differences of a loss of size v are good to about v · 1e-16 / 1e-5, and to the step where it turns from a
        # parabola into a line.
        tolerance = 1e-5 if "exactly at delta" in case["name"] else 1e-8 + 1e-10 * case["value"]
        expect(case["name"], "gradient", case["gradient"],
               difference(value, outputs), tolerance)


def steps_of(kind, options, w, gradients, clip):
    """The weights after each step, by the update rules as the papers and PyTorch's documentation write them."""
    o = {"momentum": 0, "dampening": 0, "nesterov": False, "weight_decay": 0.01 if kind == "adamw" else 0,
         "alpha": 0.99, "centered": False, "learning_rate_decay": 0, "initial_accumulator_value": 0, "amsgrad": False,
         "betas": (0.9, 0.99) if kind == "lion" else (0.9, 0.999), "epsilon": 1e-10 if kind == "adagrad" else 1e-8,
         "learning_rate": {"rmsprop": 0.01, "adagrad": 0.01, "lion": 0.0001}.get(kind, 0.001)} | options
    rate, decay, epsilon = o["learning_rate"], o["weight_decay"], o["epsilon"]
    first, second, third = np.zeros_like(w), np.zeros_like(w), np.zeros_like(w)
    if kind == "adagrad":
        second += o["initial_accumulator_value"]
    for t, g in enumerate(gradients, start=1):
        if "norm" in clip:
            g = g * min(1.0, clip["norm"] / (math.sqrt((g ** 2).sum()) + 1e-6))
        if "value" in clip:
            g = np.clip(g, -clip["value"], clip["value"])
        if kind in ("adamw", "lion"):
            w = w * (1 - rate * decay)
        else:
            g = g + decay * w
        if kind == "sgd":
            if o["momentum"] != 0:
                first = g if t == 1 else o["momentum"] * first + (1 - o["dampening"]) * g
                g = g + o["momentum"] * first if o["nesterov"] else first
            w = w - rate * g
        elif kind == "rmsprop":
            second = o["alpha"] * second + (1 - o["alpha"]) * g ** 2
            variance = second
            if o["centered"]:
                third = o["alpha"] * third + (1 - o["alpha"]) * g
                variance = second - third ** 2
            first = o["momentum"] * first + g / (np.sqrt(variance) + epsilon)
            w = w - rate * first
        elif kind == "adagrad":
            second = second + g ** 2
            w = w - rate / (1 + (t - 1) * o["learning_rate_decay"]) * g / (np.sqrt(second) + epsilon)
        elif kind == "lion":
            b1, b2 = o["betas"]
            w = w - rate * np.sign(b1 * first + (1 - b1) * g)
            first = b2 * first + (1 - b2) * g
        else:
            b1, b2 = o["betas"]
            first = b1 * first + (1 - b1) * g
            second = b2 * second + (1 - b2) * g ** 2
            third = np.maximum(third, second)
            chosen = third if o["amsgrad"] else second
            w = w - rate * (first / (1 - b1 ** t)) / (np.sqrt(chosen / (1 - b2 ** t)) + epsilon)
        yield w


def check_optimizers(expect):
    for case in read_cases("optimizers.json"):
        kind, options = parse(case["optimizer"])
        initial, gradients = np.array(case["initial"]), np.array(case["gradients"])
        expect(case["name"], "is exact in float32", is_single(initial) and is_single(gradients), True)
        found = list(steps_of(kind, options, initial, gradients, case.get("clip", {})))
        expect(case["name"], "weights", case["weights"], found, 1e-12)
        if "average" in case:
            expect(case["name"], "averages", case["averages"], list(averages_of(case["average"], found)), 1e-12)


def averages_of(o, history):
    """The moving average after each step: a sum of all weights that were taken, each with its share."""
    start, every, taken = o.get("start_step", 0), o.get("every_steps", 1), []
    for step, weights in enumerate(history, start=1):
        if step > start and (step - start) % every == 0:
            taken.append(weights)
        ages = range(len(taken) - 1, -1, -1)
        shares = [o["decay"] ** age * (1 if age == len(taken) - 1 else 1 - o["decay"]) for age in ages]
        yield sum(share * weights for share, weights in zip(shares, taken)) if taken else weights


def check_skipped(expect):
    for case in read_cases("skipped.json"):
        kind, options = parse(case["optimizer"])
        rows, weights, found = np.array(case["rows"]), np.zeros(3), []
        taken = [number for number in range(1, len(rows) + 1) if number not in case["skipped"]]

        def gradients():
            for number in taken:
                x = np.append(rows[number - 1, :2], 1.0)
                yield 2 * (weights @ x - rows[number - 1, 2]) * x

        expect(case["name"], "is exact in float32", is_single(rows), True)
        steps = steps_of(kind, options, weights, gradients(), {})
        for number in range(1, len(rows) + 1):
            if number in taken:
                weights = next(steps)
            found.append(weights)
        expect(case["name"], "weights", case["weights"], found, 1e-12)


def schedule_rates(kind, o, base, steps):
    """The rates of the schedules in closed form."""
    warmup = o.get("warmup_steps", 0)
    for step in range(steps):
        s = step - warmup
        if s < 0:
            yield base * (step + 1) / (warmup if o.get("warmup_inclusive", True) else warmup + 1)
        elif kind == "constant":
            yield base
        elif kind == "step":
            yield base * o["gamma"] ** (s // o["step_size"])
        elif kind == "multi_step":
            yield base * o.get("gamma", 0.1) ** sum(milestone <= s for milestone in o["milestones"])
        elif kind == "polynomial":
            yield base * (1 - min(s, o["total_steps"]) / o["total_steps"]) ** o.get("power", 1.0)
        elif kind == "exponential":
            yield base * o["gamma"] ** s
        else:
            low = o.get("minimum", 0.0)
            yield low + (base - low) * (1 + math.cos(math.pi * min(s, o["total_steps"]) / o["total_steps"])) / 2


def plateau_rates(o, rate, values):
    """The rates after each monitored value."""
    o = {"factor": 0.1, "patience": 10, "threshold": 1e-4, "cooldown": 0, "minimum": 0.0, "mode": "min"} | o
    best, bad, cooling = None, 0, 0
    for value in values:
        if best is None:
            better = True
        elif o["mode"] == "min":
            better = value < best * (1 - o["threshold"])
        else:
            better = value > best * (1 + o["threshold"])
        best, bad = (value, 0) if better else (best, bad + 1)
        if cooling > 0:
            cooling, bad = cooling - 1, 0
        if bad > o["patience"]:
            lower = max(rate * o["factor"], o["minimum"])
            rate = lower if rate - lower > 1e-8 else rate
            cooling, bad = o["cooldown"], 0
        yield rate


def check_schedules(expect):
    for case in read_cases("schedules.json"):
        kind, options = parse(case["schedule"])
        if kind == "reduce_on_plateau":
            found = list(plateau_rates(options, case["base"], case["values"]))
            expect(case["name"], "falls at least once", min(found) < case["base"], True)
        else:
            found = list(schedule_rates(kind, options, case["base"], case["steps"]))
        expect(case["name"], "rates", case["rates"], found, 1e-14)


def check_metrics(expect):
    for case in read_cases("metrics.json"):
        name, outputs, targets = case["name"], np.array(case["outputs"]), np.array(case["targets"])
        if case["kind"] == "regression":
            expect(name, "mean_squared_error", case["mean_squared_error"], judge.mean_squared_error(targets, outputs))
            expect(name, "mean_absolute_error", case["mean_absolute_error"],
                   judge.mean_absolute_error(targets, outputs))
            expect(name, "r2", case["r2"], judge.r2_score(targets, outputs, multioutput="uniform_average"))
            expect(name, "r2_per_output", case["r2_per_output"],
                   judge.r2_score(targets, outputs, multioutput="raw_values"))
            continue
        labels = list(range(case["classes"]))
        predicted = (outputs[:, 0] > 0).astype(int) if case["kind"] == "binary" else outputs.argmax(axis=1)
        expect(name, "confusion", case["confusion"], judge.confusion_matrix(targets, predicted, labels=labels))
        expect(name, "accuracy", case["accuracy"], judge.accuracy_score(targets, predicted))
        for key, function in [("precision", judge.precision_score), ("recall", judge.recall_score),
                              ("f1", judge.f1_score)]:
            expect(name, key, case[key], function(targets, predicted, labels=labels, average=None, zero_division=0))
            expect(name, f"macro_{key}", case[f"macro_{key}"],
                   function(targets, predicted, labels=labels, average="macro", zero_division=0))
        for k in (2, 3):
            # Where logits are equal scikit-learn chooses otherwise, and with k classes every answer is right.
            if f"top_{k}_accuracy" in case and case["classes"] > k and not name.startswith("equal logits"):
                expect(name, f"top_{k}_accuracy", case[f"top_{k}_accuracy"],
                       judge.top_k_accuracy_score(targets, outputs, k=k, labels=labels))
        if case.get("roc_auc") is not None:
            scores = outputs[:, 0] if case["kind"] == "binary" else outputs[:, 1] - outputs[:, 0]
            expect(name, "roc_auc", case["roc_auc"], judge.roc_auc_score(targets, scores))


def main():
    counts = {"checks": 0, "failures": 0}

    def expect(case, what, given, found, tolerance=1e-12):
        counts["checks"] += 1
        if isinstance(given, (bool, set)):
            good = given == found
        else:
            given, found = np.asarray(given, dtype=float), np.asarray(found, dtype=float)
            good = given.shape == found.shape and bool(np.all(
                np.abs(given - found) <= tolerance * np.maximum(1, np.abs(found))))
        if not good:
            counts["failures"] += 1
            print(f"{case}: {what} differs:\n  given {given}\n  found {found}")

    for check in (check_layers, check_losses, check_optimizers, check_skipped, check_schedules, check_metrics):
        before = counts["checks"]
        check(expect)
        print(f"{check.__name__}: {counts['checks'] - before} checks")
    print(f"{counts['checks']} checks, {counts['failures']} failures")
    sys.exit(1 if counts["failures"] else 0)


if __name__ == "__main__":
    main()
