"""Every number that the book's first page quotes follows from the committed records, and its snippet runs."""

import math
import re
from collections import Counter
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lossbook.analysis import distraction
from lossbook.evidence import Evidence, Runs, gather, recorded, stats
from lossbook.evidence.contrasts import Contrast, Difference
from lossbook.evidence.tables import difference, signed, signed_band
from lossbook.losses import hs_lr_loss, lr_loss
from lossbook.papers.battash2021 import table1 as images
from lossbook.papers.battash2021 import table3 as reviews
from lossbook.papers.battash2021 import table4_tables as battash2021
from lossbook.papers.battash2021 import table6 as regularisation
from lossbook.papers.battash2021.names import CE, CONSTANT, EL, GRADUAL, TWO_PHASE
from lossbook.papers.battash2021.protocol import GRADUAL as MIXTURE
from lossbook.papers.dong2019 import classes as dong2019_classes
from lossbook.papers.dong2019 import table1 as dong2019
from lossbook.papers.dong2019 import table2 as dong2019_retrieval
from lossbook.papers.dong2019.names import DECISIVE, FREQUENCIES, ONE, OWN, USUAL
from lossbook.papers.li2020 import calibration, imbalance, scale, table3
from lossbook.papers.li2020 import pixels as li2020_pixels
from lossbook.papers.li2020.verdict import CLAIMS
from lossbook.papers.synthesis import head_to_head, head_to_head_page
from lossbook.results import Record, Store, attestation

INTRO = (Path(__file__).parents[3] / "book" / "intro.md").read_text(encoding="utf-8")
FASHION = "fashion_mnist"
#: Digits that are not results: names, and the 10:1 of a training set.
MIXED = ("CE+EL 0-0.5", "CE+EL 0,0.5", "CE+EL 0")
NOT_NUMBERS = (*MIXED, "CIFAR-100", "CIFAR-10", "rank-1", "Table 4", "K - 1", "to 1", "10:1")


def _section(title: str) -> str:
    found = re.search(rf"^## {re.escape(title)}$(.*?)^## ", INTRO, flags=re.MULTILINE | re.DOTALL)
    assert found, f"there is no section {title!r}"
    return found[1]


def _rows(title: str) -> dict[str, str]:
    """The rows of a section's table, by their first cell."""
    lines = [line for line in _section(title).splitlines() if line.startswith("| ")][1:]
    return {line.split("|")[1].strip(): line.partition("|")[2].partition("|")[2] for line in lines}


def _numbers(text: str) -> list[str]:
    """The numbers of a text in order, each with its sign, its interval and its unit."""
    text = re.sub(r"\]\([^)]*\)", "]", text)
    text = re.sub(r"\{cite[^`]*`[^`]*`|li2020|battash2021|yao2018|dong2019", "", text)
    for name in NOT_NUMBERS:
        text = text.replace(name, "")
    return re.findall(r"[+-]?\d+(?:\.\d+)?(?: ± \d+\.\d+)?%?", text)


@cache
def _evidence(name: str) -> Evidence:
    # Nothing is there: what lies in a build folder of this checkout does not count.
    return recorded(name, "paper", store=Store(working=Path(__file__).parent / "no-such-folder"))


def _runs(name: str, profile: str = "paper", **labels: Any) -> Runs:
    return _evidence(name).runs(profile, **labels)


def _difference(runs: Runs, base: Runs) -> stats.PairedDifference:
    found = difference(runs, base, "test_accuracy")
    assert found is not None
    return found


@cache
def _findings() -> Counter[str]:
    names = ("table3", "table4", "table5", "scale", "modality", "imbalance", "calibration", "pixels")
    evidence = {f"li2020/{name}": _evidence(f"li2020/{name}") for name in names}
    return Counter(claim.judge(evidence).finding for claim in CLAIMS)


def _at_equal_steps() -> stats.PairedDifference:
    sides = (_runs("li2020/calibration", rate="equal", loss=loss) for loss in ("lgl_inr", "sml"))
    return _difference(*sides)


def _li2020() -> list[str]:
    leads = {}
    for dataset in (FASHION, "mnist"):
        mine, base = (
            li2020_pixels.of_cell(
                _evidence("li2020/table3"), _evidence("li2020/pixels"), "paper", dataset, loss
            )
            for loss in ("lgl_inr", "sml")
        )
        for scaling in ("unit", "standardised"):
            leads[dataset, scaling] = signed_band(_difference(mine[scaling], base[scaling]))
    found = _findings()
    return [
        leads[FASHION, "unit"],
        signed_band(_at_equal_steps()),
        leads[FASHION, "standardised"],
        leads["mnist", "unit"],
        leads["mnist", "standardised"],
        *map(str, (found.total(), found["holds"], found["holds in part"], found["does not hold"])),
    ]


