"""Results at a glance: the differences that the papers print beside ours, and what has been run of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from lossbook import datasets, experiments
from lossbook.evidence import claims, ranking, stats, tables
from lossbook.evidence import select as choice
from lossbook.evidence.contrasts import PLAIN, POINTS, Contrast, Difference, Select, Unit
from lossbook.evidence.tables import UNATTESTED, Cell, signed
from lossbook.experiments.grid import PAPER
from lossbook.papers.battash2021 import escaping, motivation, names, protocol
from lossbook.papers.battash2021 import table1 as battash2021_images
from lossbook.papers.battash2021 import table2 as battash2021_imagenet
from lossbook.papers.battash2021 import table3 as battash2021_reviews
from lossbook.papers.battash2021 import table4_scores as uci
from lossbook.papers.battash2021 import table5 as battash2021_complement
from lossbook.papers.battash2021 import table6 as battash2021_regularised
from lossbook.papers.dong2019 import hard_mining
from lossbook.papers.dong2019 import names as dong2019
from lossbook.papers.dong2019 import table1 as dong2019_objects
from lossbook.papers.dong2019 import table2 as dong2019_persons
from lossbook.papers.dong2019 import table3 as dong2019_attributes
from lossbook.papers.li2020 import names as li2020
from lossbook.papers.li2020 import simulations
from lossbook.papers.li2020 import table1 as balance
from lossbook.papers.synthesis import head_to_head
from lossbook.papers.synthesis.ledger import PAPERS, Reader
from lossbook.papers.yao2018 import names as yao2018
from lossbook.progress import duration
from lossbook.results import Record, Store, published

#: An interval of a mean takes as many seeds.
SEEDS = 3
#: The runs of li2020's simulations that this page makes; the page of Table 1 has the paper's 100.
SIMULATED, PAPERS_RUNS = range(20), 100
#: Networks by their name in records.
NETWORKS = {
    **protocol.NETWORK_NAMES,
    **li2020.NETWORK_NAMES,
    **dong2019.NETWORK_NAMES,
    **{name: f"LSTM {size}" for name, size in battash2021_reviews.NAMES.items()},
}

#: In the label of runs where each loss has its own learning rate.
OWN_RATES = "own rates"

#: A number of a paper, and what is subtracted from it.
Printed = tuple[float, float]


@dataclass(frozen=True)
class Row:
    """A question that a paper's numbers answer, and our answer where it has been run.

    Attributes:
        what: What it was measured on.
        loss: The loss whose colour it has, by its name in the book's styles.
        printed: Where the paper has it, such as a network, and what it has there. Our answer on other terms
            stands once beside all that the paper has; without a number at hand it stands alone.
        ours: Our mean with its interval; None where nothing has been run.
        made: What ours was made with.
        terms: The same in short, where these are not the paper's terms.
        whole: Whether that is the paper's protocol, on its data.
        records: The runs behind ours.
        two: The two numbers of ours, as text.
        again: Whether it is another reading of numbers that a row before it has.
    """

    what: str
    loss: str
    printed: Mapping[str, Printed]
    ours: stats.Interval | None = None
    made: str = ""
    terms: str = ""
    whole: bool = False
    records: tuple[Record, ...] = ()
    two: str = ""
    again: bool = False

    @property
    def papers(self) -> tuple[float, ...]:
        """The paper's differences."""
        return tuple(left - right for left, right in self.printed.values())

    @property
    def text(self) -> str:
        """Ours in words: ``"+0.27 ± 0.15"``; without an interval where there is none to show."""
        if self.ours is None:
            return ""
        mark = f" {UNATTESTED}" if any(r.trust.state == "unattested" for r in self.records) else ""
        return f"{signed(self.ours.mean)}{tables.band(self.ours, 2)}{mark}"

    def said(self, written: Callable[[float, float], str]) -> str:
        """What the paper has, place by place."""
        return "; ".join(f"{place} {written(*pair)}".lstrip() for place, pair in self.printed.items())


@dataclass(frozen=True)
class Group:
    """Rows with one axis: a comparison that a table of a paper makes.

    Attributes:
        item: The table, for example ``"Table 3"``.
        title: What is compared, and in which unit.
        rows: Every difference that the paper prints, run or not.
        source: The file of the published numbers; empty where none are at hand.
        note: What must be known of the paper's side.
        drawn: Whether the figure shows it; the table has all.
    """

    item: str
    title: str
    rows: tuple[Row, ...]
    source: str = ""
    note: str = ""
    drawn: bool = True

    @property
    def shown(self) -> tuple[Row, ...]:
        """The rows that have been run."""
        return tuple(row for row in self.rows if row.ours is not None)

    @property
    def terms(self) -> str:
        """What its answers on other terms than the paper's were made with; by data set where that differs."""
        rows = [
            (row, _title(str(row.records[0].labels["dataset"])) if row.records else "")
            for row in self.shown
            if row.terms
        ]
        sets: dict[str, dict[str, None]] = {}
        for row, dataset in rows:
            several = len({other.terms for other, name in rows if name == dataset}) > 1
            place = f"{dataset} at own rates" if several and OWN_RATES in row.what else dataset
            sets.setdefault(row.terms, {})[place] = None
        if len(sets) < 2:
            return "".join(sets)
        return "; ".join(f"{', '.join(each)}: {terms}" for terms, each in sets.items())


