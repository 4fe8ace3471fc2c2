"""Results at a glance: the differences that the papers print beside ours, and what has been run of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from lossbook import datasets, experiments
from lossbook.evidence import claims, ranking, stats, tables
from lossbook.evidence import select as choice
from lossbook.evidence.contrasts import Contrast, Difference, Select
from lossbook.evidence.tables import UNATTESTED, Cell, signed
from lossbook.experiments.grid import PAPER
from lossbook.pages.style import loss_style
from lossbook.papers.battash2021 import names
from lossbook.papers.battash2021 import table1 as battash2021_images
from lossbook.papers.battash2021 import table2 as battash2021_imagenet
from lossbook.papers.battash2021 import table3 as battash2021_reviews
from lossbook.papers.battash2021 import table4_scores as uci
from lossbook.papers.dong2019 import table1 as dong2019_objects
from lossbook.papers.dong2019 import table2 as dong2019_persons
from lossbook.papers.dong2019.names import NETWORK_NAMES as DONG2019_NETWORKS
from lossbook.papers.li2020 import simulations
from lossbook.papers.li2020 import table1 as balance
from lossbook.papers.synthesis.ledger import PAPERS, Reader
from lossbook.progress import duration
from lossbook.results import Record, Store, published

#: An interval of a mean takes as many seeds.
SEEDS = 3
#: The runs of li2020's simulations that this page makes; the page of Table 1 has the paper's 100.
SIMULATED = range(20)
#: The losses of li2020 by the book's names.
LI2020 = {"sml": "ce", "lgl": "lr", "lgl_mean": "lr_mean", "lgl_inr": "lgl_inr"}
_NETWORKS = {
    "cnn2c": "CNN2C",
    "cnn5c": "CNN5C",
    "mobilenet_v2": "MobileNetV2",
    "resnet18": "ResNet-18",
}


@dataclass(frozen=True)
class Row:
    """One difference that a paper prints, and ours where it has been run.

    Attributes:
        what: What it was measured on.
        loss: The loss whose colour it has, by its name in the book's styles.
        paper: The paper's difference.
        ours: Our mean with its interval; None where nothing has been run.
        made: What ours was made with.
        whole: Whether that is the paper's protocol, on its data.
        records: The runs behind ours.
        sides: The two numbers of the paper and ours, as text.
    """

    what: str
    loss: str
    paper: float
    ours: stats.Interval | None = None
    made: str = ""
    whole: bool = False
    records: tuple[Record, ...] = ()
    sides: tuple[str, str] = ("", "")

    @property
    def text(self) -> str:
        """Ours in words: ``"+0.27 ± 0.15"``; without an interval where there is none to show."""
        if self.ours is None:
            return ""
        mark = f" {UNATTESTED}" if any(r.trust.state == "unattested" for r in self.records) else ""
        if not self.ours.bounded:
            return f"{signed(self.ours.mean)}{mark}"
        return f"{signed(self.ours.mean)} ± {self.ours.half:.2f}{mark}"


@dataclass(frozen=True)
class Group:
    """Rows with one axis: a comparison that a table of a paper makes.

    Attributes:
        item: The table, for example ``"Table 3"``.
        title: What is compared, and in which unit.
        rows: Every difference that the paper prints, run or not.
    """

    item: str
    title: str
    rows: tuple[Row, ...]

    @property
    def shown(self) -> tuple[Row, ...]:
        """The rows that have been run."""
        return tuple(row for row in self.rows if row.ours is not None)


def groups(paper: str, read: Reader, *, simulated: Sequence[int] = SIMULATED) -> list[Group]:
    """Every difference of the numbers that a paper prints, beside ours.

    Args:
        paper: Key of the paper. Of battash2021 only tables with an experiment are there.
        read: Reads the records of an experiment.
        simulated: Which runs of the simulations of li2020's Table 1 are made.
    """
    makers: Mapping[str, Callable[[], list[Group]]] = {
        "yao2018": lambda: _yao2018(read),
        "li2020": lambda: [*_li2020(read), _balance(simulated)],
        "battash2021": lambda: [*_battash2021(read), *_mixtures(read)],
        "dong2019": lambda: _dong2019(read),
    }
    return makers[paper]()


# --- yao2018 ------------------------------------------------------------------------------------------------


def _yao2018(read: Reader) -> list[Group]:
    found = read("yao2018/table1")
    printed = {(r["dataset"], r["loss"]): r for r in _rows("yao2018", "table1")}
    rows = []
    for dataset in ("mnist", "cifar10"):
        for loss in ("nllr", "nllr_clipped", "bce"):
            sides = [printed[dataset, each] for each in (loss.removesuffix("_clipped"), "ce")]
            epochs = [int(side["epochs"]) for side in sides]
            accuracies = [float(side["accuracy_percent"]) for side in sides]
            row = Row(f"{loss_style(loss).name}, {_title(dataset)}", loss, accuracies[0] - accuracies[1])
            row = replace(row, sides=(_pair(*accuracies), ""))
            rows.append(_with(row, _published(found, dataset, loss, epochs)))
    return [Group("Table I", "Minus CE, points", tuple(rows))]


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
    pairs = (
        ("lgl_inr", "sml"),
        ("lgl_inr", "lgl"),
        ("lgl_inr", "lgl_mean"),
        ("lgl", "sml"),
        ("lgl_mean", "sml"),
    )
    made = []
    for item, title in (("table3", "Table 3"), ("table4", "Table 4")):
        found = read(f"li2020/{item}")
        declared = {c.labels["loss"] for c in experiments.get(found.experiment).profile(PAPER).cells}
        printed = {(r["network"], r["dataset"], r["loss"]): r for r in _rows("li2020", item)}
        places = list(dict.fromkeys((network, dataset) for network, dataset, _ in printed))
        for loss, base in pairs:
            if {loss, base} <= declared:
                rows = tuple(
                    _row(found, printed, network, dataset, loss, base) for network, dataset in places
                )
                names = (loss_style(LI2020[each]).name for each in (loss, base))
                made.append(Group(title, f"{' minus '.join(names)}, points", rows))
    return [*made, _betas(read)]


def _row(
    found: choice.Evidence,
    printed: Mapping[tuple[str, str, str], Mapping[str, str]],
    network: str,
    dataset: str,
    loss: str,
    base: str,
) -> Row:
    # The paper has one LR; ours has two readings of it.
    sides = [
        float(printed[network, dataset, each.removesuffix("_mean")]["accuracy_percent"])
        for each in (loss, base)
    ]
    row = Row(f"{_NETWORKS[network]}, {_title(dataset)}", LI2020[loss], sides[0] - sides[1])
    where = {"network": network, "dataset": dataset}
    contrast = Contrast("", Select({**where, "loss": loss}), Select({**where, "loss": base}))
    return _with(replace(row, sides=(_pair(*sides), "")), contrast.measure(found, (PAPER,)))


def _betas(read: Reader) -> Group:
    found = read("li2020/table5")
    printed = {int(r["beta"]): float(r["accuracy_percent"]) for r in _rows("li2020", "table5")}
    first, *others = printed
    rows = []
    for beta in others:
        row = Row(f"β = {beta}, KMNIST", "lgl_inr", printed[beta] - printed[first])
        left, right = (Select({"beta": each, "detach": False}) for each in (beta, first))
        difference = Contrast("", left, right).measure(found, (PAPER,))
        if difference is not None and difference.profile != PAPER:
            used = difference.records[0].labels["dataset"]
            row = replace(row, what=f"β = {beta}, {_title(used)}, not KMNIST")
        rows.append(_with(replace(row, sides=(_pair(printed[beta], printed[first]), "")), difference))
    return Group("Table 5", f"LGL-INR minus that at β = {first}, points", tuple(rows))


def _balance(runs: Sequence[int]) -> Group:
    """Table 1: the left side of Eq. 10 on test data, relative to the right side."""
    printed = {(r["simulation"], r["rhs"]): float(r["lhs"]) for r in _rows("li2020", "table1")}
    results = balance.table_one(runs, seed=0, weightings=simulations.CORRECTED)
    rows = []
    for result in sorted(results, key=lambda r: (r.simulation, -r.weighting.right_side)):
        right = result.weighting.right_side
        paper = printed[result.simulation, f"{right:g}"]
        ours = stats.mean_interval((100 * (result.testing / right - 1)).tolist())
        rows.append(
            Row(
                f"simulation {result.simulation[-1]}, right side {right:g}",
                "ce",
                100 * (paper / right - 1),
                ours,
                f"{len(runs)} runs of the simulation, weights of the corrected header",
                whole=True,
                sides=(f"{paper:g} for {right:g}", f"{float(result.testing.mean()):.3g} for {right:g}"),
            )
        )
    return Group("Table 1", "Left over right side of Eq. 10, minus 1, %", tuple(rows))


# --- battash2021 --------------------------------------------------------------------------------------------


def _battash2021(read: Reader) -> list[Group]:
    found = read("battash2021/table4")
    real = [s for s in (uci.Study(records) for records in found.by_profile.values()) if not s.embedded]
    # As on the table's own page: the profile with the most complete data sets.
    study = max(real, key=lambda s: min((len(each.datasets) for each in s.read()), default=0), default=None)
    printed = {(r["classifier"], r["loss"], r["schedule"]): r for r in _rows("battash2021", "table4")}
    gains, places = [], []
    for classifier, name in names.CLASSIFIERS.items():
        scores = study.scores(classifier) if study is not None else None
        base = printed[classifier, "ce", ""]
        for j, method in enumerate(names.METHODS):
            if j == names.CE:
                continue
            paper = printed[classifier, method.loss, method.schedule]
            row = Row(
                f"{method.name}, {_SHORT.get(name, name)}", method.loss, float(paper["accuracy_gain_points"])
            )
            rank, other = float(paper["mean_rank"]), float(base["mean_rank"])
            place = replace(row, paper=rank - other, sides=(_pair(rank, other), ""))
            if study is not None and scores is not None:
                row, place = _scored(study, scores, j, row, place)
            gains.append(row)
            places.append(place)
    return [
        Group("Table 4", "Accuracy minus CE's, mean over tables, points", tuple(gains)),
        Group("Table 4, Fig. 3", "Mean rank minus CE's; below 0 is better", tuple(places)),
    ]


_SHORT = {"Linear": "linear", "One hidden layer": "hidden layer"}


def _scored(study: uci.Study, scores: uci.Scores, method: int, *rows: Row) -> tuple[Row, Row]:
    gain, place = rows
    ranks = ranking.ranks(scores.mean)
    filled: dict[str, Any] = {
        "made": f"{len(scores.datasets)} tables, 50 epochs, {len(scores.seeds)} seeds; interval over tables",
        "whole": study.profile == PAPER,
        "records": study.records,
    }
    means = ranks.mean(axis=0)
    return (
        replace(gain, ours=ranking.mean_gains(100 * scores.mean, names.CE)[method], **filled),
        replace(
            place,
            ours=stats.mean_interval((ranks[:, method] - ranks[:, names.CE]).tolist()),
            sides=(place.sides[0], _pair(float(means[method]), float(means[names.CE]))),
            **filled,
        ),
    )


# --- dong2019 -----------------------------------------------------------------------------------------------


def _dong2019(read: Reader) -> list[Group]:
    """Each loss minus CE. Runs of the reference network take no row: it is none of the paper's networks."""
    objects, persons = read("dong2019/table1"), read("dong2019/table2")
    accuracy = {
        (r["network"], r["dataset"], r["loss"]): float(r["accuracy_percent"])
        for r in _rows("dong2019", "table1")
    }
    made = {
        which: dong2019_objects.minus(*which[1:], "ce").measure(objects, (PAPER,), (PAPER, "resnet32"))
        for which in accuracy
        if which[0] == "resnet32"
    }
    groups = [Group("Table 1", "Accuracy minus CE's, points", _minus_ce(accuracy, made))]
    for measure, name in dong2019_persons.MEASURES.items():
        printed = {
            which[:3]: value for which, value in dong2019_persons.printed().items() if which[3] == measure
        }
        found = {
            which: dong2019_persons.on_persons(which[0], which[2], "ce", measure).measure(persons, (PAPER,))
            for which in printed
            if which[1] == dong2019_persons.MARKET
        }
        title = f"{name[0].upper()}{name[1:]}" if name != "mAP" else name
        groups.append(Group("Table 2", f"{title} minus CE's, points", _minus_ce(printed, found)))
    return groups


