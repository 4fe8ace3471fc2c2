"""Results at a glance: the differences that the papers print beside ours, and what has been run of them."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from said import numbers

from lossbook import datasets, experiments
from lossbook.evidence.select import TRIALS
from lossbook.papers.synthesis import glance, glance_page
from lossbook.papers.synthesis.glance import Group, Row
from lossbook.papers.synthesis.ledger import reader
from lossbook.results import Record, Store, published
from lossbook.training.measures.tracked import BINS, RIGHT

MakeRecord = Callable[..., Record]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(working=tmp_path / "working", published=tmp_path / "published")


def _declared(
    make: MakeRecord, experiment: str, profile: str, value: Callable[..., float], **only: Any
) -> list[Record]:
    """A record of every cell and seed of a profile with these labels."""
    found = []
    for cell, spec in experiments.get(experiment).profiles[profile].runs():
        if any(cell.labels.get(name) != wanted for name, wanted in only.items()):
            continue
        record = replace(
            make(value(cell.labels, spec.seed), train_size=spec.train_size or _size(spec.dataset)),
            key=spec.key,
            experiment=experiment,
            profile=profile,
            labels=dict(cell.labels),
            config=spec.config,
            seed=spec.seed,
        )
        found.append(record)
    return found


def _size(dataset: str) -> int:
    return datasets.info(dataset).train_size if dataset in datasets.names() else 2000


#: What the motivating example reads of a run: images that are right, wrong with p above and below 0.2.
TRACKED = {"test_tracked": [[RIGHT + BINS // 2, BINS // 2, 0]] * 12}


def _groups(store: Store, paper: str) -> dict[str, Group]:
    found = glance.groups(paper, reader(store), simulated=range(3))
    return {f"{group.item}. {group.title}": group for group in found}


def _rows(group: Group) -> dict[str, Row]:
    return {row.what: row for row in group.rows}


# --- differences ---


def test_the_papers_differences_follow_from_their_tables(store: Store) -> None:
    rows = _rows(_groups(store, "yao2018")["Table I. Accuracy minus CE's, points"])
    assert {what: [round(paper, 2) for paper in row.papers] for what, row in rows.items()} == {
        "NLLR, MNIST": [0.0],
        "NLLR clipped, MNIST": [0.0],
        "BCE, MNIST": [-0.01],
        "NLLR, CIFAR-10": [6.09],
        "NLLR clipped, CIFAR-10": [6.09],
        "BCE, CIFAR-10": [0.09],
    }
    assert all(row.ours is None for row in rows.values())
    # The second reading of NLLR is none of the paper's numbers.
    assert "Table I 4 of 4" in glance.not_run(list(_groups(store, "yao2018").values()))


#: Published numbers that compare nothing: sizes of data sets and networks.
FACTS = {"dong2019/datasets", "dong2019/networks", "li2020/table2"}


def _published() -> list[str]:
    folder = Path(__file__).parents[3] / "data" / "published"
    found = (f"{path.parent.name}/{path.stem}" for path in folder.glob("*/*.csv"))
    return sorted(name for name in found if not name.endswith("/items") and name not in FACTS)


@pytest.fixture(scope="module")
def unrun(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[Group]]:
    """The groups of a paper where nothing has been run."""
    folder = tmp_path_factory.mktemp("records")
    read = reader(Store(working=folder / "working", published=folder / "published"))
    return cache(lambda paper: glance.groups(paper, read, simulated=range(3)))


@pytest.mark.parametrize("name", _published())
def test_every_published_number_is_in_a_row(unrun: Callable[[str], list[Group]], name: str) -> None:
    """A number that a line of ``data/published`` brings is shown or counted as not run."""
    paper, item = name.split("/")
    rows = [row for group in unrun(paper) if group.source == item for row in group.rows]
    found = {round(number, 2) for row in rows for pair in row.printed.values() for number in pair}
    columns = {
        "li2020/table1": [],  # shown in percent of the right side
        "li2020/fig1": ["images"],
        "battash2021/motivation": ["percent"],
        "battash2021/table4": ["accuracy_gain_points", "mean_rank"],
    }
    frame = published(paper, item)
    for column in columns.get(
        name, [c for c in frame.columns if c.endswith("_percent") and c != "std_percent"]
    ):
        # Shares of images that come back: the paper compares the last two.
        wanted = frame[column][1:] if item == "motivation" else frame[column]
        assert {round(float(number), 2) for number in wanted} <= found
    assert sum(len(row.printed) for row in rows if not row.again) == DIFFERENCES[name]


#: How many differences each has: numbers without the baselines', or pairs of losses.
DIFFERENCES = {
    "battash2021/motivation": 1,
    "battash2021/table1": 48,
    "battash2021/table2": 21,
    "battash2021/table3": 15,
    "battash2021/table4": 20,
    "battash2021/table5": 6,
    "battash2021/table6": 5,
    "dong2019/hard_mining": 3,
    "dong2019/table1": 15,
    "dong2019/table2": 20,
    "li2020/fig1": 2,
    "li2020/table1": 6,
    "li2020/table3": 18,
    "li2020/table4": 6,
    "li2020/table5": 2,
    "yao2018/table1": 4,
}


@pytest.mark.parametrize("name", sorted({*experiments.names()} & {*_published(), "dong2019/table3"}))
def test_every_profile_that_compares_losses_has_rows(
    tmp_path: Path, make_record: MakeRecord, name: str
) -> None:
    """Runs of whatever network, data and length, declared today or later, are shown somewhere."""
    paper, item = name.split("/")
    measured = ("rank_1", "map", "map_example", "map_class", "balanced_example", "balanced_class")
    measured += ("selected_validation_accuracy", "selected_test_accuracy")
    only = {"dataset": "iris"} if item == "table4" and paper == "battash2021" else {}
    for profile in sorted({*experiments.get(name).profiles} - {*TRIALS, "rates", "narrow_rates", "lengths"}):
        store = Store(working=tmp_path / "working" / profile, published=tmp_path / "committed")
        # Some take the runs of CE over from Table 1.
        taken = name in (*OTHER_NETWORKS, "battash2021/motivation")
        for each in {name, "battash2021/table1"} if taken else {name}:
            if profile not in experiments.get(each).profiles:
                continue
            for record in _declared(make_record, each, profile, lambda *_: 0.5, **only):
                curves = {c: [0.5] * record.labels.get("epochs", 1) for c in record.curves}
                values = record.metrics | dict.fromkeys(measured, 0.5)
                store.append(replace(record, metrics=values, curves=curves | TRACKED))
        found = glance.groups(paper, reader(store), simulated=range(3))
        mine = [g for g in found if g.source == item or (not g.source and g.item == f"Table {item[-1]}")]
        shown = [row for group in mine for row in group.shown]
        assert shown, profile
        own = name not in OTHER_NETWORKS and (paper, profile) != ("battash2021", "cnn2c")
        assert any(row.whole for row in shown) == (profile in WHOLE and own), profile


#: Profiles of the paper's own protocol, and parts of it.
WHOLE = ("paper", "cnn2c", "published")
#: Experiments whose profile ``paper`` has networks that are none of the paper's table.
OTHER_NETWORKS = ("battash2021/table5", "battash2021/table6")


def test_reduced_runs_stand_once_beside_all_that_the_paper_has(store: Store, make_record: MakeRecord) -> None:
    level = {"ce": 0.6, "hs_lr": 0.62}
    for record in _declared(
        make_record,
        "dong2019/table2",
        "reference",
        lambda labels, seed: level.get(labels["loss"], 0.5) + 0.001 * seed * (labels["loss"] == "ce"),
        dataset="omniglot",
    ):
        store.append(replace(record, metrics=record.metrics | {"rank_1": record.metrics["test_accuracy"]}))
    group = _groups(store, "dong2019")["Table 2. Rank-1 minus CE's, points"]
    row = _rows(group)["HS-LR, Omniglot (paper: persons)"]
    assert {place: round(left - right, 1) for place, (left, right) in row.printed.items()} == {
        "ResNet-50, Market-1501": 3.8,
        "ResNet-50, DukeMTMC": 4.2,
        "MobileNet, Market-1501": 4.7,
        "MobileNet, DukeMTMC": 6.7,
    }
    assert (row.text, row.whole, row.terms) == ("+1.80 ± 0.20", False, "reference network, 5 epochs")
    assert group.terms == row.terms
    assert len(group.shown) == 3


def test_losses_have_the_books_names_and_each_reading_a_group(store: Store, make_record: MakeRecord) -> None:
    levels = {"sml": 0.90, "lgl": 0.91, "lgl_mean": 0.88, "lgl_inr": 0.92}
    for record in _declared(
        make_record,
        "li2020/table3",
        "cnn2c",
        lambda labels, seed: levels[labels["loss"]] + seed * (0.001 if labels["loss"] == "lgl_inr" else 0),
        dataset="fashion_mnist",
    ):
        store.append(record)
    found = _groups(store, "li2020")
    ours = {
        title: row.ours.mean
        for title, group in found.items()
        if title.startswith("Table 3") and (row := _rows(group)["CNN2C, Fashion-MNIST"]).ours
    }
    assert ours == {
        "Table 3. Accuracy, LGL-INR minus CE, points": pytest.approx(2.2),
        "Table 3. Accuracy, LGL-INR minus LR, points": pytest.approx(1.2),
        "Table 3. Accuracy, LGL-INR minus LR (mean), points": pytest.approx(4.2),
        "Table 3. Accuracy, LR minus CE, points": pytest.approx(1.0),
        "Table 3. Accuracy, LR (mean) minus CE, points": pytest.approx(-2.0),
    }
    row = _rows(found["Table 3. Accuracy, LGL-INR minus CE, points"])["CNN2C, Fashion-MNIST"]
    # The profile cnn2c trains a part of the table at the paper's own protocol.
    assert row.whole
    assert row.text == "+2.20 ± 0.20"
    assert (row.printed, row.two) == ({"CNN2C": (91.15, 91.15)}, "92.20, 90.00")
    assert len(found["Table 3. Accuracy, LGL-INR minus CE, points"].shown) == 1
    # The second reading of LR is counted with the first.
    said = "Table 3 15 of 18; Table 4 6 of 6; Table 5 2 of 2; Fig. 1 2 of 2"
    assert said in glance.not_run(list(found.values()))


def test_runs_of_another_protocol_are_marked(store: Store, make_record: MakeRecord) -> None:
    for record in _declared(
        make_record, "li2020/table5", "fashion", lambda labels, seed: 0.9 + labels["beta"] / 100, detach=False
    ):
        store.append(record)
    rows = _groups(store, "li2020")["Table 5. Accuracy of LGL-INR minus that at β = 1, points"].rows
    assert [row.what for row in rows] == [
        "β = 2, Fashion-MNIST (paper: KMNIST)",
        "β = 4, Fashion-MNIST (paper: KMNIST)",
    ]
    assert [row.ours.mean for row in rows if row.ours] == [pytest.approx(1.0), pytest.approx(3.0)]
    assert not any(row.whole for row in rows)


def test_the_differences_of_dong2019_are_those_of_its_networks(store: Store, make_record: MakeRecord) -> None:
    level = {"ce": 0.6, "hs_lr": 0.62}
    for profile in ("resnet32", "reference"):
        records = _declared(
            make_record,
            "dong2019/table1",
            profile,
            lambda labels, seed: level.get(labels["loss"], 0.5) + 0.001 * seed * (labels["loss"] == "ce"),
        )
        for record in records:
            store.append(record)
    shown = _rows(_groups(store, "dong2019")["Table 1. Accuracy minus CE's, points"])
    row, other = shown["HS-LR, ResNet-32, CIFAR-100"], shown["HS-LR, CIFAR-100"]
    assert (round(*row.papers, 2), row.text, row.terms) == (0.8, "+1.90 ± 0.25", "ResNet-32, 10 epochs")
    # The reference network answers for the paper's other network alone.
    assert {place: round(left - right, 2) for place, (left, right) in other.printed.items()} == {
        "WideResNet-28-10": -2.0
    }
    assert (other.text, other.terms) == ("+1.80 ± 0.20", "reference network, 9 epochs")
    assert not row.whole
    assert not other.whole
    # On CIFAR-10 the own rate of HS-LR is another than the one rate, that of SS-LR is not.
    again = {what for what, row in shown.items() if row.ours and row.again}
    assert "HS-LR, CIFAR-10, own rates" in again
    assert "SS-LR, CIFAR-10, own rates" not in again


def test_the_differences_of_battash2021_are_those_of_its_networks(
    store: Store, make_record: MakeRecord
) -> None:
    counts = glance.not_run(list(_groups(store, "battash2021").values()))
    # Eight networks on two data sets, seven on one, five, six with two methods each, five regularisations.
    for said in (
        "Table 1 48 of 48",
        "Table 2 21 of 21",
        "Table 3 15 of 15",
        "Table 5 6 of 6",
        "Table 6 5 of 5",
    ):
        assert said in counts
    level = {"": 0.68, "0": 0.682, "0,0.5": 0.683, "0-0.5": 0.685}
    for experiment, profile in (("table1", "resnet20"), ("table1", "reference"), ("table3", "clean")):
        for record in _declared(
            make_record,
            f"battash2021/{experiment}",
            profile,
            lambda labels, seed: level[labels["schedule"]] + 0.001 * seed * (labels["loss"] == "ce"),
        ):
            store.append(replace(record, curves=record.curves | TRACKED))
    found = _groups(store, "battash2021")
    images = {r.what: r for g in found.values() if g.item == "Table 1" for r in g.shown}
    gradual, others = images["CE+EL 0-0.5, ResNet-20, CIFAR-100"], images["CE+EL 0-0.5, CIFAR-100"]
    assert (round(*gradual.papers, 2), gradual.text, gradual.terms) == (
        0.23,
        "+0.40 ± 0.25",
        "ResNet-20, 12 epochs",
    )
    assert len(others.printed) == 7
    assert others.terms == "reference network, 12 epochs"
    assert not any(row.whole for row in images.values())
    assert {
        round(paper, 2)
        for g in found.values()
        if g.item == "Motivating example"
        for r in g.shown
        for paper in r.papers
    } == {35.11}
    reviews = [r for g in found.values() if g.item == "Table 3" for r in g.shown]
    assert reviews
    assert all(r.ours is not None and not r.whole for r in reviews)


def test_imagenet_counts_at_the_papers_protocol(store: Store, make_record: MakeRecord) -> None:
    for record in _declared(
        make_record,
        "battash2021/table2",
        "paper",
        lambda labels, seed: 0.7 + (0.005 + 0.001 * seed) * (labels["schedule"] == "0-0.5"),
        network="imagenet_resnet50",
    ):
        store.append(record)
    (group,) = (g for g in _groups(store, "battash2021").values() if g.item == "Table 2")
    shown = {row.what: row for row in group.shown}
    assert set(shown) == {f"CE+EL {f}, ResNet-50, ImageNet (ILSVRC 2012)" for f in ("0", "0,0.5", "0-0.5")}
    gradual = shown["CE+EL 0-0.5, ResNet-50, ImageNet (ILSVRC 2012)"]
    assert (round(*gradual.papers, 2), gradual.text, gradual.whole) == (0.61, "+0.60 ± 0.25", True)


def test_published_epochs_come_before_equal_ones(store: Store, make_record: MakeRecord) -> None:
    level = {"ce": 0.90, "bce": 0.90, "nllr": 0.70, "nllr_clipped": 0.91}
    for record in _declared(
        make_record, "yao2018/table1", "keras12", lambda labels, seed: level[labels["loss"]] + 0.001 * seed
    ):
        store.append(record)
    rows = _rows(_groups(store, "yao2018")["Table I. Accuracy minus CE's, points"])
    assert rows["NLLR, MNIST"].ours is not None
    assert rows["NLLR, MNIST"].ours.mean == pytest.approx(-20)
    assert not rows["NLLR, MNIST"].whole
    assert rows["NLLR, MNIST"].terms == "12 epochs"
    for record in _declared(
        make_record, "yao2018/table1", "paper", lambda labels, seed: 0.99, dataset="mnist"
    ):
        curves = {name: [0.99] * record.labels["epochs"] for name in record.curves}
        store.append(replace(record, curves=curves))
    row = _rows(_groups(store, "yao2018")["Table I. Accuracy minus CE's, points"])["NLLR, MNIST"]
    assert row.whole
    assert row.ours is not None
    assert row.ours.mean == pytest.approx(0)


def test_two_seeds_give_no_interval(store: Store, make_record: MakeRecord) -> None:
    for record in _declared(
        make_record,
        "li2020/table3",
        "cnn2c",
        lambda labels, seed: 0.9 + 0.01 * seed * (labels["loss"] == "lgl"),
        dataset="mnist",
    ):
        if record.seed < 2:
            store.append(record)
    row = _rows(_groups(store, "li2020")["Table 3. Accuracy, LR minus CE, points"])["CNN2C, MNIST"]
    assert row.text == "+0.50"


def test_trials_do_not_count(store: Store, make_record: MakeRecord) -> None:
    for profile in ("smoke", "quick"):
        for record in _declared(make_record, "yao2018/table1", profile, lambda labels, seed: 0.5):
            store.append(record)
    assert not any(group.shown for group in glance.groups("yao2018", reader(store)))


def test_the_simulations_are_made(store: Store) -> None:
    (group,) = (g for title, g in _groups(store, "li2020").items() if title.startswith("Table 1."))
    assert [row.what for row in group.rows] == [
        f"simulation {simulation}, right {right}" for simulation in (1, 2) for right in ("10", "1", "0.5")
    ]
    assert [round(*row.papers, 1) for row in group.rows] == [0.5, 0.0, 0.0, 1.2, 1.0, 0.0]
    assert all(row.ours and abs(row.ours.mean) < 60 for row in group.rows)


@pytest.mark.parametrize("profile", ["paper", "quick"])
def test_the_tables_of_the_uci_repository(store: Store, make_record: MakeRecord, profile: str) -> None:
    def value(labels: dict[str, Any], seed: int) -> float:
        return {"ce": 0.80, "el": 0.75, "focal": 0.79}.get(labels["loss"], 0.82)

    for record in _declared(make_record, "battash2021/table4", profile, value, classifier="linear"):
        accuracy = record.metrics["test_accuracy"]
        extra = dict.fromkeys(
            (
                *("selected_validation_accuracy", "selected_test_accuracy", "selected_first_test_accuracy"),
                *("by_batches_validation_batch_accuracy", "by_batches_test_batch_accuracy"),
                *("validation_accuracy", "selected_epoch"),
            ),
            accuracy,
        )
        store.append(replace(record, metrics=record.metrics | extra))
    gains, places = (g for g in glance.groups("battash2021", reader(store)) if g.source == "table4")
    assert [round(*row.papers, 2) for row in gains.rows[:5]] == [0.09, 0.20, 0.30, -2.71, -0.56]
    assert [round(*row.papers, 2) for row in places.rows[:5]] == [-0.20, -0.29, -0.47, 0.66, 0.54]
    if profile == "quick":
        assert not gains.shown
        return
    assert len(gains.shown) == 5
    assert [row.text for row in gains.shown] == [*["+2.00"] * 3, "-5.00", "-1.00"]
    # Three mixtures tie for the first place, rank 2; CE is fourth.
    assert [row.ours.mean for row in places.shown if row.ours] == [-2, -2, -2, 2, 1]
    assert numbers(gains.rows[0].made) == ["121", "2"]


# --- the figure and its words ---


def _row(paper: float, mean: float, half: float, **changes: Any) -> Row:
    from lossbook.evidence.stats import Interval

    interval = Interval(mean, mean - half, mean + half, 5)
    return Row("somewhere", "ce", {"": (paper, 0.0)}, **{"ours": interval, "whole": True} | changes)


def test_the_summary_counts() -> None:
    rows = [
        _row(0.5, 0.6, 0.2),  # inside, same sign
        _row(-0.5, 0.6, 0.2),  # outside, other sign
        _row(0.1, 0.0, 0.2),  # inside, open
        _row(9.0, 9.0, 0.2, whole=False),
    ]
    text = glance.summary(rows)
    # Differences; of them inside our 95% interval; intervals without zero, of these with a sign in the paper,
    # and of these with the same. Then those on other terms.
    assert numbers(text) == ["3", "95", "2", *("2", "2", "1"), "1", *("1", "1", "1")]
    # Papers' numbers of both signs, or zero, have none to confirm.
    for both in ({"a": (9.0, 0.0), "b": (0.0, 9.0)}, {"a": (9.0, 9.0)}):
        assert numbers(glance.summary([replace(rows[3], printed=both)])) == ["1", "1", "0", "0"]
    # Another reading of the same numbers is none of its own.
    assert glance.summary([*rows, replace(rows[0], again=True)]) == text


def test_a_value_far_from_the_others_does_not_hide_them() -> None:
    low, high = glance_page.limits([_row(0.1, 0.2, 0.1), _row(-0.1, 0.1, 0.1), _row(0.0, -28.0, 6.0)])
    assert -1 < low < 0 < high < 1
    low, high = glance_page.limits([_row(0.0, -28.0, 6.0)])
    assert low < -34
    figure = glance_page.forest([Group("Table 1", "One", (_row(0.1, 0.2, 0.1), _row(0.0, -28.0, 6.0)))])
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == ["+0.20 ± 0.10", "-28.00 ± 6.00", "Table 1. One"]
    assert "ours -28.00 ± 6.00" in glance_page.alt([Group("Table 1", "One", (_row(0.0, -28.0, 6.0),))])


def test_the_table_has_what_the_figure_shows() -> None:
    not_run = Row("elsewhere", "ce", {"": (1.0, 0.0)})
    frame, notes = glance.table([Group("Table 1", "One", (_row(0.1, 0.2, 0.1), not_run))])
    assert frame["Of"].tolist() == ["somewhere"]
    assert str(frame["Ours"][0]) == "+0.20 ± 0.10 (n = 5)"
    assert notes == []


# --- items ---


def test_every_table_and_figure_of_every_paper_is_listed(store: Store) -> None:
    found = {(item.paper, item.title) for item in glance.items(reader(store))}
    wanted = {
        "yao2018": ["Table I", "Fig. 1", "Fig. 2"],
        "li2020": [*(f"Table {n}" for n in range(1, 6)), "Fig. 1", "Fig. 2"],
        "battash2021": [*(f"Table {n}" for n in range(1, 7)), *(f"Fig. {n}" for n in range(1, 4))],
        "dong2019": [*(f"Table {n}" for n in range(1, 4)), *(f"Fig. {n}" for n in range(1, 8))],
    }
    assert found == {(paper, title) for paper, titles in wanted.items() for title in titles}


def test_without_records_the_list_says_so(store: Store) -> None:
    found = glance.items(reader(store))
    run = {f"{item.paper} {item.title}" for item in found if item.run}
    assert run == {
        *("li2020 Table 1", "li2020 Table 2", "battash2021 Fig. 1"),  # simulated or drawn
        "dong2019 Fig. 3",  # example images
    }
    text = " ".join(glance.open_items(found))
    assert "**battash2021**: [Table 1](../battash2021/table1.html)" in text
    assert "[Table 2](../battash2021/table2.html)" in text
    assert "[Table 3](../li2020/table3.html)" in text


def test_an_item_says_how_much_of_it_has_been_run(store: Store, make_record: MakeRecord) -> None:
    for dataset in ("mnist", "fashion_mnist"):
        for record in _declared(
            make_record, "li2020/table3", "cnn2c", lambda labels, seed: 0.9, dataset=dataset
        ):
            store.append(record)
    for record in _declared(make_record, "yao2018/table1", "keras12", lambda labels, seed: 0.9):
        store.append(record)
    for record in _declared(
        make_record, "battash2021/table4", "paper", lambda labels, seed: 0.9, dataset="iris"
    ):
        store.append(record)
    status = {f"{item.paper} {item.title}": item.status for item in glance.items(reader(store))}
    assert numbers(status["battash2021 Fig. 3"]) == ["36", "4356", "2"]
    assert numbers(status["li2020 Table 3"]) == ["8", "24", "5"]
    assert all(said in status["li2020 Fig. 2"] for said in ("5 seeds", "CNN2C"))
    assert all(said in status["li2020 Fig. 1"] for said in ("5 seeds", "Fashion-MNIST", "KMNIST"))
    assert status["yao2018 Table I"].startswith("not ")
    assert status["yao2018 Fig. 2"] == "not run yet"


def test_what_is_open_has_a_cost(store: Store, make_record: MakeRecord) -> None:
    for record in _declared(
        make_record, "li2020/table3", "cnn2c", lambda labels, seed: 0.9, dataset="mnist", loss="sml"
    ):
        made = {**record.provenance, "train_size": 60_000, "test_size": 10_000, "seconds": 600.0}
        store.append(replace(record, provenance=made))
    rows = glance.open_runs(store=store).set_index(["Experiment", "What"])
    row = rows.loc["li2020/table3", "CNN2C on MNIST"]
    assert (row["Runs"], str(row["Cost"])) == (15, "about 2.5 h")
    assert ("yao2018/table1", "MNIST") in rows.index