def groups(paper: str, read: Reader, *, simulated: range = SIMULATED) -> list[Group]:
    """Every difference of the numbers that a paper prints, beside ours where it has been run.

    Args:
        paper: Key of the paper.
        read: Reads the records of an experiment.
        simulated: Which runs of the simulations of li2020's Table 1 are made.
    """
    makers: Mapping[str, Callable[[], list[Group]]] = {
        "yao2018": lambda: [_yao2018(read)],
        "li2020": lambda: [_balance(simulated), *_li2020(read), _betas(read), _confusion(read)],
        "battash2021": lambda: [*_battash2021(read), *_uci(read), _motivation(read), _escaping(read)],
        "dong2019": lambda: [_objects(read), *_persons(read), *_attributes(read), _hard_mining(read)],
    }
    return sorted(makers[paper](), key=lambda group: (not group.item.startswith("Table"), group.item))


#: Where a paper has a number: network, data set, loss.
Place = tuple[str, str, Any]
#: What a difference was measured on, as a label, and the difference.
Answer = tuple[str, Difference | None]


def _rows_of(
    printed: Mapping[Place, Printed],
    own: Callable[[str, str, Any], Difference | None] = lambda *_: None,
    others: Callable[[str, Any], Sequence[Answer]] = lambda *_: (),
    *,
    head: Callable[[Any], str] = lambda _: "",
    look: Callable[[Any], str] = str,
    pool: Mapping[str, str] | None = None,
    again: Callable[[Any], bool] = lambda _: False,
) -> tuple[Row, ...]:
    """A row for each number that the paper's own network has been run for; then the others.

    What the paper has with networks that have not been run is one question, to each data set and loss, and
    runs on other terms answer it once.

    Args:
        printed: What the paper has.
        own: Our difference with the paper's network and data.
        others: Ours on other terms.
        head: Name of a loss in a label.
        look: Name of a loss in the book's styles.
        pool: Data sets that are asked about together, with what they are called then.
        again: Whether a loss is another reading of one of the paper's.
    """
    rows: list[Row] = []
    left: dict[tuple[str, Any], dict[str, Printed]] = {}
    for (network, dataset, loss), pair in printed.items():
        asked, name = (pool or {}).get(dataset, dataset), NETWORKS.get(network, "")
        place = name if asked == dataset else f"{name}, {_title(dataset)}"
        if (made := own(network, dataset, loss)) is None:
            left.setdefault((asked, loss), {})[place] = pair
            continue
        what = _joined(head(loss), name, _title(dataset))
        whole = made.profile == PAPER
        rows.append(_row(what, look(loss), {place: pair}, made, whole=whole, again=again(loss)))
    for (asked, loss), pairs in left.items():
        answers = [(where, made) for where, made in others(asked, loss) if made is not None]
        for number, (where, made) in enumerate(answers or [(_title(asked), None)]):
            what = _joined(head(loss), where)
            rows.append(_row(what, look(loss), pairs, made, again=again(loss) or number > 0))
    return tuple(rows)


def _joined(*parts: str) -> str:
    return ", ".join(filter(None, parts))


def _row(
    what: str,
    loss: str,
    printed: Mapping[str, Printed],
    difference: Difference | None,
    *,
    whole: bool = False,
    again: bool = False,
) -> Row:
    """A row with what was measured; an interval takes three seeds at least."""
    row = Row(what, loss, printed, again=again)
    if difference is None:
        return row
    found, scale, runs = difference.interval, difference.contrast.unit.scale, difference.records
    low, high = (scale * bound if found.n >= SEEDS else math.nan for bound in (found.low, found.high))
    sides = ((difference.contrast.left, difference.runs), (difference.contrast.right, difference.base))
    means = [scale * float(np.mean(list(side.values(made).values()))) for side, made in sides]
    networks = dict.fromkeys(NETWORKS.get(str(r.labels.get("network")), "") for r in runs)
    epochs = " or ".join(str(n) for n in sorted({int(r.labels["epochs"]) for r in runs}))
    how = _joined(*networks, f"{epochs} epochs")
    sizes = {int(r.provenance["train_size"]) for r in runs}
    of_them = f", {' or '.join(f'{n:,}' for n in sorted(sizes))} training examples"
    part = min(sizes) < datasets.info(str(runs[0].config["dataset"])).train_size
    return replace(
        row,
        ours=stats.Interval(scale * found.mean, low, high, found.n),
        made=f"{how}{of_them}, {claims.seeds_text(runs)}",
        terms="" if whole else f"{how}{of_them * part}",
        whole=whole,
        records=runs,
        two=_pair(*means),
    )


def _minus(printed: Mapping[Place, float], base: Any) -> dict[Place, Printed]:
    """Every number but the baseline's with the baseline's at the same place."""
    return {
        (network, dataset, loss): (value, printed[network, dataset, base])
        for (network, dataset, loss), value in printed.items()
        if loss != base
    }


