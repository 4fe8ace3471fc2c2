"""The motivating example: which images that are wrong late in training come back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from lossbook.evidence import stats
from lossbook.evidence.claims import Claim, Verdict
from lossbook.evidence.contrasts import Beside, Contrast, Difference
from lossbook.evidence.rules import Above, CarriesOver
from lossbook.evidence.select import Evidence, dataset_name, joined
from lossbook.evidence.tables import Cell as Shown
from lossbook.evidence.tables import band
from lossbook.experiments.grid import PAPER, Cell, Experiment, Profile
from lossbook.papers.battash2021.protocol import (
    CE,
    CIFAR,
    DECISIVE,
    DIGITS,
    GRADUAL,
    QUICK,
    REDUCED,
    REFERENCE,
    REGIMES,
    SMALL,
    SMALL_RUNS,
    basis,
    by_name,
    cell,
    place,
    select,
    title,
)
from lossbook.papers.battash2021.table1 import TABLE1, TRACKED
from lossbook.results import Record, Store, published
from lossbook.training import RunSpec
from lossbook.training.measures.tracked import BINS, RIGHT

MOTIVATION = "battash2021/motivation"
#: What a run differs in from those of Table 1 besides its loss: its learning rate, or the images that are
#: measured.
FALLING, STEADY, HELD_OUT = "falling", "constant", "held-out images"
#: CE that leaves images out from then on: those with p < 0.2, or as many at random.
WITHOUT_LOST, WITHOUT_RANDOM = ("ce_without_lost", ""), ("ce_without_random", "")
OMITTING = (WITHOUT_LOST, WITHOUT_RANDOM)
#: The constant learning rate: about what the falling one is at the epoch from which images are followed.
STEADY_RATE = 0.3
SMALL_STEADY_RATE = 0.007
#: Evenly spaced; 5,000 would miss most classes of a CIFAR-100 whose images are ordered by classes in turn.
HELD_OUT_IMAGES = 4999
#: The paper follows images from epoch 70 of 90.
START = 70 / 90
LEAST = 0.2
#: The paper's groups, in its order, by the names in its published numbers.
GROUPS = {
    "correct": "right",
    "wrong_above_0.2": "wrong, p ≥ 0.2",
    "wrong_below_0.2": "wrong, p < 0.2",
}
PARTS = {"test": "test images", "train": "training images"}


def _steady(base: RunSpec, regime: tuple[str, str], lr: float | None = STEADY_RATE, **changes: Any) -> Cell:
    return cell(
        base,
        regime,
        lr=lr,
        labels={"run": STEADY},
        **{"schedule": {"name": "one_cycle", "peak": 2, "start": 0.2, "end": 1.0}, **TRACKED, **changes},
    )


def _omitting(base: RunSpec = REFERENCE, **changes: Any) -> tuple[Cell, ...]:
    return tuple(cell(base, regime, labels={"run": FALLING}, **{**TRACKED, **changes}) for regime in OMITTING)


def _small() -> tuple[Cell, ...]:
    """As :func:`_cells`, with as many training images where others are held out."""
    steady = replace(SMALL, schedule=None, **TRACKED)
    return (
        *(cell(steady, r, lr=SMALL_STEADY_RATE, labels={"run": STEADY}) for r in (CE, GRADUAL)),
        cell(SMALL, CE, labels={"run": HELD_OUT}, **TRACKED, validation_size=10_000),
        *_omitting(SMALL),
    )


def _cells(**changes: Any) -> tuple[Cell, ...]:
    return (
        _steady(REFERENCE, CE, **changes),
        _steady(REFERENCE, GRADUAL, **changes),
        cell(
            REFERENCE,
            CE,
            labels={"run": HELD_OUT},
            **{**TRACKED, "validation_size": HELD_OUT_IMAGES, **changes},
        ),
        *_omitting(**changes),
    )


def _every(**changes: Any) -> tuple[Cell, ...]:
    """Where Table 1 has no runs of this kind: the falling rate too."""
    falling = (cell(REFERENCE, r, labels={"run": FALLING}, **{**TRACKED, **changes}) for r in REGIMES)
    # A recipe with a learning rate of its own keeps it.
    lr = None if "optimizer_options" in changes else STEADY_RATE
    steady = (_steady(REFERENCE, regime, lr, **changes) for regime in (CE, GRADUAL))
    return (*falling, *steady, *_omitting(**changes))


#: Of this training the paper gives network, data and length. A version of its published code has 90 epochs on
#: CIFAR-100, with drops after 50 and 75.
_PAPER = replace(
    CIFAR, model="cifar_resnet32", epochs=90, schedule={"name": "steps", "at": [50, 75]}, **TRACKED
)

EXPERIMENT = Experiment(
    name=MOTIVATION,
    title="The motivating example: which images come back",
    profiles=by_name(
        Profile(
            PAPER,
            "the paper's network and length: ResNet-32 on CIFAR-100, 90 epochs, each regime",
            tuple(cell(_PAPER, regime, labels={"run": FALLING}) for regime in REGIMES),
            seeds=3,
        ),
        Profile(
            "reference",
            "12 epochs of the reference network on CIFAR-100: what Table 1's runs do not have",
            _cells(),
            seeds=3,
        ),
        Profile(
            SMALL_RUNS,
            "CNN2C on 6,000 images of Fashion-MNIST for 12 epochs: what Table 1's runs do not have",
            _small(),
            seeds=8,
        ),
        Profile(
            "quick",
            "6 epochs of the reference network on 2,000 images of CIFAR-10",
            _every(dataset="cifar10", **QUICK),
            seeds=1,
        ),
        Profile(
            "smoke",
            "128 of scikit-learn's digits for 6 epochs on another network, to see that everything runs",
            _every(**DIGITS),
            seeds=2,
        ),
    ),
)

#: What is taken over from Table 1, and what its labels do not say.
SHARED = ("reference", SMALL_RUNS)
AS_IN_TABLE1 = {"run": FALLING}


def together(evidence: Evidence, table1: Evidence) -> Evidence:
    """The page's runs with those of Table 1, whose learning rate falls."""
    return joined(evidence, table1, SHARED, AS_IN_TABLE1)


