"""Writes layers.json: outputs and gradients of PyTorch's layers in float64, for dtrain's layers of the same names."""

import math

import numpy
import torch
from torch import nn

from reference import exact, prepare, write_cases

EXTREME = [0.0, 30.0, -30.0, 100.0, -100.0, 1e-30, -1e-30, 1e-8, -1e-8, 1e-4, -1e-4, 5.0, -5.0, 10.0, -10.0, 0.5]


class Residual(nn.Sequential):
    """Adds its input, or what the shortcut makes of it, to what its layers make of it. The inner layers are numbered from
    0: `<i>.<j>.weight`; those of the shortcut are `<i>.shortcut.<j>.weight`."""

    def __init__(self, *layers, shortcut=None):
        super().__init__(*layers)
        if shortcut is not None:
            self.shortcut = nn.Sequential(*shortcut)

    def forward(self, x):
        y = x
        for name, layer in self.named_children():
            if name != "shortcut":
                y = layer(y)
        return y + (self.shortcut(x) if "shortcut" in self._modules else x)


class Reshape(nn.Module):
    """Each sample in another shape."""

    def __init__(self, shape):
        super().__init__()
        self.shape = shape

    def forward(self, x):
        return x.reshape(x.shape[0], *self.shape)


class Permute(nn.Module):
    """The dimensions of each sample in another order; 0 is the batch."""

    def __init__(self, dimensions):
        super().__init__()
        self.dimensions = dimensions

    def forward(self, x):
        return x.permute(0, *self.dimensions)


class Embedding(nn.Embedding):
    """Tokens as whole numbers among numbers."""

    def forward(self, x):
        return super().forward(x.long())


def build(configurations, shape, kinds=None):
    """The PyTorch layers for a list of dtrain's configurations, and the shape of one sample of the output. `kinds` is the
    number of different tokens that come in."""
    modules = []
    for configuration in configurations:
        if isinstance(configuration, str):
            kind, options = configuration, {}
        else:
            ((kind, options),) = configuration.items()
        if kind == "dense":
            modules.append(nn.Linear(shape[-1], options["units"], bias=options.get("bias", True)))
            if "tied_to" in options:
                modules[-1].weight = modules[int(options["tied_to"])].weight
            shape = [*shape[:-1], options["units"]]
        elif kind == "residual":
            inner, inner_shape = build(options["layers"], shape)
            if "shortcut" in options:
                shortcut, shape = build(options["shortcut"], shape)
            else:
                shortcut = None
            assert inner_shape == shape, "both branches of a residual block have the same shape"
            modules.append(Residual(*inner, shortcut=shortcut))
        elif kind == "embedding":
            modules.append(Embedding(options.get("num_embeddings", kinds), options["embedding_dim"]))
            shape = [*shape, options["embedding_dim"]]
        elif kind == "flatten":
            modules.append(nn.Flatten())
            shape = [math.prod(shape)]
        elif kind == "reshape":
            modules.append(Reshape(options["shape"]))
            shape = list(torch.empty(shape).reshape(options["shape"]).shape)
        elif kind == "permute":
            modules.append(Permute(options["dimensions"]))
            shape = [shape[dimension - 1] for dimension in options["dimensions"]]
        elif kind == "batch_norm":
            momentum = options.get("momentum", 0.1)
            modules.append(nn.BatchNorm1d(shape[0], eps=options.get("epsilon", 1e-5),
                                          momentum=None if momentum == "none" else momentum,
                                          affine=options.get("affine", True)))
        elif kind == "layer_norm":
            modules.append(nn.LayerNorm(shape[-options.get("dimensions", 1):], eps=options.get("epsilon", 1e-5),
                                        elementwise_affine=options.get("affine", True), bias=options.get("bias", True)))
        else:
            modules.append({
                "relu": lambda: nn.ReLU(),
                "leaky_relu": lambda: nn.LeakyReLU(options.get("slope", 0.01)),
                "elu": lambda: nn.ELU(options.get("alpha", 1.0)),
                "sigmoid": lambda: nn.Sigmoid(),
                "tanh": lambda: nn.Tanh(),
                "gelu": lambda: nn.GELU(options.get("approximation", "none")),
                "silu": lambda: nn.SiLU(),
                "softmax": lambda: nn.Softmax(dim=-1),
                "dropout": lambda: nn.Dropout(options["rate"]),
            }[kind]())
    return modules, shape


