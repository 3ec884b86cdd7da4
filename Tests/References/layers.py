"""Writes layers.json: outputs and gradients of PyTorch's layers in float64, for dtrain's layers of the same names."""

import math

import numpy
import torch
from torch import nn
from torch.nn import functional

import attention
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


class Parallel(nn.ModuleList):
    """Branches that all get the input; their outputs are concatenated, added or multiplied. Those of branch b are `<i>.<b>.<j>.weight`."""

    def __init__(self, branches, combine):
        super().__init__(nn.Sequential(*branch) for branch in branches)
        self.combine = combine

    def forward(self, x):
        outputs = [branch(x) for branch in self]
        if self.combine == "multiply":
            return outputs[0] * outputs[1]
        return torch.cat(outputs, 1) if self.combine == "concatenate" else sum(outputs)


def recurrent(kind, options, features):
    """torch.nn's recurrent layer of a kind, whose output is one tensor; `lengths` of the samples are set before it is run."""
    base = {"simple_rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[kind]

    class Recurrent(base):
        lengths = None

        def forward(self, x):
            if self.lengths is None:
                outputs, state = super().forward(x)
            else:
                packed = nn.utils.rnn.pack_padded_sequence(x, self.lengths, batch_first=True, enforce_sorted=False)
                outputs, state = super().forward(packed)
                outputs, _ = nn.utils.rnn.pad_packed_sequence(outputs, batch_first=True, total_length=x.shape[1])
            if options.get("output", "last") == "all":
                return outputs
            last = state[0] if kind == "lstm" else state
            return torch.cat(list(last[-(2 if self.bidirectional else 1):]), 1)

    shared = {"nonlinearity": options.get("nonlinearity", "tanh")} if kind == "simple_rnn" else {}
    return Recurrent(
        features, options["units"], num_layers=options.get("layers", 1), bias=options.get("bias", True), batch_first=True,
        dropout=options.get("dropout", 0.0), bidirectional=options.get("bidirectional", False), **shared)


class GlobalPool(nn.Module):
    """The mean or the largest number of each channel over a sample's own steps."""

    lengths = None

    def __init__(self, largest):
        super().__init__()
        self.largest = largest

    def forward(self, x):
        lengths = [x.shape[2]] * len(x) if self.lengths is None else self.lengths.tolist()
        own = [row[:, :length] for row, length in zip(x, lengths)]
        return torch.stack([row.amax(1) if self.largest else row.mean(1) for row in own])


class Causal(nn.Conv1d):
    """All zeros in front."""

    def forward(self, x):
        return super().forward(functional.pad(x, ((self.kernel_size[0] - 1) * self.dilation[0], 0)))


def on_images(kind):
    """The same module, to which samples of two dimensions are images of one channel."""

    class OnImages(kind):
        def forward(self, x):
            return super().forward(x if x.dim() == 4 else x.unsqueeze(1))

    return OnImages


class KerasSame(on_images(nn.Conv2d)):
    """padding="same" at strides above 1, which PyTorch refuses: Keras's rule, the odd zero at the end."""

    def forward(self, x):
        padding = []
        for axis in (1, 0):
            length, kernel, stride = x.shape[axis - 2], (self.kernel_size[axis] - 1) * self.dilation[axis] + 1, self.stride[axis]
            total = max(0, (-(-length // stride) - 1) * stride + kernel - length)
            padding += [total // 2, total - total // 2]
        return super().forward(functional.pad(x, padding))


def convolution(options, shape):
    """The module of a conv2d, conv1d or conv2d_transpose for samples of a shape."""
    bias = options.get("bias", True)
    shared = {"stride": options.get("stride", 1), "dilation": options.get("dilation", 1), "groups": options.get("groups", 1)}
    return bias, {key: tuple(value) if isinstance(value, list) else value for key, value in shared.items()}


def tupled(value):
    return tuple(value) if isinstance(value, list) else value


def image_module(kind, options, shape):
    """The module of a layer on images or sequences, for samples of a shape."""
    channels = 1 if len(shape) == 2 and kind != "conv1d" else shape[0]
    if kind in ("conv2d", "conv1d"):
        bias, shared = convolution(options, shape)
        padding = tupled({"valid": 0}.get(options.get("padding", "valid"), options.get("padding", 0))
                         if isinstance(options.get("padding", "valid"), str) else options["padding"])
        if kind == "conv1d" and options.get("padding") == "causal":
            return Causal(channels, options["filters"], options["kernel"], bias=bias, **shared)
        if kind == "conv1d":
            return nn.Conv1d(channels, options["filters"], options["kernel"], padding=padding, bias=bias, **shared)
        module = on_images(nn.Conv2d)
        if padding == "same" and shared["stride"] != 1:
            module, padding = KerasSame, 0
        return module(channels, options["filters"], tupled(options["kernel"]), padding=padding, bias=bias, **shared)
    if kind == "conv2d_transpose":
        bias, shared = convolution(options, shape)
        return on_images(nn.ConvTranspose2d)(
            channels, options["filters"], tupled(options["kernel"]), padding=tupled(options.get("padding", 0)),
            output_padding=tupled(options.get("output_padding", 0)), bias=bias, **shared)
    if kind in ("max_pool2d", "average_pool2d"):
        window = {"stride": tupled(options.get("stride", options["size"])), "padding": tupled(options.get("padding", 0))}
        if kind == "max_pool2d":
            return on_images(nn.MaxPool2d)(tupled(options["size"]), **window)
        return on_images(nn.AvgPool2d)(tupled(options["size"]), count_include_pad=options.get("count_include_pad", True), **window)
    if kind == "global_average_pool2d":
        return nn.Sequential(on_images(nn.AdaptiveAvgPool2d)(1), nn.Flatten())
    if kind == "global_max_pool2d":
        return nn.Sequential(on_images(nn.AdaptiveMaxPool2d)(1), nn.Flatten())
    if kind == "upsample2d":
        return on_images(nn.Upsample)(scale_factor=tupled(options["scale_factor"]), mode=options.get("mode", "nearest"))
    if kind == "zero_pad2d":
        return on_images(nn.ZeroPad2d)(tupled(options["padding"]))
    if kind == "group_norm":
        return nn.GroupNorm(options["groups"], shape[0], eps=options.get("epsilon", 1e-5), affine=options.get("affine", True))
    if kind == "instance_norm":
        norm = nn.InstanceNorm2d if len(shape) == 3 else nn.InstanceNorm1d
        return norm(shape[0], eps=options.get("epsilon", 1e-5), affine=options.get("affine", False))
    return None


def output_shape(module, shape):
    """The shape of one sample that a module makes of samples of a shape."""
    training = module.training
    with torch.no_grad():
        result = list(module.eval()(torch.zeros(2, *shape, dtype=torch.float64)).shape[1:])
    module.train(training)
    return result


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
                listed = options["shortcut"]
                shortcut, shape = build(listed["layers"] if isinstance(listed, dict) else listed, shape)
            else:
                shortcut = None
            assert inner_shape == shape, "both branches of a residual block have the same shape"
            modules.append(Residual(*inner, shortcut=shortcut))
        elif kind == "embedding":
            modules.append(Embedding(
                options.get("num_embeddings", kinds), options["embedding_dim"], padding_idx=options.get("padding_index")))
            shape = [*shape, options["embedding_dim"]]
        elif kind in ("simple_rnn", "lstm", "gru"):
            modules.append(recurrent(kind, options, shape[-1]))
            shape = output_shape(modules[-1], shape)
        elif kind in ("max_pool1d", "average_pool1d"):
            window = {"stride": options.get("stride", options["size"]), "padding": options.get("padding", 0)}
            modules.append(nn.MaxPool1d(options["size"], **window) if kind == "max_pool1d" else nn.AvgPool1d(
                options["size"], **window, count_include_pad=options.get("count_include_pad", True)))
            shape = output_shape(modules[-1], shape)
        elif kind in ("global_average_pool1d", "global_max_pool1d"):
            modules.append(GlobalPool(kind == "global_max_pool1d"))
            shape = shape[:1]
        elif kind == "flatten":
            modules.append(nn.Flatten())
            shape = [math.prod(shape)]
        elif kind == "reshape":
            modules.append(Reshape(options["shape"]))
            shape = list(torch.empty(shape).reshape(options["shape"]).shape)
        elif kind == "permute":
            modules.append(Permute(options["dimensions"]))
            shape = [shape[dimension - 1] for dimension in options["dimensions"]]
        elif kind == "parallel":
            branches = [build(branch.get("layers", []), shape) for branch in options["branches"]]
            modules.append(Parallel([branch[0] for branch in branches], options.get("combine", "concatenate")))
            shape = output_shape(modules[-1], shape)
        elif kind == "repeat":
            turns = []
            for _ in range(options["times"]):
                turn, shape = build(options["layers"], shape)
                turns.append(nn.Sequential(*turn))
            modules.append(nn.Sequential(*turns))
        elif attention.module(kind, options, shape) is not None:
            modules.append(attention.module(kind, options, shape))
        elif image_module(kind, options, shape) is not None:
            modules.append(image_module(kind, options, shape))
            shape = output_shape(modules[-1], shape)
        elif kind == "batch_norm":
            momentum = options.get("momentum", 0.1)
            norm = nn.BatchNorm2d if len(shape) == 3 else nn.BatchNorm1d
            modules.append(norm(shape[0], eps=options.get("epsilon", 1e-5),
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
                "dropout2d": lambda: nn.Dropout2d(options["rate"]),
            }[kind]())
    return modules, shape


def case(seed, name, layers, input_shape, rows=4, inputs=None, training=False, kinds=None, lengths=None):
    """One row of the table. Parameters, inputs and output gradients are drawn from the case's own seed. While training, all
    rows are one micro-batch, and what has become of the buffers is in the table too. With `kinds` inputs are tokens, with
    `lengths` sequences of which only the first steps are a sample's own."""
    random = numpy.random.default_rng(seed)
    modules, _ = build(layers, list(input_shape), kinds)
    network = nn.Sequential(*modules).train(training)
    with torch.no_grad():
        for parameter in network.parameters():
            scale = 1 / math.sqrt(math.prod(parameter.shape[1:]) if parameter.dim() > 1 else parameter.shape[-1])
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
    for module in network.modules():
        if hasattr(module, "lengths"):
            module.lengths = None if lengths is None else torch.tensor(lengths)
    output = network(x)
    output_gradient = exact(random.standard_normal(tuple(output.shape)))
    output.backward(torch.from_numpy(output_gradient))
    return {
        "name": name,
        "token_kinds": kinds,
        "lengths": lengths,
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


def sequence_cases():
    """Recurrent layers and layers over steps."""
    rnn, lstm, gru = (lambda k: lambda **o: {k: o})("simple_rnn"), (lambda **o: {"lstm": o}), (lambda **o: {"gru": o})
    back = {"permute": {"dimensions": [2, 1]}}
    cases = [
        case(700, "simple_rnn", [rnn(units=5)], [4, 3]),
        case(701, "simple_rnn, relu, all outputs, no bias", [rnn(units=3, nonlinearity="relu", output="all", bias=False)], [5, 2]),
        case(702, "simple_rnn, two layers both ways, lengths",
             [rnn(units=3, layers=2, bidirectional=True, output="all")], [4, 2], lengths=[4, 1, 3, 2]),
        case(703, "lstm", [lstm(units=5)], [4, 3]),
        case(704, "lstm of one unit and one feature", [lstm(units=1, output="all")], [6, 1]),
        case(705, "lstm of 17 units, all outputs", [lstm(units=17, output="all")], [3, 9], rows=3),
        case(706, "lstm without bias", [lstm(units=4, bias=False)], [3, 2]),
        case(707, "lstm, lengths", [lstm(units=4)], [5, 3], lengths=[2, 5, 1, 4]),
        case(708, "lstm both ways, lengths", [lstm(units=3, bidirectional=True)], [5, 2], lengths=[5, 3, 1, 2]),
        case(709, "lstm both ways, all outputs, lengths", [lstm(units=3, bidirectional=True, output="all")], [4, 2], lengths=[1, 4, 2, 3]),
        case(710, "lstm, three layers", [lstm(units=3, layers=3)], [4, 2]),
        case(711, "lstm, two layers both ways, lengths", [lstm(units=3, layers=2, bidirectional=True)], [4, 3], lengths=[3, 4, 1, 2]),
        case(712, "gru", [gru(units=5)], [4, 3]),
        case(713, "gru of 19 units, all outputs", [gru(units=19, output="all")], [3, 5], rows=3),
        case(714, "gru without bias", [gru(units=3, bias=False)], [4, 2]),
        case(715, "gru, lengths", [gru(units=4)], [5, 3], lengths=[2, 5, 1, 4]),
        case(716, "gru, two layers both ways, all outputs, lengths",
             [gru(units=3, layers=2, bidirectional=True, output="all")], [4, 3], lengths=[1, 3, 4, 2]),
        case(717, "lstm, all outputs, then a gru and dense, lengths",
             [lstm(units=4, output="all"), gru(units=3), {"dense": {"units": 2}}], [5, 2], lengths=[5, 2, 3, 1]),
        case(718, "embedding with padding_index, lstm, lengths",
             [{"embedding": {"embedding_dim": 4, "padding_index": 0}}, lstm(units=3)], [5], kinds=7, lengths=[5, 2, 4, 1]),
        case(719, "embedding, a padding_index that occurs: no gradient", [{"embedding": {"embedding_dim": 3, "padding_index": 2}}, "flatten"], [4], kinds=5),
        case(720, "conv1d, padding causal", [{"conv1d": {"filters": 3, "kernel": 3, "padding": "causal", "dilation": 2}}], [2, 7], rows=2),
        case(721, "conv1d, padding causal at stride 2", [{"conv1d": {"filters": 2, "kernel": 4, "padding": "causal", "stride": 2}}], [3, 8], rows=2),
        case(722, "max_pool1d", [{"max_pool1d": {"size": 2}}], [3, 7], rows=3),
        case(723, "max_pool1d, windows that overlap, padding", [{"max_pool1d": {"size": 3, "stride": 2, "padding": 1}}], [2, 8], rows=2),
        case(724, "average_pool1d", [{"average_pool1d": {"size": 3, "stride": 1, "padding": 1}}], [2, 6], rows=2),
        case(725, "average_pool1d, padding not counted",
             [{"average_pool1d": {"size": 4, "stride": 2, "padding": 2, "count_include_pad": False}}], [2, 7], rows=2),
        case(726, "global_average_pool1d", ["global_average_pool1d"], [3, 11], rows=2),
        case(727, "global_max_pool1d", ["global_max_pool1d"], [3, 11], rows=2),
        case(728, "means over a sample's own steps", [back, "global_average_pool1d"], [6, 3], lengths=[6, 1, 3, 4]),
        case(729, "largest numbers of a sample's own steps", [back, "global_max_pool1d", {"dense": {"units": 2}}], [6, 3], lengths=[2, 6, 1, 5]),
        case(731, "recurrent layers in a residual, all outputs, lengths",
             [{"residual": {"layers": [lstm(units=2, bidirectional=True, output="all")]}}, rnn(units=2)], [3, 4], lengths=[2, 3, 1, 3]),
    ]
    return cases


def conv(**options):
    return {"conv2d": options}


def image_cases():
    """Layers on images and sequences."""
    pool, average = (lambda **o: {"max_pool2d": o}), (lambda **o: {"average_pool2d": o})
    transpose = lambda **o: {"conv2d_transpose": o}
    tied = [[3.0, 3.0, 1.0, -2.0, 3.0, 3.0, 0.0, 0.0, 0.0, 0.0, 5.0, 5.0, 0.0, 0.0, 5.0, 4.0]]
    return [
        case(500, "conv2d 3x3", [conv(filters=4, kernel=3)], [3, 6, 5], rows=3),
        case(501, "conv2d of images without channels", [conv(filters=5, kernel=3)], [7, 6], rows=3),
        case(502, "conv2d, padding same, an even kernel", [conv(filters=2, kernel=4, padding="same")], [2, 5, 6], rows=2),
        case(503, "conv2d, stride 2 and padding 1", [conv(filters=3, kernel=3, stride=2, padding=1, bias=False)], [2, 7, 8], rows=2),
        case(504, "conv2d, padding same at stride 2", [conv(filters=2, kernel=5, stride=2, padding="same")], [2, 8, 7], rows=2),
        case(505, "conv2d, rectangular kernel, stride, padding and dilation",
             [conv(filters=2, kernel=[2, 3], stride=[2, 1], padding=[1, 2], dilation=[2, 1])], [2, 7, 6], rows=2),
        case(506, "conv2d in groups", [conv(filters=6, kernel=3, groups=2, padding=1)], [4, 5, 4], rows=2),
        case(507, "conv2d, depthwise, two filters a channel", [conv(filters=6, kernel=3, groups=3, padding=1)], [3, 4, 5], rows=3),
        case(508, "conv2d 1x1", [conv(filters=5, kernel=1)], [7, 3, 3], rows=3),
        case(509, "conv2d 11x11 on images as large", [conv(filters=2, kernel=11)], [1, 11, 11], rows=2),
        case(510, "conv2d, then relu, pooling and conv2d", [
            conv(filters=5, kernel=3, padding="same"), "relu", pool(size=2), conv(filters=3, kernel=3), "tanh"], [2, 8, 8], rows=2),
        case(511, "conv2d of 17 channels to 33", [conv(filters=33, kernel=3, padding=1, bias=False)], [17, 3, 4], rows=2),
        case(512, "conv1d", [{"conv1d": {"filters": 4, "kernel": 3}}], [3, 9], rows=3),
        case(513, "conv1d, stride, dilation, groups, same and numbers", [
            {"conv1d": {"filters": 4, "kernel": 3, "padding": "same", "dilation": 2, "groups": 2}}, "relu",
            {"conv1d": {"filters": 3, "kernel": 4, "stride": 2, "padding": 1}}], [2, 11], rows=2),
        case(514, "steps first: permute, conv1d, permute", [
            {"permute": {"dimensions": [2, 1]}}, {"conv1d": {"filters": 5, "kernel": 2}}, {"permute": {"dimensions": [2, 1]}},
            {"dense": {"units": 2}}], [6, 3], rows=2),
        case(515, "conv2d_transpose", [transpose(filters=3, kernel=3)], [2, 4, 3], rows=2),
        case(516, "conv2d_transpose, stride 2, padding and output_padding",
             [transpose(filters=3, kernel=3, stride=2, padding=1, output_padding=1)], [4, 3, 4], rows=2),
        case(517, "conv2d_transpose in groups, dilated, rectangular", [
            transpose(filters=4, kernel=[3, 2], stride=[1, 3], padding=[1, 0], dilation=[2, 1], groups=2,
                      output_padding=[0, 2], bias=False)], [4, 3, 3], rows=2),
        case(518, "conv2d_transpose, stride beyond the kernel, then sigmoid",
             [transpose(filters=2, kernel=2, stride=3), "sigmoid"], [1, 3, 3], rows=2),
        case(520, "max_pool2d", [pool(size=2)], [2, 5, 6], rows=2),
        case(561, "max_pool2d, windows that overlap, padding", [pool(size=3, stride=2, padding=1)], [2, 6, 7], rows=2),
        case(522, "max_pool2d, rectangular", [pool(size=[1, 3], stride=[2, 1])], [1, 5, 5], rows=2),
        case(523, "max_pool2d, extreme ties: the first of equals", [pool(size=2)], [1, 4, 4], inputs=tied),
        case(524, "average_pool2d", [average(size=2)], [2, 5, 6], rows=2),
        case(525, "average_pool2d, padding counted", [average(size=3, stride=2, padding=1)], [2, 6, 5], rows=2),
        case(526, "average_pool2d, padding not counted",
             [average(size=3, stride=1, padding=1, count_include_pad=False)], [1, 4, 5], rows=2),
        case(527, "global_average_pool2d", ["global_average_pool2d"], [3, 5, 4], rows=2),
        case(528, "global_max_pool2d", ["global_max_pool2d"], [3, 5, 4], rows=2),
        case(529, "upsample2d, nearest", [{"upsample2d": {"scale_factor": [2, 3]}}], [2, 3, 2], rows=2),
        case(530, "upsample2d, bilinear", [{"upsample2d": {"scale_factor": 2, "mode": "bilinear"}}], [2, 3, 4], rows=2),
        case(531, "upsample2d, bilinear by 3 and 5", [{"upsample2d": {"scale_factor": [3, 5], "mode": "bilinear"}}], [1, 2, 3], rows=2),
        case(532, "zero_pad2d", [{"zero_pad2d": {"padding": [1, 2, 0, 3]}}], [2, 3, 4], rows=2),
        case(533, "zero_pad2d by one number", [{"zero_pad2d": {"padding": 2}}], [3, 2], rows=2),
        case(540, "batch_norm of images", [{"batch_norm": {"epsilon": 0.25}}], [3, 4, 5], rows=4, training=True),
        case(541, "batch_norm of images, then relu", [conv(filters=3, kernel=3, bias=False), {"batch_norm": {"epsilon": 0.25}},
                                                      "relu", "global_average_pool2d"], [2, 6, 5], rows=3, training=True),
        case(542, "batch_norm of sequences without parameters", [
            {"conv1d": {"filters": 3, "kernel": 2}}, {"batch_norm": {"affine": False, "epsilon": 0.25}}], [2, 7], rows=3, training=True),
        case(544, "group_norm", [{"group_norm": {"groups": 2}}], [6, 3, 4], rows=3),
        case(545, "group_norm of features without parameters", [{"group_norm": {"groups": 3, "affine": False, "epsilon": 0.5}}],
             [12], rows=3),
        case(546, "instance_norm", [{"instance_norm": {"epsilon": 0.25}}], [3, 4, 4], rows=3),
        case(547, "instance_norm of sequences with parameters", [{"instance_norm": {"affine": True, "epsilon": 0.25}}], [2, 9], rows=3),
        case(548, "dropout2d outside training", [{"dropout2d": {"rate": 0.5}}], [3, 2, 2], rows=2),
        case(550, "residual of convolutions with a shortcut", [
            conv(filters=4, kernel=3, padding="same", bias=False), {"residual": {
                "layers": [conv(filters=6, kernel=3, stride=2, padding=1, bias=False), {"batch_norm": {"epsilon": 0.25}}, "relu",
                           conv(filters=6, kernel=3, padding="same", bias=False), {"batch_norm": {"epsilon": 0.25}}],
                "shortcut": {"layers": [conv(filters=6, kernel=1, stride=2, bias=False), {"batch_norm": {"epsilon": 0.25}}]}}},
            "relu", "global_average_pool2d", {"dense": {"units": 3}}], [6, 6], rows=3, training=True),
        case(551, "parallel, concatenated", [{"parallel": {"branches": [
            {"layers": [conv(filters=2, kernel=1), "relu"]}, {"layers": [conv(filters=3, kernel=3, padding=1)]}, {"layers": []},
            {"layers": [pool(size=3, stride=1, padding=1), conv(filters=1, kernel=1)]}]}}, "tanh"], [2, 4, 5], rows=2),
        case(552, "parallel, added", [{"parallel": {"combine": "add", "branches": [
            {"layers": [{"dense": {"units": 4}}, "tanh"]}, {"layers": [{"dense": {"units": 4, "bias": False}}]},
            {"layers": [{"dense": {"units": 4}}, "sigmoid"]}]}}, {"dense": {"units": 2}}], [5], rows=3),
        case(553, "parallel of features, inside a parallel", [{"parallel": {"branches": [
            {"layers": [{"dense": {"units": 3}}]}, {"layers": [{"parallel": {"branches": [
                {"layers": [{"dense": {"units": 2}}, "relu"]}, {"layers": ["silu"]}]}}]}]}}], [4], rows=3),
        case(554, "repeat", [{"repeat": {"times": 3, "layers": [{"dense": {"units": 5}}, "tanh"]}}, {"dense": {"units": 2}}], [4], rows=3),
        case(555, "repeat of residual blocks on images", [conv(filters=3, kernel=3, padding=1), {"repeat": {"times": 2, "layers": [
            {"residual": {"layers": [conv(filters=3, kernel=3, padding=1), "tanh"]}}, "sigmoid"]}}], [2, 4, 4], rows=2),
    ]


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
    cases += image_cases()
    cases += sequence_cases()
    cases += attention.cases(case)
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