@dataclass(frozen=True)
class Fate:
    """What became of a group of images.

    Attributes:
        images: How many were in it at the start.
        right: How many of them are right at the end.
    """

    images: int
    right: int

    @property
    def share(self) -> float:
        """Their share; NaN for a group without an image."""
        return self.right / self.images if self.images else float("nan")


def start_epoch(epochs: int) -> int:
    """The number of epochs after which images are followed: as near to 70 of 90 as there is."""
    return min(epochs - 1, max(1, round(START * epochs)))


def states(record: Record, part: str) -> np.ndarray:
    """The states of a part's images, ``[epochs, N]``; see :mod:`lossbook.training.measures.tracked`."""
    name = f"{part}_tracked"
    if name in record.curves:
        return np.asarray(record.curves[name], dtype=np.uint8)
    return Store().array(record, f"curves/{name}")


def fates(found: np.ndarray, start: int | None = None) -> dict[str, Fate]:
    """What became of the paper's three groups.

    Args:
        found: States ``[epochs, N]``.
        start: After how many epochs the groups are made; :func:`start_epoch` by default.
    """
    before, after = found[(start or start_epoch(len(found))) - 1], found[-1]
    right, at_end = before >= RIGHT, after >= RIGHT
    sure = (before % RIGHT) >= round(LEAST * BINS)
    members = {
        "correct": right,
        "wrong_above_0.2": ~right & sure,
        "wrong_below_0.2": ~right & ~sure,
    }
    return {name: Fate(int(m.sum()), int((m & at_end).sum())) for name, m in members.items()}


def share(record: Record, group: str, part: str = "test") -> float | None:
    """The share of a group that is right at the end; None for a group without an image."""
    fate = fates(states(record, part))[group]
    return fate.share if fate.images else None


def printed() -> dict[str, Fate]:
    """The paper's three groups."""
    rows = published("battash2021", "motivation").to_dict("records")
    return {r["group"]: Fate(int(r["images_epoch70"]), int(r["correct_epoch90"])) for r in rows}


def groups_table(evidence: Evidence, profile: str, part: str = "test") -> pd.DataFrame:
    """The share of each group that is right at the end, a row per regime and kind of run, the paper first.

    Args:
        evidence: The records, with those of Table 1.
        profile: Which of them.
        part: ``test`` or ``train``.
    """
    rows: list[Mapping[str, object]] = []
    if part == "test":
        fate = printed()
        images = sum(each.images for each in fate.values())
        rows.append(
            {"Runs": "Paper: CE, ResNet-32", "After epoch": "70 of 90"}
            | {GROUPS[name]: f"{100 * each.share:.2f}" for name, each in fate.items()}
            | {"Of all images, p < 0.2": f"{100 * fate['wrong_below_0.2'].images / images:.1f}"}
        )
    for (regime, run), records in _rows(evidence, profile).items():
        found = [fates(states(record, part)) for record in records]
        epochs = int(records[0].labels["epochs"])
        keys = tuple(record.key for record in records)
        lost = [100 * _share_of_all(each) for each in found]
        rows.append(
            {
                "Runs": title(regime) if run == FALLING else f"{title(regime)}, {_said(run)}",
                "After epoch": f"{start_epoch(epochs)} of {epochs}",
            }
            | {words: _mean([each[name] for each in found], keys) for name, words in GROUPS.items()}
            | {"Of all images, p < 0.2": Shown(f"{np.mean(lost):.1f}", {"mean": float(np.mean(lost))}, keys)}
        )
    return pd.DataFrame(rows)


