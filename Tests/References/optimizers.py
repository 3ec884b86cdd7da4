"""Writes optimizers.json: twelve steps of PyTorch's optimizers in float64, from given weights along given gradients.

Lion, which PyTorch doesn't have, is algorithm 2 of Chen et al., "Symbolic discovery of optimization algorithms" (NeurIPS 2023). Rows
with `average` also have the weights of `torch.optim.swa_utils.AveragedModel`.
"""

import numpy
import torch
from torch.optim import swa_utils

from reference import exact, prepare, write_cases

COUNT = 10
STEPS = 12



class Lion(torch.optim.Optimizer):
    """Algorithm 2 of the paper, line by line; the decay is decoupled."""

    def __init__(self, parameters, lr=1e-4, betas=(0.9, 0.99), weight_decay=0.0, foreach=False):
        super().__init__(parameters, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            first, second = group["betas"]
            for weights in group["params"]:
                momentum = self.state[weights].setdefault("exp_avg", torch.zeros_like(weights))
                direction = torch.sign(first * momentum + (1 - first) * weights.grad)
                weights -= group["lr"] * (direction + group["weight_decay"] * weights)
                momentum.copy_(second * momentum + (1 - second) * weights.grad)


# dtrain's names for options that PyTorch calls otherwise.
RENAMED = {"learning_rate": "lr", "epsilon": "eps", "learning_rate_decay": "lr_decay"}
KINDS = {
    "sgd": torch.optim.SGD,
    "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "lion": Lion,
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


class Weights(torch.nn.Module):
    """A module of one parameter, as AveragedModel wants it."""

    def __init__(self, weights):
        super().__init__()
        self.weights = weights


def case(seed, name, optimizer, clip=None, scale=1.0, average=None):
    """One row of the table. Clipping comes before the step: PyTorch's weight decay is not part of what is clipped.

    `average` has the options of dtrain's `training.ema`. Until it begins it follows the weights.
    """
    random = numpy.random.default_rng(seed)
    initial = exact(random.standard_normal(COUNT))
    gradients = exact(draw_gradients(random) * scale)
    ((kind, options),) = optimizer.items()
    weights = torch.nn.Parameter(torch.from_numpy(initial.copy()))
    stepper = KINDS[kind]([weights], **{RENAMED.get(key, key): value for key, value in options.items()}, foreach=False)
    model = Weights(weights)
    averaged, history, averages = None, [], []
    for step, gradient in enumerate(gradients, start=1):
        weights.grad = torch.from_numpy(gradient.copy())
        if clip is not None and "norm" in clip:
            torch.nn.utils.clip_grad_norm_([weights], clip["norm"], foreach=False)
        if clip is not None and "value" in clip:
            torch.nn.utils.clip_grad_value_([weights], clip["value"], foreach=False)
        stepper.step()
        history.append(weights.detach().tolist())
        if average is None:
            continue
        start, every = average.get("start_step", 0), average.get("every_steps", 1)
        if step > start and (step - start) % every == 0:
            if averaged is None:
                averaged = swa_utils.AveragedModel(
                    model, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(average["decay"]))
            averaged.update_parameters(model)
        averages.append((averaged.module if averaged else model).weights.detach().tolist())
    result = {"name": name, "optimizer": optimizer}
    if clip is not None:
        result["clip"] = clip
    if average is not None:
        result |= {"average": average, "averages": averages}
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
        ("lion with its defaults", {"lion": {}}),
        ("lion with other betas", {"lion": {"learning_rate": 0.01, "betas": [0.8, 0.95]}}),
        ("lion with weight decay", {"lion": {"learning_rate": 0.01, "weight_decay": 0.5}}),
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
        case(608, "lion, clipped by norm", {"lion": {"learning_rate": 0.01}}, {"norm": 1.0}),
        case(611, "an average of sgd", plain, average={"decay": 0.9}),
        case(612, "an average of adam from step 3 on", {"adam": {"learning_rate": 0.01}},
             average={"decay": 0.75, "start_step": 2}),
        case(613, "an average of lion, every second step", {"lion": {"learning_rate": 0.01, "weight_decay": 0.1}},
             average={"decay": 0.5, "every_steps": 2}),
        case(614, "an average of sgd with momentum from step 4 on, every third step",
             {"sgd": {"learning_rate": 0.1, "momentum": 0.9}},
             average={"decay": 0.99, "start_step": 1, "every_steps": 3}),
    ]
    write_cases("optimizers.json", cases)


if __name__ == "__main__":
    main()
