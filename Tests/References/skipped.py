"""Writes skipped.json: training in which PyTorch leaves out the steps whose gradient isn't finite, as gradient scalers do."""

import numpy
import torch

from optimizers import KINDS, RENAMED
from reference import exact, prepare, write_cases

STEPS = 12
# Beyond float32 once it is multiplied by an error of more than 1.2.
EXTREME = 3e38


def case(seed, name, optimizer, skipped):
    """A dense unit from zeros on, one sample a step, mean squared error. `skipped` counts steps from 1."""
    random = numpy.random.default_rng(seed)
    inputs = exact(random.standard_normal((STEPS, 2)))
    targets = exact(inputs @ [0.75, -1.25] + 0.5 + 0.1 * random.standard_normal(STEPS))
    for step in skipped:
        inputs[step - 1] = exact([EXTREME, -EXTREME])
        targets[step - 1] = 1.5
    ((kind, options),) = optimizer.items()
    unit = torch.nn.Linear(2, 1)
    torch.nn.init.zeros_(unit.weight)
    torch.nn.init.zeros_(unit.bias)
    stepper = KINDS[kind](unit.parameters(), **{RENAMED.get(key, key): value for key, value in options.items()}, foreach=False)
    history, left_out = [], []
    for step in range(STEPS):
        stepper.zero_grad()
        output = unit(torch.from_numpy(inputs[step : step + 1]))
        torch.nn.functional.mse_loss(output, torch.tensor([[targets[step]]])).backward()
        # What float32 can't hold is infinite for the program that is compared.
        if all(bool(torch.isfinite(parameter.grad.to(torch.float32)).all()) for parameter in unit.parameters()):
            stepper.step()
        else:
            left_out.append(step + 1)
        history.append(unit.weight.detach().flatten().tolist() + unit.bias.detach().tolist())
    assert left_out == skipped, f"{name}: {left_out}"
    return {"name": name, "optimizer": optimizer, "skipped": skipped,
            "rows": numpy.column_stack([inputs, targets]).tolist(), "weights": history}


def main():
    prepare()
    kinds = [
        ("adam", {"adam": {"learning_rate": 0.1}}),
        ("adam with amsgrad and weight decay", {"adam": {"learning_rate": 0.1, "amsgrad": True, "weight_decay": 0.01}}),
        ("adamw", {"adamw": {"learning_rate": 0.05, "betas": [0.8, 0.95]}}),
        ("adagrad with learning rate decay", {"adagrad": {"learning_rate": 0.3, "learning_rate_decay": 0.1}}),
        ("sgd with momentum and dampening", {"sgd": {"learning_rate": 0.1, "momentum": 0.9, "dampening": 0.5}}),
    ]
    cases = [case(700 + 10 * index + number, f"{name}, {text}", optimizer, skipped)
             for index, (name, optimizer) in enumerate(kinds)
             for number, (text, skipped) in enumerate([("nothing skipped", []), ("the first step skipped", [1]),
                                                       ("steps 4 and 5 skipped", [4, 5]), ("every third step skipped",
                                                                                           [3, 6, 9, 12])])]
    write_cases("skipped.json", cases)


if __name__ == "__main__":
    main()
