"""Fig. 1: the size of the gradient at the target's logit, for CE, EL and their mixtures."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor

from lossbook.evidence.claims import Verdict
from lossbook.losses import ceel_loss, mixing_factors
from lossbook.papers.battash2021.protocol import LOSS_NAMES

#: The values of F that the paper's schedules use.
FOCUS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)


@dataclass(frozen=True)
class Mix:
    """A curve of the figure.

    Attributes:
        alpha: Factor of CE.
        beta: Factor of EL.
    """

    alpha: float
    beta: float

    @property
    def name(self) -> str:
        """As the caption has it: "when specifying β, the value of α is 1 and vice versa"."""
        if self.beta == 0:
            return LOSS_NAMES["ce"]
        if self.alpha == 0:
            return LOSS_NAMES["el"]
        return f"β = {self.beta:.3g}" if self.alpha == 1 else f"α = {self.alpha:.3g}"

    def size(self, p: Tensor) -> Tensor:
        r"""The size of the gradient at the target's logit, :math:`(1 - p_y)(\alpha + \beta p_y)` (Eq. 13)."""
        return (1 - p) * (self.alpha + self.beta * p)

    @property
    def top(self) -> tuple[float, float]:
        r"""Where the curve is highest, :math:`\tfrac12 (1 - \alpha/\beta)` but at least 0, and how high."""
        at = max(0.0, 0.5 * (1 - self.alpha / self.beta)) if self.beta else 0.0
        return at, float(self.size(torch.tensor(at, dtype=torch.float64)))

    @property
    def area(self) -> float:
        r"""The area under it, :math:`\alpha/2 + \beta/6` (Eq. 20 and 21 without the sign)."""
        return self.alpha / 2 + self.beta / 6


#: CE, the mixtures of the schedules, EL, and two with less of CE, as the caption allows.
MIXES = (
    Mix(1.0, 0.0),
    *(Mix(*mixing_factors(focus)) for focus in FOCUS),
    Mix(0.5, 1.0),
    Mix(0.1, 1.0),
)


def table(mixes: tuple[Mix, ...] = MIXES) -> pd.DataFrame:
    """Where each curve is highest, how high, and the area under it beside that of CE."""
    return pd.DataFrame(
        {
            "Curve": mix.name,
            "α": f"{mix.alpha:g}",
            "β": f"{mix.beta:.3g}",
            "Highest at p": f"{mix.top[0]:.2f}",
            "Height": f"{mix.top[1]:.3f}",
            "Size at p = 0": f"{mix.alpha:g}",
            "Area, times that of CE": f"{mix.area / Mix(1.0, 0.0).area:.2f}",
        }
        for mix in mixes
    )


def largest(focus: float, classes: int = 10, steps: int = 1000) -> float:
    """The probability of the correct class at which the gradient at its logit is largest, by autograd.

    Args:
        focus: F, from 0 to a half; it sets the factors of CE and EL (Eq. 14).
        classes: Number of classes; the wrong ones are equally probable.
        steps: How finely the probabilities from 0 to 1 are divided.
    """
    p = torch.arange(1, steps, dtype=torch.float64) / steps
    logits = torch.zeros(steps - 1, classes, dtype=torch.float64)
    logits[:, 0] = (p * (classes - 1) / (1 - p)).log()
    logits.requires_grad_()
    alpha, beta = mixing_factors(focus)
    loss = ceel_loss(
        logits, torch.zeros(steps - 1, dtype=torch.long), alpha=alpha, beta=beta, reduction="sum"
    )
    (gradient,) = torch.autograd.grad(loss, logits)
    return float(p[gradient[:, 0].abs().argmax()])


def focus() -> Verdict:
    """Whether the largest gradient lies where the paper puts it."""
    steps = 1000
    found = {each: largest(each, steps=steps) for each in FOCUS}
    # CE itself is the case F = 0, whose maximum is at the end of the range.
    right = [abs(at - each) <= 1 / steps for each, at in found.items()]
    places = ", ".join(f"{at:.3g} (F = {each:g})" for each, at in found.items())
    return Verdict(
        "A mixture's gradient is largest at a probability F of the correct class that its factors set.",
        "Eq. 13 and 14; Fig. 1",
        f"The gradient at the correct class's logit is taken by autograd at {steps - 1} probabilities, with "
        "ten classes of which the wrong ones are equally probable. It holds if the largest lies within one "
        "step of F for every F of the schedules.",
        "holds" if all(right) else "does not hold",
        "mathematics, checked with the loss itself",
        (
            f"By autograd it is largest at p = {places}.",
            "At F = 0 that is the lowest probability tried, as for CE.",
        ),
    )