def _difference(
    found: choice.Evidence,
    left: Mapping[str, Any],
    right: Mapping[str, Any],
    only: Sequence[str] = (),
    metric: str = "test_accuracy",
    unit: Unit = POINTS,
) -> Difference | None:
    sides = Select(left, metric), Select(right, metric)
    return Contrast("", *sides, unit=unit, resolved=False).measure(found, (PAPER,), only)


def _head_to_head(read: Reader, dataset: str, *sides: tuple[str, Mapping[str, Any]]) -> Answer:
    """The synthesis's comparison of two losses, each at its own rate, where it has both."""
    known = head_to_head.LOSSES.items()
    losses = [name for side in sides for name, made in known if made == side]
    where = f"{_title(dataset)}, {OWN_RATES}"
    if len(losses) < len(sides) or dataset not in head_to_head.DATASETS:
        return where, None
    left, right = ({"dataset": dataset, "loss": loss} for loss in losses)
    return where, _difference(read(head_to_head.EXPERIMENT.name), left, right, ("reference",))


def _rates(where: str, one: Difference | None, own: Difference | None) -> list[Answer]:
    """At one rate for all, as in the papers, and at each loss's own rate where those are other runs."""
    keys = [each and {r.key for r in each.records} for each in (one, own)]
    return [(where, one), *([(f"{where}, {OWN_RATES}", own)] if keys[0] != keys[1] else [])]


# --- yao2018 ------------------------------------------------------------------------------------------------


def _yao2018(read: Reader) -> Group:
    lines = {(r["dataset"], r["loss"]): r for r in _rows("yao2018", "table1")}
    lines |= {(dataset, yao2018.CLIPPED): lines[dataset, "nllr"] for dataset in yao2018.DATASETS}
    printed = {("", *which): float(line["accuracy_percent"]) for which, line in lines.items()}

    def own(_: str, dataset: str, loss: str) -> Difference | None:
        epochs = [int(lines[dataset, each]["epochs"]) for each in (loss, yao2018.BASELINE)]
        return _published(read(yao2018.TABLE1), dataset, loss, epochs)

    def others(dataset: str, loss: str) -> list[Answer]:
        sides = (yao2018.CODE.get(each, (each, {})) for each in (loss, yao2018.BASELINE))
        return [_head_to_head(read, dataset, *sides)]

    rows = _rows_of(
        _minus(printed, yao2018.BASELINE),
        own,
        others,
        head=yao2018.NAMES.__getitem__,
        again=yao2018.CLIPPED.__eq__,
    )
    return Group("Table I", "Accuracy minus CE's, points", rows, "table1")


def _published(found: choice.Evidence, dataset: str, loss: str, epochs: Sequence[int]) -> Difference | None:
    """Loss minus CE at the published epochs; without such runs at the best other profile, whose are equal."""

    def contrast(*lengths: int | None) -> Contrast:
        left, right = (
            Select({"dataset": dataset, "loss": name}, epochs=length)
            for name, length in zip((loss, "ce"), lengths, strict=True)
        )
        return Contrast("", left, right)

    if PAPER in found.by_profile and (made := contrast(*epochs).at(found, PAPER)):
        return made
    others = tuple(profile for profile in found.by_profile if profile != PAPER)
    return contrast(None, None).measure(found, only=others) if others else None


# --- li2020 -------------------------------------------------------------------------------------------------


def _li2020(read: Reader) -> list[Group]:
    """Tables 3 and 4. The paper has one LR; ours has two readings of it."""
    pairs = (
        ("lgl_inr", "sml"),
        ("lgl_inr", "lgl"),
        ("lgl_inr", "lgl_mean"),
        ("lgl", "sml"),
        ("lgl_mean", "sml"),
    )

    def own(experiment: str, network: str, dataset: str, pair: tuple[str, str]) -> Difference | None:
        left, right = ({"network": network, "dataset": dataset, "loss": each} for each in pair)
        return _difference(read(experiment), left, right)

    def others(dataset: str, pair: tuple[str, str]) -> list[Answer]:
        left, right = (li2020.CODE[each] for each in pair)
        return [] if "lgl_mean" in pair else [_head_to_head(read, dataset, (left, {}), (right, {}))]

    made = []
    for experiment in (li2020.TABLE3, li2020.TABLE4):
        item = experiment.rpartition("/")[2]
        accuracy = {
            (r["network"], r["dataset"], r["loss"]): float(r["accuracy_percent"])
            for r in _rows("li2020", item)
        }
        declared = {cell.labels["loss"] for cell in experiments.get(experiment).profile(PAPER).cells}
        for pair in (pair for pair in pairs if {*pair} <= declared):
            left, right = (each.removesuffix("_mean") for each in pair)
            rows = _rows_of(
                {
                    (network, dataset, pair): (value, accuracy[network, dataset, right])
                    for (network, dataset, loss), value in accuracy.items()
                    if loss == left
                },
                partial(own, experiment),
                others,
                look=lambda pair: li2020.DRAWN[pair[0]],
                again=lambda pair: "lgl_mean" in pair,
            )
            title = f"Accuracy, {' minus '.join(li2020.NAMES[each] for each in pair)}, points"
            made.append(Group(f"Table {item[-1]}", title, rows, item))
    return made