@cache
def _uci() -> dict[str, Any]:
    study, *_ = battash2021.studies(_evidence("battash2021/table4"))
    return {found.classifier: found for found in study.read()}


def _gain(classifier: str, method: int, base: int = CE) -> stats.Interval:
    found = _uci()[classifier].mean
    return stats.mean_interval(found[:, method] - found[:, base])


def _band(d: stats.Interval) -> str:
    return signed_band(d)  # type: ignore[arg-type]  # an interval has all that is read


def _battash2021() -> list[str]:
    paper = {battash2021.printed()[name, "ceel", "0-0.5"]["accuracy_gain_points"] for name in _uci()}
    assert len(paper) == 1
    return [
        str(len(_uci()["linear"].datasets)),
        _band(_gain("linear", GRADUAL)),
        _band(_gain("hidden", GRADUAL)),
        f"{float(paper.pop()):.2f}",
        _band(_gain("hidden", TWO_PHASE)),
        *_mixtures_on_images(),
        *_mixtures_on_reviews(),
    ]


def _mixtures_on_images() -> list[str]:
    """How far CE+EL 0-0.5 is from CE on CIFAR-100 and Fashion-MNIST, with shifts and flips; the seeds."""
    nothing = Store(working=Path(__file__).parent / "no-such-folder")
    found = images.gain(MIXTURE).at(recorded(images.TABLE1, store=nothing), "reference")
    small = regularisation.together(
        *(recorded(name, store=nothing) for name in (regularisation.TABLE6, images.TABLE1))
    )
    other = regularisation.gain(regularisation.BASELINE, "cnn2c").at(small, "cnn2c")
    return [text for each in (found, other) if each for text in (_points(each), str(each.interval.n))]


def _points(found: Difference | None) -> str:
    assert found is not None
    return signed_band(found.interval)


def _against_ce(loss: str, rates: str = ONE) -> str:
    """How far a loss is behind CE on CIFAR-100."""
    lead = _points(
        dong2019.minus("cifar100", "ce", loss, rates=rates).measure(_evidence(dong2019.TABLE1), DECISIVE)
    )
    return lead.removeprefix("+")


def _dong2019() -> list[str]:
    _, over_ce = dong2019.remedy("cifar100")
    return [
        *map(_against_ce, ("lr", "hs_lr", "ss_lr")),
        _against_ce("lr", OWN),
        _points(over_ce.measure(_evidence(dong2019.TABLE1), DECISIVE)),
        *(_retrieved("lr", FREQUENCIES, place) for place in dong2019_retrieval.PLACES),
        *(_retrieved("hs_lr", place=place).removeprefix("-") for place in dong2019_retrieval.PLACES),
    ]


def _retrieved(
    loss: str, start: str = USUAL, place: dong2019_retrieval.Place = dong2019_retrieval.CHARACTERS
) -> str:
    """Rank-1 of a loss among classes never seen minus that of CE, at one rate."""
    contrast = dong2019_retrieval.contrast(place, loss, "ce", "rank_1", start=start)
    found = contrast.measure(_evidence(dong2019_retrieval.TABLE2), DECISIVE)
    assert found is not None
    assert found.interval.n == 5
    return _points(found)


def _unseen() -> list[str]:
    variants = (("lr", FREQUENCIES), ("ss_lr", USUAL), ("lr", USUAL))
    return [_retrieved(*variant, place=place) for place in dong2019_retrieval.PLACES for variant in variants]


def _many_classes() -> list[str]:
    over_lr, _ = dong2019.remedy("cifar100", OWN)
    selected = [
        dong2019.minus("cifar100", "ss_lr", "lr", other_start=FREQUENCIES, rates=rates)
        for rates in (OWN, ONE)
    ]
    made = [_points(each.measure(_evidence(dong2019.TABLE1), DECISIVE)) for each in (over_lr, *selected)]
    nothing = Store(working=Path(__file__).parent / "no-such-folder")
    many = max(dong2019_classes.COUNTS["cifar100"])
    leads = [dong2019_classes.lead("cifar100", many, ("lr", start)) for start in (USUAL, FREQUENCIES)]
    sides = [
        dong2019_classes.select("cifar100", many, *variant)
        for variant in (("ss_lr", USUAL), ("lr", FREQUENCIES))
    ]
    behind = [
        _points(each.measure(recorded(dong2019_classes.CLASSES, store=nothing), DECISIVE))
        for each in (*leads, Contrast("", *sides))
    ]
    return [*made, str(many), *behind]


