"""Table 3: five LSTMs that predict the rating of a review of clothes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import pandas as pd

from lossbook.evidence import stats
from lossbook.evidence.claims import Claim
from lossbook.evidence.contrasts import Contrast, Contrasts, Difference, Mean, Unit, averaged
from lossbook.evidence.grids import Column, Table
from lossbook.evidence.rules import Above, CarriesOver, OnceWhole
from lossbook.evidence.select import Evidence
from lossbook.evidence.tables import Cell as TableCell
from lossbook.evidence.tables import signed
from lossbook.experiments.grid import PAPER, Cell, Experiment, Profile
from lossbook.papers.battash2021 import texts
from lossbook.papers.battash2021.names import Method
from lossbook.papers.battash2021.texts import CE, GRADUAL, MIXTURES, REGIMES, by_name
from lossbook.results import Record, published
from lossbook.training import RunSpec

TABLE3 = "battash2021/table3"
REVIEWS = "womens_clothing"
#: Layers, and LSTM cells per layer, which is the width of the embeddings as well.
ARCHITECTURES = {"arch1": (1, 50), "arch2": (1, 75), "arch3": (1, 100), "arch4": (2, 50), "arch5": (2, 100)}
NAMES = {
    name: f"{number}: {layers} × {width}"
    for number, (name, (layers, width)) in enumerate(ARCHITECTURES.items(), start=1)
}
#: Tokens that are read of a review, and the share of the reviews that the published code tests on.
LONGEST, TEST_SHARE = 70, 0.2
EPOCHS, CLEAN_EPOCHS, TRIED_EPOCHS = 90, 7, 12

#: What both protocols have: the published code's, as the paper names none of these.
_RECIPE = RunSpec(
    dataset=REVIEWS,
    model="lstm",
    loss="ce",
    optimizer="adam",
    optimizer_options={"lr": 0.01},
    batch_size=1024,
    epochs=EPOCHS,
    measures="scale",
)
#: The published code: words counted in all reviews, training and test part drawn anew by each seed, and the
#: padding of a short review read as if it were text.
PUBLISHED = replace(_RECIPE, text={"name": "pooled_words", "longest": LONGEST}, redraw=TEST_SHARE)
#: The same without these three: words of the training reviews, one split, the output at the last token.
CLEAN = replace(_RECIPE, text={"name": "words", "longest": LONGEST}, epochs=CLEAN_EPOCHS)
#: The network's reading of padding in either.
_PADDED = {"published": LONGEST, "clean": None}
MADE_UP: dict[str, Any] = {"dataset": "made_up_reviews", "batch_size": 32, "epochs": 6}


def recipe(protocol: str, architecture: str) -> RunSpec:
    """CE with one of :data:`ARCHITECTURES` under a protocol, ``published`` or ``clean``."""
    layers, width = ARCHITECTURES[architecture]
    options: dict[str, Any] = {"embedding": width, "hidden": width, "layers": layers}
    if (padded := _PADDED[protocol]) is not None:
        options["padded_to"] = padded
    return replace({"published": PUBLISHED, "clean": CLEAN}[protocol], model_options=options)


def _cells(
    protocol: str,
    architectures: Iterable[str] = ARCHITECTURES,
    methods: Sequence[Method] = REGIMES,
    **changes: Any,
) -> tuple[Cell, ...]:
    return tuple(
        texts.cell(recipe(protocol, name), method, {"architecture": name, "protocol": protocol}, **changes)
        for name in architectures
        for method in methods
    )


EXPERIMENT = Experiment(
    name=TABLE3,
    title="Table 3: five LSTMs on reviews of clothes",
    profiles=by_name(
        Profile(
            PAPER,
            f"the paper's protocol, {EPOCHS} epochs, as its published code has it where the text is silent",
            _cells("published"),
            seeds=8,
        ),
        Profile(
            "published",
            f"a part of the former: the smallest of the five networks, for all {EPOCHS} epochs",
            _cells("published", ("arch1",)),
            seeds=8,
            part_of=PAPER,
        ),
        Profile(
            "clean",
            f"{CLEAN_EPOCHS} epochs; words of the training reviews, one split, the output at the last token",
            _cells("clean"),
            seeds=8,
        ),
        Profile(
            "lengths",
            "CE on all but 2,000 training reviews, measured on those by epoch, to choose a number of epochs",
            _cells("clean", methods=[CE], epochs=TRIED_EPOCHS, validation_size=2000),
            seeds=1,
        ),
        Profile(
            "quick",
            "1,000 reviews for 6 epochs, with two of the five networks",
            _cells("clean", ("arch1", "arch4"), train_size=1000, test_size=500, batch_size=64, epochs=6),
            seeds=2,
            embedded_cells=_cells("clean", ("arch1", "arch4"), **MADE_UP),
        ),
        Profile(
            "smoke",
            "made-up reviews for 6 epochs, to see that everything runs",
            (
                *_cells("clean", ("arch1",), **MADE_UP),
                *_cells("published", ("arch1",), methods=[CE, GRADUAL], **MADE_UP),
            ),
            seeds=2,
        ),
    ),
)

#: How far the profiles are from the paper's protocol.
HOW = {
    PAPER: "the paper's protocol",
    "clean": "its networks under a clean protocol, and fewer epochs",
    "published": "the paper's protocol with one of its five networks",
}
DECISIVE = tuple(HOW)


def networks_run(records: Sequence[Record]) -> str:
    """How many of the paper's five networks have runs; nothing where all have."""
    made = {record.labels["architecture"] for record in records}
    return "" if len(made) in (0, len(ARCHITECTURES)) else f"{len(made)} of {len(ARCHITECTURES)} networks"