def _betas(read: Reader) -> Group:
    numbers = {
        ("", r["dataset"], int(r["beta"])): float(r["accuracy_percent"]) for r in _rows("li2020", "table5")
    }
    first = min(beta for *_, beta in numbers)

    def own(_: str, dataset: str, beta: int) -> Difference | None:
        left, right = ({"dataset": dataset, "beta": each, "detach": False} for each in (beta, first))
        return _difference(read(li2020.TABLE5), left, right)

    def others(dataset: str, beta: int) -> list[Answer]:
        return [(_other("fashion_mnist", dataset), own("", "fashion_mnist", beta))]

    rows = _rows_of(_minus(numbers, first), own, others, head="β = {}".format, look=lambda _: "lgl_inr")
    return Group("Table 5", f"Accuracy of LGL-INR minus that at β = {first}, points", rows, "table5")


def _other(used: str, asked: str) -> str:
    """The label of runs on other data than the paper's."""
    return f"{_title(used)} (paper: {_title(asked)})"


def _confusion(read: Reader) -> Group:
    """Fig. 1: images of some classes of KMNIST. Other data have other classes and give no answer."""
    printed: dict[Place, dict[str, float]] = {}
    for r in _rows("li2020", "fig1"):
        place = (r["network"], r["dataset"], f"{r['true_class']}/{r['predicted_class']}")
        printed.setdefault(place, {})[r["loss"]] = float(r["images"])

    def own(network: str, dataset: str, classes: str) -> Difference | None:
        left, right = ({"network": network, "dataset": dataset, "loss": loss} for loss in ("lgl_inr", "sml"))
        return _difference(read(li2020.TABLE3), left, right, (PAPER,), f"count/{classes}", PLAIN)

    rows = _rows_of(
        {place: (images["lgl_inr"], images["sml"]) for place, images in printed.items()},
        own,
        head="class {}".format,
        look=lambda _: "lgl_inr",
    )
    return Group("Fig. 1", "Images, LGL-INR minus CE, by class and prediction", rows, "fig1")


@cache
def _balance(runs: range) -> Group:
    """Table 1: the left side of Eq. 10 on test data, relative to the right side."""
    printed = {(r["simulation"], r["rhs"]): float(r["lhs"]) for r in _rows("li2020", "table1")}
    results = balance.table_one(runs, seed=0, weightings=simulations.CORRECTED)
    whole = len(runs) >= PAPERS_RUNS
    rows = []
    for result in sorted(results, key=lambda r: (r.simulation, -r.weighting.right_side)):
        right = result.weighting.right_side
        left = 100 * result.testing / right
        rows.append(
            Row(
                f"simulation {result.simulation[-1]}, right {right:g}",
                "ce",
                {"": (100 * printed[result.simulation, f"{right:g}"] / right, 100.0)},
                stats.mean_interval((left - 100).tolist()),
                f"{len(runs)} runs of the simulation, weights of the corrected header",
                terms=""
                if whole
                else f"{len(runs)} runs (paper: {PAPERS_RUNS}), weights of the corrected header",
                whole=whole,
                two=_pair(float(left.mean()), 100.0),
            )
        )
    return Group("Table 1", "Left over right side of Eq. 10, minus 1, %", tuple(rows), "table1")


# --- battash2021 --------------------------------------------------------------------------------------------

Regime = tuple[str, str]


