"""Tables 4 and 5 of li2020 beside the paper's."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from lossbook import experiments
from lossbook.report import tables
from lossbook.report.evidence import Evidence
from lossbook.report.li2020 import NAMES, NETWORK_NAMES, dataset_name
from lossbook.results import published

TABLE4 = "li2020/table4"
TABLE5 = "li2020/table5"
_CLASSES = 10


def table_four(
    evidence: Evidence, profile: str, cost: Mapping[tuple[object, ...], float] | None = None
) -> tuple[pd.DataFrame, list[str]]:
    """Return Table 4 at one profile, the paper's number beside ours; arguments as for Table 3."""
    printed = {
        (r["network"], r["loss"]): float(r["accuracy_percent"])
        for r in published("li2020", "table4").to_dict("records")
    }
    rows, pairs, used = [], [], []
    for cell in experiments.get(TABLE4).profiles[profile].cells:
        network, loss = cell.labels["network"], cell.labels["loss"]
        mine = evidence.runs(profile, network=network, loss=loss)
        base = evidence.runs(profile, network=network, loss="sml")
        used.append(mine)
        pairs.append((mine, base) if loss != "sml" else None)
        lead = printed[network, loss] - printed[network, "sml"]
        rows.append(
            {
                "Network": NETWORK_NAMES[network],
                "Data": dataset_name("cifar10", mine.records),
                "Loss": NAMES[loss],
                "Paper, %": f"{printed[network, loss]:.2f}",
                "Ours, %": tables.mean_cell(
                    mine,
                    "test_accuracy",
                    percent=True,
                    cost=(cost or {}).get(tuple(sorted(cell.labels.items()))),
                ),
                "Paper minus SML": tables.signed(lead) if loss != "sml" else "–",
            }
        )
    frame = pd.DataFrame(rows)
    differences, p_values = tables.difference_cells(pairs, "test_accuracy", percent=True)
    frame.insert(5, "Ours minus SML, points", pd.Series(differences))
    frame.insert(6, "p (Holm)", pd.Series(p_values))
    return frame, tables.notes(used)


def largest_weight(beta: float, classes: int = _CLASSES) -> float:
    r"""Return the largest weight that a class can have among the negatives.

    .. math:: \frac{e^\beta}{e^\beta + K - 2}

    reached where its mean probability is 1 and that of the K - 2 others 0.
    """
    return 1 / (1 + (classes - 2) * math.exp(-beta))


def table_five(
    evidence: Evidence, profile: str, cost: Mapping[tuple[object, ...], float] | None = None
) -> tuple[pd.DataFrame, list[str]]:
    """Return Table 5 at one profile, with the betas that the paper lacks; arguments as for Table 3."""
    printed = {
        float(r["beta"]): r["accuracy_percent"] for r in published("li2020", "table5").to_dict("records")
    }
    rows, pairs, used = [], [], []
    for cell in experiments.get(TABLE5).profiles[profile].cells:
        beta, detach = cell.labels["beta"], cell.labels["detach"]
        mine = evidence.runs(profile, beta=beta, detach=detach)
        # Beta is compared with beta 1; constant weights with weights of the same beta.
        base = evidence.runs(profile, beta=beta if detach else 1, detach=False)
        compared = detach or beta != 1
        used.append(mine)
        pairs.append((mine, base) if compared else None)
        rows.append(
            {
                "β": f"{beta:g}",
                "Gradient through λ": "no" if detach else "yes",
                "Data": dataset_name(cell.labels["dataset"], mine.records),
                "Largest λ possible": f"{largest_weight(beta):.3f}",
                "Paper (KMNIST), %": "–" if detach else printed.get(float(beta), "–"),
                "Ours, %": tables.mean_cell(
                    mine,
                    "test_accuracy",
                    percent=True,
                    cost=(cost or {}).get(tuple(sorted(cell.labels.items()))),
                ),
                "Compared with": "–" if not compared else f"β = {beta:g}, yes" if detach else "β = 1, yes",
            }
        )
    frame = pd.DataFrame(rows)
    differences, p_values = tables.difference_cells(pairs, "test_accuracy", percent=True)
    frame["Difference, points"] = pd.Series(differences)
    frame["p (Holm)"] = pd.Series(p_values)
    return frame, tables.notes(used)