def _mean(runs: Runs, metric: str) -> float:
    return float(np.mean(list(runs.values(metric).values())))


def _mnist(loss: str) -> Runs:
    return _runs("yao2018/table1", "keras12", epochs=12, dataset="mnist", loss=loss)


def _yao2018() -> list[str]:
    (epochs,) = {record.labels["epochs"] for record in _mnist("nllr").records}
    return [
        f"{100 * _mean(_mnist('nllr'), 'test_accuracy'):.1f}%",
        str(epochs),
        f"{100 * _mean(_mnist('ce'), 'test_accuracy'):.1f}%",
        signed_band(_difference(_mnist("nllr_clipped"), _mnist("ce"))),
        f"{_mean(_mnist('nllr_clipped'), 'test_ce'):.3f}",
        f"{_mean(_mnist('ce'), 'test_ce'):.3f}",
        str(head_to_head.EXPERIMENT.profile("reference").cells[0].spec.epochs),
        _band(_together()["cifar10", "NLLR (clipped)"]),
    ]


def _mixtures_on_reviews() -> list[str]:
    """CE+EL 0-0.5 and 0,0.5 minus CE after the last and at the best epoch; and the seeds."""
    evidence = _evidence("battash2021/table3")
    two_phase, gradual = reviews.MIXTURES[1:]
    assert (two_phase.name, gradual.name) == ("CE+EL 0,0.5", "CE+EL 0-0.5")
    last, best, balanced = (
        [reviews.over_networks(evidence, method, metric) for method in (gradual, two_phase)]
        for metric in reviews.MEANS.values()
    )
    # "at the expense of rare ratings"
    assert all(d is not None and d.interval.high < 0 for d in balanced)
    found = [d for d in (*last, *best) if d is not None]
    (seeds,) = {d.interval.n for d in found}
    return [*(f"{signed(d.interval.mean)} ± {d.interval.half:.2f}" for d in found), str(seeds)]


@cache
def _together() -> dict[tuple[str, str], stats.Interval]:
    """Each loss minus CE head to head, by data set and loss."""
    found = head_to_head_page.differences(gather("synthesis/head_to_head"))
    return {place: each.interval for place, (each, _) in found.items()}


def _largest_gain() -> list[str]:
    """The largest gain over CE where rates are chosen for each loss, or steps are equal."""
    chosen = scale.at_best_rates("lgl_inr", "sml", FASHION).measure(_evidence("li2020/scale"))
    assert chosen is not None
    logistic = [_runs("li2020/calibration", rate="equal", loss=loss) for loss in ("lgl", "sml")]
    gains = [_at_equal_steps(), _difference(*logistic), chosen.interval]
    gains += [_gain(name, method) for name in _uci() for method in (CONSTANT, TWO_PHASE, GRADUAL, EL)]
    here = [
        dong2019.minus(dataset, loss, "ce", start=start, rates=OWN).measure(
            _evidence(dong2019.TABLE1), DECISIVE
        )
        for dataset, variants in dong2019.CHOSEN.items()
        for loss, start in variants
        if loss != "ce"
    ]
    gains += [found.interval for found in here if found is not None and found.interval.bounded]
    gains += _together().values()
    return [_band(max(gains, key=lambda gain: gain.mean))]


def _probabilities() -> list[str]:
    return [
        f"{_mean(_runs('li2020/calibration', rate=rate, loss=loss), 'ece'):.4f}"
        for rate in ("paper", "equal")
        for loss in ("lgl_inr", "sml")
    ]


def _rare() -> list[str]:
    derived = imbalance.derived(_evidence("li2020/imbalance"))
    found = []
    for metric in ("small_accuracy", "large_accuracy"):
        for design in ("step", "long_tailed"):
            sides = (imbalance.runs(derived, "subset", design, "sml", w) for w in ("inverse", "none"))
            d = difference(*sides, metric)
            assert d is not None
            found.append(signed_band(d))
            seeds = d.n
    return [*found, str(seeds)]


def _wrong_labels() -> list[str]:
    return [_band(_gain(name, CE, EL)).removeprefix("+") for name in ("linear", "hidden")]