def basis(records: Sequence[Record]) -> str:
    """On what runs a finding rests. The profile ``published`` counts as a part of the paper's."""
    part = networks_run([r for r in records if r.profile == PAPER])
    how = HOW | ({PAPER: f"{HOW[PAPER]} with {part}"} if part else {})
    return texts.basis(records, how)


@cache
def printed() -> dict[tuple[str, str, str], float]:
    """Table 3 of the paper: architecture, loss, F -> accuracy in percent, at the best test epoch."""
    rows = published("battash2021", "table3").to_dict("records")
    return {
        (r["architecture"], r["loss"], str(r["schedule"] or "")): float(r["accuracy_percent"]) for r in rows
    }


TABLE = Table(
    TABLE3,
    rows={"architecture": "Network", "loss": "Loss", "schedule": "F"},
    columns=(
        Column("Last epoch, %", percent=True),
        Column("Best test epoch, %", "best_test_accuracy", percent=True),
        Column("Balanced accuracy, %", "balanced_accuracy", percent=True),
        Column("Mean error, ratings", "absolute_error", digits=3),
    ),
    names={"architecture": NAMES, **texts.LABELS},
    published=printed(),
    against={"loss": CE.loss, "schedule": CE.schedule},
    baseline="CE",
)


def table(evidence: Evidence, profile: str, protocol: str) -> tuple[pd.DataFrame, list[str | TableCell]]:
    """Table 3 at a profile under one of its protocols, and the notes it needs.

    The paper's numbers stand beside runs on its own data alone.
    """
    own = {record.config["dataset"] for record in evidence.by_profile[profile]} == {REVIEWS}
    chosen = TABLE if own else replace(TABLE, published={})
    return chosen.frame(evidence, profile, where={"protocol": protocol})


def protocols(profile: str) -> tuple[str, ...]:
    """The protocols that a profile has cells of."""
    cells = EXPERIMENT.profile(profile).cells
    return tuple(dict.fromkeys(str(cell.labels["protocol"]) for cell in cells))


def gain(
    architecture: str,
    method: Method,
    protocol: str,
    metric: str = "test_accuracy",
    unit: Unit | None = None,
    dataset: str = REVIEWS,
) -> Contrast:
    """A mixture minus CE with one network, paired by seed.

    Args:
        architecture: One of :data:`ARCHITECTURES`.
        method: The mixture.
        protocol: ``clean`` or ``published``.
        metric: What is compared.
        unit: How it is written; points of accuracy by default.
        dataset: On which texts.
    """
    paper = printed()
    where = {"architecture": architecture, "protocol": protocol, "dataset": dataset}
    return Contrast(
        f"{method.name} minus CE, LSTM {NAMES[architecture]} ({protocol} protocol)",
        texts.select(method, metric, **where),
        texts.select(CE, metric, **where),
        paper=paper[architecture, method.loss, method.schedule] - paper[architecture, CE.loss, CE.schedule]
        if metric == "test_accuracy" and dataset == REVIEWS
        else None,
        resolved=metric == "test_accuracy",
        **({} if unit is None else {"unit": unit}),
    )


#: What the paper says is better than CE: all mixtures, but with the fourth network the gradual one alone.
CLAIMED = tuple(
    (architecture, method)
    for architecture in ARCHITECTURES
    for method in MIXTURES
    if architecture != "arch4" or method is GRADUAL
)


def _reading(protocol: str, *, optional: bool = False) -> Contrasts:
    return Contrasts(TABLE3, [gain(*each, protocol) for each in CLAIMED], optional=optional)


