"""Networks on images and on sequences, as dtrain's configurations write them, and the same in PyTorch."""

from torch import nn

from layers import build


def convolution(filters, kernel=3, stride=1, bias=False):
    return {"conv2d": {"filters": filters, "kernel": kernel, "stride": stride, "padding": kernel // 2, "bias": bias}}


def block(filters, stride=1, shortcut=False):
    """A basic block of a ResNet: two convolutions, and a convolution of 1 x 1 beside them where the shape changes."""
    options = {"layers": [convolution(filters, stride=stride), "batch_norm", "relu", convolution(filters), "batch_norm"]}
    if shortcut:
        options["shortcut"] = {"layers": [convolution(filters, 1, stride), "batch_norm"]}
    return [{"residual": options}, "relu"]


def resnet(widths, blocks):
    """ResNet of CIFAR (He et al., CVPR 2016): a convolution, a stage of blocks for each width, average, classes."""
    layers = [convolution(widths[0]), "batch_norm", "relu", {"repeat": {"times": blocks, "layers": block(widths[0])}}]
    for width in widths[1:]:
        layers += block(width, 2, True) + [{"repeat": {"times": blocks - 1, "layers": block(width)}}]
    return layers + ["global_average_pool2d", {"dense": {"units": 10}}]


# Of samples [28, 28] and [3, 32, 32].
CNN = [{"conv2d": {"filters": 32, "kernel": 3}}, "relu", {"conv2d": {"filters": 64, "kernel": 3}}, "relu",
       {"max_pool2d": {"size": 2}}, "flatten", {"dense": {"units": 128}}, "relu", {"dense": {"units": 10}}]
RESNET20 = resnet([16, 32, 64], 3)

# Of the digits: 64 numbers that are 8 x 8 pixels.
SMALL_CNN = [{"reshape": {"shape": [1, 8, 8]}}, {"conv2d": {"filters": 6, "kernel": 3}}, "relu",
             {"conv2d": {"filters": 12, "kernel": 3, "padding": "same"}}, "relu", {"max_pool2d": {"size": 2}}, "flatten",
             {"dense": {"units": 24}}, "relu", {"dense": {"units": 10}}]
SMALL_RESNET = [{"reshape": {"shape": [1, 8, 8]}}, *resnet([4, 8, 16], 2)]

# Of the digits as eight steps of eight features.
SMALL_LSTM = [{"reshape": {"shape": [8, 8]}}, {"lstm": {"units": 20}}, {"dense": {"units": 10}}]
SMALL_GRU = [{"reshape": {"shape": [8, 8]}}, {"gru": {"units": 9, "layers": 2, "bidirectional": True}}, {"dense": {"units": 10}}]

NETWORKS = {"cnn": (CNN, [28, 28]), "resnet20": (RESNET20, [3, 32, 32]), "small-cnn": (SMALL_CNN, [64]),
            "small-resnet": (SMALL_RESNET, [64]), "small-lstm": (SMALL_LSTM, [64]), "small-gru": (SMALL_GRU, [64])}


def network_of(layers, shape):
    """torch.nn.Sequential of the layers, for samples of a shape."""
    modules, _ = build(layers, shape)
    return nn.Sequential(*modules)
