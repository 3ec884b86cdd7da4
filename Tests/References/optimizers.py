"""Writes optimizers.json: twelve steps of PyTorch's optimizers in float64, from given weights along given gradients."""

import numpy
import torch

from reference import exact, prepare, write_cases

COUNT = 10
STEPS = 12

# dtrain's names for options that PyTorch calls otherwise.
RENAMED = {"learning_rate": "lr", "epsilon": "eps", "learning_rate_decay": "lr_decay"}
KINDS = {
    "sgd": torch.optim.SGD,
    "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
}


def draw_gradients(random):
    """Ordinary gradients, with a weight that never gets one, one that gets few, tiny ones and a step without any."""
    gradients = random.standard_normal((STEPS, COUNT))
    gradients[:, 3] = 0
    gradients[::3, 4] = 0
    gradients[:, 5] *= 1e-12
    gradients[:, 6] *= 1e-6
    gradients[:, 7] *= 100
    gradients[6] = 0
    gradients[:8, 8] = 0
    return exact(gradients)


def case(seed, name, optimizer, clip=None, scale=1.0):
    """One row of the table. Clipping comes before the step: PyTorch's weight decay is not part of what is clipped."""
    random = numpy.random.default_rng(seed)
    initial = exact(random.standard_normal(COUNT))
    gradients = exact(draw_gradients(random) * scale)
    ((kind, options),) = optimizer.items()
    weights = torch.nn.Parameter(torch.from_numpy(initial.copy()))
    stepper = KINDS[kind]([weights], **{RENAMED.get(key, key): value for key, value in options.items()}, foreach=False)
    history = []
    for gradient in gradients:
        weights.grad = torch.from_numpy(gradient.copy())
        if clip is not None and "norm" in clip:
            torch.nn.utils.clip_grad_norm_([weights], clip["norm"], foreach=False)
        if clip is not None and "value" in clip:
            torch.nn.utils.clip_grad_value_([weights], clip["value"], foreach=False)
        stepper.step()
        history.append(weights.detach().tolist())
    result = {"name": name, "optimizer": optimizer}
    if clip is not None:
        result["clip"] = clip
    return result | {"initial": initial.tolist(), "gradients": gradients.tolist(), "weights": history}


def main():
    prepare()
    rows = [
        ("sgd", {"sgd": {"learning_rate": 0.1}}),
        ("sgd with momentum", {"sgd": {"learning_rate": 0.1, "momentum": 0.9}}),
        ("sgd with Nesterov momentum", {"sgd": {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True}}),
        ("sgd with dampening", {"sgd": {"learning_rate": 0.1, "momentum": 0.9, "dampening": 0.3}}),
        ("sgd with weight decay", {"sgd": {"learning_rate": 0.1, "weight_decay": 0.01}}),
        ("sgd with everything that goes together", {"sgd": {
            "learning_rate": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01, "dampening": 0}}),
        ("sgd with momentum, dampening and weight decay", {"sgd": {
            "learning_rate": 0.05, "momentum": 0.8, "dampening": 0.5, "weight_decay": 0.1}}),
        ("rmsprop with its defaults", {"rmsprop": {}}),
        ("rmsprop with alpha 0.9 and epsilon 0.001",
         {"rmsprop": {"learning_rate": 0.01, "alpha": 0.9, "epsilon": 0.001}}),
        ("rmsprop with momentum", {"rmsprop": {"learning_rate": 0.01, "momentum": 0.9}}),
        ("rmsprop centered", {"rmsprop": {"learning_rate": 0.01, "centered": True}}),
        ("rmsprop centered with momentum",
         {"rmsprop": {"learning_rate": 0.01, "centered": True, "momentum": 0.9, "alpha": 0.95}}),
        ("rmsprop with weight decay", {"rmsprop": {"learning_rate": 0.01, "weight_decay": 0.01}}),
        ("adagrad with its defaults", {"adagrad": {}}),
        ("adagrad with learning rate decay", {"adagrad": {"learning_rate": 0.1, "learning_rate_decay": 0.05}}),
        ("adagrad with an initial accumulator",
         {"adagrad": {"learning_rate": 0.1, "initial_accumulator_value": 0.1}}),
        ("adagrad with weight decay", {"adagrad": {"learning_rate": 0.1, "weight_decay": 0.01, "epsilon": 1e-6}}),
        ("adam with its defaults", {"adam": {}}),
        ("adam with other betas and epsilon",
         {"adam": {"learning_rate": 0.01, "betas": [0.8, 0.95], "epsilon": 1e-5}}),
        ("adam with amsgrad", {"adam": {"learning_rate": 0.01, "amsgrad": True, "betas": [0.9, 0.8]}}),
        ("adam with weight decay", {"adam": {"learning_rate": 0.01, "weight_decay": 0.01}}),
        ("adamw with its defaults", {"adamw": {}}),
        ("adamw with weight decay 0.1", {"adamw": {"learning_rate": 0.01, "weight_decay": 0.1}}),
        ("adamw with amsgrad",
         {"adamw": {"learning_rate": 0.01, "weight_decay": 0.1, "amsgrad": True, "betas": [0.9, 0.8]}}),
        ("adamw without weight decay", {"adamw": {"learning_rate": 0.01, "weight_decay": 0}}),
    ]
    cases = [case(500 + index, name, optimizer) for index, (name, optimizer) in enumerate(rows)]
    plain = {"sgd": {"learning_rate": 0.1}}
    cases += [
        case(601, "sgd, clipped by norm", plain, {"norm": 1.0}),
        case(602, "sgd, below the norm to clip at", plain, {"norm": 1.0}, scale=1e-4),
        case(603, "sgd, clipped by value", plain, {"value": 0.5}),
        case(604, "sgd, clipped by norm before the weight decay",
             {"sgd": {"learning_rate": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}}, {"norm": 1.0}),
        case(605, "sgd, clipped by value before the weight decay",
             {"sgd": {"learning_rate": 0.05, "momentum": 0.9, "weight_decay": 0.1}}, {"value": 0.25}),
        case(606, "adam, clipped by norm", {"adam": {"learning_rate": 0.01}}, {"norm": 1.0}),
        case(607, "adamw, clipped by value", {"adamw": {"learning_rate": 0.01}}, {"value": 0.5}),
    ]
    write_cases("optimizers.json", cases)


if __name__ == "__main__":
    main()