def _early() -> list[str]:
    at_rate = table3.early_lead("sml", FASHION).at(_evidence("li2020/table3"), "paper")
    equal = calibration.lead("lgl_inr", "sml", "equal", value=table3.early).at(
        _evidence("li2020/calibration"), "paper"
    )
    assert at_rate is not None
    assert equal is not None
    return [signed_band(each.interval) for each in (at_rate, equal)]


FOUND = {"li2020": _li2020, "battash2021": _battash2021, "dong2019": _dong2019, "yao2018": _yao2018}
ADVICE = {
    "nothing special": _largest_gain,
    "the probabilities are used": _probabilities,
    "an example can have several labels": list,
    "one question per class, and many classes": _many_classes,
    "features for classes that are not trained on": _unseen,
    "some classes are rare": _rare,
    "some labels are wrong": _wrong_labels,
    "training should start faster": _early,
}


@pytest.mark.parametrize(
    ("title", "row"),
    [("What we found", row) for row in FOUND] + [("Which loss should I use?", row) for row in ADVICE],
)
def test_every_number_of_a_row_follows_from_the_records(title, row):
    (text,) = [text for cell, text in _rows(title).items() if row in cell]
    assert _numbers(text) == (FOUND | ADVICE)[row]()


def test_every_row_is_tested():
    for title, rows in (("What we found", FOUND), ("Which loss should I use?", ADVICE)):
        assert all(sum(row in cell for row in rows) == 1 for cell in _rows(title))
        assert len(_rows(title)) == len(rows)


def test_the_numbers_of_seeds_are_those_of_the_records():
    below = _section("What we found").rpartition("\n:::\n")[2]
    compared = [
        _runs("li2020/calibration", rate=rate, loss=loss).records
        for rate in ("paper", "equal")
        for loss in ("lgl_inr", "sml")
    ]
    compared += [
        _runs("li2020/table3", dataset=d, network="cnn2c", loss="lgl_inr").records for d in (FASHION, "mnist")
    ]
    (li2020,) = {len(each) for each in compared}
    compared_there = [
        dong2019.select("cifar100", loss, start).runs(_evidence(dong2019.TABLE1), "reference").records
        for loss, start in (*dong2019.USUAL_STARTS, dong2019.LR_FREQUENCIES)
    ]
    (there,) = {len(each) for each in compared_there}
    (yao2018,) = {len(_mnist(loss).records) for loss in ("ce", "nllr", "nllr_clipped")}
    assert there == yao2018
    # For li2020, for dong2019 and yao2018, and for retrieval.
    assert re.findall(r"(\d+) seeds", below) == [str(li2020), str(there), "5"]


def test_a_dagger_marks_what_todays_code_is_not_known_to_give():
    def doubtful(found: tuple[Record, ...]) -> bool:
        # The records here are trusted whatever their code (conftest); these are asked for the truth.
        return any(
            attestation.trust(r.experiment, r.provenance, lambda r=r: r._kind).state == "unattested"
            for r in found
        )

    rows = _rows("What we found")
    for row, used in {
        "yao2018": [_mnist(loss).records for loss in ("ce", "nllr", "nllr_clipped")],
        "li2020": [
            tuple(_evidence(f"li2020/{name}").by_profile["paper"])
            for name in ("table3", "calibration", "pixels")
        ],
        "battash2021": [tuple(_evidence("battash2021/table4").records)],
        "dong2019": [tuple(_evidence(dong2019.TABLE1).by_profile["reference"])],
    }.items():
        (text,) = [text for cell, text in rows.items() if row in cell]
        assert ("†" in text) == any(map(doubtful, used)), row


def test_head_to_head_no_loss_is_ahead_of_cross_entropy():
    assert head_to_head_page.verdict(gather("synthesis/head_to_head")).count == (0, 10)


def test_the_ratios_at_the_start_of_training_are_as_said():
    lr, hs = partial(lr_loss, reduction="none"), partial(hs_lr_loss, reduction="none")
    zero, targets = torch.zeros(200, 200, dtype=torch.float64), torch.arange(200)
    assert distraction(lr, zero, targets).batch_ratio == pytest.approx(1 / 199)
    assert distraction(lr, zero - math.log(199), targets).batch_ratio == pytest.approx(1)
    for share in (0.25, 0.5, 1.0):
        selected = partial(hs, m=share, beta=10.0)
        assert distraction(selected, zero, targets).batch_ratio == pytest.approx(1 / 10)


def test_the_snippet_runs_and_gives_a_gradient():
    (code,) = re.findall(r"```python\n(.*?)```", _section("Use a loss in five lines"), flags=re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) == 5
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["logits"].grad.abs().sum() > 0