def case(seed, name, layers, input_shape, rows=4, inputs=None, training=False, kinds=None):
    """One row of the table. Parameters, inputs and output gradients are drawn from the case's own seed. While training, all
    rows are one micro-batch, and what has become of the buffers is in the table too. With `kinds` inputs are tokens."""
    random = numpy.random.default_rng(seed)
    modules, _ = build(layers, list(input_shape), kinds)
    network = nn.Sequential(*modules).train(training)
    with torch.no_grad():
        for parameter in network.parameters():
            scale = 1 / math.sqrt(parameter.shape[-1])
            parameter.copy_(torch.from_numpy(exact(random.standard_normal(tuple(parameter.shape)) * scale)))
        for name_, buffer in network.named_buffers():
            if buffer.dim() > 0:
                values = random.standard_normal(tuple(buffer.shape))
                buffer.copy_(torch.from_numpy(exact(numpy.abs(values) + 0.25 if name_.endswith("var") else values)))
    # A tied weight has one name, that of its first use.
    tied = {f"{index}.weight" for index, layer in enumerate(layers) if isinstance(layer, dict) and "tied_to" in layer.get("dense", {})}
    state = {key: value.tolist() for key, value in network.state_dict().items() if key not in tied}
    if inputs is None and kinds is not None:
        inputs = random.integers(0, kinds, (rows, math.prod(input_shape))).astype(numpy.float64)
    elif inputs is None:
        inputs = random.standard_normal((rows, math.prod(input_shape)))
    inputs = exact(inputs)
    rows = len(inputs)
    x = torch.from_numpy(inputs.reshape((rows, *input_shape))).requires_grad_()
    output = network(x)
    output_gradient = exact(random.standard_normal(tuple(output.shape)))
    output.backward(torch.from_numpy(output_gradient))
    return {
        "name": name,
        "token_kinds": kinds,
        "layers": layers,
        "input_shape": list(input_shape),
        "output_shape": list(output.shape[1:]),
        "input": inputs.reshape(rows, -1).tolist(),
        "training": training,
        "parameters": state,
        "buffers_after": {key: value.tolist() for key, value in network.named_buffers()} if training else {},
        "output": output.detach().reshape(rows, -1).tolist(),
        "output_gradient": output_gradient.reshape(rows, -1).tolist(),
        "input_gradient": (torch.zeros_like(x) if x.grad is None else x.grad).reshape(rows, -1).tolist(),
        "parameter_gradients": {key: value.grad.tolist() for key, value in network.named_parameters()},
    }