def _minus_ce(
    printed: Mapping[tuple[str, str, str], float], made: Mapping[tuple[str, str, str], Difference | None]
) -> tuple[Row, ...]:
    """Every printed number but CE's, minus CE's, by network, data set and loss."""
    rows = []
    for which, value in printed.items():
        network, dataset, loss = which
        if loss == "ce":
            continue
        base = printed[network, dataset, "ce"]
        title = dong2019_persons.PERSONS.get(dataset) or _title(_DONG2019.get(dataset, dataset))
        row = Row(f"{loss_style(loss).name}, {DONG2019_NETWORKS[network]}, {title}", loss, value - base)
        rows.append(_with(replace(row, sides=(_pair(value, base), "")), made.get(which)))
    return tuple(rows)


_DONG2019 = {"tiny200": "tiny_imagenet"}


# --- battash2021, the tables of mixtures beside CE ----------------------------------------------------------


def _mixtures(read: Reader) -> list[Group]:
    """Each mixture minus CE. The reference network takes no row: it is none of the paper's networks."""
    images, reviews = read("battash2021/table1"), read("battash2021/table3")
    imagenet = read("battash2021/table2")
    own = {paper: name for name, paper in battash2021_images.PAPER_NETWORKS.items()}
    large = {paper: name for name, paper in battash2021_imagenet.PAPER_NETWORKS.items()}

    def on_images(row: Mapping[str, str]) -> Difference | None:
        if row["model"] not in own:
            return None
        sides = battash2021_images.gain((row["loss"], row["schedule"]), row["dataset"], own[row["model"]])
        return sides.measure(images, (PAPER,))

    def on_imagenet(row: Mapping[str, str]) -> Difference | None:
        sides = battash2021_imagenet.gain((row["loss"], row["schedule"]), large[row["model"]])
        return sides.measure(imagenet, (PAPER,))

    def on_reviews(row: Mapping[str, str]) -> Difference | None:
        method = next(m for m in names.METHODS if (m.loss, m.schedule) == (row["loss"], row["schedule"]))
        for protocol in ("published", "clean"):
            sides = battash2021_reviews.gain(row["architecture"], method, protocol)
            if found := sides.measure(reviews, (PAPER,), (PAPER, "published", "clean")):
                return found
        return None

    def places(row: Mapping[str, str]) -> str:
        return f"{_BATTASH2021[row['model']]}, {_title(row['dataset'])}"

    def nothing(row: Mapping[str, str]) -> None:
        """Networks that there are not here, or other data."""

    tables_of = (
        ("table1", places, on_images),
        ("table2", places, on_imagenet),
        ("table3", lambda row: f"LSTM {battash2021_reviews.NAMES[row['architecture']]}", on_reviews),
        ("table5", places, nothing),
        ("table6", lambda row: row["regularization"].replace("_", " "), nothing),
    )
    return [
        Group(f"Table {item[-1]}", "Accuracy minus CE's, points", _beside_ce(item, place, made))
        for item, place, made in tables_of
    ]


