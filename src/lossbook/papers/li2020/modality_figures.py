"""Drawings of the page on multi-modality neglect: probabilities of wrong classes by epoch."""

from __future__ import annotations

from matplotlib.figure import Figure

from lossbook.evidence.select import Evidence
from lossbook.pages import figures
from lossbook.papers.li2020.modality import _OTHER, TARGET, _mean, class_names, runs
from lossbook.papers.li2020.names import DRAWN, LOSSES, NAMES, RATES
from lossbook.results import Record
from lossbook.training.measures.modality import SIMILAR


def _groups(evidence: Evidence, profile: str, rate: str) -> dict[str, list[Record]]:
    found = {DRAWN[loss]: list(runs(evidence, profile, rate, loss).records) for loss in LOSSES}
    return {name: records for name, records in found.items() if records}


def hardest_figure(evidence: Evidence, profile: str, rate: str) -> Figure:
    """Draw by epoch the mean probability of the hardest wrong class of an image, and of the others."""
    panels = [
        figures.Panel(f"{part}_{name}", f"{title}, {images}", scale=scale)
        for part, images in (("train", "training"), ("test", "test"))
        for name, title, scale in (("hardest", "Hardest", "linear"), ("rest", "Others", "log"))
    ]
    return figures.curves(_groups(evidence, profile, rate), panels)


def hardest_alt(evidence: Evidence, profile: str, rate: str) -> str:
    """Return what the figure shows, in words and numbers."""
    parts = []
    for loss in LOSSES:
        mine = runs(evidence, profile, rate, loss)
        hardest, rest = (_mean(mine, f"test_{name}") for name in ("hardest", "rest"))
        parts.append(f"{NAMES[loss]} {hardest:.3f} and {rest:.4f}")
    return (
        "Mean probability of the hardest wrong class and of the other wrong classes by epoch, on training "
        f"and on test images, one line per loss, at {RATES[rate]}. On test images at the end: "
        f"{'; '.join(parts)}."
    )


def target_figure(evidence: Evidence, profile: str, rate: str) -> Figure:
    """Draw by epoch the mean probability of the target class on test images of it, of similar and other ones.

    The last panel is the mean area under the ROC curve over the pairs of similar classes.
    """
    names = class_names(evidence, profile)
    target = names[TARGET]
    panels = [
        figures.Panel(f"test_probability/{j}/{TARGET}", f"p({target}) on {names[j]}")
        for j in (TARGET, *(j for j in SIMILAR if j != TARGET))
    ]
    panels.append(figures.Panel(f"test_probability/{_OTHER}/{TARGET}", f"p({target}) on the six others"))
    panels.append(figures.Panel("test_similar_auc", "Area under ROC, similar"))
    return figures.curves(_groups(evidence, profile, rate), panels)


def target_alt(evidence: Evidence, profile: str, rate: str) -> str:
    """Return what the figure shows, in words and numbers."""
    names = class_names(evidence, profile)
    parts = []
    for loss in LOSSES:
        mine = runs(evidence, profile, rate, loss)
        each = [f"{names[j]} {_mean(mine, f'test_probability/{j}/{TARGET}'):.2f}" for j in SIMILAR]
        others = _mean(mine, f"test_probability/{_OTHER}/{TARGET}")
        area = _mean(mine, "test_similar_auc")
        parts.append(f"{NAMES[loss]}: {', '.join(each)}, others {others:.3f}; area {area:.3f}")
    return (
        f"Mean probability of the class {names[TARGET]} on test images of different classes by epoch, one "
        "panel per class and one line per loss, and the mean area under the ROC curve over pairs of similar "
        f"classes, at {RATES[rate]}. At the end: {'. '.join(parts)}."
    )
