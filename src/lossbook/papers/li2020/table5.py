"""Table 5: the weight of hard classes, beta."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import pandas as pd

from lossbook import experiments
from lossbook.evidence import tables
from lossbook.evidence.claims import Claim
from lossbook.evidence.contrasts import Contrast, Contrasts, Difference, Select
from lossbook.evidence.grids import not_run
from lossbook.evidence.rules import Finding, Same
from lossbook.evidence.select import Evidence, dataset_name
from lossbook.experiments.grid import PAPER, Cell, Experiment, Profile
from lossbook.papers.li2020.names import CLASSES, MISSING, TABLE5, WHOLE, basis
from lossbook.papers.li2020.protocol import DIGITS, SMALL, by_name, cell, changed
from lossbook.results import published

BETAS = (0, 1, 2, 4, 8, 16)
DETACHED = (1, 4, 16)


def _cells(
    named: str, betas: Iterable[int] = BETAS, detached: Iterable[int] = DETACHED, **changes: Any
) -> tuple[Cell, ...]:
    return tuple(
        changed(
            cell(SMALL, named, "cnn2c", "lgl_inr", changes, beta),
            {"detach": detach},
            loss_options={"beta": beta, "detach": True} if detach else {"beta": beta},
        )
        for detach, chosen in ((False, betas), (True, detached))
        for beta in chosen
    )


EXPERIMENT = Experiment(
    name=TABLE5,
    title="Table 5: the weight of hard classes, beta",
    profiles=by_name(
        Profile(
            PAPER,
            "the paper's protocol on KMNIST; besides, beta 0, 8 and 16",
            _cells("kmnist"),
            seeds=5,
        ),
        Profile(
            "fashion",
            "the paper's protocol, on Fashion-MNIST instead of KMNIST; besides, beta 0, 8 and 16",
            _cells("fashion_mnist"),
            seeds=5,
        ),
        Profile(
            "quick",
            "2,000 images of Fashion-MNIST for 5 epochs",
            _cells("fashion_mnist", train_size=2000, test_size=1000, epochs=5),
            seeds=2,
            embedded_fallback=True,
        ),
        Profile(
            "smoke",
            "128 of scikit-learn's digits for 2 epochs, to see that everything runs",
            _cells("fashion_mnist", (0, 1), (1,), **DIGITS),
            seeds=2,
        ),
    ),
)


@cache
def printed() -> dict[float, float]:
    """Return Table 5 of the paper: beta -> accuracy in percent."""
    rows = published("li2020", "table5").to_dict("records")
    return {float(r["beta"]): float(r["accuracy_percent"]) for r in rows}


def largest_weight(beta: float, classes: int = CLASSES) -> float:
    r"""Return the largest weight that a class can have among the negatives.

    .. math:: \frac{e^\beta}{e^\beta + K - 2}

    reached where its mean probability is 1 and that of the K - 2 others 0.
    """
    return 1 / (1 + (classes - 2) * math.exp(-beta))


def table(evidence: Evidence, profile: str) -> tuple[pd.DataFrame, list[str | tables.Cell]]:
    """Return Table 5 at one profile, the paper's numbers beside ours, with the betas that it lacks.

    A beta is compared with beta 1; constant weights with weights of the same beta.

    Args:
        evidence: The records.
        profile: Which of them.

    Returns:
        The table, with a row for every cell that has been run, and the notes it needs.
    """
    rows, pairs, used = [], [], []
    cells = experiments.get(TABLE5).profiles[profile].cells
    for declared in cells:
        beta, detach = declared.labels["beta"], declared.labels["detach"]
        mine = evidence.runs(profile, beta=beta, detach=detach)
        if not mine.records:
            continue
        base = evidence.runs(profile, beta=beta if detach else 1, detach=False)
        compared = detach or beta != 1
        used.append(mine)
        pairs.append((mine, base) if compared else None)
        rows.append(
            {
                "β": f"{beta:g}",
                "Gradient through λ": "no" if detach else "yes",
                "Data": dataset_name(declared.labels["dataset"], mine.records),
                "Paper (KMNIST), %": "–"
                if detach
                else f"{printed()[beta]:.2f}"
                if beta in printed()
                else "–",
                "Ours, %": tables.mean_cell(mine, "test_accuracy", percent=True),
                "Compared with": "–" if not compared else f"β = {beta:g}, yes" if detach else "β = 1, yes",
                "Largest λ possible": f"{largest_weight(beta):.3f}",
            }
        )
    frame = pd.DataFrame(rows)
    if rows:
        differences, p_values = tables.difference_cells(pairs, "test_accuracy", percent=True)
        frame.insert(6, "Difference, points", pd.Series(differences, dtype=object))
        frame.insert(7, "p (Holm)", pd.Series(p_values, dtype=object))
    return frame, [*tables.notes(used), *not_run(len(cells), len(rows), MISSING)]


def over_one(beta: int) -> Contrast:
    """Test accuracy at a beta minus that at beta 1, beside the paper's."""
    paper = printed()
    return Contrast(
        f"β = {beta} minus β = 1, CNN2C on {{left[dataset]}}",
        Select({"beta": beta, "detach": False}),
        Select({"beta": 1, "detach": False}),
        paper=paper[beta] - paper[1] if beta in paper else None,
    )


def detached(beta: int) -> Contrast:
    """Test accuracy with a gradient that does not pass through the weights minus that with one that does."""
    return Contrast(
        f"Gradient not through λ minus through it, β = {beta}, CNN2C on {{left[dataset]}}",
        Select({"beta": beta, "detach": True}),
        Select({"beta": beta, "detach": False}),
    )


@dataclass(frozen=True)
class SmallAndLarge:
    """A small and a large beta are both worse than beta 1."""

    def text(self, total: int) -> str:  # noqa: ARG002  the claim has one set of betas
        """The rule in words."""
        return (
            "It holds if the 95% intervals of β = 0 and of a large β lie below zero, holds in part if one of "
            "them does, does not hold if none allows a loss that the test set resolves, and is not settled "
            "otherwise."
        )

    def judge(self, found: Sequence[Difference], total: int) -> Finding:
        """The finding; open as long as a beta has not been run."""
        if not found or len(found) < total:
            return "not settled"
        below = [d.contrast.left.labels["beta"] for d in found if d.below]
        if below:
            return "holds" if 0 in below and any(below) else "holds in part"
        return "does not hold" if all(d.no_loss for d in found) else "not settled"

    def shows(self, difference: Difference) -> bool:
        """Whether the interval lies below zero."""
        return difference.below


BETA = Claim(
    "beta",
    "Accuracy is not sensitive to β from 1 to 4, so LGL-INR needs no tuning of it.",
    "Further Analysis; Table 5",
    "Test accuracy at β = 2 and at β = 4 minus that at β = 1, paired by seed. Only runs at the paper's "
    "protocol decide; the paper's are on KMNIST.",
    {"": Contrasts(TABLE5, [over_one(beta) for beta in (2, 4)])},
    Same(),
    WHOLE,
    basis=basis,
)
EXTREMES = Claim(
    "extremes",
    "Small and large values of β are not desirable: it is the reweighting of hard classes that helps.",
    "Further Analysis; Predictive Results",
    "Test accuracy at β = 0 (no reweighting among negatives), 8 and 16 minus that at β = 1, paired by seed. "
    "Only runs at the paper's protocol decide. The paper tests none of these values.",
    {"": Contrasts(TABLE5, [over_one(beta) for beta in (0, 8, 16)])},
    SmallAndLarge(),
    WHOLE,
    basis=basis,
)