def _beside_ce(
    item: str,
    place: Callable[[Mapping[str, str]], str],
    made: Callable[[Mapping[str, str]], Difference | None],
) -> tuple[Row, ...]:
    """Every number of a table of battash2021 but CE's, minus CE's at the same place."""
    printed = _rows("battash2021", item)
    base = {place(row): float(row["accuracy_percent"]) for row in printed if row["loss"] == "ce"}
    rows = []
    for line in printed:
        if line["loss"] == "ce":
            continue
        value, other = float(line["accuracy_percent"]), base[place(line)]
        name = f"F = {line['schedule']}" if line["loss"] == "ceel" else "COT"
        loss = "ceel" if line["loss"] == "ceel" else "complement_entropy"
        row = Row(f"{name}, {place(line)}", loss, value - other, sides=(_pair(value, other), ""))
        rows.append(_with(row, made(line)))
    return tuple(rows)


_BATTASH2021 = {
    "preact_resnet18": "PreAct ResNet-18",
    **{f"resnet{depth}": f"ResNet-{depth}" for depth in (18, 20, 32, 34, 44, 50, 101, 110)},
    **{f"resnext{depth}": f"ResNeXt-{depth}" for depth in (29, 50, 101)},
    "shufflenet": "ShuffleNet",
    "shufflenetv2": "ShuffleNetV2",
}