def main():
    prepare()
    block = {"residual": {"layers": [{"dense": {"units": 6}}, "tanh", {"dense": {"units": 6}}]}}
    nested = {"residual": {"layers": [
        {"dense": {"units": 6}},
        {"residual": {"layers": ["silu", {"dense": {"units": 6, "bias": False}}]}},
        "sigmoid",
    ]}}
    activations = [
        ("relu", "relu"),
        ("leaky_relu", "leaky_relu"),
        ("leaky_relu with slope 0.2", {"leaky_relu": {"slope": 0.2}}),
        ("elu", "elu"),
        ("elu with alpha 0.7", {"elu": {"alpha": 0.7}}),
        ("sigmoid", "sigmoid"),
        ("tanh", "tanh"),
        ("gelu", "gelu"),
        ("gelu approximated by tanh", {"gelu": {"approximation": "tanh"}}),
        ("silu", "silu"),
        ("softmax", "softmax"),
    ]
    cases = [
        case(101, "dense 7 to 5", [{"dense": {"units": 5}}], [7]),
        case(102, "dense 1 to 1", [{"dense": {"units": 1}}], [1]),
        case(103, "dense 33 to 17", [{"dense": {"units": 17}}], [33], rows=13),
        case(104, "dense 17 to 9 without bias", [{"dense": {"units": 9, "bias": False}}], [17], rows=5),
        case(105, "dense 7 to 5, one row", [{"dense": {"units": 5}}], [7], rows=1),
        case(106, "flatten", ["flatten"], [3, 4, 2]),
        case(107, "flatten, then dense", ["flatten", {"dense": {"units": 3}}], [3, 4, 2]),
        case(108, "softmax over the last of two dimensions", ["softmax"], [3, 4]),
        case(109, "softmax of one number", ["softmax"], [1]),
        case(110, "dropout outside training", [{"dropout": {"rate": 0.5}}], [6]),
        case(111, "dense on the last of three axes", [{"dense": {"units": 5}}], [2, 3, 7]),
        case(112, "dense on the last axis, then relu", [{"dense": {"units": 18}}, "relu"], [5, 9], rows=3),
        case(113, "reshape", [{"reshape": {"shape": [4, -1]}}], [2, 3, 4]),
        case(114, "permute two dimensions", [{"permute": {"dimensions": [2, 1]}}], [5, 3]),
        case(115, "permute four dimensions", [{"permute": {"dimensions": [3, 1, 4, 2]}}], [2, 3, 4, 5], rows=2),
        case(116, "permute, neighbours staying together", [{"permute": {"dimensions": [3, 1, 2]}}], [2, 3, 4], rows=2),
        case(117, "dense, permute, dense", [{"dense": {"units": 3}}, {"permute": {"dimensions": [2, 1]}},
                                            {"dense": {"units": 2}}], [4, 5]),
        case(130, "batch_norm while training", ["batch_norm"], [19], rows=7, training=True),
        case(131, "batch_norm with the average over all steps, large epsilon",
             [{"batch_norm": {"momentum": "none", "epsilon": 0.5}}], [8], rows=5, training=True),
        case(132, "batch_norm without parameters", [{"dense": {"units": 5}}, {"batch_norm": {"affine": False, "momentum": 0.3}}],
             [4], rows=6, training=True),
        case(133, "batch_norm between dense layers", [{"dense": {"units": 20}}, {"batch_norm": {"epsilon": 0.25}}, "tanh",
                                                      {"dense": {"units": 3}}, {"batch_norm": {"epsilon": 0.25}}], [6], rows=9,
             training=True),
        case(134, "batch_norm of two rows", [{"batch_norm": {"epsilon": 0.25}}], [3], rows=2, training=True),
        case(135, "batch_norm in a residual", [{"dense": {"units": 6}}, {"residual": {
            "layers": [{"dense": {"units": 6}}, "batch_norm", "gelu"], "shortcut": ["batch_norm"]}}], [6], rows=8, training=True),
        case(140, "embedding", [{"embedding": {"embedding_dim": 5}}], [6], kinds=4),
        case(141, "embedding of two axes, more rows than tokens", [{"embedding": {"embedding_dim": 9, "num_embeddings": 12}}], [3, 2],
             rows=5, kinds=7),
        case(142, "embedding, then dense tied to it", [
            {"embedding": {"embedding_dim": 8}}, {"dense": {"units": 8}}, "gelu", {"dense": {"units": 11, "tied_to": "0"}},
        ], [7], rows=6, kinds=11),
        case(143, "one weight used three times", [
            {"embedding": {"embedding_dim": 6}}, {"dense": {"units": 6}}, "tanh", {"dense": {"units": 6, "tied_to": "1"}},
            "sigmoid", {"dense": {"units": 6, "tied_to": "1", "bias": False}}, {"dense": {"units": 5, "tied_to": "0"}},
        ], [4], rows=7, kinds=5),
        case(120, "layer_norm", ["layer_norm"], [11], rows=5),
        case(121, "layer_norm on the last of two axes", ["layer_norm"], [3, 8]),
        case(122, "layer_norm over two axes, large epsilon", [{"layer_norm": {"dimensions": 2, "epsilon": 0.5}}], [2, 3, 5]),
        case(123, "layer_norm without bias", [{"layer_norm": {"bias": False}}], [9]),
        case(124, "layer_norm without parameters", [{"layer_norm": {"affine": False}}], [6]),
        case(125, "layer_norm between dense layers", [{"dense": {"units": 17}}, "layer_norm", "gelu", {"dense": {"units": 3}}],
             [2, 4], rows=6),
    ]
    for index, (name, layer) in enumerate(activations):
        cases.append(case(200 + index, name, [layer], [11], rows=3))
        cases.append(case(300 + index, f"{name}, extreme inputs", [layer], [len(EXTREME)], inputs=[EXTREME]))
    cases += [
        case(401, "residual", [block], [6]),
        case(402, "residual between dense layers", [{"dense": {"units": 6}}, block, {"dense": {"units": 2}}], [4]),
        case(403, "residual that only activates", [{"residual": {"layers": ["gelu"]}}], [5]),
        case(404, "residual inside a residual", [nested], [6]),
        case(405, "residual blocks, one after the other", [block, nested], [6], rows=7),
        case(407, "residual with a shortcut", [{"residual": {"layers": [{"dense": {"units": 5}}, "relu", {"dense": {"units": 4}}],
                                                             "shortcut": [{"dense": {"units": 4, "bias": False}}]}}], [6]),
        case(408, "residual with a shortcut of an activation, between dense layers", [
            {"dense": {"units": 6}},
            {"residual": {"layers": ["layer_norm", {"dense": {"units": 3}}, "tanh"],
                          "shortcut": [{"dense": {"units": 3}}, "sigmoid"]}},
            {"dense": {"units": 2}},
        ], [3, 4], rows=5),
        case(406, "every layer in one stack", [
            "flatten", {"dense": {"units": 9}}, "relu",
            {"dense": {"units": 8}}, "leaky_relu",
            {"dense": {"units": 7, "bias": False}}, {"elu": {"alpha": 0.7}},
            {"dropout": {"rate": 0.3}},
            {"dense": {"units": 6}}, block, "sigmoid", nested,
            {"dense": {"units": 10}}, "tanh",
            {"dense": {"units": 5}}, "gelu",
            {"dense": {"units": 7}}, {"gelu": {"approximation": "tanh"}},
            {"dense": {"units": 9}}, "silu",
            {"dense": {"units": 4}}, "softmax",
        ], [2, 3, 2], rows=9),
    ]
    write_cases("layers.json", cases)


if __name__ == "__main__":
    main()