def _said(run: str) -> str:
    return "constant rate" if run == STEADY else run


def _share_of_all(fate: Mapping[str, Fate]) -> float:
    return fate["wrong_below_0.2"].images / sum(each.images for each in fate.values())


def _mean(found: Sequence[Fate], keys: tuple[str, ...]) -> Shown:
    """The mean share in percent over seeds, with its interval from three seeds on."""
    shares = [100 * each.share for each in found if each.images]
    if not shares:
        return Shown("no image", {"n": 0}, keys)
    mean = stats.mean_interval(shares)
    return Shown(f"{mean.mean:.2f}{band(mean, 2)}", {"mean": mean.mean, "n": mean.n}, keys)


def _rows(evidence: Evidence, profile: str) -> dict[tuple[tuple[str, str], str], list[Record]]:
    """Regime and kind of run -> the finished runs, in the order of regimes."""
    found: dict[tuple[tuple[str, str], str], list[Record]] = {}
    for run in (FALLING, STEADY, HELD_OUT):
        for regime in (*REGIMES, *OMITTING):
            mine = [
                r
                for r in evidence.by_profile.get(profile, ())
                if (r.labels["loss"], r.labels["schedule"], r.labels["run"]) == (*regime, run)
                and r.status == "finished"
            ]
            if mine:
                found[regime, run] = mine
    return found


_FLOWS: Mapping[str, Callable[[Mapping[str, Fate]], int]] = {
    "Come back, p ≥ 0.2": lambda found: found["wrong_above_0.2"].right,
    "Come back, p < 0.2": lambda found: found["wrong_below_0.2"].right,
    "Become wrong": lambda found: found["correct"].images - found["correct"].right,
}


def flow_table(evidence: Evidence, profile: str, part: str = "test") -> pd.DataFrame:
    """How many images of every thousand come back and how many are lost, the paper first."""
    rows: list[Mapping[str, object]] = []
    if part == "test":
        paper = printed()
        images = sum(each.images for each in paper.values())
        rows.append(
            {"Runs": "Paper: CE, ResNet-32"}
            | {words: f"{1000 * count(paper) / images:.1f}" for words, count in _FLOWS.items()}
        )
    for (regime, run), records in _rows(evidence, profile).items():
        found = [fates(states(record, part)) for record in records]
        keys = tuple(record.key for record in records)

        def of_thousand(count: Any, found: Any = found, keys: Any = keys) -> Shown:
            values = [1000 * count(each) / sum(f.images for f in each.values()) for each in found]
            mean = stats.mean_interval(values)
            return Shown(f"{mean.mean:.1f}{band(mean, 1)}", {"mean": mean.mean, "n": mean.n}, keys)

        rows.append(
            {
                "Runs": title(regime) if run == FALLING else f"{title(regime)}, {_said(run)}",
                **{words: of_thousand(count) for words, count in _FLOWS.items()},
            }
        )
    return pd.DataFrame(rows)


def returning(evidence: Evidence, profile: str, part: str = "test") -> dict[tuple[str, str], list[float]]:
    """Of the images wrong with p < 0.2 after each epoch, percent right at the end, by regime.

    Averaged over the seeds of runs with a falling rate on all images; NaN where a group has no image.
    """
    found = {}
    for (regime, run), records in _rows(evidence, profile).items():
        if run != FALLING or regime in OMITTING:
            continue
        each = [states(record, part) for record in records]
        found[regime] = [
            float(np.mean([100 * fates(s, start)["wrong_below_0.2"].share for s in each]))
            for start in range(1, len(each[0]))
        ]
    return found


def last_epoch(evidence: Evidence, profile: str) -> str:
    """What becomes of training images in the last epoch, in which CE+EL 0-0.5 is EL alone; may be nothing."""
    rows = _rows(evidence, profile)
    said = []
    for regime in (CE, GRADUAL):
        records = rows.get((regime, FALLING), [])
        found = [fates(each, len(each) - 1) for each in (states(r, "train") for r in records)]
        if not found or any(not fate.images for each in found for fate in each.values()):
            return ""
        mean = {name: float(np.mean([100 * each[name].share for each in found])) for name in GROUPS}
        said.append(
            f"{title(regime)} brings back {mean['wrong_below_0.2']:.1f}% of those that are wrong with "
            f"p < 0.2 one epoch before the end and {mean['wrong_above_0.2']:.1f}% of the other wrong ones, "
            f"and loses {100 - mean['correct']:.1f}% of the right ones"
        )
    return f"of the training images, in the last epoch, {'; '.join(said)}."


