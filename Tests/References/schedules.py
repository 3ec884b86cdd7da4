"""Writes schedules.json: the learning rates of PyTorch's schedules, one per optimizer step."""

import math
import warnings

import numpy
import torch
from torch.optim import lr_scheduler

from reference import prepare, write_cases


def case(name, schedule, base, steps):
    """The rates used at step 0 … steps − 1; `warmup_steps` puts a linear ramp in front of the schedule."""
    ((kind, options),) = schedule.items() if isinstance(schedule, dict) else ((schedule, {}),)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=base)
    scheduler = {
        "constant": lambda: lr_scheduler.LambdaLR(optimizer, lambda step: 1.0),
        "step": lambda: lr_scheduler.StepLR(optimizer, options["step_size"], options["gamma"]),
        "multi_step": lambda: lr_scheduler.MultiStepLR(optimizer, options["milestones"], options.get("gamma", 0.1)),
        "polynomial": lambda: lr_scheduler.PolynomialLR(optimizer, options["total_steps"], options.get("power", 1.0)),
        "exponential": lambda: lr_scheduler.ExponentialLR(optimizer, options["gamma"]),
        "cosine": lambda: lr_scheduler.CosineAnnealingLR(
            optimizer, options["total_steps"], options.get("minimum", 0.0)),
    }[kind]
    warmup = options.get("warmup_steps", 0)
    if warmup == 0:
        scheduler = scheduler()
    else:
        # Reaches the base rate with the ramp's last step: base · (s + 1) / warmup for s = 0 … warmup − 1.
        ramp = lr_scheduler.LinearLR(optimizer, start_factor=1 / warmup, end_factor=1.0, total_iters=warmup - 1)
        scheduler = lr_scheduler.SequentialLR(optimizer, [ramp, scheduler()], [warmup])
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return {"name": name, "schedule": schedule, "base": base, "steps": steps, "rates": rates}


def nanogpt(name, base, warmup, decay, minimum, steps):
    """The rates of nanoGPT's train.py (get_lr), whose schedule ends at step `decay`, and the same in dtrain's words."""
    def rate(step):
        if step < warmup:
            return base * (step + 1) / (warmup + 1)
        if step > decay:
            return minimum
        share = (step - warmup) / (decay - warmup)
        return minimum + 0.5 * (1.0 + math.cos(math.pi * share)) * (base - minimum)

    options = {"warmup_steps": warmup, "warmup_inclusive": False, "total_steps": decay - warmup, "minimum": minimum}
    return {
        "name": name, "schedule": {"cosine": options}, "base": base, "steps": steps,
        "rates": [rate(step) for step in range(steps)],
    }


def plateau(name, options, base, values):
    """The rates after each monitored value."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=base)
    renamed = {"minimum": "min_lr"}
    scheduler = lr_scheduler.ReduceLROnPlateau(
        optimizer, threshold_mode="rel", **{renamed.get(key, key): value for key, value in options.items()})
    rates = []
    for value in values:
        scheduler.step(value)
        rates.append(optimizer.param_groups[0]["lr"])
    return {
        "name": name, "schedule": {"reduce_on_plateau": options}, "base": base, "steps": len(values),
        "values": values, "rates": rates,
    }


def main():
    prepare()
    # SequentialLR hands its schedules a step number, which PyTorch warns about itself.
    warnings.filterwarnings("ignore", category=UserWarning, module="torch.optim.lr_scheduler")
    random = numpy.random.default_rng(11)
    falling = [round(float(value), 4) for value in 0.2 + numpy.exp(-numpy.arange(24) / 4) + random.random(24) * 0.1]
    options = {"factor": 0.5, "patience": 2, "threshold": 0.0001, "cooldown": 1, "minimum": 0.001}
    flat = [1.0, 0.9, 0.9, 0.89995, 0.9, 0.9, 0.9, 0.9, 0.8, 0.85, 0.85, 0.85, 0.85, 0.85, 0.85, 0.7, 0.7, 0.7, 0.7,
            0.7, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7]
    rising = [0.5, 0.6, 0.7, 0.7, 0.70005, 0.7, 0.7, 0.7, 0.71, 0.7, 0.7, 0.7, 0.7, 0.7, 0.8, 0.79, 0.79, 0.79, 0.79,
              0.9, 0.9, 0.9, 0.9, 0.9, 0.9]
    cases = [
        case("constant", "constant", 0.1, 12),
        case("constant after a warm-up", {"constant": {"warmup_steps": 10}}, 0.1, 20),
        case("step", {"step": {"step_size": 10, "gamma": 0.1}}, 0.1, 35),
        case("step after a warm-up", {"step": {"step_size": 10, "gamma": 0.1, "warmup_steps": 10}}, 0.1, 45),
        case("step of one", {"step": {"step_size": 1, "gamma": 0.5}}, 0.3, 8),
        case("multi_step", {"multi_step": {"milestones": [3, 4, 17], "gamma": 0.5}}, 0.1, 25),
        case("multi_step after a warm-up", {"multi_step": {"milestones": [5, 12], "warmup_steps": 4}}, 0.1, 25),
        case("polynomial", {"polynomial": {"total_steps": 20, "power": 2.0}}, 0.1, 25),
        case("polynomial, linear after a warm-up", {"polynomial": {"total_steps": 20, "warmup_steps": 5}}, 0.01, 30),
        case("exponential", {"exponential": {"gamma": 0.95}}, 0.01, 40),
        case("exponential after a warm-up", {"exponential": {"gamma": 0.95, "warmup_steps": 10}}, 0.01, 40),
        case("cosine", {"cosine": {"total_steps": 50, "minimum": 0.0001}}, 0.1, 51),
        case("cosine to zero", {"cosine": {"total_steps": 7}}, 0.001, 8),
        case("cosine after a warm-up",
             {"cosine": {"total_steps": 50, "minimum": 0.0001, "warmup_steps": 10}}, 0.1, 61),
        case("cosine after a warm-up of three", {"cosine": {"total_steps": 20, "warmup_steps": 3}}, 0.001, 24),
        nanogpt("cosine after a warm-up, as nanoGPT", 0.001, 10, 60, 0.0001, 75),
        nanogpt("cosine without a warm-up, as nanoGPT", 0.001, 0, 20, 0.0, 25),
        plateau("reduce_on_plateau", options, 0.1, flat),
        plateau("reduce_on_plateau, falling with noise", options, 0.1, falling),
        plateau("reduce_on_plateau with its defaults", {}, 0.1, flat),
        plateau("reduce_on_plateau of a value to be maximal", options | {"mode": "max"}, 0.1, rising),
        plateau("reduce_on_plateau without patience or cooldown",
                {"factor": 0.1, "patience": 0, "threshold": 0.01, "cooldown": 0, "minimum": 0.0}, 1.0, flat[:12]),
        plateau("reduce_on_plateau of negative values", options, 0.1,
                [-1.0, -1.00005, -1.0002, -1.0, -1.0, -1.0, -1.0, -1.0, -1.0, -2.0, -1.5, -1.5, -1.5]),
    ]
    write_cases("schedules.json", cases)


if __name__ == "__main__":
    main()