REVIEWS_CLAIM = Claim(
    "reviews",
    "On the clothing reviews all mixtures beat CE with four networks, CE+EL 0-0.5 with all five.",
    "LSTM multi-class classification; Table 3",
    "Test accuracy after the last epoch, each mixture minus CE with the same network, paired by seed.",
    {"clean protocol": _reading("clean"), "published code": _reading("published", optional=True)},
    CarriesOver(
        OnceWhole(Above()),
        "most runs have fewer epochs than the paper's, whose numbers are presumably those of the best test "
        "epoch, as its published code reports",
    ),
    decisive=DECISIVE,
    basis=basis,
)


def differences(
    evidence: Evidence, profile: str, protocol: str, metric: str = "test_accuracy", unit: Unit | None = None
) -> list[tuple[str, Method, Difference]]:
    """Every mixture minus CE that has been run at a profile, network by network."""
    sets = dict.fromkeys(str(r.labels["dataset"]) for r in evidence.by_profile.get(profile, ()))
    return [
        (architecture, method, found)
        for dataset in sets
        for architecture in ARCHITECTURES
        for method in MIXTURES
        if (found := gain(architecture, method, protocol, metric, unit, dataset).at(evidence, profile))
    ]


def summary(evidence: Evidence, profile: str, protocol: str) -> str:
    """How many mixtures are ahead of CE at a profile, before and after Holm's adjustment."""
    found = [each for *_, each in differences(evidence, profile, protocol)]
    if not found:
        return ""
    adjusted = stats.holm([each.interval.p for each in found])
    ahead = [(d, p) for d, p in zip(found, adjusted, strict=True) if d.above]
    behind = [(d, p) for d, p in zip(found, adjusted, strict=True) if d.below]
    kept = sum(p < stats.LEVEL for _, p in [*ahead, *behind])
    positive = sum(d.interval.mean > 0 for d in found)
    made = networks_run([record for each in found for record in each.records])
    part = f", {made}" if made else ""
    return (
        f"**{protocol.capitalize()} protocol, profile {profile}{part}.** Of {len(found)} mixtures compared "
        f"with CE, {positive} have the higher mean; the 95% interval lies above zero for {len(ahead)} and "
        f"below for {len(behind)}. After Holm's adjustment over these comparisons {kept or 'none'} of them "
        "remain."
    )


def over_networks(evidence: Evidence, method: Method = GRADUAL, metric: str = "test_accuracy") -> Mean | None:
    """A mixture minus CE in points under the clean protocol, the five networks averaged seed by seed.

    Only seeds that every network has count; None without one.
    """
    return averaged([gain(each, method, "clean", metric).at(evidence, "clean") for each in ARCHITECTURES])


#: What the mean over the networks is taken of, as a table names it.
MEANS = {
    "After the last epoch": "test_accuracy",
    "At the best test epoch": "best_test_accuracy",
    "Balanced accuracy": "balanced_accuracy",
}


def paper_mean(method: Method) -> float:
    """The paper's mean difference of a mixture from CE over its five networks, in points."""
    own, base = (
        [printed()[name, each.loss, each.schedule] for name in ARCHITECTURES] for each in (method, CE)
    )
    return (sum(own) - sum(base)) / len(ARCHITECTURES)


def means_table(evidence: Evidence) -> pd.DataFrame:
    """Each mixture minus CE in points, mean over the five networks under the clean protocol."""
    rows = []
    for method in reversed(MIXTURES):
        found = {name: over_networks(evidence, method, metric) for name, metric in MEANS.items()}
        cells = {name: each.cell for name, each in found.items() if each is not None}
        if cells:
            rows.append({"Mixture": method.name, "Paper": signed(paper_mean(method)), **cells})
    return pd.DataFrame(rows)


def headline(evidence: Evidence) -> str:
    """The mean over the networks: accuracy in both readings, beside the paper's, and balanced accuracy.

    Of CE+EL 0-0.5, and the accuracy of another mixture where its interval after the last epoch excludes zero.
    """
    last, best, balanced = (over_networks(evidence, metric=each) for each in MEANS.values())
    if last is None or best is None or balanced is None:
        return ""
    said = (
        f"{GRADUAL.name} minus CE, mean over the five networks under the clean protocol: accuracy "
        f"{last} points after the last epoch and {best} at the best test epoch "
        f"(the paper, presumably at the latter: {signed(paper_mean(GRADUAL))}), balanced accuracy "
        f"{balanced}."
    )
    for method in MIXTURES:
        last, best = (over_networks(evidence, method, MEANS[name]) for name in list(MEANS)[:2])
        if (
            method != GRADUAL
            and last is not None
            and best is not None
            and not last.interval.low <= 0 <= last.interval.high
        ):
            said += f" {method.name}: accuracy {last} after the last epoch, {best} at the best."
    return said


