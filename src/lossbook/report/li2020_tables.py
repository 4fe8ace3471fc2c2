"""Tables 4 and 5 of li2020 beside the paper's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from lossbook import experiments
from lossbook.experiments.li2020 import BETAS, DETACHED
from lossbook.report import stats, tables, verdict
from lossbook.report.evidence import Evidence, substituted
from lossbook.report.li2020 import NAMES, NETWORK_NAMES, dataset_name
from lossbook.results import Record, published

TABLE4 = "li2020/table4"
TABLE5 = "li2020/table5"
_CLASSES = 10
#: Below this an adjusted p-value counts.
SIGNIFICANT = 0.05


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


def meaning_five(evidence: Evidence) -> list[str]:
    """Return what the best runs say of beta and of the gradient through lambda; none on stand-in data."""
    for profile, records in evidence.by_profile.items():
        if not any(substituted(r) for r in records):
            return [said for said in (_of_beta(evidence, profile), _of_detaching(evidence, profile)) if said]
    return []


def _of_beta(evidence: Evidence, profile: str) -> str:
    base = evidence.runs(profile, beta=1, detach=False)
    found = {
        beta: d
        for beta in BETAS
        if beta != 1
        and (d := tables.difference(evidence.runs(profile, beta=beta, detach=False), base, "test_accuracy"))
    }
    if not found:
        return ""
    each = "; ".join(f"β = {beta:g}: {tables.signed_band(d)}" for beta, d in found.items())
    adjusted = stats.holm([d.p for d in found.values()])
    apart = [f"{beta:g}" for beta, p in zip(found, adjusted, strict=True) if p < SIGNIFICANT]
    if apart:
        says = f"Significantly apart from β = 1 is β = {', '.join(apart)}: p below {SIGNIFICANT:g}"
    else:
        says = f"None is significantly apart from β = 1: no p below {SIGNIFICANT:g}"
    zero = found.get(0)
    hard = ""
    if zero is not None and "0" not in apart:
        hard = (
            " With β = 0 all other classes weigh alike. So these runs do not show that weighing hard ones "
            "more adds anything."
        )
    return (
        f"**β on {_where(base.records)}.** Points of accuracy above β = 1, paired by seed: {each}. {says}, "
        f"adjusted by Holm's method over these.{hard}"
    )


def _of_detaching(evidence: Evidence, profile: str) -> str:
    found = {}
    for beta in DETACHED:
        sides = [evidence.runs(profile, beta=beta, detach=detach) for detach in (True, False)]
        d = tables.difference(sides[0], sides[1], "test_accuracy")
        if d is not None:
            found[beta] = (d, sides[0].records)
    if not found:
        return ""
    each = "; ".join(f"β = {beta:g}: {tables.signed_band(d)}" for beta, (d, _) in found.items())
    adjusted = stats.holm([d.p for d, _ in found.values()])
    apart = [f"{beta:g}" for beta, p in zip(found, adjusted, strict=True) if p < SIGNIFICANT]
    says = f"It is significant for β = {', '.join(apart)}" if apart else "None of this is significant"
    return f"**Gradient not through λ.** Points of accuracy above the same with it: {each}. {says}."


def _where(records: Sequence[Record]) -> str:
    first = records[0]
    return f"{dataset_name(str(first.labels['dataset']))} ({verdict.protocol(records)})"
