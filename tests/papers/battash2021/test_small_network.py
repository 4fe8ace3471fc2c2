"""What the small network's runs say across pages, counted from made-up records."""

import re
from pathlib import Path
from typing import Any

import numpy as np
from battash2021_runs import evidence, made

from lossbook.evidence import Evidence, recorded
from lossbook.papers.battash2021 import motivation, small_network, table1, table5, table6, verdict
from lossbook.papers.battash2021.protocol import CE
from lossbook.results import Store

ITEMS = ("table1", "gradient_norm", "table5", "table6")


def accuracy(seed: int, loss: str, regularisation: str = "", length: str = "", **_: Any) -> float:
    """The mixture gains a point, and loses one under regularisation; CE at its size loses half a point."""
    point = {"ceel": -1.0 if regularisation else 1.0, "ce_target": -0.5, "ce_square": -0.5, "cot": 2.0}
    noise = np.random.default_rng([seed, *map(ord, loss + regularisation)]).uniform(0, 0.05)
    longer = 3.0 if length == table5.COST else 0.0
    return 0.8 + (point.get(loss, 0.0) + longer + noise) / 100


def runs(*items: str, seeds: int = 8) -> dict[str, Evidence]:
    empty = {name: Evidence(name, "", {}) for name in verdict.EXPERIMENTS}
    found = {f"battash2021/{item}": evidence(item, made(item, "cnn2c", accuracy, seeds)) for item in items}
    return empty | found


def points(text: str) -> list[float]:
    return [float(value) for value in re.findall(r"([+-]\d+\.\d+) ± ", text)]


def test_the_paragraph_has_the_differences_of_every_page() -> None:
    said = small_network.follows(runs(*ITEMS))
    table1, _, rest = said.partition("at its size")
    assert [round(p) for p in points(table1)] == [1, 1, 1]
    assert [round(2 * p) / 2 for p in points(rest)[:2]] == [1.5, 1.5]
    assert len(points(rest)) == 2 + 6 + 4
    under = small_network.regularised(runs(*ITEMS))
    assert set(under) == {"shifts and flips alone", *table6.NAMES.values()} - {
        table6.NAMES[table6.NONE],
        table6.NAMES[table6.BASELINE],
    }
    assert {round(100 * d.interval.mean) for d in under.values()} == {-1}
    cot = small_network.complement(runs(*ITEMS))
    assert [round(100 * d.interval.mean) for d in cot.values()] == [2, -1, 1, -2]


def test_what_findings_on_the_gain_depend_on() -> None:
    said = points(small_network.to_begin_with(runs(*ITEMS)))
    assert [round(p) for p in said] == [1, -1]
    assert small_network.to_begin_with(runs("table1")) == ""


def test_without_table_1_or_an_interval_nothing_is_said() -> None:
    assert small_network.follows(runs()) == ""
    assert small_network.follows(runs("table1", seeds=2)) == ""
    assert "at its size" not in small_network.follows(runs("table1"))


def test_the_chapters_first_page_quotes_the_records(tmp_path: Path) -> None:
    store = Store(working=tmp_path)
    found = {name: recorded(name, store=store) for name in verdict.EXPERIMENTS}
    text = " ".join((Path(__file__).parents[3] / "book" / "battash2021.md").read_text("utf-8").split())
    (passage,) = re.findall(r"On \[Fashion-MNIST\].*?(?=Late in training)", text)
    gain, under = small_network.gains(found)["CE+EL 0-0.5"], small_network.regularised(found)
    cot = small_network.complement(found)
    left_out = motivation.omitted(motivation.WITHOUT_LOST, CE).at(
        motivation.together(found[motivation.MOTIVATION], found[table1.TABLE1]), "cnn2c"
    )
    assert left_out is not None
    quoted = [
        gain,
        *small_network.sized(found).values(),
        under["shifts and flips alone"],
        cot["CE+EL 0-0.5"],
        cot["CE with twice the epochs"],
        left_out,
    ]
    assert re.findall(r"[+-]\d+\.\d+ ± \d+\.\d+", passage) == [each.short() for each in quoted]
    assert {each.interval.n for each in quoted} == {8}