# --- what the page shows ------------------------------------------------------------------------------------


def _with(row: Row, difference: Difference | None) -> Row:
    """A row with what was measured; an interval takes three seeds at least."""
    if difference is None:
        return row
    found = difference.interval
    low, high = (100 * bound if found.n >= SEEDS else math.nan for bound in (found.low, found.high))
    values = (side.values(runs) for side, runs in _sides(difference))
    means = [100 * float(np.mean(list(each.values()))) for each in values]
    return replace(
        row,
        ours=stats.Interval(100 * found.mean, low, high, found.n),
        made=claims.protocol(difference.records),
        whole=difference.profile == PAPER,
        records=difference.records,
        sides=(row.sides[0], _pair(*means)),
    )


def _sides(difference: Difference) -> Iterable[tuple[Select, tables.Runs]]:
    yield difference.contrast.left, difference.runs
    yield difference.contrast.right, difference.base


def summary(shown: Sequence[Row]) -> str:
    """How many of the papers' differences lie inside our intervals, and how many signs are confirmed.

    Args:
        shown: Rows that have been run.
    """
    whole = [row for row in shown if row.whole and row.ours is not None and row.ours.bounded]
    if not whole:
        return "No difference has been measured at the paper's protocol yet."
    inside = sum(row.ours.low <= row.paper <= row.ours.high for row in whole if row.ours)
    clear = [row for row in whole if row.ours and (row.ours.low > 0 or row.ours.high < 0)]
    same = sum(row.ours.mean * row.paper > 0 for row in clear if row.ours)
    return (
        f"{len(whole)} differences have been measured at the paper's protocol. The paper's value lies inside "
        f"our 95% interval in {inside} of them. In {len(clear)} our interval excludes zero; the sign is the "
        f"paper's in {same} of these."
    )