def _battash2021(read: Reader) -> list[Group]:
    """Each mixture, and complement training, minus CE on images and on reviews."""
    images = read(battash2021_images.TABLE1)
    complement = battash2021_complement.together(read(battash2021_complement.TABLE5), images)
    regularised = battash2021_regularised.together(read(battash2021_regularised.TABLE6), images)

    def minus_ce(
        found: choice.Evidence, regime: Regime, only: Sequence[str] = (), **where: Any
    ) -> Difference | None:
        left, right = (
            {"loss": loss, "schedule": schedule, **where} for loss, schedule in (regime, protocol.CE)
        )
        return _difference(found, left, right, only)

    def with_network(table: Any, network: str, dataset: str, regime: Regime) -> Difference | None:
        name = next((own for own, printed in table.PAPER_NETWORKS.items() if printed == network), None)
        found = read(table.EXPERIMENT.name)
        return None if name is None else minus_ce(found, regime, dataset=dataset, network=name)

    def other_images(dataset: str, regime: Regime) -> list[Answer]:
        used = {"cinic10": "cifar10"}.get(dataset, dataset)
        where = _title(used) if used == dataset else _other(used, dataset)
        own = _head_to_head(read, used, (regime[0], {"schedule": regime[1]}), ("ce", {}))[1]
        one = minus_ce(images, regime, dataset=used, network="reference_small")
        small = minus_ce(images, regime, dataset="fashion_mnist", network=protocol.SMALL.model)
        return [
            (where, one),
            (f"{OWN_RATES}, {where}", own),
            (_other("fashion_mnist", dataset), small),
        ]

    def same_length(dataset: str, regime: Regime) -> list[Answer]:
        if regime == protocol.GRADUAL:
            return []  # Table 1 has the same runs
        where = {"length": battash2021_complement.EPOCHS}
        found = []
        for used in (dataset, *(["fashion_mnist"] if dataset == "cifar100" else [])):
            label = _title(used) if used == dataset else _other(used, dataset)
            mine = [r for r in complement.records if r.labels["dataset"] == used]
            networks = dict.fromkeys(r.labels["network"] for r in mine)
            found += [
                (label, minus_ce(complement, regime, dataset=used, network=each, **where))
                for each in networks
            ]
        return found

    def nearest(row: str, regime: Regime) -> list[Answer]:
        """With another network at the paper's own, or on other data at those that are nearest to it."""
        names_of = battash2021_regularised.NAMES
        near = [name for name, printed in battash2021_regularised.PRINTED.items() if printed == row]
        places = {"cifar10": "cifar10", protocol.SMALL_RUNS: "fashion_mnist"}  # profile -> its data
        return [(row.replace("_", " "), minus_ce(regularised, regime, (PAPER,), regularisation=row))] + [
            (
                f"{names_of[n]}, {_other(used, 'cinic10')}",
                minus_ce(regularised, regime, (profile,), regularisation=n),
            )
            for profile, used in places.items()
            for n in near
        ]

    def reviews(architecture: str, _: str, regime: Regime) -> Difference | None:
        found = read(battash2021_reviews.TABLE3)
        sides = (
            minus_ce(found, regime, battash2021_reviews.DECISIVE, architecture=architecture, protocol=each)
            for each in ("published", "clean")
        )
        return next(filter(None, sides), None)

    made = []
    for item, own, others in (
        ("table1", partial(with_network, battash2021_images), other_images),
        ("table2", partial(with_network, battash2021_imagenet), None),
        ("table3", reviews, None),
        ("table5", None, same_length),
        ("table6", None, nearest),
    ):
        printed = {
            (
                r.get("model") or r.get("architecture", ""),
                r.get("dataset") or r.get("regularization", ""),
                (r["loss"], r["schedule"]),
            ): float(r["accuracy_percent"])
            for r in _rows("battash2021", item)
        }
        rows = _rows_of(
            _minus(printed, protocol.CE),
            own or (lambda *_: None),
            others or (lambda *_: ()),
            head=protocol.title,
            again=partial(_is_table_1s, item),
            look=lambda regime: {"cot": "complement_entropy"}.get(regime[0], regime[0]),
        )
        note = "The paper's are read at the best test epoch, ours after the last." if item == "table3" else ""
        made.append(Group(f"Table {item[-1]}", "Accuracy minus CE's, points", rows, item, note))
    return made


def _is_table_1s(item: str, regime: Regime) -> bool:
    return item == "table5" and regime == protocol.GRADUAL


def _motivation(read: Reader) -> Group:
    claim = motivation.LEFT_BEHIND
    evidence = {name: read(name) for name in claim.experiments}
    found = [made for each in claim.readings.values() for made in each.measure(evidence, (PAPER,))]
    share = {name: 100 * fate.share for name, fate in motivation.printed().items()}
    rows = _rows_of(
        {("cifar_resnet32", "cifar100", "ce"): (share["wrong_above_0.2"], share["wrong_below_0.2"])},
        lambda *_: next((made for made in found if made.profile == PAPER), None),
        lambda dataset, _: [
            (_title(dataset) if used == dataset else _other(used, dataset), made)
            for made in found
            for used in {str(record.labels["dataset"]) for record in made.records}
        ],
        head=protocol.LOSS_NAMES.__getitem__,
    )
    title = "Wrong images that come back: share at p ≥ 0.2 minus share at p < 0.2, points"
    return Group("Motivating example", title, rows, "motivation")


def _escaping(read: Reader) -> Group:
    rows = []
    for reading, regime in product(escaping.READINGS, protocol.MIXTURES):
        made = escaping.against(regime, reading).measure(read(escaping.ESCAPING), (PAPER,))
        what = _joined(protocol.title(regime), escaping.READINGS[reading])
        rows.append(_row(what, "ceel", {}, made, again=reading != "own"))
    note = "The paper claims more than 0 and prints no number. Natural logarithms, on Fashion-MNIST."
    return Group("Eq. 18", "Escaping efficiency: log tr(HΣ) minus CE's", tuple(rows), note=note)


def _uci(read: Reader) -> list[Group]:
    found = read(names.TABLE4)
    real = [s for s in (uci.Study(records) for records in found.by_profile.values()) if not s.embedded]
    # As on the table's own page: the profile with the most complete data sets.
    study = max(real, key=lambda s: min((len(each.datasets) for each in s.read()), default=0), default=None)
    printed = {(r["classifier"], r["loss"], r["schedule"]): r for r in _rows("battash2021", "table4")}
    made: dict[str, list[Row]] = {"accuracy_gain_points": [], "mean_rank": []}
    for classifier, name in names.CLASSIFIERS.items():
        scores = study.scores(classifier) if study is not None else None
        for j, method in enumerate(names.METHODS):
            if j == names.CE:
                continue
            sides = [
                printed[classifier, loss, f] for loss, f in ((method.loss, method.schedule), protocol.CE)
            ]
            for column, rows in made.items():
                pair = (float(sides[0][column]), float(sides[1][column]))
                row = Row(f"{method.name}, {name.lower()}", method.loss, {"": pair})
                if study is not None and scores is not None:
                    ranked = column == "mean_rank"
                    values = ranking.ranks(scores.mean) if ranked else 100 * scores.mean
                    row = replace(
                        row,
                        ours=stats.mean_interval((values[:, j] - values[:, names.CE]).tolist()),
                        made=f"{len(values)} tables, {len(scores.seeds)} seeds; interval over tables",
                        whole=study.profile == PAPER,
                        records=study.records,
                        two=_pair(*(float(values[:, each].mean()) for each in (j, names.CE))),
                    )
                rows.append(row)
    return [
        Group(
            "Table 4",
            "Accuracy minus CE's, mean over tables, points",
            tuple(made["accuracy_gain_points"]),
            "table4",
        ),
        Group("Table 4, Fig. 3", "Mean rank minus CE's; less is better", tuple(made["mean_rank"]), "table4"),
    ]


