"""What CNN2C on Fashion-MNIST says across Tables 1, 5 and 6 and the page on the gradient's norm."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lossbook.evidence.contrasts import Difference
from lossbook.evidence.select import Evidence
from lossbook.papers.battash2021 import gradient_norm, table1, table5, table6
from lossbook.papers.battash2021.protocol import CE, GRADUAL, SMALL_RUNS, basis, title


def _decided(found: Iterable[tuple[str, Difference | None]]) -> dict[str, Difference]:
    """Those with an interval, by name."""
    return {name: each for name, each in found if each is not None and each.interval.bounded}


def _listed(found: Mapping[str, Difference]) -> str:
    return ", ".join(f"{name} {each.short()}" for name, each in found.items())


def gains(evidence: Mapping[str, Evidence]) -> dict[str, Difference]:
    """Each mixture minus CE at the shared rate."""
    return _decided(table1.named(table1.differences(evidence[table1.TABLE1], SMALL_RUNS)))


def sized(evidence: Mapping[str, Evidence]) -> dict[str, Difference]:
    """The gradual mixture minus CE at its size, in both printed readings."""
    both = gradient_norm.together(evidence[gradient_norm.GRADIENT_NORM], evidence[table1.TABLE1])
    return _decided(
        (
            title(each).removeprefix("CE sized "),
            gradient_norm.against(GRADUAL, each, profile=SMALL_RUNS).at(both, SMALL_RUNS),
        )
        for each in gradient_norm.SIZED
    )


def complement(evidence: Mapping[str, Evidence]) -> dict[str, Difference]:
    """COT minus CE and minus the gradual mixture, at as many epochs and with twice as many for the other."""
    both = table5.together(evidence[table5.TABLE5], evidence[table1.TABLE1])
    said = {table5.EPOCHS: "", table5.COST: " with twice the epochs"}
    return _decided(
        (
            f"{title(base)}{said[length]}",
            table5.lead(base, length, table5.network(SMALL_RUNS)).at(both, SMALL_RUNS),
        )
        for base in (CE, GRADUAL)
        for length in said
    )


def regularised(evidence: Mapping[str, Evidence]) -> dict[str, Difference]:
    """The gradual mixture minus CE under each regularisation, the baseline's shifts and flips first."""
    found = evidence[table6.TABLE6]
    names = table6.NAMES | {table6.BASELINE: "shifts and flips alone"}
    return _decided((name, table6.gain(row, SMALL_RUNS).at(found, SMALL_RUNS)) for row, name in names.items())


def to_begin_with(evidence: Mapping[str, Evidence]) -> str:
    """What findings on the gradual mixture's gain depend on: whether there is one; may be nothing."""
    plain = gains(evidence).get(title(GRADUAL))
    flipped = regularised(evidence).get("shifts and flips alone")
    if plain is None or flipped is None:
        return ""
    return (
        f"whether there is a gain to begin with: in these runs {title(GRADUAL)} is {plain.short()} points "
        f"from CE, and {flipped.short()} with shifts and flips."
    )


def follows(evidence: Mapping[str, Evidence]) -> str:
    """What these runs say to someone who trains a classifier, in Markdown; nothing without Table 1's.

    Args:
        evidence: The records by experiment.
    """
    found = gains(evidence)
    if not found:
        return ""
    records = [record for each in found.values() for record in each.records]
    said = [f"**Images: {basis(records)}.** Accuracy minus that of CE, in points: {_listed(found)}."]
    if scaled := sized(evidence):
        said.append(f"{title(GRADUAL)} minus CE at its size: {_listed(scaled)}.")
    if under := regularised(evidence):
        said.append(f"{title(GRADUAL)} minus CE under regularisation: {_listed(under)}.")
    if cot := complement(evidence):
        said.append(f"Lead of complement training over {_listed(cot)}.")
    said.append(
        "Compare a mixture with CE on held-out images of your own, with the augmentation that you use."
        if any(each.above for each in found.values())
        else "These runs give no reason to leave CE."
    )
    return " ".join(said)