def follows(evidence: Evidence) -> str:
    """What follows for someone who trains on few rare classes; nothing where no interval says so."""
    balanced = {method.name: over_networks(evidence, method, "balanced_accuracy") for method in MIXTURES}
    losing = [name for name, found in balanced.items() if found is not None and found.interval.high < 0]
    if not losing:
        return ""
    named = " and ".join(filter(None, (", ".join(losing[:-1]), losing[-1])))
    return (
        "On reviews like these, where rare classes count, stay with CE: under the clean protocol balanced "
        f"accuracy is lower with {named}."
    )


def baseline(records: Sequence[Record]) -> str:
    """What predicting the most frequent rating for every review would give."""
    known = [r for r in records if r.status == "finished" and r.metric("majority_share") is not None]
    if not known:
        return ""
    shares = sorted({round(100 * _number(r, "majority_share"), 1) for r in known})
    errors = sorted({round(_number(r, "majority_error"), 2) for r in known})
    balanced = 100 / len(known[0].metrics["count"])
    return (
        f"Predicting the most frequent rating for every review is right for {_range(shares, 1)}% of the test "
        f"reviews, has a balanced accuracy of {balanced:.0f}%, and is off by {_range(errors, 2)} ratings on "
        "average."
    )


def best_epoch(evidence: Evidence, profile: str, protocol: str) -> str:
    """What reading the accuracy at the best test epoch adds to that after the last, loss by loss."""
    said = []
    for method in REGIMES:
        gains = []
        for architecture in ARCHITECTURES:
            where = {"architecture": architecture, "protocol": protocol}
            runs = texts.select(method, **where).runs(evidence, profile)
            last, best = runs.values("test_accuracy"), runs.values("best_test_accuracy")
            gains += [100 * (best[seed] - last[seed]) for seed in last]
        if gains:
            said.append(f"{method.name} {stats.mean_interval(gains).mean:.2f}")
    if not said:
        return ""
    return (
        f"Reading the best test epoch instead of the last adds, in points on average: {', '.join(said)}. "
        "The paper's accuracies are presumably of that kind, as its published code reports that epoch."
    )


#: Other measures than accuracy, as a table names them, and how their differences are written.
MEASURES = {
    "Balanced accuracy, points": ("balanced_accuracy", Unit(100.0, 2, "points")),
    "Mean error, ratings": ("absolute_error", Unit(1.0, 3, "ratings")),
}


def errors_table(evidence: Evidence, profile: str, protocol: str) -> pd.DataFrame:
    """Every mixture minus CE in other measures than accuracy, network by network."""
    found = {
        name: {
            (NAMES[architecture], method.name): each
            for architecture, method, each in differences(evidence, profile, protocol, *how)
        }
        for name, how in MEASURES.items()
    }
    rows = dict.fromkeys(row for each in found.values() for row in each)
    return pd.DataFrame(
        {"Network": network, "Mixture": mixture}
        | {name: _minus(each.get((network, mixture))) for name, each in found.items()}
        for network, mixture in rows
    )


def _minus(found: Difference | None) -> TableCell:
    if found is None:
        return TableCell("–")
    d = found.interval
    keys = tuple(dict.fromkeys((*found.runs.keys, *found.base.keys)))
    return TableCell(found.short(), {"mean": d.mean, "low": d.low, "high": d.high, "n": d.n}, keys)


def lengths_table(evidence: Evidence) -> pd.DataFrame:
    """After how many epochs CE is best on held-out training reviews, network by network."""
    rows = []
    for architecture in ARCHITECTURES:
        for record in evidence.runs("lengths", architecture=architecture).records:
            curve = [value or 0.0 for value in record.curve("test_accuracy")]
            ce = [value if value is not None else float("inf") for value in record.curve("test_ce")]
            if curve:
                rows.append(
                    {
                        "Network": NAMES[architecture],
                        "Highest accuracy, %": TableCell(
                            f"{100 * max(curve):.1f}", {"accuracy": 100 * max(curve)}, (record.key,)
                        ),
                        "After epoch": 1 + curve.index(max(curve)),
                        "Lowest cross-entropy after epoch": 1 + ce.index(min(ce)),
                    }
                )
    return pd.DataFrame(rows)


def _number(record: Record, name: str) -> float:
    value = record.metric(name)
    assert value is not None
    return float(value)


def _range(values: Sequence[float], digits: int) -> str:
    low, high = (f"{each:.{digits}f}" for each in (values[0], values[-1]))
    return low if low == high else f"{low} to {high}"