# --- dong2019 -----------------------------------------------------------------------------------------------


def _beside_ce(
    printed: Mapping[Place, float],
    own: Callable[[str, str, str], Difference | None],
    others: Callable[[str, str], list[Answer]],
    pool: Mapping[str, str] | None = None,
) -> tuple[Row, ...]:
    differences = _minus(printed, dong2019.BASELINE)
    return _rows_of(differences, own, others, head=dong2019.NAMES.__getitem__, pool=pool)


def _objects(read: Reader) -> Group:
    found = read(dong2019.TABLE1)
    sets = {printed: name for name, printed in dong2019.PRINTED_DATASETS.items()}
    printed = {(n, sets.get(d, d), loss): value for (n, d, loss), value in dong2019_objects.printed().items()}

    def minus_ce(dataset: str, loss: str, rates: str, *only: str, network: str = "") -> Difference | None:
        sides = dong2019_objects.minus(
            dataset, loss, dong2019.BASELINE, rates=rates, network=network or dong2019.SMALL_NETWORK
        )
        return sides.measure(found, (PAPER,), only)

    def own(network: str, dataset: str, loss: str) -> Difference | None:
        (here,) = (name for name, printed in dong2019.PRINTED_NETWORKS.items() if printed == network)
        shorter = ("resnet32",) if here == dong2019.SMALL_NETWORK else ()
        return minus_ce(dataset, loss, dong2019.ONE, PAPER, *shorter, network=here)

    def others(dataset: str, loss: str) -> list[Answer]:
        made = [minus_ce(dataset, loss, rates, dong2019.REFERENCE) for rates in dong2019.RATES]
        return _rates(_title(dataset), *made)

    return Group("Table 1", "Accuracy minus CE's, points", _beside_ce(printed, own, others), "table1")


def _persons(read: Reader) -> list[Group]:
    found = read(dong2019.TABLE2)

    def own(measure: str, network: str, dataset: str, loss: str) -> Difference | None:
        sides = dong2019_persons.on_persons(network, loss, dong2019.BASELINE, measure)
        return sides.measure(found, (PAPER,), (PAPER,)) if dataset == dong2019_persons.MARKET else None

    def others(measure: str, asked: str, loss: str) -> list[Answer]:
        answers = []
        for place in dong2019_persons.PLACES:
            sides = (
                dong2019_persons.contrast(place, loss, dong2019.BASELINE, measure, own=each)
                for each in (False, True)
            )
            made = [each.measure(found, (), (place.profile,)) for each in sides]
            answers += _rates(_other(place.dataset, asked), *made)
        return answers

    made = []
    for measure, name in dong2019_persons.MEASURES.items():
        printed = {which[:3]: v for which, v in dong2019_persons.printed().items() if which[3] == measure}
        pool = dict.fromkeys(dong2019_persons.PERSONS, "persons")
        rows = _beside_ce(printed, partial(own, measure), partial(others, measure), pool)
        made.append(Group("Table 2", f"{name.replace('rank', 'Rank')} minus CE's, points", rows, "table2"))
    return made


def _attributes(read: Reader) -> list[Group]:
    """Table 3: by the measure that chose the rates, and folded by the others."""
    found, table = read(dong2019.TABLE3), dong2019_attributes
    note = "The paper's numbers, on DeepFashion, are not in the text at hand."
    made: list[Group] = []
    for measure, name in table.MEASURES.items():
        rows = []
        for dataset, loss in product(table.DATASETS, table.SELECTED):
            sides = (table.contrast(dataset, loss, table.BASELINE, each, measure) for each in dong2019.RATES)
            differences = [each.measure(found, (), (dong2019.REFERENCE,)) for each in sides]
            answers = _rates(f"{dong2019.NAMES[loss]}, {_title(dataset)}", *differences)
            rows += [_row(where, loss, {}, difference) for where, difference in answers]
        for network, loss in product(table.PAPER_NETWORKS, table.SELECTED):
            where = {"dataset": "deepfashion", "network": network}
            left, right = ({**where, "loss": each} for each in (loss, table.BASELINE))
            difference = _difference(found, left, right, (PAPER,), measure)
            what = _joined(dong2019.NAMES[loss], NETWORKS[network], _title("deepfashion"))
            rows.append(_row(what, loss, {}, difference, whole=True))
        title = f"{name} minus LR's, points"
        made.append(Group("Table 3", title, tuple(rows), note=note, drawn=not made))
    return made