def _contrast(part: str) -> Contrast:
    paper = printed()
    gap = 100 * (paper["wrong_above_0.2"].share - paper["wrong_below_0.2"].share)
    where = {"run": FALLING}
    return Contrast(
        f"CE, {PARTS[part]} of {{left[dataset]}}: share that comes back at p ≥ 0.2 minus share at p < 0.2",
        select(CE, **where, value=lambda record: share(record, "wrong_above_0.2", part)),
        select(CE, **where, value=lambda record: share(record, "wrong_below_0.2", part)),
        paper=gap if part == "test" else None,
        resolved=False,
    )


def _how_rarely(found: Sequence[Difference]) -> list[str]:
    """What the difference leaves open: how often the hardest images come back at all."""
    paper = 100 * printed()["wrong_below_0.2"].share

    def on(difference: Difference) -> str:
        dataset = str(difference.records[0].labels["dataset"])
        return "" if dataset == "cifar100" else f" of {dataset_name(dataset)}"

    return [
        f"Of the images{on(each)} with p < 0.2, {100 * float(np.mean(list(shares.values()))):.2f}% come "
        f"back, averaged over seeds; in the paper {paper:.2f}%."
        for each in found
        if (shares := each.contrast.right.values(each.base))
    ]


def condition(verdict: Verdict) -> str:
    """What the finding depends on: how much is still learned when the images begin to be followed."""
    return " ".join(["how much is still learned in the last fifth.", *_how_rarely(verdict.differences)])


def _beside(only: Sequence[str], *, optional: bool = False) -> Beside:
    return Beside(
        MOTIVATION,
        [_contrast("test")],
        only=tuple(only),
        optional=optional,
        beside=TABLE1,
        profiles=SHARED,
        labels=AS_IN_TABLE1,
    )


LEFT_BEHIND = Claim(
    "left-behind",
    "Late in training with CE, misclassified images come back less often if their probability is below 0.2.",
    "A Motivating Example",
    "Of the images that are wrong after 9 of 12 epochs (70 of 90 in the paper), the share that is right at "
    "the end: of those with p ≥ 0.2 minus that of those with p < 0.2, in each run; with a small network on "
    "CIFAR-100, and once more with a smaller one on Fashion-MNIST.",
    {
        "": _beside(only=[name for name in EXPERIMENT.profiles if name != SMALL_RUNS]),
        "another network": _beside(only=[SMALL_RUNS], optional=True),
    },
    CarriesOver(Above(), REDUCED),
    DECISIVE,
    more=_how_rarely,
    basis=basis,
)


def returned(regime: tuple[str, str]) -> Contrast:
    """What a mixture brings back of the images with p < 0.2, as a share of them, minus what CE does."""

    def value(record: Record) -> float | None:
        return share(record, "wrong_below_0.2")

    return Contrast(
        f"{title(regime)} minus CE, {{left[dataset]}}: share of the test images with p < 0.2 that come back",
        select(regime, run=FALLING, value=value),
        select(CE, run=FALLING, value=value),
        resolved=False,
    )


def steady(evidence: Evidence, profile: str) -> str:
    """How many of the test images with p < 0.2 CE brings back at a constant rate, and at the falling one."""
    found = _rows(evidence, profile)
    shares = [
        [100 * value for r in found.get((CE, run), ()) if (value := share(r, "wrong_below_0.2")) is not None]
        for run in (STEADY, FALLING)
    ]
    if not all(shares):
        return ""
    constant, falling = (stats.mean_interval(each) for each in shares)
    said = [f"{each.mean:.2f}{band(each, 2)}%" for each in (constant, falling)]
    return (
        f"{place(evidence, profile)}: of the test images with p < 0.2, CE brings back {said[0]} at a "
        f"constant rate and {said[1]} at the falling one."
    )


def omitted(regime: tuple[str, str], base: tuple[str, str]) -> Contrast:
    """Accuracy with images left out late in training, minus that of another run, in points."""
    return Contrast(
        f"{title(regime)} minus {title(base)}, {{left[dataset]}}",
        select(regime, run=FALLING),
        select(base, run=FALLING),
    )