def table(found: Sequence[Group]) -> tuple[pd.DataFrame, list[str]]:
    """What the figure shows as a table, and the notes it needs; what has not been run takes no row."""
    rows = [
        {
            "Table": group.item,
            "Difference": group.title,
            "Of": row.what,
            "Paper": Cell(signed(row.paper), {"paper": row.paper}),
            "Ours": Cell(
                f"{row.text} (n = {row.ours.n})",
                {"mean": row.ours.mean, "low": row.ours.low, "high": row.ours.high, "n": row.ours.n},
                tuple(r.key for r in row.records),
            ),
            "Paper's two": row.sides[0],
            "Our two": row.sides[1],
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
    """How many differences of each table have not been run, in one line; empty where all have."""
    total: dict[str, list[int]] = {}
    for group in found:
        counts = total.setdefault(group.item, [0, 0])
        counts[0] += len(group.rows) - len(group.shown)
        counts[1] += len(group.rows)
    parts = [f"{item} {missing} of {count}" for item, (missing, count) in total.items() if missing]
    return f"Differences not run: {'; '.join(parts)}." if parts else ""


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
            network = _NETWORKS.get(str(pending.labels.get("network")), "")
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
    return datasets.info(dataset).title if dataset in datasets.names() else dataset


def _pair(left: float, right: float) -> str:
    return f"{left:.2f}, {right:.2f}"


def _rows(paper: str, item: str) -> list[dict[str, str]]:
    return [{str(k): v for k, v in row.items()} for row in published(paper, item).to_dict("records")]