def _hard_mining(read: Reader) -> Group:
    printed = {
        (r["network"], r["dataset"], r["metric"]): (
            float(r["hard_selection_percent"]),
            float(r["ce_percent"]),
        )
        for r in _rows("dong2019", "hard_mining")
    }

    measures = {printed: ours for ours, printed in hard_mining.PRINTED.items()}

    def others(dataset: str, metric: str) -> list[Answer]:
        answers = []
        for loss, reading in hard_mining.READINGS.items():
            if dataset == hard_mining.DATASET:
                where, sides = _title(dataset), hard_mining.minus_ce(loss)
                made = sides.measure(read(dong2019.TABLE1), only=(dong2019.REFERENCE,))
            else:
                where, sides = (
                    _other(hard_mining.RETRIEVED.dataset, dataset),
                    hard_mining.retrieved(loss, measures[metric]),
                )
                made = sides.measure(read(dong2019.TABLE2), only=(hard_mining.RETRIEVED.profile,))
            answers.append((f"{reading}, {where}", made))
        return answers

    rows = _rows_of(printed, others=others, look=lambda _: "hs_lr")
    return Group("Hard mining", "Hard selection on CE minus CE, points", rows, "hard_mining")


# --- what the page shows ------------------------------------------------------------------------------------


def summary(shown: Sequence[Row]) -> str:
    """How many of the papers' differences lie inside our intervals, and how many signs are confirmed.

    Args:
        shown: Rows that have been run.
    """
    bounded = [row for row in shown if row.ours is not None and row.ours.bounded and not row.again]
    whole = [row for row in bounded if row.whole]
    other = [row for row in bounded if not row.whole and row.papers]
    inside = sum(row.ours.low <= paper <= row.ours.high for row in whole if row.ours for paper in row.papers)
    text = "No difference has been measured at the paper's protocol yet."
    if whole:
        text = (
            f"{len(whole)} differences have been measured at the paper's protocol. The paper's value lies "
            f"inside our 95% interval in {inside} of them. {_signs(whole)}"
        )
    if other:
        text += (
            f" {len(other)} more questions have been asked on other terms than the paper's. {_signs(other)}"
        )
    return text


def _signs(rows: Sequence[Row]) -> str:
    """In how many our interval excludes zero, and how often the sign is then the paper's, if it has one."""
    clear = [row for row in rows if row.ours and (row.ours.low > 0 or row.ours.high < 0)]
    sided = [r for r in clear if all(p > 0 for p in r.papers) or all(p < 0 for p in r.papers)]
    same = [row for row in sided if row.ours and row.ours.mean * row.papers[0] > 0]
    return (
        f"Our interval excludes zero in {len(clear)}. In {len(sided)} of these the paper's numbers have one "
        f"sign, and ours has the same in {len(same)}."
    )


def table(found: Sequence[Group]) -> tuple[pd.DataFrame, list[str]]:
    """Every row that has been run, also where the figure leaves it out, and the notes that it needs."""
    rows = [
        {
            "Table": group.item,
            "Difference": group.title,
            "Of": row.what,
            "Paper": Cell(
                row.said(lambda left, right: signed(left - right)) or "no number at hand",
                {place or "paper": left - right for place, (left, right) in row.printed.items()},
            ),
            "Ours": Cell(
                f"{row.text} (n = {row.ours.n})",
                {"mean": row.ours.mean, "low": row.ours.low, "high": row.ours.high, "n": row.ours.n},
                tuple(r.key for r in row.records),
            ),
            "Protocol": "the paper's" if row.whole else "other terms",
            "Paper's two": row.said(_pair),
            "Our two": row.two,
            "Ours is made with": row.made,
        }
        for group in found
        for row in group.shown
        if row.ours is not None
    ]
    return pd.DataFrame(rows), notes(found)


def notes(found: Sequence[Group]) -> list[str]:
    """What the marks beside the numbers of a figure and its table mean."""
    marked = any(UNATTESTED in row.text for group in found for row in group.shown)
    return [tables.UNATTESTED_NOTE] if marked else []


def not_run(found: Sequence[Group]) -> str:
    """How many differences of each table no run answers, in one line; empty where all are answered."""
    total: dict[str, list[int]] = {}
    for group in found:
        counts = total.setdefault(group.item, [0, 0])
        read = [row for row in group.rows if row.again and row.ours is not None]  # in another way
        for row in group.rows:
            if not row.again:
                counts[0] += len(row.printed) * (
                    row.ours is None and row.printed not in [r.printed for r in read]
                )
                counts[1] += len(row.printed)
    parts = [f"{item} {missing} of {count}" for item, (missing, count) in total.items() if missing]
    return f"Differences in print that have not been run here: {'; '.join(parts)}." if parts else ""


def records(found: Iterable[Group]) -> list[Record]:
    """Every record behind the rows, once."""
    return list({r.key: r for group in found for row in group.rows for r in row.records}.values())


