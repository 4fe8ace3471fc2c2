"""Adam: its first steps by hand, and a loss times a factor."""

import pytest
import torch

from lossbook.training.adam import adam


def steps(factor: float, count: int = 3) -> list[float]:
    """What a number becomes under the loss ``factor * x^2 / 2``."""
    x = torch.nn.Parameter(torch.tensor(2.0, dtype=torch.float64))
    optimizer, schedule = adam([x], lr=0.1)
    assert schedule is None
    seen = []
    for _ in range(count):
        optimizer.zero_grad()
        (factor * x**2 / 2).backward()
        optimizer.step()
        seen.append(x.item())
    return seen


def test_the_first_steps_are_the_rate_whatever_the_factor() -> None:
    assert steps(1.0, 1) == pytest.approx([1.9])
    assert steps(1000.0) == pytest.approx(steps(1.0), rel=1e-7)
    (group,) = adam([torch.nn.Parameter(torch.ones(1))], momentum=0.5, weight_decay=0.25)[0].param_groups
    assert (group["betas"], group["weight_decay"]) == ((0.5, 0.999), 0.25)