# --- items --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Item:
    """A table or figure of a paper, as ``items.csv`` lists it, and what has been run of it.

    Attributes:
        paper: Key of the paper.
        title: For example ``"Table 3"``.
        shows: What it shows.
        page: Where the book treats it.
        status: What has been run of it.
        run: Whether there is something to see: runs, a simulation or a drawing.
        records: The runs.
    """

    paper: str
    title: str
    shows: str
    page: str
    status: str
    run: bool
    records: tuple[Record, ...] = field(default_factory=tuple)


#: Items that take no training, and what the book has instead.
_WITHOUT_RUNS = {
    "simulation": "simulated on its page",
    "drawn": "drawn from the formula or the code",
    "illustration": "nothing to run",
}


def items(read: Reader) -> list[Item]:
    """Every table and figure of every paper, and what has been run of it.

    Args:
        read: Reads the records of an experiment.
    """
    found = []
    for paper in PAPERS:
        for row in _rows(paper, "items"):
            made_by = row["made_by"]
            records: tuple[Record, ...] = ()
            if made_by in _WITHOUT_RUNS:
                status, run = _WITHOUT_RUNS[made_by], True
            elif not made_by:
                status, run = "not run yet", False
            else:
                status, records = _status(read(made_by), row["where"])
                run = bool(records)
            note = f"; {row['note']}" if row["note"] and run else ""
            found.append(
                Item(paper, row["title"], row["shows"], row["page"], f"{status}{note}", run, records)
            )
    return found


def _status(found: choice.Evidence, where: str) -> tuple[str, tuple[Record, ...]]:
    """How many cells of an item have runs at the paper's protocol; without any, the best there is instead."""
    wanted = {
        name: values.split("|")
        for name, _, values in (part.partition("=") for part in where.split(";") if part)
    }

    def among(labels: Mapping[str, object]) -> bool:
        return all(str(labels.get(name)) in values for name, values in wanted.items())

    cells = [c for c in experiments.get(found.experiment).profile(PAPER).cells if among(c.labels)]
    for profile in found.by_profile:
        records = tuple(r for r in found.by_profile[profile] if among(r.labels) and not choice.substituted(r))
        if not records:
            continue
        if profile != PAPER:
            description = experiments.get(found.experiment).profile(profile).description
            return f"not at the paper's protocol: {description}, {claims.seeds_text(records)}", records
        made = len({tuple(sorted((k, str(v)) for k, v in r.labels.items())) for r in records})
        share = "" if made == len(cells) else f"{made} of {len(cells)} cells "
        return f"{share}at the paper's protocol, {claims.seeds_text(records)}", records
    return "not run yet", ()


def items_table(found: Sequence[Item]) -> pd.DataFrame:
    """One row per table or figure that there is something to see of."""
    return pd.DataFrame(
        {
            "Item": Cell(f"{item.paper} {item.title}", href=_href(item.page)),
            "Shows": item.shows,
            "Here": item.status,
        }
        for item in found
        if item.run
    )


def open_items(found: Sequence[Item]) -> list[str]:
    """What has not been run at all, paper by paper, in Markdown."""
    return [
        f"**{paper}**: {'; '.join(mine)}."
        for paper in PAPERS
        if (
            mine := [
                f"[{i.title}]({_href(i.page)}) ({i.shows[0].lower()}{i.shows[1:]})"
                for i in found
                if i.paper == paper and not i.run
            ]
        )
    ]


def _href(page: str) -> str:
    return f"../{page}.html"


def open_runs(*, store: Store | None = None) -> pd.DataFrame:
    """The runs of the papers' own tables that are not made yet, and what they would cost.

    Args:
        store: Where records are; the project's own store by default.
    """
    chosen = dict.fromkeys(
        row["made_by"] for paper in PAPERS for row in _rows(paper, "items") if "/" in row["made_by"]
    )
    estimate = experiments.estimator(store).seconds
    rows = []
    for name in chosen:
        parts: dict[str, list[experiments.PendingRuns]] = {}
        for pending in experiments.pending(PAPER, name, store=store, estimate=estimate):
            network = NETWORKS.get(str(pending.labels.get("network")), "")
            where = f"{network} on {_dataset(str(pending.labels['dataset']))}" if network else ""
            parts.setdefault(where or _dataset(str(pending.labels["dataset"])), []).append(pending)
        for what, each in parts.items():
            count, seconds = sum(p.count for p in each), sum(p.seconds for p in each)
            rows.append(
                {
                    "Experiment": name,
                    "What": what,
                    "Runs": count,
                    "Cost": Cell(f"about {duration(seconds)}", {"seconds": seconds}),
                    "Data": "there" if all(p.data_present for p in each) else "not there",
                }
            )
    return pd.DataFrame(rows)


def _dataset(name: str) -> str:
    return name if datasets.is_table(name) or "/" in name else _title(name)


def _title(dataset: str) -> str:
    known = dong2019_persons.PERSONS.get(dataset, dataset)
    return datasets.info(dataset).title if dataset in datasets.names() else known


def _pair(left: float, right: float) -> str:
    return f"{left:.2f}, {right:.2f}"


def _rows(paper: str, item: str) -> list[dict[str, str]]:
    return [{str(k): v for k, v in row.items()} for row in published(paper, item).to_dict("records")]
